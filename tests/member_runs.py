"""Members of a fused run beside the same runs alone: in memory, or in run folders."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from argument_values import alternatives
from part_files import annotations, code_and_arguments, option_names, parts, saved
from small_runs import InMemory, Watching, digits
from torch import Tensor

from dlx.config.build import build
from dlx.config.options import LIST_GROUPS
from dlx.core.errors import DivergedError
from dlx.core.types import Arrays, TaskSpec
from dlx.engine import run
from dlx.engine.fit import Fit, fit
from dlx.engine.run import Limits, Run
from dlx.engine.signals import StopRequest
from dlx.engine.start import Described, start
from dlx.engine.state import Position, training_checkpoint
from dlx.record import layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_json

DIGITS = digits(140, own_test=True)
# One thread: more of them, in several processes of tests, wait for each other.
QUICK = ("batch_size=16", "epochs=3", "metric=[accuracy,nll]", "device.precision=float64", "device.threads=1",
         "report=[training]")
# Values of arguments that no range describes, or whose range holds some that amplify rounding.
WORDS = {"monitor": ["val_accuracy", "val_nll"], "switch_epoch": [1, 2], "num_iterations": [4, 3],
         "adamw_lr_factor": [0.02, 0.01], "max_norm": [0.5, 0.2]}
EXACT = 1e-9


def one(*overrides: str, data: InMemory = DIGITS, **changes: Any) -> Described:
    """Describe a run: its parts on data in memory, some replaced, and its configuration as saved."""
    config = saved(*QUICK, *overrides)
    return replace(build(config, ["*"]), dataset=data, **changes), config


def several(count: int, *overrides: str, data: InMemory = DIGITS, **changes: Any) -> list[Described]:
    """Describe runs that differ in their seed."""
    return [one(*overrides, f"seed={seed}", data=data, **changes) for seed in range(count)]


def varying(group: str, option: str) -> list[tuple[str, list[Any]]]:
    """List what members may vary in a part: the key of each value, and four values."""
    code, arguments = code_and_arguments(group, option)
    prefix = f"{group}.{option}" if group in LIST_GROUPS else group
    found = []
    for name in getattr(code, "MEMBER_VALUES", ()):
        default = arguments[name]
        others = [*WORDS.get(name, ()), *alternatives(annotations(code)[name], default)]
        assert others, f"{group}={option}: give other values of {name} in WORDS"
        found.append((f"{prefix}.{name}", [default, others[0], others[min(1, len(others) - 1)], default]))
    return found


EVERY_VALUE = [(group, option, key) for group in ("model", "loss", "optimizer", "regularizer", "split")
               for option in option_names(group) for key, _ in varying(group, option)]


def unlike(*choices: tuple[str, str]) -> list[list[str]]:
    """Return overrides of four members that differ in seed and in every value that their parts let them vary."""
    members = [[f"seed={seed}"] for seed in range(4)]
    for group, option in choices:
        for key, values in varying(group, option):
            for member, value in zip(members, values, strict=True):
                member.append(f"{key}={as_typed(value)}")
    return members


def as_typed(value: Any) -> str:
    """Write a value as one types it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value).replace(" ", "")


class Kept(NamedTuple):
    """What training left of one run in memory."""

    rows: list[dict[str, Any]]
    why: str
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]


class Keeping:
    """A witness of training that keeps everything, by the number of the run."""

    def __init__(self) -> None:
        self.kept: dict[int, Kept] = {}

    def before_step(self, fit: Fit, step: int) -> None:
        pass

    def after_epoch(self, member: Any, row: Any, train_seconds: float, measure_seconds: float) -> None:
        assert member.progress.rows[-1] is row

    def leaves(self, fit: Fit, number: int, why: str | DivergedError) -> None:
        member, group = fit.group.members[number], fit.group
        assert member.number not in self.kept
        self.kept[member.number] = Kept(list(member.progress.rows), str(why), group.weights(number),
                                        member.progress.best, group.optimization.state(number))


def fitted(runs: Sequence[Described], fused: bool = True, convolution: str | None = None) -> list[Kept]:
    """Train runs together in memory to their end.

    Args:
        convolution: the form of convolutions, as checkpoints of step 0 state it; None is what is found by trying.
    """
    witness = Keeping()
    begun = start(runs, "", [None] * len(runs), fused)
    if convolution is not None:
        begun = start(runs, "", untrained(begun, convolution), fused)
        assert begun.group.form.convolution == convolution
    fit(begun, witness, 10**6)
    return [witness.kept[number] for number in range(len(runs))]


def untrained(fit: Fit, convolution: str) -> list[Checkpoint]:
    """Return the checkpoint of each run before its first step, with another form of convolutions."""
    form = {"stacked": True, "convolution": convolution}
    average = fit.group.average
    made = {member.number: training_checkpoint(fit.group.weights(index), {}, member.progress, Position(),
                                               member.data.statistics, {**member.facts, "form": form},
                                               None if average is None else average.state(index))
            for index, member in enumerate(fit.group.members)}
    return [made[number] for number in range(len(made))]


