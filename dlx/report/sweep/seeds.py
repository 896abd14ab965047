"""What seeds do: the spread of each configuration, and whether the best is apart from the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dlx.core.intervals import Interval
from dlx.core.repeats import is_seed
from dlx.measure.comparison import Test, equivalence, holm, interquartile_mean, iqm_interval, paired_t, signed_ranks
from dlx.record import layout
from dlx.report import draw, words
from dlx.report.section import Command, Section, Table
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import LEVEL, MAX_SEEDS, Estimate, num_seeds_to_decide
from dlx.report.sweep.files import DONE, Run
from dlx.report.sweep.points import Array, Sweep
from dlx.report.sweep.seeds_figure import make_figure

MAX_ROWS, MAX_RIVALS, MAX_RUNS = 12, 8, 10
NUM_DRAWS, SEED = 2000, 0
# Of shares: a difference that nobody acts on.
MARGIN = 0.005


class Spread(NamedTuple):
    """A configuration over its seeds: values [S] that are known."""

    point: int
    values: Array
    mean: Estimate
    sd: float
    median: float
    iqm: float
    iqm_interval: Interval


class Rival(NamedTuple):
    """A configuration against the best, over shared seeds.

    adjusted: the t test's p after Holm; equivalent: within the margin, of a share, and its p after Holm.
    """

    point: int
    difference: Estimate
    t: Test
    ranks: Test
    adjusted: float
    equivalent: Test | None
    adjusted_equivalent: float | None
    seeds_to_decide: int | None


def section(sweep: Sweep) -> Section | None:
    """Tabulate spreads and tests, where a configuration has two seeds or more."""
    if sweep.overlap is not None:
        return None
    spreads = [spread(sweep, point) for point in sweep.order if np.isfinite(sweep.val[point]).sum() > 1][:MAX_ROWS]
    if not spreads:
        return None
    against, overall = rivals(sweep), over_all(sweep)
    tables = [Table(f"{words.title(sweep.ranked_by)} over seeds",
                    ("configuration", "runs", "mean", "sd", "median", "interquartile mean"),
                    tuple(_row(sweep, item) for item in spreads))]
    if against:
        tables.append(_tests(sweep, against))
    with draw.style():
        figures = (make_figure(sweep, [(item.point, item.values, item.mean) for item in spreads]),)
    return Section(
        "seeds", "Seeds", tuple(_told(sweep, spreads, against, overall)), tables=tuple(tables), figures=figures,
        commands=_commands(sweep), notes=_basis(sweep, against), values={
            "configurations": [_plain(sweep, item) for item in spreads],
            "over_all": None if overall is None else {"iqm": overall[0], **overall[1]._asdict()},
            "margin": MARGIN, "equivalence_of": _share(sweep),
            "against_best": [{"configuration": sweep.name(item.point), "difference": item.difference._asdict(),
                              "paired_t": item.t._asdict(), "wilcoxon": item.ranks._asdict(),
                              "holm_p_value": item.adjusted, "seeds_to_decide": item.seeds_to_decide,
                              "equivalence": None if item.equivalent is None else item.equivalent._asdict(),
                              "holm_equivalence_p_value": item.adjusted_equivalent}
                             for item in against]})


def spread(sweep: Sweep, point: int) -> Spread:
    """Describe the val of a configuration over its seeds."""
    values = sweep.val[point][np.isfinite(sweep.val[point])]
    return Spread(point, values, sweep.estimate("val", point), float(values.std(ddof=1)), float(np.median(values)),
                  interquartile_mean(values), iqm_interval(values[None], LEVEL, NUM_DRAWS, SEED))


def over_all(sweep: Sweep) -> tuple[float, Interval] | None:
    """Return the interquartile mean over all configurations and seeds; None where not all have the same seeds."""
    values = sweep.val[list(sweep.order)]
    if len(values) < 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        return None
    return interquartile_mean(values), iqm_interval(values, LEVEL, NUM_DRAWS, SEED)


def rivals(sweep: Sweep) -> list[Rival]:
    """Compare the next configurations with the best over the seeds that both have, two or more."""
    best, share = sweep.order[0], _share(sweep)
    found = []
    for point in sweep.order[1:]:
        own = sweep.val[point] - sweep.val[best]
        own = own[np.isfinite(own)]
        if len(own) > 1:
            other = None if share is None else _known(sweep.values("val", share)[point] -
                                                      sweep.values("val", share)[best])
            found.append((point, own, None if other is None or len(other) < 2 else equivalence(other, MARGIN)))
    found = found[:MAX_RIVALS]
    tests = [paired_t(own) for _, own, _ in found]
    told = [place for place, (_, _, equivalent) in enumerate(found) if equivalent is not None]
    equal = dict(zip(told, holm([item.p_value for _, _, item in found if item is not None]), strict=True))
    return [Rival(point, sweep.to_best[point], test, signed_ranks(own), adjusted, equivalent, equal.get(place),
                  num_seeds_to_decide(float(own.mean()), float(own.std(ddof=1))))
            for place, ((point, own, equivalent), test, adjusted) in
            enumerate(zip(found, tests, holm([test.p_value for test in tests]), strict=True))]


def _known(values: Array) -> Array:
    known: Array = values[np.isfinite(values)]
    return known


def _share(sweep: Sweep) -> str | None:
    """Return the share of which equivalence is told: what ranks, or accuracy; None without one."""
    if words.is_share(sweep.metric):
        return sweep.metric
    return "accuracy" if "val_accuracy" in sweep.columns else None


def _told(sweep: Sweep, spreads: Sequence[Spread], against: Sequence[Rival], overall: tuple[float, Interval] | None
          ) -> Iterator[str]:
    first = spreads[0]
    yield (f"{words.title(sweep.ranked_by)} of {sweep.name(first.point)}: {first.mean.written(sweep.metric)} over "
           f"{words.count(len(first.values), 'run')}, sd {_sd(sweep, first.sd)} from one to another.")
    apart = sum(item.adjusted < 1 - LEVEL for item in against)
    if len(against) == 1:
        yield f"The best is {'' if apart else 'not '}apart from the next, {_p_is(against[0].t.p_value)}."
    elif against:
        which = "all" if apart == len(against) else f"{apart:,}" if apart else "none"
        yield f"The best is apart from {which} of the next {len(against)}, after Holm's correction."
    same = [item for item in against if item.adjusted_equivalent is not None and item.adjusted_equivalent < 1 - LEVEL]
    if same:
        yield (f"Equivalent to the best within ±{100 * MARGIN:g} points of {words.label(_share(sweep) or '')}: "
               f"{'; '.join(sweep.name(item.point) for item in same)}.")
    if overall is not None:
        value, (low, high, *_) = overall
        bounds = (low, high) if math.isfinite(low) else (None, None)
        yield (f"Over all {words.count(len(sweep.order), 'configuration')} the interquartile mean is "
               f"{words.interval(sweep.metric, value, *bounds)}.")


def _row(sweep: Sweep, item: Spread) -> tuple[str, ...]:
    low, high = item.iqm_interval.low, item.iqm_interval.high
    bounds = (low, high) if math.isfinite(low) else (None, None)
    return (sweep.name(item.point), str(len(item.values)), item.mean.written(sweep.metric), _sd(sweep, item.sd),
            words.measured(sweep.metric, item.median), words.interval(sweep.metric, item.iqm, *bounds))


def _tests(sweep: Sweep, against: Sequence[Rival]) -> Table:
    share = _share(sweep)
    equal = () if share is None else (f"within {100 * MARGIN:g} points of {words.label(share)}",)
    rows = tuple((sweep.name(item.point), item.difference.difference(sweep.metric), _p(item.t.p_value),
                  _p(item.ranks.p_value), _p(item.adjusted),
                  *(("–" if item.adjusted_equivalent is None else _p(item.adjusted_equivalent),) if equal else ()),
                  f"over {MAX_SEEDS}" if item.seeds_to_decide is None else str(item.seeds_to_decide))
                 for item in against)
    return Table("Against the best, over the same seeds",
                 ("configuration", "difference", "paired t, p", "Wilcoxon, p", "t after Holm, p",
                  *(f"{name} after Holm, p" for name in equal), "seeds to decide"), rows)


def _commands(sweep: Sweep) -> tuple[Command, ...]:
    """Write how to compare the best two on examples: their runs with the same seeds."""
    if len(sweep.order) < 2:
        return ()
    first, second = (_runs(sweep, point) for point in sweep.order[:2])
    shared = [seeds for seeds in first if seeds in second]
    # Where the division follows the seed, runs of other seeds answer other examples.
    shared = [seeds for seeds in shared if first[seeds].division == first[shared[0]].division][:MAX_RUNS]
    if not shared:
        return ()
    runs = [found[seeds] for found in (first, second) for seeds in shared]
    return (Command(f"dlx compare {' '.join(_paths(runs, len(shared)))} --split val",
                    f"In the folder of the sweep: the best two on the examples that both answer, "
                    f"{words.count(len(shared), 'run')} of each. It tells whether these models differ; seeds tell "
                    f"whether they would if trained again."),)


def _paths(runs: Sequence[Run], each: int) -> Iterator[str]:
    """Write the folders of runs as a shell takes them, those of one configuration together."""
    for start in range(0, len(runs), each):
        names = [run.hash for run in runs[start : start + each]]
        yield f"{layout.RUNS}/{names[0]}" if each == 1 else f"{layout.RUNS}/{{{','.join(names)}}}"


def _runs(sweep: Sweep, point: int) -> dict[tuple[str, ...], Run]:
    """Return the runs of a configuration that are done, by their seeds."""
    return {tuple(cell for key, cell in run.cells.items() if is_seed(key)): run for run in sweep.points[point].runs
            if run.values.get(f"val_{sweep.metric}") is not None and run.status == DONE}


def _basis(sweep: Sweep, against: Sequence[Rival]) -> tuple[str, ...]:
    tests = "" if not against else (
        " Tests: paired over shared seeds, Holm 1979 over the comparisons that are shown; equivalence by two one-sided "
        "t tests (Schuirmann 1987), a small p says that they are equivalent. Seeds to decide: for a paired t test at "
        "5% with a power of 80%, for the difference that was seen.")
    crossed = "" if sum(map(is_seed, sweep.files.keys)) < 2 else (
        " Several seeds vary: runs that share one are not independent, so intervals are too narrow and p-values too "
        "small where that seed matters; see where the spread comes from.")
    cannot = "how other settings would do." if not against else (
        "that the best is as good as it looks: it was chosen by the same val, which makes it look further apart than "
        "it is.")
    return basis(
        f"mean with {sweep.interval}; interquartile mean: of the middle half (Agarwal et al. 2021), with a stratified "
        f"bootstrap over seeds, {NUM_DRAWS:,} draws, percentiles widened by √(S/(S-1)) t/z for S seeds, none for fewer "
        f"than 3.{tests}", runs_and_points(sweep),
        f"{cannot}{crossed}")


def _plain(sweep: Sweep, item: Spread) -> dict[str, object]:
    return {"configuration": sweep.name(item.point), "values": item.values.tolist(), "mean": item.mean._asdict(),
            "sd": item.sd, "median": item.median, "iqm": item.iqm, "iqm_interval": item.iqm_interval._asdict()}


def _sd(sweep: Sweep, value: float) -> str:
    return words.difference(sweep.metric, value, None, None).removeprefix("+")


def _p_is(value: float) -> str:
    return f"p {_p(value)}" if value < 0.001 else f"p = {_p(value)}"


def _p(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
