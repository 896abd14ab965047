"""Rules about how the model fits: overfitting, underfitting, not finished, a wide gap, a good fit, or unclear."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.diagnosing import advice, evidence
from dlx.report.diagnosing.finding import Case, Finding
from dlx.report.diagnosing.trends import late_fall
from dlx.report.section import Command
from dlx.report.summary import Measured

SLOW_SHARE = 0.05
SLOW_STEADY = 0.75
WIDE_SHARE = 0.05
WIDE_RELATIVE = 0.25
POOR_SKILL = {"accuracy": 0.75, "rmse": 0.25}


def overfitting(case: Case) -> Finding | None:
    """Val loss rose from its minimum while train_eval loss fell, and the gap's interval excludes 0."""
    rise, gap = evidence.val_rise(case), shown_gap(case)
    if rise is None or gap is None or rise.relative < evidence.RISE:
        return None
    train = case.history.column("train_eval_loss")
    if not np.isfinite(train).all() or train[-1] >= train[rise.epoch_index]:
        return None
    reasons = (evidence.rise_sentence(case, rise), evidence.gap_sentence(case, gap), *evidence.kept_remark(case, rise))
    return Finding("overfitting", "Overfitting", "The model went on learning its training examples after it had "
                   "stopped getting better on val.", reasons, _simpler(case))


def wide_gap(case: Case) -> Finding | None:
    """Val is far worse than train_eval, but val loss did not rise as overfitting would make it."""
    gap = _val_gap(case)
    if gap is None or not is_wide(case, gap):
        return None
    reasons = (evidence.gap_sentence(case, gap), *evidence.rise_remark(case))
    return Finding("wide_gap", "Wide gap", "The model is much worse on val than on its training examples; the other "
                   "sign of overfitting, val loss rising while train_eval loss falls, is not there.", reasons,
                   _simpler(case))


def slow(case: Case) -> Finding | None:
    """Train_eval and val loss were both still falling when training ended."""
    train, val = case.history.column("train_eval_loss"), case.history.column("val_loss")
    if len(train) < 2 or not np.isfinite(train).all() or not np.isfinite(val).all():
        return None
    on_train, on_val = late_fall(train), late_fall(val)
    if min(on_train.of_total, on_val.of_total) < SLOW_SHARE or on_train.steady < SLOW_STEADY:
        return None
    reasons = (evidence.fall_sentence("train_eval", on_train), evidence.fall_sentence("val", on_val))
    commands = advice.some(
        advice.scale_count(case, "epochs", 2, "Twice the epochs: see where the curves level off."),
        advice.scale_lr(case, 3, "Larger steps get there in fewer epochs, if they stay stable."),
    )
    return Finding("slow", "Slow: not finished", "Training ended while the loss was still falling; longer training is "
                   "likely to do better.", reasons, commands)


def underfitting(case: Case) -> Finding | None:
    """Training levelled off with a poor fit of the training examples themselves, and val is not much worse."""
    gain = skill(case)
    if gain is None or case.baseline is None or gain[0] >= gain[1]:
        return None
    if case.history.num_epochs < 2 or (gap := _val_gap(case)) is None or is_wide(case, gap):
        return None
    reasons = (
        evidence.skill_sentence(case, *gain), evidence.gap_sentence(case, gap),
        "The losses had levelled off, so more epochs alone are unlikely to help. Whether the rest is missing "
        "capacity or noise in the targets, one run cannot tell; a larger model may.",
    )
    commands = advice.some(
        advice.drop_regularizers(case, ("dropout", "l2"), "Regularization holds back a model that does not fit yet."),
        advice.choose(case, "model", "mlp", "Hidden layers can express what a linear model cannot.")
        if case.setting("model", "part") == "linear" else None,
        advice.scale_count(case, "model.width", 2, "Twice the units."),
        advice.scale_count(case, "model.depth", 2, "Twice the layers."),
    )
    return Finding("underfitting", "Underfitting", "The model does not fit even the examples it was trained on.",
                   reasons, commands)


def good_fit(case: Case) -> Finding | None:
    """Training levelled off, the training examples are fitted, and val is close to them."""
    gain, gap = skill(case), _val_gap(case)
    if gain is None or gain[0] < gain[1] or gap is None or is_wide(case, gap, at_least=True):
        return None
    if case.history.num_epochs < 2:
        return None
    reasons = (evidence.skill_sentence(case, *gain), evidence.gap_sentence(case, gap), *evidence.rise_remark(case))
    commands = advice.some(advice.next_seed(case, "Another seed shows how much of these numbers is chance."))
    limit = f"{100 * WIDE_SHARE:g} points" if words.is_share(gap.metric) else f"{100 * WIDE_RELATIVE:g}%"
    return Finding("good_fit", "Good fit",
                   f"The model learned its training examples, and val is at most {limit} worse.", reasons, commands)


