"""The keys of any dataset and of any optimizer beside their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# Of a dataset: its classes, and what is done to its train rows, see dlx.engine.classes and dlx.engine.train_rows.
# With the value at which each changes nothing; the seed is of the draws of the others.
INERT: dict[str, Any] = {"classes": None, "train_fraction": 1.0, "imbalance": 1.0, "label_noise": 0.0,
                         "label_confusion": None, "shuffle_labels": False}
TRAIN_ROWS = (*INERT, "train_seed")
# Of an optimizer: which parameters are optimized alike, see dlx.engine.param_groups.
PARAM_GROUPS = ("decay_norm_and_bias", "lr_multipliers")


def divide_dataset(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the values of a dataset's configuration into TRAIN_ROWS and its own."""
    return _divided(values, TRAIN_ROWS)


def divide_optimizer(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the values of an optimizer's configuration into PARAM_GROUPS and its own."""
    return _divided(values, PARAM_GROUPS)


def _divided(values: Mapping[str, Any], shared: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    return ({name: value for name, value in values.items() if name in shared},
            {name: value for name, value in values.items() if name not in shared})


def effective(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is done to rows; nothing, where no value changes them."""
    return dict(rows) if any(rows.get(name, inert) != inert for name, inert in INERT.items()) else {}
