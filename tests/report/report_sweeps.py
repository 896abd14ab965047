"""Synthetic sweep folders with known numbers."""

import csv
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dlx.core.measures import Measure, Measures
from dlx.record.measures import write_measures
from dlx.report.sweep.files import read_sweep
from dlx.report.sweep.points import Sweep, make_sweep

# What a made-up run comes to: its values by column, or a status with its reason.
Outcome = Mapping[str, float | None] | tuple[str, str]
Setting = Mapping[str, str]
GREATER = {"accuracy": True, "r2": True}


def grid(axes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the levels, the last axis fastest."""
    return [dict(zip(axes, cells, strict=True)) for cells in itertools.product(*axes.values())]


def write_sweep(parent: Path, settings: Sequence[Setting], outcome: Callable[[Setting], Outcome],
                selection: str = "best_val_loss", typed: Sequence[str] = (), name: str = "sweep") -> Path:
    """Write a sweep folder as dlx sweep leaves it, without the configurations."""
    folder = parent / name
    folder.mkdir(parents=True)
    outcomes = {json.dumps(setting): outcome(setting) for setting in settings}
    columns = list(dict.fromkeys(column for found in outcomes.values() if isinstance(found, Mapping)
                                 for column in found))
    runs, rows = [], []
    for setting in settings:
        found = outcomes[json.dumps(setting)]
        run = hashlib.sha256(json.dumps(setting).encode()).hexdigest()[:12]
        status = "done" if isinstance(found, Mapping) else found[0]
        runs.append({"hash": run, "overrides": [f"{key}={cell}" for key, cell in setting.items()], "values": {}})
        cells = [_cell(found.get(column)) if isinstance(found, Mapping) else "" for column in columns]
        rows.append([run, *setting.values(), status, *cells])
        _write_run(folder / "runs" / run, found)
    content = {"format": 1, "axes": list(settings[0]), "runs": runs,
               "common": {"selection": selection, "dataset": {"part": "digits"}}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    (folder / "overrides.txt").write_text("".join(f"{line}\n" for line in typed))
    with open(folder / "runs.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["run", *settings[0], "status", *columns], *rows])
    return folder


def load(folder: Path) -> Sweep:
    """Read a sweep as its report does."""
    return make_sweep(read_sweep(folder))


def measured(val: float, gap: float = 0.1, test: float | None = None, metric: str = "loss") -> dict[str, float | None]:
    """The columns of a run that is done; test is val where it is not given."""
    return {f"train_eval_{metric}": val - gap, f"val_{metric}": val, f"test_{metric}": val if test is None else test,
            f"gap_{metric}": gap}


def noisy_grid(parent: Path, axes: Mapping[str, Sequence[str]], num_seeds: int = 4, seed: int = 0, metric: str = "loss",
               **changes: Any) -> Path:
    """Write a complete grid whose val and gap depend on everything, with noise."""
    generator = np.random.default_rng(seed)
    settings = grid({**axes, **({"seed": list(map(str, range(num_seeds)))} if num_seeds > 1 else {})})

    def outcome(setting: Setting) -> Outcome:
        places = [list(axes[key]).index(setting[key]) for key in axes]
        val = 0.5 + sum(0.05 * (index + 1) * place for index, place in enumerate(places))
        val += 0.03 * places[0] * places[-1]
        noise = generator.normal(size=3) * 0.02
        return measured(float(val + noise[0]), float(0.1 + 0.02 * places[0] + noise[1]),
                        float(val + 0.01 + noise[2]), metric)

    return write_sweep(parent, settings, outcome, f"best_val_{metric}", **changes)


def sampled(parent: Path, num_points: int, num_seeds: int = 1, num_axes: int = 2, failing: float = 0.0, seed: int = 0,
            name: str = "sweep") -> Path:
    """Write a random search: learning rates over decades, rates in [0, 0.6), a model, and so on in turn."""
    generator = np.random.default_rng(seed)
    draws = {"optimizer.lr": lambda: f"{10 ** generator.uniform(-4, 0):.9g}",
             "regularizer.dropout.rate": lambda: f"{generator.uniform(0, 0.6):.9g}",
             "model": lambda: str(generator.choice(["mlp", "cnn", "linear"])),
             "model.width": lambda: str(int(2 ** generator.integers(4, 10))),
             "optimizer.weight_decay": lambda: f"{10 ** generator.uniform(-6, -2):.9g}",
             "batch_size": lambda: str(int(2 ** generator.integers(4, 9)))}
    points = [{key: draw() for key, draw in list(draws.items())[:num_axes]} for _ in range(num_points)]
    settings = [{**point, "seed": str(index)} for point in points for index in range(num_seeds)]

    def outcome(setting: Setting) -> Outcome:
        lr = float(setting["optimizer.lr"])
        if generator.uniform() < failing:
            return "diverged", "the loss of step 12 was not finite"
        val = 0.1 + 0.1 * (np.log10(lr) + 2) ** 2 + 0.2 * float(setting.get("regularizer.dropout.rate", 0)) ** 2
        return measured(float(val + 0.02 * generator.normal()), float(0.05 + 0.02 * np.log10(lr) +
                                                                      0.01 * generator.normal()))

    return write_sweep(parent, settings, outcome, typed=["optimizer.lr=interval(1e-4,1)"], name=name)


def add_to_runs(folder: Path, files: Callable[[Mapping[str, str]], Mapping[str, Any]]) -> Path:
    """Write more into the folders of the runs that are done.

    Args:
        files: by the settings of a run: "summary" what its summary says, too; "epochs" columns of metrics.csv;
            "seconds" the epochs' own; "config"; and "flops" of a training step.
    """
    for run in read_sweep(folder).runs:
        if run.status == "done":
            _add_to_run(folder / "runs" / run.hash, **files(run.cells))
    return folder


def _add_to_run(folder: Path, summary: Mapping[str, Any] | None = None,
                epochs: Mapping[str, Sequence[float]] | None = None, seconds: Sequence[float] | None = None,
                config: Mapping[str, Any] | None = None, flops: float | None = None) -> None:
    if summary is not None:
        known = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps({**known, **summary}))
    for name, columns in (("metrics.csv", epochs), ("timing.csv", seconds and {"train_seconds": seconds})):
        if columns:
            number = range(1, len(next(iter(columns.values()))) + 1)
            rows = zip(number, *columns.values(), strict=True)
            with open(folder / name, "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([["epoch", *columns], *rows])
    if config is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if flops is not None:
        write_measures(folder, "capacity", Measures([Measure("training_step_flops", flops)]))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _write_run(folder: Path, found: Outcome) -> None:
    folder.mkdir(parents=True)
    if not isinstance(found, Mapping):
        (folder / "status.json").write_text(json.dumps({"status": found[0], "reason": found[1]}))
        return
    metrics = [column.removeprefix("val_") for column in found if column.startswith("val_")]
    on_val = [{"metric": metric, "split": "val", "value": found[f"val_{metric}"],
               "greater_is_better": GREATER.get(metric, False)} for metric in metrics]
    summary = {"format": 1, "task": "classification", "metrics": on_val, "gaps": [],
               "num_examples": {"train": 1078, "val": 360, "test": 359}}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "status.json").write_text(json.dumps({"status": "done"}))
