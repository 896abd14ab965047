"""Rules about how far a step moves the weights: too little to get anywhere, or so far that it forgets."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.diagnosing import advice, fit
from dlx.report.diagnosing.finding import Case, Finding
from dlx.report.layers import Matrix

# About 1e-3 is healthy.
SMALL = 1e-4
# Of its own size, that a weight can be moved by all steps together, each as large as an early one.
SMALL_DISTANCE = 0.5
LARGE = 0.1


def small_updates(case: Case) -> Finding | None:
    """Not even the fastest layer can get anywhere at its early pace, and the model is not done."""
    early = _early(case)
    if early is None or (fit.slow(case) is None and fit.underfitting(case) is None):
        return None
    names, ratios = early
    fastest = int(np.argmax(ratios))
    num_steps = case.history.last("step") or 0.0
    if ratios[fastest] >= SMALL or ratios[fastest] * num_steps >= SMALL_DISTANCE:
        return None
    evidence = (
        f"Early in training a step changed no layer by more than {ratios[fastest]:.1e} of its size ({names[fastest]}, "
        f"median of the first quarter of the epochs); about 1e-3 is healthy, below {SMALL:.0e} is called small here.",
        f"At that pace all {num_steps:,.0f} steps together move a weight by at most "
        f"{words.percent(ratios[fastest] * num_steps)}% of its size.",
    )
    commands = advice.some(
        advice.scale_lr(case, 10, "Ten times the learning rate, ten times the step."),
        advice.scale_count(case, "epochs", 2, "Twice the epochs, if the learning rate is to stay."),
    )
    return Finding("small_updates", "Small updates", "Steps are too small for the length of this training.", evidence,
                   commands)


def large_updates(case: Case) -> Finding | None:
    """A layer is changed by a tenth of its size in one step, in the middle epoch."""
    # A search for the best step is meant to be far.
    if case.layers is None or case.setting("optimizer", "part") == "lbfgs":
        return None
    ratios = case.layers.update_medians()
    found = [(name, float(ratio)) for name, ratio in zip(case.layers.names, ratios, strict=True) if ratio >= LARGE]
    if not found:
        return None
    listed = words.listed([f"{name} {ratio:.2g}" for name, ratio in found])
    evidence = (f"Layers that one step changes by a tenth of their size or more, with the median over the epochs: "
                f"{listed}; {len(found)} of {len(ratios)} layers. About 1e-3 is healthy.",)
    commands = advice.some(
        advice.scale_lr(case, 0.1, "A tenth of the learning rate, a tenth of the step."),
        advice.warm_up(case, "Starts with small steps, while the weights are still random."),
    )
    return Finding("large_updates", "Large updates", "Steps are so large that the weights forget within a few of them "
                   "what they had learned.", evidence, commands)


def _early(case: Case) -> tuple[list[str], Matrix] | None:
    """Return the layers that were trained early, with their update ratios; None of none."""
    if case.layers is None:
        return None
    ratios = case.layers.early_updates()
    known = np.isfinite(ratios)
    names = [name for name, is_known in zip(case.layers.names, known, strict=True) if is_known]
    return (names, ratios[known]) if names else None
