"""Rules about the gradient on its way through the network: vanishing and exploding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlx.report import words
from dlx.report.diagnosing import advice
from dlx.report.diagnosing.finding import Case, Finding
from dlx.report.section import Command

VANISHING_RATIO = 1e-3
EXPLODING_RATIO = 1e3
EXPLODING_GROWTH = 100.0


def vanishing(case: Case) -> Finding | None:
    """A layer's gradient is a thousandth of the last layer's, in the middle epoch."""
    ratios = _finite(case, "grad_ratio")
    evidence = []
    if ratios.size and np.median(ratios) <= VANISHING_RATIO:
        evidence.append(f"Gradient norm of the first weight layer over that of the last: median "
                        f"{np.median(ratios):.2g} over {words.count(ratios.size, 'epoch')}, lowest {ratios.min():.2g}; "
                        f"below {VANISHING_RATIO:g} is called vanishing here.")
    evidence += _named(case, "at most", lambda ratio: ratio <= VANISHING_RATIO)
    if not evidence:
        return None
    commands = advice.some(
        None if case.setting("model", "activation") not in ("sigmoid", "tanh") else
        advice.activate(case, "relu", "Its slope does not shrink where a unit is active."),
        _normalize(case),
        advice.scale_count(case, "model.depth", 0.5, "Fewer layers shrink the gradient fewer times."),
    )
    return Finding("vanishing_gradient", "Vanishing gradients",
                   "Some layers get almost no gradient, so they hardly learn.", tuple(evidence), commands)


def exploding(case: Case) -> Finding | None:
    """The gradient was not finite, grew a hundredfold, or is a thousand times larger in the first layer."""
    ratios, largest = _finite(case, "grad_ratio"), case.history.column("grad_norm_max")
    means = _finite(case, "grad_norm_mean")
    evidence = []
    if ratios.size and np.median(ratios) >= EXPLODING_RATIO:
        evidence.append(f"Gradient norm of the first weight layer over that of the last: median "
                        f"{np.median(ratios):.2g}; above {EXPLODING_RATIO:g} is called exploding here.")
    evidence += _named(case, "at least", lambda ratio: ratio >= EXPLODING_RATIO)
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
        advice.clip(case, "Bounds the length of every update's gradient."),
        advice.scale_lr(case, 1 / 3, "Smaller steps keep the weights where gradients are moderate."),
        _normalize(case),
    )
    return Finding("exploding_gradient", "Exploding gradients", "The gradient became far larger than at the start or "
                   "far larger in the first layer than in the last.", tuple(evidence), commands)


def _normalize(case: Case) -> Command | None:
    if case.setting("model", "norm") != "none":
        return None
    return advice.set_to(case, "model.norm", "batch", "Keeps gradients of similar size in all layers.")


def _named(case: Case, how: str, is_meant: Callable[[float], bool]) -> list[str]:
    """Name the layers whose gradient is so small or so large beside that of the last layer trained."""
    if case.layers is None:
        return []
    ratios = case.layers.gradient_ratios()
    found = [(name, float(ratio)) for name, ratio in zip(case.layers.names, ratios, strict=True)
             if np.isfinite(ratio) and is_meant(ratio)]
    if not found:
        return []
    limit = VANISHING_RATIO if how == "at most" else EXPLODING_RATIO
    listed = words.listed([f"{name} {ratio:.2g}" for name, ratio in found])
    return [f"Layers whose gradient norm is {how} {limit:g} times that of the last layer, with the median over the "
            f"epochs: {listed}; {len(found)} of {len(ratios)} layers."]


def _finite(case: Case, column: str) -> np.ndarray:
    values = case.history.column(column)
    return values[np.isfinite(values)]
