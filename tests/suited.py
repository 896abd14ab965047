"""Small data and a model that regularizers are for, whatever they ask for.

B batch, N rows, L positions, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from part_files import code_and_arguments, make, parts
from small_runs import InMemory, digits, table
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.hooks import OnModel
from dlx.core.layers import Dropout, StochasticDepth
from dlx.core.types import PADDING, Arrays, Layout, TaskSpec
from dlx.engine.build import meta_model
from dlx.engine.parts import Parts

LAYOUTS: tuple[Layout, ...] = ("image", "table", "tokens")
QUICK = ("epochs=2", "batch_size=32", "model.width=32")


def texts(num_rows: int = 140) -> InMemory:
    """Texts of one to six tokens; the class is how often token 1 is there, at most 2."""
    draw = np.random.default_rng(5)
    tokens = draw.integers(1, 4, (num_rows, 6))
    tokens[np.arange(6) > draw.integers(0, 6, (num_rows, 1))] = PADDING
    spec = TaskSpec("classification", "tokens", (6,), 3, tuple("012"), vocabulary_size=4)
    return InMemory(spec, Arrays(tokens, (tokens == 1).sum(axis=1).clip(max=2), np.arange(112, num_rows)))


# Data of a layout, and the overrides with which its configuration is one.
DATA: dict[Layout, tuple[InMemory, tuple[str, ...]]] = {
    "image": (digits(150, own_test=True), ()),
    "table": (table("classification", 150, own_test=True), ("dataset=breast_cancer",)),
    "tokens": (texts(), ("dataset=modular_addition", "model=bag")),
}


class Deep(nn.Module):
    """Residual branches that may be left out, and dropout: something for every regularizer to act on."""

    def __init__(self, input_shape, num_outputs, layout, vocabulary_size):
        super().__init__()
        self.first = (nn.EmbeddingBag(vocabulary_size, 16, padding_idx=PADDING) if layout == "tokens" else
                      nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), 16)))
        self.branches = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.ReLU(), Dropout(0.0), StochasticDepth(0.0))
                                      for _ in range(2))
        self.head = nn.Linear(16, num_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map inputs [B, ...] to logits [B, C]."""
        x = self.first(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.head(x)


@cache
def layouts(option: str) -> tuple[Layout, ...]:
    """List the layouts that a regularizer is for."""
    return getattr(make("regularizer", option), "layouts", ()) or LAYOUTS


def layout_of(*options: str) -> Layout | None:
    """Return a layout that all these regularizers are for, or None."""
    return next((layout for layout in LAYOUTS if all(layout in layouts(option) for option in options)), None)


def suited_parts(*options: str, overrides: tuple[str, ...] = (), layout: Layout | None = None) -> Parts:
    """Build a small run with regularizers, on data that they are for."""
    layout = layout or layout_of(*options)
    assert layout is not None, f"no data is for all of {', '.join(options)}"
    data, own = DATA[layout]
    made = parts("regularizer=[none]", *QUICK, *own, *overrides)
    model = Deep if "stochastic_depth" in options else made.model
    return replace(made, dataset=data, model=model,
                   regularizers={option: make("regularizer", option) for option in options})


@cache
def takes(model: str, layout: Layout, *options: str) -> bool:
    """Say whether a model is for inputs of a layout, and regularizers for the model."""
    data, own = DATA[layout]
    regularizers = {option: make("regularizer", option) for option in options}
    code, arguments = code_and_arguments("model", model)
    made = replace(parts(*own), model=partial(code, **arguments), regularizers=regularizers)
    try:
        meta_model(made, data.task)
    except ConfigError:
        return False
    return True


def acts_on(option: str, model: str, layout: Layout) -> bool:
    """Say whether a regularizer is for what a model sees, and for its layers."""
    changes_model = isinstance(make("regularizer", option), OnModel)
    return layout in layouts(option) and (not changes_model or takes(model, layout, option))


def conflict(one: str, other: str) -> bool:
    """Say whether either of two regularizers names the other."""
    return any(second in getattr(make("regularizer", first), "CONFLICTS", {})
               for first, second in ((one, other), (other, one)))


def compatible(options: Iterable[str]) -> tuple[str, ...]:
    """Leave out those regularizers that have a conflict with one before."""
    found: list[str] = []
    for option in options:
        if not any(conflict(option, other) for other in found):
            found.append(option)
    return tuple(found)
