"""Rules about what flows through the network: vanishing and exploding gradients, dead units."""

from __future__ import annotations

import numpy as np

from dlx.report import advice, words
from dlx.report.finding import Case, Finding
from dlx.report.section import Command

VANISHING_RATIO = 1e-3
EXPLODING_RATIO = 1e3
EXPLODING_GROWTH = 100.0
DEAD_FRACTION = 0.25


def vanishing(case: Case) -> Finding | None:
    """The first layer's gradient is a thousandth of the last layer's, in the middle epoch."""
    ratios = _finite(case, "grad_ratio")
    if ratios.size == 0 or np.median(ratios) > VANISHING_RATIO:
        return None
    evidence = (f"Gradient norm of the first weight layer over that of the last: median {np.median(ratios):.2g} over "
                f"{words.count(ratios.size, 'epoch')}, lowest {ratios.min():.2g}; below {VANISHING_RATIO:g} is called "
                f"vanishing here.",)
    commands = advice.some(
        None if case.setting("model", "activation") not in ("sigmoid", "tanh") else
        advice.set_to(case, "model.activation", "relu", "Its slope does not shrink where a unit is active."),
        _normalize(case),
        advice.scale_count(case, "model.depth", 0.5, "Fewer layers shrink the gradient fewer times."),
    )
    return Finding("vanishing_gradient", "Vanishing gradients",
                   "The first layers get almost no gradient, so they hardly learn.", evidence, commands)


def exploding(case: Case) -> Finding | None:
    """The gradient was not finite, grew a hundredfold, or is a thousand times larger in the first layer."""
    ratios, largest = _finite(case, "grad_ratio"), case.history.column("grad_norm_max")
    means = _finite(case, "grad_norm_mean")
    evidence = []
    if ratios.size and np.median(ratios) >= EXPLODING_RATIO:
        evidence.append(f"Gradient norm of the first weight layer over that of the last: median "
                        f"{np.median(ratios):.2g}; above {EXPLODING_RATIO:g} is called exploding here.")
    finite = largest[np.isfinite(largest)]
    # A norm that is not finite is an empty cell of metrics.csv.
    if 0 < finite.size < largest.size:
        broken = case.history.epochs[~np.isfinite(largest)]
        evidence.append(f"The gradient norm was not finite in epoch {broken[0]:.0f}.")
    elif finite.size and means.size and finite.max() >= EXPLODING_GROWTH * means[0] > 0:
        epoch = case.history.epochs[int(np.nanargmax(largest))]
        evidence.append(f"The largest gradient norm, {finite.max():.3g} in epoch {epoch:.0f}, is "
                        f"{finite.max() / means[0]:,.0f} times the mean of epoch 1, {means[0]:.3g}.")
    if not evidence:
        return None
    commands = advice.some(
        advice.add_regularizers(case, ("gradient_clip",), "Bounds the length of every update's gradient."),
        advice.scale_lr(case, 1 / 3, "Smaller steps keep the weights where gradients are moderate."),
        _normalize(case),
    )
    return Finding("exploding_gradient", "Exploding gradients", "The gradient became far larger than at the start or "
                   "far larger in the first layer than in the last.", tuple(evidence), commands)


def _normalize(case: Case) -> Command | None:
    if case.setting("model", "norm") != "none":
        return None
    return advice.set_to(case, "model.norm", "batch", "Keeps gradients of similar size in all layers.")


def dead_units(case: Case) -> Finding | None:
    """A quarter of the ReLU units are 0 on every training example."""
    fractions = _finite(case, "dead_fraction")
    if fractions.size == 0 or fractions[-1] < DEAD_FRACTION:
        return None
    evidence = (f"{words.percent(fractions[-1])}% of the ReLU units are 0 on all training examples at the end, "
                f"{words.percent(fractions[0])}% were after the first epoch recorded; from "
                f"{100 * DEAD_FRACTION:.0f}% on they are named here.",
                "Such a unit gets no gradient and cannot come back by itself.")
    commands = advice.some(
        advice.scale_lr(case, 1 / 3, "Large steps push units to where they are never active."),
        advice.set_to(case, "model.activation", "leaky_relu", "Its slope is never 0, so no unit can die."),
    )
    return Finding("dead_units", "Dead units", "Many units no longer take part in the model's answers.", evidence,
                   commands)


def _finite(case: Case, column: str) -> np.ndarray:
    values = case.history.column(column)
    return values[np.isfinite(values)]
