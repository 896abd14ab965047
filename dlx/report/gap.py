"""How well it generalizes: metrics and gaps at the best and the last checkpoint, guarantees, optimism."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlx.core.errors import ArtefactError
from dlx.core.measures import Definition, Measure, Measures
from dlx.core.ranges import Fraction

if TYPE_CHECKING:
    from dlx.core.gaps import Measured as Row
    from dlx.core.intervals import Interval
    from dlx.core.subject import Examples, Subject
    from dlx.report.summary import Measured, Summary

CLOPPER_PEARSON, HOEFFDING = "Clopper-Pearson", "Hoeffding"
# Methods of intervals of a metric that counts examples.
OF_COUNTS = ("Wilson", CLOPPER_PEARSON)
DEFINITIONS: dict[str, Definition] = {
    "metric": Definition(
        "The metric named in `of`, or the loss without penalties, of a split in eval mode; what each is says "
        "dlx.metric. The interval is that of the metric for this model over draws of the split: Wilson for shares "
        "(Clopper-Pearson for n < 100 and at 0 and 1), else the bootstrap of the "
        "conventions; train_eval has none. Of checkpoint best the numbers are those of summary.json."),
    "gap": Definition(
        "The metric named in `of` on the split minus the same on train_eval, same checkpoint. The interval is "
        "conditional on this model: that of the split, shifted by train_eval, which is taken as known because the "
        "weights were fitted to it."),
    "selection_optimism": Definition(
        "The metric named in `of` on val minus the same on test, at the checkpoint that val chose. For shares, "
        "Newcombe's interval from Wilson's two. For others d − √((v − l)² + (U − V)²) to d + √((u − v)² + "
        "(V − L)²), d = v − V, of val's interval [l, u] around v and test's [L, U] around V.",
        "Newcombe 1998, Statistics in Medicine 17, method 10; Zou & Donner 2008, Statistics in Medicine 27 (MOVER)"),
    "error": Definition(
        "The share of test examples that the metric named in `of` counts as wrong: 1 minus it, or itself where "
        "smaller is better."),
    "error_bound": Definition(
        "The expected error of this model on new examples is below this with probability 1 − δ over draws of test. "
        "Hoeffding: error + √(ln(K/δ) / 2n). Clopper-Pearson: the 1 − δ/K quantile of Beta(k + 1, n − k), k errors "
        "of n. K = looks: 1 if test chose nothing; the number of models measured on this split holds for any choice "
        "among them (union bound).",
        "Hoeffding 1963, JASA 58; Clopper & Pearson 1934, Biometrika 26"),
    "test_openings": Definition(
        "Models that were measured on this test split so far, this one included: different weights (SHA-256) in "
        "test_openings.jsonl of the runs folder with this data and these rows of test. A run counts once, with its "
        "selected checkpoint; dlx evaluate counts for the checkpoint that it measures."),
    "overfitting_epoch": Definition(
        "Of a run whose diagnosis is overfitting (val loss, averaged over up to 3 last epochs after its minimum, is "
        "10% or more above it, train_eval loss fell meanwhile, a gap on val excludes 0): the last epoch at which val "
        "loss was at its minimum. It is back at its minimum where its mean over up to 3 epochs, all after the "
        "minimum, is within 1% of it."),
}


class Gap:
    """How well it generalizes: metrics and gaps at the best and the last checkpoint, guarantees, optimism.

    Args:
        delta: probability with which a guarantee on the test error may fail.
    """

    def __init__(self, delta: Fraction) -> None:
        self.delta = delta

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.report.summary import parse_summary

        summary = parse_summary(subject.summary)
        last, not_last = last_numbers(subject, summary)
        openings, num_damaged = count_openings(subject)
        bounds = guarantees(summary, self.delta, None if openings.value is None else int(openings.value))
        skipped = [not_last, _without_guarantee(summary, bounds)]
        if openings.value is None:
            skipped.append(f"How often test was opened is not known: {str(openings.method).partition(': ')[2]}.")
        numbers = [*best_numbers(summary), *last, *optimism(summary), *bounds, openings, onset(subject, summary)]
        details = {"best_epoch": summary.selected_epoch, "last_epoch": summary.epochs_run,
                   "damaged_lines": num_damaged}
        return Measures(numbers, details, tuple(text for text in skipped if text is not None))


def best_numbers(summary: Summary) -> list[Measure]:
    """Return metrics and gaps of the selected checkpoint, as summary.json has them."""
    return [Measure(name, item.value, item.split, "best", {"metric": item.metric}, item.low, item.high,
                    item.method or _undefined(item.value), None if item.method is None else item.level, item.n,
                    item.num_draws)
            for name, items in (("metric", summary.metrics), ("gap", summary.gaps)) for item in items]


def last_numbers(subject: Subject, summary: Summary) -> tuple[list[Measure], str | None]:
    """Measure the last checkpoint as the best was; or say why not."""
    from dlx.core.gaps import SPLITS, gaps, measure_all
    from dlx.record import layout

    if not (subject.folder / layout.CHECKPOINTS / layout.LAST).is_file():
        return [], "The last checkpoint was not measured: the run kept none, as one that diverged."
    if _same_weights(subject):
        return [], (f"The last checkpoint was not measured apart: its weights are those of the best one, of epoch "
                    f"{summary.selected_epoch}.")
    said = {name: _by_id(subject, name) for name in SPLITS}
    rows = measure_all(subject.metrics, {name: own.losses for name, own in said.items()},
                       {name: own.outcome for name, own in said.items()}, summary.level)
    return [*(_of_last("metric", row) for row in rows), *(_of_last("gap", row) for row in gaps(rows))], None


def _same_weights(subject: Subject) -> bool:
    best, last = (subject.model(name).state_dict() for name in ("best", "last"))
    return all(bool((tensor == last[name]).all()) for name, tensor in best.items())


def _by_id(subject: Subject, split: str) -> Examples:
    """Return what the last model says of a split, in the order of the ids: bootstraps draw positions."""
    import numpy as np

    said, ids = subject.said(split, "last"), subject.splits[split].ids.cpu().numpy()
    if (np.diff(ids) > 0).all():
        return said
    order = np.argsort(ids, kind="stable")
    outcome = said.outcome._replace(scores=said.outcome.scores[order], targets=said.outcome.targets[order])
    return said._replace(losses=said.losses[order], outcome=outcome)


def _of_last(name: str, row: Row) -> Measure:
    made = row.interval
    if made is None:
        return Measure(name, row.value, row.split, "last", {"metric": row.metric}, method=_undefined(row.value),
                       n=row.n)
    bounded = math.isfinite(made.low) and math.isfinite(made.high)
    return Measure(name, row.value, row.split, "last", {"metric": row.metric}).within(
        made if bounded else made._replace(low=math.nan, high=math.nan))


def _undefined(value: float | None) -> str | None:
    return None if value is not None and math.isfinite(value) else "undefined: it is no finite number"


def optimism(summary: Summary) -> Iterator[Measure]:
    """Return, per metric, val minus test at the selected checkpoint."""
    from dlx.core.intervals import difference, newcombe

    for name in summary.names():
        val, test = (summary.metric(name, split) for split in ("val", "test"))
        if val is None or test is None:
            continue
        if val.value is None or test.value is None:
            yield Measure("selection_optimism", None, of={"metric": name}, method=_undefined(None))
            continue
        if _counts(val) and _counts(test):
            made = newcombe(_count(val), val.n, _count(test), test.n, summary.level)
        else:
            made = difference(val.value, _interval(val), test.value, _interval(test))
        yield Measure("selection_optimism", val.value - test.value, of={"metric": name}).within(made)


def _interval(item: Measured) -> Interval:
    from dlx.core.intervals import Interval, undefined

    if item.low is None or item.high is None:
        return undefined("no interval", item.level, item.n)._replace(method=item.method or "undefined: no interval")
    return Interval(item.low, item.high, item.method or "unnamed", item.level, item.n, item.num_draws)


def _counts(item: Measured) -> bool:
    """Say whether a metric is a share of examples, each right or wrong."""
    if item.method not in OF_COUNTS or item.value is None:
        return False
    return item.n > 0 and math.isclose(item.value * item.n, round(item.value * item.n), abs_tol=1e-6)


def _count(item: Measured) -> int:
    assert item.value is not None
    return round(item.value * item.n)


def guarantees(summary: Summary, delta: float, looks: int | None) -> list[Measure]:
    """Bound the test error of every metric that is a share of examples.

    Args:
        delta: probability with which a bound may fail.
        looks: number of models that were measured on this split; None where it is not known.
    """
    from dlx.core.intervals import clopper_pearson_upper, hoeffding_upper

    numbers = []
    for name in summary.names():
        item = summary.metric(name, "test")
        if item is None or not _counts(item):
            continue
        errors = item.n - _count(item) if item.greater_is_better else _count(item)
        numbers.append(Measure("error", errors / item.n, "test", of={"metric": name}, n=item.n))
        for count in dict.fromkeys((1, looks or 1)):
            level = 1 - delta / count
            for bound, value in ((CLOPPER_PEARSON, clopper_pearson_upper(errors, item.n, level)),
                                 (HOEFFDING, hoeffding_upper(errors / item.n, item.n, level))):
                numbers.append(Measure("error_bound", value, "test", of={"metric": name, "bound": bound,
                                                                         "looks": count},
                                       method=f"{bound}, one-sided", level=1 - delta, n=item.n))
    return numbers


def _without_guarantee(summary: Summary, bounds: list[Measure]) -> str | None:
    from dlx.report import words

    bounded = {item.of["metric"] for item in bounds}
    others = [words.label(name) for name in summary.names()
              if name not in bounded and summary.metric(name, "test") is not None]
    if not others:
        return None
    return f"No guarantee is given for {', '.join(others)}: it takes a metric that counts examples as right or wrong."


def count_openings(subject: Subject) -> tuple[Measure, int]:
    """Count the models that were measured on this test split, this one included, and lines that say nothing."""
    from dlx.record.openings import opening_of_run, read_openings, runs_folder

    try:
        own = opening_of_run(subject.folder)
        known = read_openings(runs_folder(subject.folder))
    except ArtefactError as error:
        return Measure("test_openings", None, "test", "", method=f"undefined: {error}"), 0
    return Measure("test_openings", len(known.models_on(own.split) | {own.model}), "test", ""), known.num_damaged


def onset(subject: Subject, summary: Summary) -> Measure:
    """Return the epoch after which the run overfitted."""
    from dlx.report.diagnosing.finding import Baseline, Case
    from dlx.report.files import read_history, read_status
    from dlx.report.measuring.onset import overfitting_onset

    baseline = None
    if subject.spec.kind == "regression":
        baseline = Baseline("rmse", float(subject.said("val").outcome.targets.std()), "always answering the mean")
    case = Case(read_history(subject.folder), summary, subject.config, read_status(subject.folder), baseline)
    found = overfitting_onset(case)
    return Measure("overfitting_epoch", found.epoch, "val", "",
                   method=None if found.epoch is not None else f"undefined: {found.reason}")

