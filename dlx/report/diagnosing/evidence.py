"""The sentences that a diagnosis rests on, with their numbers."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.diagnosing.finding import Case
from dlx.report.diagnosing.trends import Fall, Rise, rise_from_minimum
from dlx.report.summary import Measured

RISE = 0.10


def val_rise(case: Case) -> Rise | None:
    """Compare the end of the val loss with its minimum; None where it is not finite throughout."""
    loss = case.history.column("val_loss")
    return rise_from_minimum(loss) if loss.size and np.isfinite(loss).all() else None


def gap_sentence(case: Case, gap: Measured) -> str:
    """Write the gap on val with its interval and how that was made."""
    name = words.label(gap.metric)
    epoch = None if case.summary is None else case.summary.selected_epoch
    values = [f"{split} {words.measured(gap.metric, measured.value)}" for split in ("val", "train_eval")
              if case.summary is not None and (measured := case.summary.metric(gap.metric, split)) is not None]
    values.append(f"gap {words.difference(gap.metric, gap.value, gap.low, gap.high)}")
    text = f"{name[0].upper()}{name[1:]} at the selected checkpoint"
    text += f"{'' if epoch is None else f' (epoch {epoch})'}: {', '.join(values)}"
    if gap.low is None:
        return f"{text}; no interval."
    judged = "includes" if gap.includes_zero() else "excludes"
    return f"{text} ({words.level_and_method(gap.level, gap.method)} interval, n = {gap.n:,}); the interval {judged} 0."


def rise_sentence(case: Case, rise: Rise) -> str:
    """Write how val loss rose, and what train_eval loss did meanwhile."""
    train = case.history.column("train_eval_loss")
    return (f"Val loss was lowest, {words.number(rise.minimum)}, after epoch {_epoch(case, rise)} and averaged "
            f"{words.number(rise.end)} over the last {_last(case, rise)}, {100 * rise.relative:.0f}% higher; "
            f"train_eval loss went from {words.number(train[rise.epoch_index])} to {words.number(train[-1])}.")


def kept_remark(case: Case, rise: Rise) -> tuple[str, ...]:
    """Say that the checkpoint kept is from before the rise, where it is."""
    epoch = None if case.summary is None else case.summary.selected_epoch
    if epoch is None or epoch > _epoch(case, rise):
        return ()
    return (f"The checkpoint kept is from epoch {epoch}, before that rise.",)


def rise_remark(case: Case) -> tuple[str, ...]:
    """Say how val loss ended, whichever way."""
    rise = val_rise(case)
    if rise is None or case.history.num_epochs < 2:
        return ()
    if rise.relative >= RISE:
        return (rise_sentence(case, rise), *kept_remark(case, rise))
    if _num_after(case, rise) == 0:
        return (f"Val loss was lowest, {words.number(rise.minimum)}, after the last epoch.",)
    return (f"Val loss ended within {100 * RISE:.0f}% of its minimum: {words.number(rise.minimum)} after epoch "
            f"{_epoch(case, rise)}, {words.number(rise.end)} on average over the last {_last(case, rise)}.",)


def fall_sentence(name: str, fall: Fall) -> str:
    """Write how a loss was still falling."""
    return (f"Over the last {words.count(fall.num_epochs, 'epoch')} the {name} loss fell from "
            f"{words.number(fall.start)} to {words.number(fall.end)}: {100 * fall.of_total:.0f}% of the distance "
            f"between its highest and its lowest value.")


def skill_sentence(case: Case, gain: float, poor: float) -> str:
    """Write how well the training examples are fitted, compared with the best constant answer."""
    assert case.baseline is not None
    metric, value, answer = case.baseline
    train = None if case.summary is None else case.summary.metric(metric, "train_eval")
    assert train is not None
    squared = "" if metric == "accuracy" else ", in squared error"
    way = f"{words.percent(gain)}% of the way from there to perfect{squared}" if gain > 0 else "no better"
    return (f"Train_eval {words.label(metric)} is {words.measured(metric, train.value)}; {answer} gives "
            f"{words.measured(metric, value)} on val. That is {way}; below {100 * poor:.0f}% is called poor here.")


def _epoch(case: Case, rise: Rise) -> int:
    return int(case.history.epochs[rise.epoch_index])


def _num_after(case: Case, rise: Rise) -> int:
    return case.history.num_epochs - rise.epoch_index - 1


def _last(case: Case, rise: Rise) -> str:
    number = min(3, _num_after(case, rise))
    return "epoch" if number == 1 else words.count(number, "epoch")
