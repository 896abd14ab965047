"""Finished runs that many tests look at, each trained once per test process; tests that write take a copy."""

from __future__ import annotations

import atexit
import contextlib
import csv
import functools
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dlx.cli.main import main
from dlx.record import checkpoint

CLASSIFICATION = ("epochs=3", "model.width=16", "seed=3", "name=small", "metric.top_k.k=2", "level=0.9")
REGRESSION = ("dataset=diabetes", "epochs=4", "model.width=8", "optimizer.lr=0.01", "batch_size=32")
QUICK = ("dataset=breast_cancer", "metric=[accuracy]", "epochs=1", "model.width=8")


@functools.cache
def room() -> Path:
    """A folder for what is shared."""
    folder = tempfile.mkdtemp(prefix="dlx-cli-runs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def trained(*overrides: str) -> Path:
    """Train in this process, and return the run folder. It is shared: copy it before changing anything."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["train", "--json", f"runs_dir={room()}", *overrides])
    assert code == 0
    return Path(json.loads(out.getvalue())["folder"])


def copied(run: Path, folder: Path) -> Path:
    """Copy a run folder into another folder."""
    return Path(shutil.copytree(run, folder / run.name))


def summary(run: Path) -> dict[str, Any]:
    """Read summary.json."""
    return json.loads((run / "summary.json").read_text())


def values(rows: list[dict[str, Any]], field: str = "value") -> dict[tuple[str, str], Any]:
    """Return a field of measured rows by (metric, split)."""
    return {(row["metric"], row["split"]): row[field] for row in rows}


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def predictions(run: Path, split: str) -> dict[str, np.ndarray]:
    """Read one split of predictions.csv: ids, targets, predictions, and probabilities [N, C] where there are any."""
    rows = [row for row in rows_of(run / "predictions.csv") if row["split"] == split]
    names = [name for name in rows[0] if name.startswith("prob_")]
    return {"id": np.array([int(row["id"]) for row in rows]),
            "target": np.array([float(row["target"]) for row in rows]),
            "prediction": np.array([float(row["prediction"]) for row in rows]),
            "probs": np.array([[float(row[name]) for name in names] for row in rows])}


def mlp_outputs(run: Path, name: str, inputs: np.ndarray) -> np.ndarray:
    """Pass raw inputs [N, ...] through the saved preprocessing and the saved one-layer MLP, in NumPy alone."""
    tensors = {key: tensor.double().numpy() for key, tensor in
               checkpoint.load(run / "checkpoints" / f"{name}.safetensors").tensors.items()}
    rows = (inputs - tensors["preprocessing/standardize/mean"]) / tensors["preprocessing/standardize/scale"]
    rows = rows.reshape(len(rows), -1)
    hidden = np.maximum(rows @ tensors["model/layers.0.weight"].T + tensors["model/layers.0.bias"], 0)
    return hidden @ tensors["model/layers.3.weight"].T + tensors["model/layers.3.bias"]
