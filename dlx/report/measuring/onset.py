"""The epoch after which a run overfitted, by the rule of the diagnosis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlx.report.diagnosing import evidence, fit
from dlx.report.diagnosing.diagnosis import diagnose
from dlx.report.diagnosing.finding import Case
from dlx.report.diagnosing.trends import leaves_minimum

# How close to its minimum val loss has returned to it, as a share.
TOLERANCE = 0.01


class Onset(NamedTuple):
    """The last epoch before overfitting set in, or None and why."""

    epoch: int | None
    reason: str = ""


def overfitting_onset(case: Case) -> Onset:
    """Return the last epoch at which val loss was at its minimum, of a run whose diagnosis is overfitting.

    See `dlx.report.diagnosing.trends.leaves_minimum` and `dlx.report.diagnosing.fit.overfitting`.
    """
    kind = diagnose(case.history, case.summary, case.config, case.status, case.baseline).kind
    if kind == "overfitting":
        return Onset(int(case.history.epochs[leaves_minimum(case.history.column("val_loss"), TOLERANCE)]))
    if fit.overfitting(case) is not None:
        return Onset(None, f"the run is called {kind.replace('_', ' ')} before its curves are looked at for this")
    return Onset(None, _reason(case))


def _reason(case: Case) -> str:
    rise, train = evidence.val_rise(case), case.history.column("train_eval_loss")
    if rise is None or not np.isfinite(train).all():
        return "the losses are not finite after every epoch"
    if rise.epoch_index == case.history.num_epochs - 1:
        return "val loss was lowest after the last epoch"
    if rise.relative < evidence.RISE:
        return f"val loss ended within {100 * evidence.RISE:.0f}% of its minimum"
    if train[-1] >= train[rise.epoch_index]:
        return "val loss rose, but train_eval loss did not fall meanwhile"
    return "val loss rose, but no interval of a gap on val excludes 0 on the worse side"
