"""The weights around which a run is measured, the examples on which, and numbers of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlx.core.intervals import student_t
from dlx.core.measures import Label, Measure
from dlx.core.random import torch_generator
from dlx.core.subject import Subject
from dlx.core.types import Split
from dlx.measure.weight_space import Asked, WeightSpace, computing_dtype, tensors_of, trained
from dlx.record import layout

NOTHING: Mapping[str, Any] = MappingProxyType({})
NOT_FINITE = "undefined: the loss is not finite there"


class Found(NamedTuple):
    """What a part of the section measured: see `dlx.core.measures.Measures`."""

    numbers: Sequence[Measure]
    details: Mapping[str, Any] = NOTHING
    skipped: Sequence[str] = ()


class Ground(NamedTuple):
    """A run, the space of what was trained of its model, examples of train, and what the best weights make of them."""

    subject: Subject
    space: WeightSpace
    examples: Split
    clean: Asked

    @property
    def is_classification(self) -> bool:
        """Whether there is an accuracy."""
        return self.clean.accuracy is not None

    def draw(self, purpose: str, *position: int) -> Tensor:
        """Return normal draws [P], keyed by the run's seed."""
        generator = torch_generator(self.subject.seed, f"flatness {purpose}", *position)
        return torch.randn(len(self.space), generator=generator, dtype=self.space.dtype).to(self.space.device)

    def measure(self, name: str, value: float, of: Mapping[str, Label] = NOTHING, num_draws: int = 0,
                n: int = 0) -> Measure:
        """Return a number of the train examples, or of n of them, at the best checkpoint."""
        return Measure(name, value, "train_eval", "best", dict(of), n=n or len(self.examples.ids), num_draws=num_draws,
                       method=None if math.isfinite(value) else NOT_FINITE)

    def mean(self, name: str, values: Sequence[float], of: Mapping[str, Label] = NOTHING, offset: float = 0.0
             ) -> Measure:
        """Return the mean of draws with its t interval; offset: what is known without drawing."""
        array = np.asarray(values) + offset
        if not np.isfinite(array).all():
            return self.measure(name, math.nan, of, len(array))
        interval = student_t(array, self.subject.level)
        return replace(self.measure(name, float(array.mean()), of, len(array)), low=interval.low, high=interval.high,
                       method=f"{interval.method}, over draws", level=interval.level)


def ground(subject: Subject, num_examples: int, most_exact: int) -> Ground:
    """Make the space around the best checkpoint.

    Args:
        most_exact: weights at most of a model that is computed in float64.
    """
    model = subject.model("best")
    names = trained(subject.model("initial"), subject.model("last" if has_last(subject) else "best"))
    num_weights = sum(tensors_of(model)[name].numel() for name in names)
    space = space_of(subject, computing_dtype(model, num_weights, most_exact), names)
    examples = space.examples(subject.splits["train_eval"], num_examples)
    return Ground(subject, space, examples, space.ask(space.weights, examples))


def has_last(subject: Subject) -> bool:
    """Say whether training ended: a run that diverged has no last checkpoint."""
    return (subject.folder / layout.CHECKPOINTS / layout.LAST).is_file()


def space_of(subject: Subject, dtype: torch.dtype, names: Sequence[str] | None) -> WeightSpace:
    """Return the space of tensors of the best model; None for all, statistics of normalizations among them."""
    logits = subject.logits if subject.spec.kind == "classification" else None
    return WeightSpace(subject.model("best"), subject.losses, logits, dtype, names)


def finite(values: np.ndarray) -> list[Any]:
    """Return values as JSON holds them, to seven digits, None for what is not finite."""
    if values.ndim > 1:
        return [finite(row) for row in values]
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values.tolist()]
