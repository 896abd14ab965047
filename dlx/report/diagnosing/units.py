"""Rules about units that no longer tell inputs apart: dead and saturated ones."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.diagnosing import advice
from dlx.report.diagnosing.finding import Case, Finding

DEAD_FRACTION = 0.25
SATURATED_FRACTION = 0.25


def dead_units(case: Case) -> Finding | None:
    """A quarter of the ReLU units are 0 on every training example."""
    column = case.history.column("dead_fraction")
    fractions = column[np.isfinite(column)]
    if fractions.size == 0 or fractions[-1] < DEAD_FRACTION:
        return None
    evidence = (f"{words.percent(fractions[-1])}% of the ReLU units are 0 on all training examples at the end, "
                f"{words.percent(fractions[0])}% were after the first epoch recorded; from "
                f"{100 * DEAD_FRACTION:.0f}% on they are named here.",
                *_by_layer(case, "dead_units", DEAD_FRACTION),
                "Such a unit gets no gradient and cannot come back by itself.")
    commands = advice.some(
        advice.scale_lr(case, 1 / 3, "Large steps push units to where they are never active."),
        advice.activate(case, "leaky_relu", "Its slope is never 0, so no unit can die."),
    )
    return Finding("dead_units", "Dead units", "Many units no longer take part in the model's answers.", evidence,
                   commands)


def saturated_units(case: Case) -> Finding | None:
    """A quarter of the sigmoid or tanh units of a layer are near the ends of their range on almost all examples."""
    evidence = _by_layer(case, "saturated_units", SATURATED_FRACTION)
    if not evidence:
        return None
    commands = advice.some(
        advice.activate(case, "relu", "It has one flat side instead of two."),
        advice.scale_lr(case, 1 / 3, "Large steps push units to the flat ends of their range."),
        advice.add_regularizers(case, ("l2",), "Small weights keep units where their slope is large."),
    )
    why = "There the slope is below 19% of its largest, so little gradient passes: less with every such layer."
    return Finding("saturated_units", "Saturated units", "Many units sit at an end of their range whatever the input.",
                   (*evidence, why), commands)


def _by_layer(case: Case, name: str, least: float) -> tuple[str, ...]:
    """Name the layers with so many dead or saturated units, at the kept weights."""
    found = [] if case.training is None else [
        item for item in case.training.every(name) if "layer" in item.of and (item.value or 0.0) >= least]
    if not found:
        return ()
    listed = [f"{item.of['layer']} {words.percent(item.value or 0.0)}%" for item in found]
    return (f"Share of {name.replace('_', ' ')} by layer, with the weights kept, on {found[0].n:,} train examples: "
            f"{words.listed(listed)}; from {100 * least:.0f}% on they are named here.",)