def unclear(case: Case) -> Finding:
    """Say what is missing for a verdict."""
    reasons = []
    if case.summary is None:
        reasons.append("summary.json is missing, so no interval says whether a gap is more than chance.")
    if case.history.num_epochs < 2:
        reasons.append(f"{words.count(case.history.num_epochs, 'epoch')} cannot show whether training levelled off.")
    if skill(case) is None:
        reasons.append("The fit of train_eval cannot be compared with a constant answer: predictions.csv or a metric "
                       "is missing, or a constant answer is already perfect on val.")
    gap = _val_gap(case)
    if gap is not None:
        reasons.append(evidence.gap_sentence(case, gap))
        if gap.includes_zero() and is_wide(case, gap, at_least=True):
            reasons.append(f"The gap looks wide, but its interval includes 0: {gap.n} val examples cannot tell.")
    reasons.extend(evidence.rise_remark(case))
    commands = advice.some(
        advice.scale_count(case, "epochs", 10, "Enough epochs for curves with a shape.")
        if case.history.num_epochs < 2 else None,
        advice.scale_fraction(case, "split.val_fraction", 1.5, "More val examples make the interval narrower."),
        advice.next_seed(case, "Another seed shows how much of these numbers is chance."),
    )
    return Finding("unclear", "Unclear", "The files of this run do not support a verdict.", tuple(reasons), commands)


def shown_gap(case: Case) -> Measured | None:
    """Return the first gap on val, of the headline metric or the loss, whose whole interval is worse than 0."""
    gaps = [case.val_gap(metric) for metric in (case.headline(), "nll", "loss")]
    return next((gap for gap in gaps if gap is not None and gap.worse_than_zero()), None)


def _val_gap(case: Case) -> Measured | None:
    gap = case.val_gap(case.headline())
    return None if gap is None or gap.value is None else gap


def is_wide(case: Case, gap: Measured, at_least: bool = False) -> bool:
    """Say whether a gap is worse than 5 points, or than a quarter of train_eval's value.

    Args:
        at_least: judge the value alone, not whether the interval excludes 0.
    """
    train = None if case.summary is None else case.summary.metric(gap.metric, "train_eval")
    if gap.value is None or train is None or train.value is None:
        return False
    worse = -gap.value if gap.greater_is_better else gap.value
    limit = WIDE_SHARE if words.is_share(gap.metric) else WIDE_RELATIVE * abs(train.value)
    return worse > limit and (at_least or gap.worse_than_zero())


def skill(case: Case) -> tuple[float, float] | None:
    """Return how far train_eval gets from the best constant answer (0) to perfect (1), and what is called poor."""
    baseline = case.baseline
    train = None if case.summary is None or baseline is None else case.summary.metric(baseline.metric, "train_eval")
    if baseline is None or train is None or train.value is None or baseline.metric not in POOR_SKILL:
        return None
    poor = POOR_SKILL[baseline.metric]
    if baseline.metric == "accuracy":
        return ((train.value - baseline.value) / (1 - baseline.value), poor) if baseline.value < 1 else None
    return (1 - (train.value / baseline.value) ** 2, poor) if baseline.value > 0 else None


def _simpler(case: Case) -> tuple[Command, ...]:
    rate = case.setting("regularizer", "dropout", "rate")
    more = None if rate is None or rate >= 0.5 else advice.command(
        case, {"regularizer.dropout.rate": "0.5"}, "Drops more units, so that none is relied on alone.")
    drops = case.setting("model", "dropout_rate") is not None
    return advice.some(
        more,
        advice.add_regularizers(case, ("dropout", "early_stopping"), "Dropout against memorizing, and a stop once val "
                                "loss no longer improves.") if drops else
        advice.add_regularizers(case, ("l2", "early_stopping"), "Small weights, and a stop once val loss no longer "
                                "improves."),
        advice.add_regularizers(case, ("l2",), "Small weights describe smoother functions.") if drops else None,
        advice.scale_count(case, "model.width", 0.5, "Half the units leave less room to memorize."),
    )
