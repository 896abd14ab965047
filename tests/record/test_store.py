"""The checkpoints folder: at least two that are valid, the newest of them, and a word on each that is not."""

from __future__ import annotations

import pytest
import torch

from dlx.core.errors import ArtefactError
from dlx.record import checkpoint, layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.store import KEPT, CheckpointStore


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "run" / layout.CHECKPOINTS
    folder.mkdir(parents=True)
    return CheckpointStore(folder)


def at(step):
    return Checkpoint({"x": torch.full((50,), float(step))}, {"step": step})


def save(store, *steps):
    for step in steps:
        store.save_step(step, at(step))


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def names(store):
    return [path.name for path in store.rolling()]


def valid(store):
    found = []
    for path in store.rolling():
        try:
            found.append(checkpoint.load(path).state["step"])
        except ArtefactError:
            continue
    return found


def test_save_step_keeps_the_newest_two(store):
    save(store, 0, 9, 10, 100, 1000)
    assert valid(store) == [100, 1000]
    assert KEPT == 2


def test_save_step_drops_none_before_the_new_one_is_written(store):
    save(store, 1, 2)
    with pytest.raises(ValueError, match="JSON"):
        store.save_step(3, Checkpoint({}, {"x": float("nan")}))
    assert valid(store) == [1, 2]


def test_save_step_of_the_same_step_replaces_it(store):
    save(store, 1, 2, 2)
    assert valid(store) == [1, 2]


def test_newest_is_none_in_an_empty_folder(store):
    assert store.newest() is None
    checkpoint.save(store.folder / layout.INITIAL, at(0))
    checkpoint.save(store.folder / layout.BEST, at(0))
    assert store.newest() is None, "neither of them can be resumed from"


def test_newest_is_the_one_of_most_steps_whatever_was_written_last(store):
    for step in (100, 9):
        checkpoint.save(store.folder / f"step-{step:012d}.safetensors", at(step))
    assert store.newest().checkpoint.state["step"] == 100
    assert store.newest().skipped == []


def test_newest_prefers_the_last_of_a_run_that_is_over(store):
    save(store, 1, 2)
    store.keep(at(1), at(3))
    assert store.newest().path.name == layout.LAST


def test_newest_skips_what_is_damaged_and_says_which_and_why(store):
    save(store, 1, 2)
    store.keep(at(1), at(3))
    for name in (layout.LAST, "step-000000000002.safetensors"):
        damage(store.folder / name)
    found = store.newest()
    assert found.checkpoint.state["step"] == 1
    assert len(found.skipped) == 2
    for name, message in zip((layout.LAST, "step-000000000002.safetensors"), found.skipped, strict=True):
        assert name in message
        assert "SHA-256" in message


def test_newest_refuses_where_none_is_valid_and_lists_all(store):
    save(store, 1, 2)
    for path in store.rolling():
        damage(path)
    with pytest.raises(ArtefactError, match="no valid checkpoint is left") as refused:
        store.newest()
    assert all(name in str(refused.value) for name in names(store))
    assert len(names(store)) == 2, "nothing is removed"


def test_two_valid_ones_are_kept_where_a_newer_one_is_damaged(store):
    # A run that went on from step 80, because 100 was damaged, must not lose its valid ones to make room for that.
    save(store, 80, 100)
    damage(store.rolling()[-1])
    assert store.newest().checkpoint.state["step"] == 80
    for step in (85, 90, 95):
        save(store, step)
        assert len(valid(store)) >= 2, (step, names(store))
    assert valid(store)[-2:] == [90, 95]


def test_keep_without_a_last_writes_the_best_alone(store):
    store.keep(at(1), None)
    assert [path.name for path in store.folder.iterdir()] == [layout.BEST]


def test_drop_rolling_leaves_the_others(store):
    save(store, 1, 2)
    store.keep(at(1), at(2))
    (store.folder / "notes.txt").touch()
    store.drop_rolling()
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([layout.BEST, layout.LAST, "notes.txt"])


def test_clean_removes_what_a_killed_process_left_and_nothing_else(store):
    save(store, 1)
    kept = [store.folder / "x.tmp", store.folder.parent / "notes.tmp", store.folder.parent / ".hidden"]
    leftovers = [store.folder / ".step-000000000002.safetensors.123.tmp", store.folder.parent / ".status.json.123.tmp"]
    for path in [*kept, *leftovers]:
        path.write_bytes(b"half")
    store.clean()
    assert [path for path in leftovers if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
    assert valid(store) == [1]


def test_a_half_written_temporary_file_is_never_taken_for_a_checkpoint(store):
    save(store, 1)
    (store.folder / ".step-000000000002.safetensors.123.tmp").write_bytes(checkpoint.encode(at(2)))
    assert store.newest().checkpoint.state["step"] == 1
