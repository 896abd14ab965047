"""Data that stays on disk gives the bytes of data in memory. N rows, S sources."""

import itertools

import numpy as np
import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import parts
from small_runs import InMemory, digits, train

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import Arrays, TaskSpec
from dlx.engine.data import fingerprint
from dlx.engine.pipeline import Pipeline
from dlx.engine.stored import Source, Stored, joined, read_ahead


@pytest.fixture
def mapped(tmp_path):
    """Digits as bytes in a mapped file, and the same in memory."""
    few = digits(300)
    bytes_ = (few.arrays.inputs * 16 * 15).astype(np.uint8)
    np.save(tmp_path / "inputs.npy", bytes_)
    return few.with_arrays(inputs=np.load(tmp_path / "inputs.npy", mmap_mode="r")), few.with_arrays(inputs=bytes_)


def small_blocks(monkeypatch):
    monkeypatch.setattr("dlx.core.blocks.BLOCK_VALUES", 64 * 17)


@pytest.mark.parametrize("preprocessing", ["standardize", "minmax", "standardize,minmax", ""])
@pytest.mark.parametrize("model", [("model=mlp",), ("model=cnn", "model.width=4", "model.norm=batch")])
def test_run_on_disk_leaves_the_bytes_of_the_run_in_memory(mapped, tmp_path, preprocessing, model):
    typed = (*model, "epochs=2", "batch_size=32", f"preprocessing=[{preprocessing}]")
    folders = [train(parts(*typed, f"device.data={where}"), tmp_path / where, data)
               for where, data in zip(("disk", "memory"), mapped, strict=True)]
    for name in ("metrics.csv", "predictions.csv", "summary.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name


def test_statistics_do_not_depend_on_blocks(mapped, tmp_path, monkeypatch):
    whole = train(parts("epochs=1", "device.data=memory"), tmp_path / "whole", mapped[1])
    small_blocks(monkeypatch)
    for where in ("memory", "disk"):
        folder = train(parts("epochs=1", f"device.data={where}"), tmp_path / where, mapped[0])
        assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_mapped_data_has_the_fingerprint_of_the_same_data_in_memory(mapped, monkeypatch):
    small_blocks(monkeypatch)
    assert fingerprint(mapped[0].arrays) == fingerprint(mapped[1].arrays)


@pytest.mark.parametrize("seeds", [("split.seed=0", "split.seed=0"), ("split.seed=0", "split.seed=1")],
                         ids=["one source", "two sources"])
def test_members_on_disk_equal_the_runs_alone(mapped, seeds):
    data = mapped[0]
    assert_equals_solo([one("device.data=disk", override, f"seed={seed}", data=data)
                        for seed, override in enumerate(seeds)])


def test_stored_inputs_are_read_as_a_tensor_is():
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(50, 3)).astype(np.float32)
    spec = TaskSpec("regression", "table", (3,), 1)
    rows = [draw.permutation(50)[:20] for _ in range(2)]
    stored = joined([Stored((Source(inputs, own, Pipeline({}, {}, spec)),), torch.device("cpu"), torch.float64)
                     for own in rows])
    whole = torch.from_numpy(inputs[np.concatenate(rows)]).double()
    assert (stored.shape, len(stored)) == (tuple(whole.shape), 40)
    places = torch.from_numpy(draw.integers(0, 40, 100))
    assert torch.equal(stored.index_select(0, places), whole[places])
    assert torch.equal(stored[3:25], whole[3:25])
    assert torch.equal(stored.between(5, 9)[:], torch.cat([whole[5:9], whole[25:29]]))


@pytest.mark.parametrize("is_ahead", [False, True])
def test_read_ahead_yields_results_in_order_and_at_most_one_call_early(is_ahead):
    called = []
    calls = (lambda number=number: called.append(number) or number for number in itertools.count())
    with read_ahead(is_ahead) as results:
        for number, result in zip(range(5), results(calls), strict=False):
            assert result == number
    assert len(called) in ((5, 6) if not is_ahead else (6, 7))


def test_read_ahead_passes_on_what_a_call_raises():
    def fail():
        raise OSError("the disk is gone")

    with read_ahead(True) as results, pytest.raises(OSError, match="the disk is gone"):
        list(results([fail, fail]))


def test_part_that_needs_all_rows_is_refused_on_disk(tmp_path):
    class Whole:
        def fit(self, inputs, targets, spec):
            return {}

        def apply(self, inputs, statistics):
            return inputs

    from dataclasses import replace

    made = replace(parts("device.data=disk", "epochs=1"), preprocessing={"whole": Whole()})
    with pytest.raises(ConfigError, match="preprocessing=whole needs the train rows in memory"):
        train(made, tmp_path / "run", digits(60))


def test_texts_on_disk_are_refused(tmp_path):
    spec = TaskSpec("classification", "text", (), 2, ("a", "b"))
    texts = InMemory(spec, Arrays(Ragged.of_texts(["x", "y"] * 30), np.arange(60) % 2))
    with pytest.raises(ConfigError, match="text and audio are read into memory"):
        train(parts("device.data=disk"), tmp_path / "run", texts)
