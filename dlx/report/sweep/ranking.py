"""Which measure ranks the gap: what was measured of models, against how they generalize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from dlx.report import draw, words
from dlx.report.section import Section, Table
from dlx.report.sweep.axes import readable, short_names
from dlx.report.sweep.basis import basis
from dlx.report.sweep.measured import MIN_RUNS, Collected, collect, gaps_of
from dlx.report.sweep.points import Sweep
from dlx.report.sweep.ranked import CEILING, DRIVERS, INVERSE, MIN_BLOCKS, Ranked, num_draws, rank
from dlx.report.sweep.ranking_figure import make_figure

MAX_ROWS, MAX_AXES, MAX_NAMED = 15, 4, 3


def section(sweep: Sweep) -> Section | None:
    """Rank what was measured of models by their gap on test, where six runs or more have measures."""
    found = collect(sweep)
    if found is None or not found.labels:
        return None
    metric, other = _metrics(sweep)
    gaps = gaps_of(sweep, found.runs, metric)
    if np.isfinite(gaps).sum() < MIN_RUNS or np.ptp(gaps[np.isfinite(gaps)]) == 0:
        return None
    ranked, baselines = rank(sweep, found, metric)
    if not ranked:
        return None
    beside = [] if other is None else rank(sweep, found, other)[0]
    with draw.style():
        figures = (make_figure(ranked, baselines, _gap(metric)),)
    return Section(
        key="ranking", title="Which measure ranks the gap",
        sentences=tuple(_told(ranked, baselines, metric, other, beside)), points=tuple(_remarks(found, ranked)),
        figures=figures, parts=(_numbers(sweep, ranked, baselines, metric, other, beside),),
        notes=_basis(found, metric), values={
            "metric": metric, "num_runs": len(found.runs), "num_draws": num_draws(found),
            "measures": [_plain(item) for item in ranked], "baselines": [_plain(item) for item in baselines],
            "other": None if other is None else {"metric": other, "measures": [_plain(item) for item in beside]},
            "alike": {label: list(others) for label, others in found.alike.items() if others},
            "constant": list(found.constant)})


def _metrics(sweep: Sweep) -> tuple[str, str | None]:
    """Return the metric whose gap is ranked, accuracy where there is one, and another to look at."""
    known = {column.removeprefix("test_") for run in sweep.files.runs for column in run.values
             if column.startswith("test_")}
    metric = "accuracy" if "accuracy" in known else sweep.metric
    other = sweep.metric if sweep.metric != metric else "loss"
    return metric, other if other != metric and other in known else None


def _gap(metric: str) -> str:
    return "gap in error (1 - accuracy)" if metric == "accuracy" else f"gap in {words.label(metric)}"


def _name(label: str) -> str:
    return label.replace("_", " ")


def _told(ranked: Sequence[Ranked], baselines: Sequence[Ranked], metric: str, other: str | None,
          beside: Sequence[Ranked]) -> Iterator[str]:
    n = words.count(max(item.n for item in ranked), "run")
    yield _told_of(ranked, f"the test {_gap(metric)} over {n} better than chance, after Holm's correction")
    if other is not None and beside:
        yield _told_of(beside, f"the test {_gap(other)} so")
    for item in baselines:
        if item.label == CEILING:
            yield (f"The gap on val reaches tau {item.tau:+.2f}: about what a perfect measure would, known as "
                   f"inexactly as examples of val let it be.")
        else:
            yield (f"Loss on train_eval reaches {item.tau:+.2f}: a measure with no larger |tau| may tell no more than "
                   f"how far training has come.")


def _told_of(ranked: Sequence[Ranked], what: str) -> str:
    told = sorted((item for item in ranked if item.is_told), key=lambda item: -abs(item.tau))
    if not told:
        return f"None of {words.count(len(ranked), 'measure')} ranks {what}."
    named = "; ".join(f"{_name(item.label)} {item.tau:+.2f}" for item in told[:MAX_NAMED])
    more = "" if len(told) <= MAX_NAMED else f"; and {len(told) - MAX_NAMED:,} more"
    return (f"{len(told):,} of {words.count(len(ranked), 'measure')} {'ranks' if len(told) == 1 else 'rank'} {what}, "
            f"by Kendall's tau: {named}{more}.")


def _remarks(found: Collected, ranked: Sequence[Ranked]) -> Iterator[str]:
    known = [item for item in ranked if item.agrees is not None]
    steady = [item for item in known if item.agrees]
    if known:
        changing = [f"{_name(item.label)} ({_by_axis(item)})" for item in
                    sorted(known, key=lambda item: -abs(item.tau)) if not item.agrees][:2]
        yield (f"The sign is the same whichever setting varies for {len(steady):,} of {len(known):,} measures. Where "
               f"it is not, what tau says depends on what was swept{': ' + '; '.join(changing) if changing else ''}.")
    backwards = [item for item in known if item.tau < 0 and item.is_told and item.label.partition(",")[0] not in
                 INVERSE]
    if backwards:
        yield (f"{words.count(len(backwards), 'measure')} that theory expects to grow with the gap "
               f"{'falls' if len(backwards) == 1 else 'fall'} with it here: "
               f"{'; '.join(_name(item.label) for item in backwards[:MAX_NAMED])}. Norms are known to do so where the "
               f"learning rate and the batch size vary (Jiang et al. 2019).")
    alike = [f"{_name(label)} (as {', '.join(map(_name, others))})" for label, others in found.alike.items() if others]
    if alike:
        yield f"Measures that order the runs alike count once: {'; '.join(alike)}."
    if found.constant:
        yield f"The same in all runs, so left out: {', '.join(map(_name, found.constant))}."
    if found.num_left_out:
        yield f"{words.count(found.num_left_out, 'further measure')} not looked at."


def _by_axis(item: Ranked) -> str:
    return ", ".join(f"{key} {value:+.2f}" for key, value in item.psi.items() if value is not None)


def _numbers(sweep: Sweep, ranked: Sequence[Ranked], baselines: Sequence[Ranked], metric: str, other: str | None,
             beside: Sequence[Ranked]) -> Section:
    largest = sorted(ranked, key=lambda item: -abs(item.tau))[:MAX_ROWS]
    rest = len(ranked) - len(largest)
    shown = [*largest, *baselines]
    taus = {item.label: item.tau for item in beside}
    own = () if other is None else (f"tau, {_gap(other)}",)
    equal = " and ".join(axis.key for axis in sweep.axes if axis.key in DRIVERS)
    held = () if not equal else (f"at equal {equal}",)
    rows = tuple((_name(item.label), f"{item.tau:+.2f}", f"±{item.noise:.2f}", _p(item.adjusted),
                  *((_signed(taus.get(item.label)),) if own else ()), *((_signed(item.at_equal),) if held else ()))
                 for item in shown)
    tables = [Table(f"Order of all runs by the test {_gap(metric)}",
                    ("measure", "tau", "noise", "p after Holm", *own, *held), rows)]
    if any(item.granulated is not None for item in shown):
        tables.append(_within(sweep, shown))
    more = () if not rest else (f"The {MAX_ROWS} with the largest |tau|; {rest:,} more in report.json.",)
    return Section("measures", "Numbers", more, tables=tuple(tables))


def _within(sweep: Sweep, shown: Sequence[Ranked]) -> Table:
    keys = [axis.key for axis in sweep.axes][:MAX_AXES]
    names = short_names([axis.key for axis in sweep.axes])[:MAX_AXES]
    rows = tuple((_name(item.label), _signed(item.granulated), *(_signed(item.psi[key]) for key in keys),
                  *_errors(sweep, item)) for item in shown)
    return Table("Order of runs that differ in one setting",
                 ("measure", "psi", *(f"{name} alone" for name in names), "sign error", "90th percentile", "worst"),
                 rows)


def _errors(sweep: Sweep, item: Ranked) -> tuple[str, str, str]:
    if item.errors is None:
        return "–", "–", "–"
    found = item.errors
    levels = " to ".join(map(readable, found.levels))
    where = f"{short_names([axis.key for axis in sweep.axes])[found.setting]} {levels}"
    return f"{found.mean:.2f}", f"{found.high:.2f}", f"{found.worst:.2f} ({where})"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _basis(found: Collected, metric: str) -> tuple[str, ...]:
    together = len(set(found.points)) >= MIN_BLOCKS
    dealt = "among configurations, runs of one staying together" if together else "among runs"
    runs, points = words.count(len(found.runs), "run"), words.count(len(set(found.points)), "configuration")
    return basis(
        f"a run's {_gap(metric)}, test minus train_eval, larger is worse. The test gap, because the question is what "
        f"foretells generalization; nothing is chosen by it. Tau: Kendall's tau-b. Noise: 95% of |tau| of "
        f"{num_draws(found):,} random deals of the gaps {dealt}; p from the same. Psi: mean tau-a of groups that "
        f"differ in one setting at equal seed, averaged over settings (Jiang et al. 2019). Sign error: share of pairs "
        f"that differ in one setting and are ordered the other way than theory expects (larger measure, larger gap; "
        f"the reverse for {', '.join(_name(name) for name in INVERSE)}), for each pair of levels: mean, 90th "
        f"percentile, maximum; a pair weighs 2Φ(|z|) - 1, z the difference of its gaps over its standard error from "
        f"the intervals on test, as if these were independent (after Dziugaite et al. 2020). 0.5 is a coin.",
        f"{runs} with measures, of {points}; numbers of whole models at the best checkpoint, from the runs' measures.",
        "that a measure causes generalization, or ranks other sweeps: orders of norms and sharpness are fragile "
        "(arXiv 2510.18934). Runs were trained for as long as they were, not to the same train loss, so that much of "
        "an order may be how far training came.")


def _plain(item: Ranked) -> dict[str, object]:
    plain = asdict(item)
    return {**plain, "psi": dict(item.psi), "agrees": item.agrees,
            "errors": None if item.errors is None else item.errors._asdict()}
