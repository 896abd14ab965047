"""Synthetic run folders with known numbers."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Curve = Sequence[float]

CONFIG: dict[str, Any] = {
    "seed": 0, "epochs": 30, "batch_size": 64, "selection": "best_val_loss", "name": "digits-mlp",
    "dataset": {"part": "digits"},
    "model": {"part": "mlp", "width": 128, "depth": 2, "activation": "relu", "norm": "none", "dropout_rate": 0.0,
              "init": "torch"},
    "optimizer": {"part": "adam", "lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "loss": {"part": "cross_entropy"},
    "split": {"part": "holdout", "val_fraction": 0.2, "test_fraction": 0.2, "seed": 0},
    "schedule": {"part": "constant", "warmup_epochs": 0.0},
    "regularizer": {},
    "preprocessing": {"standardize": {"part": "standardize"}},
}
DIGITS = tuple("0123456789")


def make_rows(train: Curve, val: Curve, metric: str = "accuracy", **columns: Curve) -> list[dict[str, float | None]]:
    """Rows of metrics.csv whose losses are given and whose metric follows from them."""
    share = metric == "accuracy"
    rows = []
    for index, (train_loss, val_loss) in enumerate(zip(train, val, strict=True)):
        measured = {"loss": (train_loss, val_loss)}
        measured[metric] = (np.exp(-train_loss), np.exp(-val_loss)) if share else (train_loss**0.5, val_loss**0.5)
        rows.append({
            "epoch": index + 1, "step": 17 * (index + 1), "lr": 0.001, "train_loss": 1.05 * train_loss,
            **{f"train_eval_{name}": pair[0] for name, pair in measured.items()},
            **{f"val_{name}": pair[1] for name, pair in measured.items()},
            **{f"gap_{name}": pair[1] - pair[0] for name, pair in measured.items()},
            **{name: values[index] for name, values in columns.items()},
        })
    return rows


def measured(metric: str, split: str, value: float | None, bounds: tuple[float, float] | None = None, n: int = 360,
             greater_is_better: bool = True, method: str = "Wilson") -> dict[str, Any]:
    """One entry of summary.json."""
    low, high = bounds or (None, None)
    return {"metric": metric, "split": split, "value": value, "low": low, "high": high,
            "method": None if bounds is None else method, "level": 0.95, "n": n,
            "num_draws": 9999 if bounds is not None and method.endswith("bootstrap") else 0,
            "greater_is_better": greater_is_better}


def make_summary(train_eval: float = 0.998, val: float = 0.975, test: float = 0.969, *,
                 half_width: float = 0.018, epoch: int = 17, **changes: Any) -> dict[str, Any]:
    """A classification's summary.json; the bounds lie half_width around val and test."""
    metrics = [measured("loss", "train_eval", 0.01, n=1077, greater_is_better=False),
               measured("loss", "val", 0.09, n=360, greater_is_better=False),
               measured("loss", "test", 0.12, n=360, greater_is_better=False),
               measured("accuracy", "train_eval", train_eval, n=1077)]
    gaps = [measured("loss", "val", 0.08, greater_is_better=False), measured("loss", "test", 0.11,
                                                                             greater_is_better=False)]
    for split, value in (("val", val), ("test", test)):
        low, high = value - half_width, min(1.0, value + half_width)
        metrics.append(measured("accuracy", split, value, (low, high)))
        gaps.append(measured("accuracy", split, value - train_eval, (low - train_eval, high - train_eval)))
    metrics += [measured("nll", "train_eval", 0.0101, n=1077, greater_is_better=False),
                measured("nll", "val", 0.0912, (0.0583, 0.1421), greater_is_better=False, method="BCa bootstrap"),
                measured("nll", "test", 0.1203, (0.0711, 0.1904), greater_is_better=False, method="BCa bootstrap")]
    gaps += [measured("nll", "val", 0.0811, (0.0482, 0.1320), greater_is_better=False, method="BCa bootstrap"),
             measured("nll", "test", 0.1102, (0.0610, 0.1803), greater_is_better=False, method="BCa bootstrap")]
    return {
        "format": 1, "task": "classification", "class_names": list(DIGITS), "name": "digits-mlp", "dataset": "digits",
        "model": "mlp", "seed": 0, "num_parameters": 26122, "num_examples": {"train": 1077, "val": 360, "test": 360},
        "selection": {"rule": "best_val_loss", "epoch": epoch, "step": 17 * epoch}, "epochs_run": 30,
        "stop_reason": "all epochs done", "level": 0.95, "metrics": metrics, "gaps": gaps,
        "selection_optimism": [{"metric": "accuracy", "value": val - test}],
        "data_fingerprint": "sha256:0f3a", **changes,
    }


def class_predictions(num: int = 360, num_classes: int = 10, error_rate: float = 0.03, seed: int = 0
                      ) -> list[list[Any]]:
    """Rows of predictions.csv for val and test."""
    generator = np.random.default_rng(seed)
    rows = []
    for split in ("val", "test"):
        for index in range(num):
            target = int(generator.integers(num_classes))
            wrong = generator.random() < error_rate
            prediction = int((target + generator.integers(1, num_classes)) % num_classes) if wrong else target
            confidence = generator.uniform(1 / num_classes + 0.05, 1) if wrong else generator.beta(12, 1)
            probs = np.full(num_classes, (1 - max(confidence, 0.51)) / (num_classes - 1))
            probs[prediction] = max(confidence, 0.51)
            rows.append([split, index, target, prediction, *(f"{value:.9g}" for value in probs)])
    return rows


def overfitting_curves() -> tuple[Curve, Curve]:
    """Train falls to nearly nothing; val is lowest after epoch 17 and then rises."""
    epochs = np.arange(1, 31)
    train = 2.0 * np.exp(-epochs / 4) + 0.002
    return list(train), list(0.09 + 2.0 * np.exp(-epochs / 4) + 0.008 * np.maximum(0, epochs - 14))


def good_curves(floor: float = 0.03, gap: float = 0.02) -> tuple[Curve, Curve]:
    """Both level off."""
    train = floor + 2.0 * np.exp(-np.arange(1, 31) / 3)
    return list(train), list(train + gap)


def write_run(parent: Path, rows: Sequence[Mapping[str, float | None]] = (), summary: Mapping[str, Any] | None = None,
              predictions: Sequence[Sequence[Any]] | None = None, *, header: Sequence[str] = DIGITS,
              status: Mapping[str, Any] | None = None, overrides: Sequence[str] = (),
              config: Mapping[str, Any] | None = None, name: str = "run") -> Path:
    """Write a run folder from its parts; what is None is not written."""
    folder = parent / name
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **(config or {})}, sort_keys=False))
    (folder / "status.json").write_text(json.dumps({"status": "done", "pid": 1, "time": 1.0, **(status or {})}))
    (folder / "overrides.txt").write_text("".join(f"{line}\n" for line in overrides))
    if rows:
        _write_csv(folder / "metrics.csv", [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)])
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    if predictions is not None:
        columns = ["split", "id", "target", "prediction", *(f"prob_{name}" for name in header)]
        _write_csv(folder / "predictions.csv", [columns, *predictions])
    return folder


def write_digits(parent: Path, name: str = "run") -> Path:
    """An overfitting run on digits, all files present but provenance.json."""
    return write_run(parent, make_rows(*overfitting_curves()), make_summary(), class_predictions(), name=name)


def _cell(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.9g}"


def _write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
