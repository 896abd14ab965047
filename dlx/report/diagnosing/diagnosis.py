"""What happened in this run, in words, with the evidence and the next command worth trying."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlx.core.measures import Measures
from dlx.report.checks import Against
from dlx.report.diagnosing import evidence, fit, gradients, simple, stability, units, updates
from dlx.report.diagnosing.finding import Baseline, Case, Diagnosis, Finding
from dlx.report.files import RunFiles, Status
from dlx.report.history import History
from dlx.report.layers import Layers
from dlx.report.predictions import Predictions
from dlx.report.section import Section
from dlx.report.summary import Summary

Rule = Callable[[Case], Finding | None]
# The first rule that has something to say gives the main finding; `fit.unclear` always has.
MAIN: tuple[Rule, ...] = (stability.unfinished, stability.diverged, stability.oscillating, fit.overfitting, fit.slow,
                          fit.underfitting, fit.wide_gap, fit.good_fit, fit.unclear)
BESIDE: tuple[Rule, ...] = (gradients.vanishing, gradients.exploding, units.dead_units, units.saturated_units,
                            updates.small_updates, updates.large_updates, simple.below_baseline)


def diagnose(history: History, summary: Summary | None, config: Mapping[str, Any], status: Status,
             baseline: Baseline | None = None, overrides: Sequence[str] = (), against: Sequence[Against] = (),
             layers: Layers | None = None, training: Measures | None = None) -> Diagnosis:
    """Name what happened, from train_eval and val alone: test is never a reason for the next run.

    Args:
        history: the epochs.
        summary: what was measured at the selected checkpoint; None where nothing was.
        config: the resolved configuration.
        status: how the run ended.
        baseline: the best constant answer on val; without it neither a good fit nor underfitting is claimed.
        overrides: what was typed; the commands repeat it with one thing changed.
        against: simple answers beside the model; those on val are looked at.
        layers: the weights over the epochs, where the run kept them.
        training: what the section of that name measured, where it did.

    Returns:
        The first of unfinished, diverged, oscillating, overfitting, slow, underfitting, wide gap, good fit, unclear
        whose rule holds; beside it vanishing or exploding gradients, dead or saturated units, updates that are too
        small or too large, and a simple model that does better.
    """
    on_val = [item for item in against if item.split == "val"]
    case = Case(history, summary, config, status, baseline, overrides, on_val, layers, training)
    main = next(finding for rule in MAIN if (finding := rule(case)) is not None)
    return Diagnosis(main, tuple(finding for rule in BESIDE if (finding := rule(case)) is not None))


def diagnose_run(run: RunFiles) -> Diagnosis:
    """Diagnose a run folder."""
    return diagnose(run.history, run.summary, run.config, run.status, val_baseline(run.predictions), run.overrides,
                    () if run.checks is None else run.checks.against, run.layers, run.measures.get("training"))


def val_baseline(predictions: Predictions | None) -> Baseline | None:
    """Measure the best constant answer on val: the most common class, or the mean; None without val predictions."""
    val = None if predictions is None else predictions.of("val")
    if val is None or len(val) == 0:
        return None
    if val.probs is not None:
        share = float(np.unique(val.targets, return_counts=True)[1].max()) / len(val)
        return Baseline("accuracy", share, "always answering the most common class")
    return Baseline("rmse", float(val.targets.std()), "always answering the mean")


def section(run: RunFiles) -> Section:
    """Write the diagnosis."""
    diagnosis = diagnose_run(run)
    main = diagnosis.main
    return Section(
        key="diagnosis", title=f"Diagnosis: {main.title.lower()}", sentences=(main.verdict,), points=main.evidence,
        commands=main.commands,
        values={"kind": diagnosis.kind, "others": [item.kind for item in diagnosis.others], "thresholds": THRESHOLDS},
        parts=tuple(Section(item.kind, item.title, (item.verdict,), item.evidence, commands=item.commands)
                    for item in diagnosis.others),
    )


THRESHOLDS: dict[str, float] = {
    "overfitting_val_loss_rise": evidence.RISE,
    "slow_share_of_range": fit.SLOW_SHARE,
    "slow_share_of_steps": fit.SLOW_STEADY,
    "wide_gap_share": fit.WIDE_SHARE,
    "wide_gap_relative": fit.WIDE_RELATIVE,
    "poor_skill_accuracy": fit.POOR_SKILL["accuracy"],
    "poor_skill_rmse": fit.POOR_SKILL["rmse"],
    "diverged_factor": stability.DIVERGED_FACTOR,
    "diverged_worse_than_nothing": stability.WORSE_THAN_NOTHING,
    "oscillating_share_of_steps": stability.OSCILLATING_SHARE,
    "oscillating_share_of_range": stability.OSCILLATING_RANGE,
    "oscillating_share_of_level": stability.OSCILLATING_LEVEL,
    "vanishing_ratio": gradients.VANISHING_RATIO,
    "exploding_ratio": gradients.EXPLODING_RATIO,
    "exploding_growth": gradients.EXPLODING_GROWTH,
    "dead_fraction": units.DEAD_FRACTION,
    "saturated_fraction": units.SATURATED_FRACTION,
    "small_update": updates.SMALL,
    "small_distance": updates.SMALL_DISTANCE,
    "large_update": updates.LARGE,
}