def assert_equals_solo(runs: Sequence[Described], tolerance: float = EXACT) -> list[Kept]:
    """Train runs together and each alone, and compare everything that training leaves."""
    together = fitted(runs)
    for number, (described, found) in enumerate(zip(runs, together, strict=True)):
        (alone,) = fitted([described], fused=False)
        assert_alike(found, alone, tolerance, f"member {number}")
    return together


def assert_alike(found: Kept, alone: Kept, tolerance: float, whose: str) -> None:
    assert found.why == alone.why, whose
    assert len(found.rows) == len(alone.rows), whose
    for row, expected in zip(found.rows, alone.rows, strict=True):
        assert list(row) == list(expected)
        for name, value in expected.items():
            if value is None or row[name] is None:
                assert row[name] is value, (whose, name)
            else:
                assert row[name] == pytest.approx(value, rel=tolerance, abs=tolerance), (whose, name)
    for name in ("weights", "best", "optimizer"):
        assert_close(getattr(found, name), getattr(alone, name), tolerance, f"{whose}: {name}")


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float, whose: str) -> None:
    assert found.keys() == expected.keys(), whose
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, (whose, name)
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance, msg=f"{whose} {name}")


def values_images(num_rows: int = 140) -> InMemory:
    """Images with a value each, the last fifth the test set."""
    draw = np.random.default_rng(3)
    inputs = draw.normal(size=(num_rows, 1, 8, 8)).astype(np.float32)
    targets = (40 + 5 * inputs[:, 0, :, 3].sum(axis=1) + draw.normal(size=num_rows)).astype(np.float32)
    return InMemory(TaskSpec("regression", "image", (1, 8, 8), 1), Arrays(inputs, targets, np.arange(112, num_rows)))


VALUES = values_images()


def as_regression(described: Described, data: InMemory = VALUES) -> Described:
    """The same run on data with values: loss, metrics and preprocessing are those of a regression."""
    other = parts("dataset=diabetes", "metric=[rmse,mae]")
    made, config = described
    # Tokens have no scale.
    preprocessing = {name: part for name, part in other.preprocessing.items()
                     if data.task.layout != "tokens" or name == "scale_target"}
    return replace(made, dataset=data, loss=other.loss, metrics=other.metrics, preprocessing=preprocessing), config


def folder_of(described: Described, path: Path) -> Run:
    """Describe a run in a folder of its own, or find it there; it is not locked."""
    folder = RunFolder.at(path)
    if not (path / layout.CONFIG).exists():
        folder.describe(described[1], [], {})
    return Run(described[0], described[1], folder)


def trained(runs: Sequence[Described], base: Path, stop: StopRequest | None = None, limits: Limits | None = None,
            names: Sequence[str] | None = None) -> list[Path]:
    """Train runs, or go on training them, each in a folder of its own below `base`; return the folders.

    A run whose summary stands is left as it is, as `dlx resume` does. One alone is no member of anything.
    """
    paths = [base / name for name in (names or [f"run-{number}" for number in range(len(runs))])]
    made = [folder_of(described, path) for described, path in zip(runs, paths, strict=True)]
    with contextlib.ExitStack() as stack:
        for own in made:
            stack.enter_context(own.folder)
        left = [own for own in made if not (own.folder.path / layout.SUMMARY).exists()]
        run.train(left, "", Watching(), StopRequest() if stop is None else stop, lambda *_: None,
                  limits=limits or Limits())
    return paths


def table(path: Path) -> pd.DataFrame:
    """Read metrics.csv; empty where a run has no row."""
    file = path / layout.METRICS
    return pd.read_csv(file) if file.stat().st_size else pd.DataFrame()


def files(path: Path) -> set[str]:
    """List the files of a run folder."""
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def left_by(path: Path) -> dict[str, bytes]:
    """Read what must be the same bytes however a run came to its end."""
    names = [layout.METRICS, layout.LAYERS, layout.SUMMARY, layout.PREDICTIONS, *(
        f"{layout.CHECKPOINTS}/{name}" for name in (layout.INITIAL, layout.BEST, layout.LAST))]
    return {name: (path / name).read_bytes() for name in names if (path / name).exists()}


def numbers_alike(found: Any, expected: Any, tolerance: float) -> bool:
    """Compare plain data, numbers within a tolerance."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(numbers_alike(found[key], value, tolerance)
                                                       for key, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(numbers_alike, found, expected, [tolerance] * len(found)))
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    return type(found) is type(expected) and found == expected


def assert_same_folder(found: Path, expected: Path, tolerance: float = EXACT) -> None:
    """Compare a member's run folder with that of the run alone."""
    assert files(found) == files(expected)
    ours, theirs = table(found), table(expected)
    assert list(ours.columns) == list(theirs.columns)
    pd.testing.assert_frame_equal(ours, theirs, rtol=tolerance, atol=tolerance)
    if (expected / layout.SUMMARY).exists():
        assert numbers_alike(read_json(found / layout.SUMMARY), read_json(expected / layout.SUMMARY), tolerance)


def with_loss(described: Described, loss: Any) -> Described:
    """Exchange the loss of a run."""
    return replace(described[0], loss=loss), copy.deepcopy(described[1])
