"""The keys of any dataset beside its own: its classes, and what is done to its train rows.

See dlx.engine.classes and dlx.engine.train_rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# With the value at which each changes nothing; the seed is of the draws of the others.
INERT: dict[str, Any] = {"classes": None, "train_fraction": 1.0, "imbalance": 1.0, "label_noise": 0.0,
                         "label_confusion": None, "shuffle_labels": False}
TRAIN_ROWS = (*INERT, "train_seed")


def divide_dataset(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the values of a dataset's configuration into TRAIN_ROWS and its own."""
    rows = {name: value for name, value in values.items() if name in TRAIN_ROWS}
    return rows, {name: value for name, value in values.items() if name not in TRAIN_ROWS}


def effective(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is done to rows; nothing, where no value changes them."""
    return dict(rows) if any(rows.get(name, inert) != inert for name, inert in INERT.items()) else {}
