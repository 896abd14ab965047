"""What choosing on val costs in honesty: val flatters what was chosen on it, and the more there was to choose from."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import NOTHING, Estimate, estimate
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds

COLUMNS = ("difference, positive where val flatters", "estimate", "from")


def section(sweep: Sweep) -> Section | None:
    """Write val minus test of the best and of all, and what a left-out seed says without test."""
    if not sweep.order:
        return None
    advantage, one = flattery(sweep), sweep.repetition
    best, everyone = sweep.estimated(advantage[sweep.order[0]], "test"), _average(sweep, advantage)
    extra, held_out = _extra(sweep, advantage, sweep.order[0]), left_out_seed(sweep)
    if best.value is None and not held_out.n:
        return None
    return Section(
        key="optimism", title="Selection optimism", sentences=tuple(_told(sweep, best, everyone, extra)),
        notes=basis(
            f"val minus test in the direction of \"better\", at the checkpoint that val chose, mean and "
            f"{sweep.interval}. Left-out {one}: the best on all {one}s but one is looked at on the one left out; its "
            f"mean on the others minus that, averaged over {one}s, needs no test. Test was opened for this estimate: "
            f"its mean over {words.count(len(sweep.order), 'configuration')} is shown here, and no single other one.",
            runs_and_points(sweep),
            "how far off another choice would have been; nor may it lead to one. If you choose again after reading "
            "test "
            "numbers, they flatter too."),
        tables=(Table(f"Optimism of {sweep.ranked_by}", COLUMNS,
                      tuple(_rows(sweep, best, everyone, extra, held_out))),),
        values={"best": best._asdict(), "mean_of_all": everyone._asdict(), "extra": extra._asdict(),
                "left_out_seed": held_out._asdict()})


def flattery(sweep: Sweep) -> Array:
    """Return val minus test [P, S], with the sign that makes a val better than test positive."""
    difference = sweep.val - sweep.values("test")
    return difference if sweep.greater_is_better else -difference


def _average(sweep: Sweep, advantage: Array) -> Estimate:
    # Points share their test examples, so only seeds make an interval, where all points have them.
    known = advantage[np.isfinite(advantage).any(axis=1)]
    if known.size and np.isfinite(known).all() and known.shape[1] > 1:
        return sweep.estimated(known.mean(axis=0), "test")
    means = mean_over_seeds(known)
    return Estimate(float(means.mean()), None, None, len(means)) if known.size else NOTHING


def _extra(sweep: Sweep, advantage: Array, best: int) -> Estimate:
    """Return the flattery of the best minus the mean of all, over the same seeds where all have them."""
    known = advantage[np.isfinite(advantage).any(axis=1)]
    if known.size and np.isfinite(known).all() and known.shape[1] > 1:
        return sweep.estimated(advantage[best] - known.mean(axis=0), "test")
    means = [estimate(advantage[best]).value, _average(sweep, advantage).value]
    return NOTHING if means[0] is None or means[1] is None else Estimate(means[0] - means[1], None, None, 1)


def left_out_seed(sweep: Sweep) -> Estimate:
    """Choose by all seeds but one and look at that one; return the mean that is lost, positive where val flattered."""
    values = sweep.val if sweep.greater_is_better else -sweep.val
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2 or values.shape[1] < 2:
        return NOTHING
    losses = []
    for seed in range(values.shape[1]):
        means = np.delete(values, seed, axis=1).mean(axis=1)
        chosen = int(np.argmax(means))
        losses.append(means[chosen] - values[chosen, seed])
    # Every seed is in all but one of the choices, so these are no independent values, and no interval is made.
    return Estimate(float(np.mean(losses)), None, None, len(losses))


def _told(sweep: Sweep, best: Estimate, everyone: Estimate, extra: Estimate) -> list[str]:
    if best.value is None or everyone.value is None:
        return []
    judged = ", an interval that includes 0" if best.includes(0.0) else ""
    told = [f"Val minus test of the best is {best.difference(sweep.metric)}{judged}; positive means that val flatters "
            f"it."]
    if len(sweep.order) > 1:
        told.append(f"The mean over all {len(sweep.order):,} configurations is {everyone.difference(sweep.metric)}; "
                    f"what "
                    f"choosing the best of them adds is {extra.difference(sweep.metric)}.")
    return told


def _rows(sweep: Sweep, best: Estimate, everyone: Estimate, extra: Estimate, held_out: Estimate
          ) -> list[tuple[str, ...]]:
    one = sweep.repetition
    rows = [("the best: val minus test", best.difference(sweep.metric), words.count(best.n, sweep.repetition))]
    if len(sweep.order) > 1:
        rows.append(("all configurations: val minus test", everyone.difference(sweep.metric),
                     words.count(len(sweep.order), "configuration")))
        rows.append(("what choosing adds: the best minus all", extra.difference(sweep.metric),
                     words.count(extra.n, sweep.repetition) if extra.has_interval else "the means"))
    if held_out.n:
        rows.append((f"chosen without a {one}: val minus that {one}'s val", held_out.difference(sweep.metric),
                     words.count(held_out.n, "choice")))
    return [row for row in rows if row[1] != "–"]
