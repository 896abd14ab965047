"""Which classes of a dataset there are: the rows of others are in no split. N rows of the dataset, n that are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, TaskSpec

MOST_SHOWN = 20


class Chosen(NamedTuple):
    """Rows [n], ascending; targets of all rows [N], renumbered, IGNORED of those left out; the spec of what is kept."""

    rows: np.ndarray
    targets: np.ndarray
    spec: TaskSpec


class Classes:
    """Keeps the rows of some classes of any classification, before it is divided.

    Rows keep their numbers, and classes their order in the dataset.

    Args:
        classes: names of those to keep, at least two; null keeps all.
    """

    def __init__(self, classes: list[str | int] | None) -> None:
        self.names = None if classes is None else tuple(map(str, classes))

    def spec(self, given: TaskSpec) -> TaskSpec:
        """Say what is left of data with a spec.

        Raises:
            ConfigError: it is no classification, or has no such classes.
        """
        if self.names is None:
            return given
        if given.kind != "classification":
            raise ConfigError(f"dataset.classes is for classification, and this is a {given.kind}; leave it out")
        unknown = [name for name in self.names if name not in given.class_names]
        if unknown or len(set(self.names)) < max(2, len(self.names)):
            more = ", …" if len(given.class_names) > MOST_SHOWN else ""
            raise ConfigError(f"dataset.classes must be null or two or more different ones of "
                              f"{', '.join(given.class_names[:MOST_SHOWN])}{more}; got {', '.join(self.names) or '[]'}")
        kept = tuple(name for name in given.class_names if name in self.names)
        return replace(given, num_outputs=len(kept), class_names=kept)

    def __call__(self, targets: np.ndarray, given: TaskSpec) -> Chosen | None:
        """Choose among rows with targets [N]; None keeps them all. Raises ConfigError as `spec` does."""
        if self.names is None:
            return None
        spec = self.spec(given)
        numbers = np.full(given.num_outputs, IGNORED, targets.dtype)
        for number, name in enumerate(spec.class_names):
            numbers[given.class_names.index(name)] = number
        renumbered = numbers[targets]
        return Chosen(np.flatnonzero(renumbered != IGNORED), renumbered, spec)
