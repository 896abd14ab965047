"""Small data and a model that regularizers are for, whatever the layouts that they ask for.

N rows, L positions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from part_files import make, option_names, parts
from small_runs import InMemory, digits, table

from dlx.core.types import PADDING, Arrays, Layout, TaskSpec
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
    return replace(made, dataset=data, regularizers={option: make("regularizer", option) for option in options})


def conflict(one: str, other: str) -> bool:
    """Say whether either of two regularizers names the other."""
    return any(second in getattr(make("regularizer", first), "CONFLICTS", {})
               for first, second in ((one, other), (other, one)))


def compatible(layout: Layout) -> list[str]:
    """List regularizers for a layout as long as they have no conflict with those before."""
    found: list[str] = []
    for option in option_names("regularizer"):
        if layout in layouts(option) and not any(conflict(option, other) for other in found):
            found.append(option)
    return found
