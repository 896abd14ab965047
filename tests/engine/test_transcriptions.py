"""Tasks whose targets are read off inputs in order: loss, decoding, members, refusals, files. U labels."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import make, parts
from small_runs import InMemory, session, train
from torch import nn

from dlx.cli.main import main
from dlx.core.ctc import best_path, edit_distances
from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, PADDING, Arrays, TaskSpec
from dlx.dataset.digit_strings import DigitStrings
from dlx.engine.build import made_for
from dlx.engine.learnable import check_lengths
from dlx.record import layout
from dlx.record.safe_yaml import read_json
from dlx.report.render import render

METRICS = {"error_rate": make("metric", "error_rate"), "beam_error_rate": make("metric", "beam_error_rate")}
OVERRIDES = ("dataset=digit_strings", "batch_size=16", "epochs=3", "optimizer.lr=0.03", "device.precision=float64",
             "metric=[error_rate]")
LENGTH, CLASSES = 8, 4


class EachPosition(nn.Module):
    """Logits of a position from its own channels."""

    def __init__(self, input_shape, num_outputs, kind):
        super().__init__()
        self.head = nn.Linear(input_shape[-1], num_outputs)

    def forward(self, x):
        return self.head(x)


def shown(num_rows=120):
    """Series that show one to three labels, two positions and a gap each, and end early."""
    draw = np.random.default_rng(1)
    targets = draw.integers(1, CLASSES, (num_rows, 3))
    targets[np.arange(3) >= draw.integers(1, 4, (num_rows, 1))] = IGNORED
    path = np.repeat(targets.clip(0), 3, axis=1)[:, :LENGTH]
    path[:, 2::3] = 0
    ends = 3 * (targets != IGNORED).sum(axis=1) - 1
    mask = np.arange(LENGTH) < ends[:, None]
    inputs = np.concatenate([np.eye(CLASSES)[path] + draw.normal(0, 0.3, (*path.shape, CLASSES)),
                             np.ones((*path.shape, 1))], axis=2) * mask[..., None]
    spec = TaskSpec("transcription", "series", (LENGTH, CLASSES + 1), CLASSES, ("blank", "a", "b", "c"))
    rows = np.arange(num_rows)
    return InMemory(spec, Arrays(inputs.astype(np.float32), targets, rows[num_rows * 4 // 5 :], {"pool": rows}))


def made(**changes):
    return replace(parts(*OVERRIDES), **{"model": EachPosition, "dataset": shown(), "metrics": METRICS, **changes})


def test_transcription_is_measured_on_the_positions_that_an_input_has():
    built = session(made())
    split = built.data.splits["val"]
    nats, rates = [], []
    for row, target in zip(split.inputs, split.targets, strict=True):
        logits = built.model.model(row[None, : int(row[:, -1].sum())]).detach()
        asked = target[target != IGNORED]
        nats.append(nn.functional.ctc_loss(logits.log_softmax(dim=2)[0], asked, torch.tensor(logits.shape[1]),
                                           torch.tensor(len(asked)), reduction="none").item() / len(asked))
        rates.append(edit_distances(best_path(logits), asked[None]).item() / len(asked))
    assert built.measure(split) == pytest.approx({"loss": np.mean(nats), "error_rate": np.mean(rates)}, rel=1e-9)
    outcome = built.predict(split).outcome
    assert outcome.scores.shape == (len(split.ids), LENGTH, CLASSES)
    assert METRICS["error_rate"].value(outcome) == pytest.approx(np.mean(rates), rel=1e-9)


def test_transcription_members_equal_the_runs_alone():
    kept = assert_equals_solo([one(*OVERRIDES, f"seed={seed}", data=shown(), model=EachPosition, metrics=METRICS)
                               for seed in range(3)])
    assert kept[0].rows[-1]["val_loss"] < kept[0].rows[0]["val_loss"]


def test_transcription_is_learnt_to_the_end():
    built = session(made())
    split = built.data.splits["train"]
    batch = type(built.data.splits["train"])(*(tensor[:16] for tensor in split))
    step = built.state.group.step
    optimizer = torch.optim.Adam(built.model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        losses = step.loss(built.model(batch.inputs), batch.targets)
        losses.mean().backward()
        optimizer.step()
    assert losses.mean() < 0.05


def test_transcription_run_leaves_what_was_said_and_a_report(tmp_path):
    folder = train(made(), tmp_path / "run")
    with open(folder / layout.PREDICTIONS, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["split", "id", "length", "errors", "target", "prediction"]
    summary = {(row["metric"], row["split"]): row["value"] for row in read_json(folder / layout.SUMMARY)["metrics"]}
    targets, names = shown().arrays.targets, shown().task.class_names
    for split in ("val", "test"):
        own = [row for row in rows if row["split"] == split]
        assert np.mean([int(row["errors"]) / int(row["length"]) for row in own]) == pytest.approx(
            summary["error_rate", split])
        for row in own:
            assert row["target"] == " ".join(names[label] for label in targets[int(row["id"])] if label != IGNORED)
    assert summary["beam_error_rate", "test"] is not None
    sections = {part.key: part for section in render(folder).document.sections for part in (section, *section.parts)}
    assert not {"confusion", "calibration", "residuals", "sequences"} & sections.keys()
    found = sections["transcriptions"].values["test"]
    assert np.average([group["error_rate"] for group in found], weights=[group["n"] for group in found]) == (
        pytest.approx(summary["error_rate", "test"]))


def test_transcription_that_an_input_is_too_short_for_is_refused():
    data = shown()
    inputs = data.arrays.inputs.copy()
    row = int(np.flatnonzero((data.arrays.targets != IGNORED).all(axis=1))[0])
    inputs[row, 2:] = 0
    with pytest.raises(ConfigError, match=rf"1 inputs are too short .* row {row}: its 2 positions, and [345] are "):
        session(made(dataset=data.with_arrays(inputs=inputs)))
    tokens = np.array([[5, 5, PADDING, PADDING]])
    spec = TaskSpec("transcription", "tokens", (4,), 3, ("blank", "a", "b"), vocabulary_size=6)
    check_lengths(tokens, np.array([[1, 2]]), np.array([0]), spec)
    with pytest.raises(ConfigError, match="its 2 positions, and 3 are needed"):
        check_lengths(tokens, np.array([[1, 1]]), np.array([0]), spec)


def test_transcription_of_images_is_refused():
    with pytest.raises(ConfigError, match="a transcription is of tokens or series"):
        made_for(EachPosition, TaskSpec("transcription", "image", (1, 8, 8), 3))


def test_transcription_of_arrays_is_trained_and_predicted(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = shown().arrays
    np.savez("rows.npz", inputs=data.inputs[:, :, :-1], targets=data.targets)
    run = ["dataset=arrays", "dataset.path=rows.npz", "dataset.layout=series", "dataset.task=transcription", "loss=ctc",
           "metric=[error_rate]", "preprocessing=[none]", "model=lstm", "model.width=4", "epochs=1", "device=cpu",
           "device.threads=1"]
    assert main(["train", *run]) == 0
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if (path / layout.SUMMARY).is_file())
    np.savez("more.npz", inputs=data.inputs[:5, :, :-1])
    capsys.readouterr()
    assert main(["predict", str(folder), "more.npz", "--json", "device=cpu"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [list(row) for row in rows] == [["id", "prediction"]] * 5
    assert all(set(row["prediction"]) <= {"1", "2", "3"} for row in rows)
    np.savez("rows.npz", inputs=data.inputs[:, :, :-1], targets=np.where(data.targets == 2, 0, data.targets))
    with pytest.raises(ConfigError, match="classes are 1, 2 …, 0 being the blank"):
        make("dataset", "arrays", path="rows.npz", layout="series", task="transcription").load("")


def test_digit_strings_show_the_digits_that_they_say_with_gaps_between():
    arrays = DigitStrings(150, 20, 4, 3, 0).load("")
    known = make("dataset", "digits").load("")
    images = {image.T.tobytes(): label for image, label in zip(known.inputs[:, 0], known.targets, strict=True)}
    for row, target in zip(arrays.inputs, arrays.targets, strict=True):
        width, place, found = int(row[:, -1].sum()), 0, []
        while place + 8 <= width:
            label = images.get(np.ascontiguousarray(row[place : place + 8, :8]).tobytes())
            found += [] if label is None else [label + 1]
            place += 1 if label is None else 8
        assert found == target[target != IGNORED].tolist()
        assert not row[width:].any()
    rest = np.setdiff1d(np.arange(170), arrays.test_ids)
    assert not set(arrays.notes["pool"][arrays.test_ids]) & set(arrays.notes["pool"][rest])
