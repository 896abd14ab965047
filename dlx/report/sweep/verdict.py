"""What the sweep came to: the best configuration, how sure that is, and its test value, opened for it alone."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sweep import compare
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.files import DONE, metrics
from dlx.report.sweep.points import Sweep

Kind = Literal["separated", "tied", "unsure", "nothing"]
COLUMNS = ("metric", "train_eval", "val", "test", "gap on val")


def kind(sweep: Sweep) -> Kind:
    """Say how sure the choice is: nothing was measured, nothing can be compared, tied, or apart from all others."""
    if not sweep.order:
        return "nothing"
    if len(sweep.order) == 1 or compare.unknown(sweep):
        return "tied" if compare.tied(sweep) else "unsure"
    return "tied" if compare.tied(sweep) else "separated"


def verdict(sweep: Sweep) -> str:
    """Say in one sentence which configuration is best, how good it is and whether others are as good."""
    if not sweep.order:
        return f"No run is done: {_statuses(sweep)}." if sweep.points else "The sweep has no runs."
    best = sweep.order[0]
    value = sweep.estimate("val", best).written(sweep.metric)
    if sweep.is_cross_validation:
        test = sweep.estimate("test", best)
        told = "" if test.value is None else f", test {words.label(sweep.metric)} {test.written(sweep.metric)}"
        return f"Over {words.count(sweep.estimate('val', best).n, 'fold')}: {sweep.ranked_by} {value}{told}."
    count = "The only configuration" if len(sweep.order) == 1 else f"Best of {len(sweep.order):,}"
    named = f"{sweep.name(best)}, with " if sweep.axes else ""
    return (f"{count}: {named}{sweep.ranked_by} {value} over "
            f"{words.count(sweep.estimate('val', best).n, 'run')}{_standing(sweep)}.")


def _standing(sweep: Sweep) -> str:
    others = len(sweep.order) - 1
    match kind(sweep):
        case "tied":
            number = len(compare.tied(sweep))
            return f"; not distinguishable from {number:,} other{'' if number == 1 else 's'}"
        case "separated":
            return f"; distinguishable from {'the other' if others == 1 else f'all {others:,} others'}"
        case _:
            unknown = words.count(len(compare.unknown(sweep)), "other")
            return f"; too few {sweep.repetition}s to compare it with {unknown}" if others else ""


def section(sweep: Sweep) -> Section:
    """Write the best configuration's numbers, its ties, and what is not done."""
    if not sweep.order:
        return Section("result", "Result", ("No run of this sweep is done, so nothing was measured.",),
                       values={"kind": "nothing", "statuses": _counted(sweep)})
    best = sweep.order[0]
    return Section(
        key="result", title="Result", sentences=(_headline(sweep),),
        points=(*_ties(sweep), *_undone(sweep)), notes=basis(
            f"configurations are ranked by their mean {sweep.ranked_by}, {sweep.better} is better; brackets hold "
            f"the {sweep.interval}; \"not distinguishable\" means that the paired difference over the same "
            f"{sweep.repetition}s has an interval that includes 0.", runs_and_points(sweep),
            "whether the best stays best on other data: every interval is read alone, and the best of many looks "
            "better "
            "than it is (see Selection optimism)."),
        tables=(Table(f"The best configuration: means over its {sweep.repetition}s", COLUMNS, _rows(sweep, best)),),
        values=_values(sweep, best),
    )


def _headline(sweep: Sweep) -> str:
    test = sweep.estimate("test", sweep.order[0])
    if sweep.is_cross_validation:
        return "Every fold was trained on other rows, selected on its val and tested on its test, once."
    told = "It has no test value." if test.value is None else (
        f"Its test {words.label(sweep.metric)} is {test.written(sweep.metric)}; val chose it, and test may choose "
        f"none.")
    return f"{sweep.name(sweep.order[0])} has the best mean {sweep.ranked_by}. {told}" if sweep.axes else told


def _rows(sweep: Sweep, point: int) -> tuple[tuple[str, ...], ...]:
    names = dict.fromkeys((sweep.metric, *metrics(sweep.files.runs)))
    return tuple((words.label(name), *(sweep.estimate(split, point, name).written(name)
                                       for split in ("train_eval", "val", "test")),
                  sweep.estimate("gap", point, name).difference(name)) for name in names)


def _ties(sweep: Sweep) -> list[str]:
    tied, within, unknown = compare.tied(sweep), compare.within(sweep), compare.unknown(sweep)
    told = []
    if tied:
        told.append(f"Not distinguishable from {words.count(len(tied), 'configuration')}: "
                    f"{compare.named(sweep, tied)}.")
    if sweep.estimate("val", sweep.order[0]).has_interval and len(sweep.order) > 1:
        told.append(f"{words.count(len(within), 'other configuration')} of {len(sweep.order) - 1:,} "
                    f"{'has its mean' if len(within) == 1 else 'have their means'} inside its interval.")
    if unknown:
        told.append(f"{words.count(len(unknown), 'configuration')} shared fewer than two {sweep.repetition}s with it "
                    f"and cannot be compared.")
    return told


def _counted(sweep: Sweep) -> dict[str, int]:
    return dict(Counter(run.status for run in sweep.files.runs))


def _statuses(sweep: Sweep) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in _counted(sweep).items())


def _undone(sweep: Sweep) -> list[str]:
    failed = {status: number for status, number in _counted(sweep).items() if status != DONE}
    if not failed:
        return []
    listed = ", ".join(f"{number:,} {status}" for status, number in failed.items())
    return [f"Of {len(sweep.files.runs):,} runs, {listed}; they are in no mean, see Runs that are not done."]


def _values(sweep: Sweep, best: int) -> dict[str, object]:
    return {
        "kind": kind(sweep), "metric": sweep.metric, "greater_is_better": sweep.greater_is_better,
        "best": dict(zip([axis.key for axis in sweep.axes], sweep.points[best].cells, strict=True)),
        **{split: sweep.estimate(split, best)._asdict() for split in ("train_eval", "val", "test", "gap")},
        "tied": [sweep.name(point) for point in compare.tied(sweep)],
        "within_interval": [sweep.name(point) for point in compare.within(sweep)], "statuses": _counted(sweep),
    }
