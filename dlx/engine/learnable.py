"""Checks of data before a model sees it: can anything be learnt from it?"""

from __future__ import annotations

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import SplitIds, TaskSpec


def check_classes(ids: SplitIds, targets: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where there is nothing to tell apart, or a class is asked for that train never shows."""
    if spec.kind == "regression" and np.ptp(targets[ids.train]) == 0:
        raise ConfigError(f"every train target is {targets[ids.train[0]]:g}: there is nothing to learn")
    if spec.kind != "classification":
        return
    counts = {name: np.bincount(targets[rows], minlength=spec.num_outputs) for name, rows in ids._asdict().items()}
    if (counts["train"] > 0).sum() < 2:
        only = spec.class_names[int(counts["train"].argmax())]
        raise ConfigError(f"the train rows are all of one class, {only}: there is nothing to tell apart")
    for split in ("val", "test"):
        unseen = np.flatnonzero((counts["train"] == 0) & (counts[split] > 0))
        if len(unseen):
            names = ", ".join(spec.class_names[label] for label in unseen[:5])
            raise ConfigError(f"{split} has {counts[split][unseen].sum()} rows of classes that train never shows "
                              f"({names}): divide otherwise (split=…), keep more train rows, or leave them out")


def check_finite(inputs: np.ndarray, spec: TaskSpec) -> None:
    """Raise ConfigError where a model would be given a value that is missing or infinite."""
    # A sum is finite unless a value is not, or it overflows; only then is every value looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        if inputs.dtype.kind != "f" or np.isfinite(inputs.sum()):
            return
    wrong = np.argwhere(~np.isfinite(inputs))
    if len(wrong) == 0:
        return
    row, *place = wrong[0].tolist()
    what = "missing" if np.isnan(inputs[tuple(wrong[0])]) else "infinite"
    where = f"column {spec.columns[place[0]].name}" if spec.columns else f"place {tuple(place)}"
    advice = "add preprocessing=[impute,…]" if what == "missing" else "clip or repair it"
    raise ConfigError(f"after preprocessing {len(wrong)} values are missing or infinite, the first, {what}, in row "
                      f"{row}, {where}: {advice}")
