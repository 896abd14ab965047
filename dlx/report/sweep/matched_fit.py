"""Configurations compared where they fit train equally well or cost the same, not only after as many epochs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sections.capacity import large
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import Estimate
from dlx.report.sweep.matched import Matched, matched, same_task
from dlx.report.sweep.points import Sweep, mean_over_seeds
from dlx.report.sweep.scales import unit, value_axis
from dlx.report.sweep.slices import capital, is_greater_better

MAX_POINTS = 12
NONE = ("none", "[none]", "[]", "{}", "null", "")
# What is trained on, so that an epoch or a loss of one level is not that of another.
OF_DATA = ("dataset", "split", "preprocessing")
BY = {"epochs": "equal epochs", "loss": "equal train loss", "compute": "equal compute"}
MARKS = {"epochs": ("o", draw.BLUE), "loss": ("s", draw.VERMILLION), "compute": ("D", draw.GREEN)}
WIDTH = 8.9
CANNOT = (
    "which is better trained to the end: a configuration that learns slowly is met at an earlier part of its training, "
    "and settings such as the learning rate were not tuned for each. A train loss that all reached is set by the one "
    "that fits worst.")


def section(sweep: Sweep) -> Section | None:
    """Tabulate val by each comparison, with differences to the first level, and say whether the ranking changes."""
    named = [axis for axis in sweep.axes if not axis.numbers]
    if not named or not 2 <= len(sweep.order) <= MAX_POINTS:
        return None
    if any(axis.key.partition(".")[0] in OF_DATA for axis in sweep.axes):
        return None
    # Losses that are minimised are different things where the loss varies; the likelihood is the same.
    varies = any(axis.key.partition(".")[0] == "loss" for axis in sweep.axes)
    found = matched(sweep, "nll" if varies else "loss")
    if found is None:
        return None
    reference = _reference(sweep)
    with draw.style():
        figure = _figure(sweep, found, reference)
    return Section(
        key="matched_fit", title="At equal fit and equal compute", sentences=tuple(_sentences(sweep, found)),
        points=tuple(_remarks(sweep, found, reference)), tables=(_table(sweep, found, reference),), figures=(figure,),
        notes=basis(_method(sweep, found), runs_and_points(sweep), CANNOT), values=_values(sweep, found, reference))


def _reference(sweep: Sweep) -> int:
    """Return the configuration with the most settings that are none; of several, the first of the plan."""
    def named_none(point: int) -> int:
        return sum(cell in NONE for cell in sweep.points[point].cells)

    return max(sorted(sweep.order), key=named_none)


def ranking(sweep: Sweep, found: Matched, name: str) -> tuple[int, ...]:
    """List the points that have a val by a comparison, best first."""
    means = mean_over_seeds(found.val[name])
    sign = -1.0 if is_greater_better(sweep, found.metric) else 1.0
    return tuple(sorted((point for point in sweep.order if math.isfinite(means[point])),
                        key=lambda point: sign * means[point]))


def swapped(sweep: Sweep, found: Matched, name: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the pairs that a comparison ranks the other way round than equal epochs, and those decided both times."""
    before, after = ranking(sweep, found, "epochs"), ranking(sweep, found, name)
    pairs = [(first, second) for first, second in itertools.combinations(before, 2)
             if first in after and second in after and after.index(first) > after.index(second)]
    return pairs, [pair for pair in pairs if all(_decided(sweep, found, own, pair) for own in ("epochs", name))]


def _decided(sweep: Sweep, found: Matched, name: str, pair: tuple[int, int]) -> bool:
    own = _difference(sweep, found, name, *pair)
    return own.has_interval and not own.includes(0.0)


def _difference(sweep: Sweep, found: Matched, name: str, point: int, reference: int) -> Estimate:
    return sweep.estimated(found.val[name][point] - found.val[name][reference])


def _sentences(sweep: Sweep, found: Matched) -> Iterator[str]:
    metric = words.label(found.metric)
    best = {name: ranking(sweep, found, name)[:1] for name in BY}
    told = [f"{sweep.name(own[0])} at {BY[name]} ({sweep.estimated(found.val[name][own[0]]).written(found.metric)})"
            for name, own in best.items() if own]
    yield f"Best val {metric}: {'; '.join(told)}."
    for name in ("loss", "compute"):
        if not best[name]:
            continue
        pairs, decided = swapped(sweep, found, name)
        if not pairs:
            yield f"The ranking at {BY[name]} is that at equal epochs."
            continue
        sure = ("none of these differences is told from noise both times" if not decided else "; ".join(
            f"{sweep.name(second)} against {sweep.name(first)} is told from noise both times"
            for first, second in decided))
        number = math.comb(len(ranking(sweep, found, name)), 2)
        yield (f"At {BY[name]} the ranking changes: {words.count(len(pairs), 'pair')} of {number:,} "
               f"{'is' if len(pairs) == 1 else 'are'} the other way round than at equal epochs; {sure}.")


def _changed_most(sweep: Sweep, found: Matched, reference: int) -> str | None:
    """Write of the configuration whose difference to the reference changes most what it is at both comparisons."""
    changes = {}
    for point, name in itertools.product((point for point in sweep.order if point != reference), ("loss", "compute")):
        before, after = (_difference(sweep, found, own, point, reference) for own in ("epochs", name))
        if before.value is not None and after.value is not None and before.value != after.value:
            changes[point, name] = (abs(after.value - before.value), before, after)
    if not changes:
        return None
    (point, name), (_, before, after) = max(changes.items(), key=lambda item: item[1][0])
    return (f"Against {sweep.name(reference)}, {sweep.name(point)} changes most: {before.difference(found.metric)} at "
            f"equal epochs, {after.difference(found.metric)} at {BY[name]}.")


def _remarks(sweep: Sweep, found: Matched, reference: int) -> Iterator[str]:
    most = _changed_most(sweep, found, reference)
    if most is not None:
        yield most
    if found.together and found.cost == "passes":
        yield "Some runs trained together and share their seconds, so these are not compared."
    if found.cost == "passes" and not same_task(sweep):
        yield "The models differ in size, and a pass of a larger one costs more than is counted here."
    for name in ("loss", "compute"):
        absent = [sweep.name(point) for point in sweep.order if not np.isfinite(found.val[name][point]).any()]
        if absent:
            yield f"Without a value at {BY[name]}, which they pass in their first epoch: {', '.join(absent)}."


def _table(sweep: Sweep, found: Matched, reference: int) -> Table:
    columns = ["configuration"]
    for name in BY:
        columns += [BY[name], "minus reference"]
    rows = []
    for point in sweep.order:
        cells = [sweep.name(point)]
        for name in BY:
            difference = "reference" if point == reference else _difference(
                sweep, found, name, point, reference).difference(found.metric)
            cells += [sweep.estimated(found.val[name][point]).written(found.metric), difference]
        rows.append(tuple(cells))
    return Table(f"Val {words.label(found.metric)} by comparison, reference {sweep.name(reference)}", tuple(columns),
                 tuple(rows))


def _method(sweep: Sweep, found: Matched) -> str:
    spent = {
        "flops": f"{large(found.budget, 'FLOP')}, the FLOPs of a training step times steps, those of regularizers that "
                 f"take further passes with these",
        "seconds": f"{words.number(found.budget)} seconds of training, of runs that may have shared the machine",
        "passes": f"{words.number(found.budget)} forward and backward passes over train, for neither FLOPs nor seconds "
                  f"of single runs are known; regularizers that take further passes are counted with these"}[found.cost]
    return (
        f"val {words.label(found.metric)} after epoch {found.epoch:g}, the last that all runs reached; at the first "
        f"moment at which train_eval {words.label(found.loss_name)} is at most {words.number(found.loss)}, the "
        f"largest over runs of their lowest, so that all reach it; and at the compute of the run that spent least, "
        f"{spent}. Between epochs values lie on the line through both. Means and {sweep.interval}; differences are "
        f"paired over {sweep.repetition}s. No checkpoint is selected here.")


def _values(sweep: Sweep, found: Matched, reference: int) -> Mapping[str, Any]:
    return {
        "metric": found.metric, "epoch": found.epoch, "train_loss": found.loss, "cost": found.cost,
        "budget": found.budget, "reference": sweep.name(reference), "configurations": [
            {"configuration": sweep.name(point), **{name: {
                "val": sweep.estimated(found.val[name][point])._asdict(),
                "minus_reference": _difference(sweep, found, name, point, reference)._asdict()} for name in BY}}
            for point in sweep.order],
        "ranking": {name: [sweep.name(point) for point in ranking(sweep, found, name)] for name in BY}}


def _figure(sweep: Sweep, found: Matched, reference: int) -> Figure:
    others = [point for point in sweep.order if point != reference]
    height = 0.95 + 0.5 * len(others) + 0.2
    canvas = draw.figure(WIDTH, height)
    name = words.label(found.metric)
    area = draw.axes(canvas, (2.4, 0.55, 0.3, 0.4), "", f"val {name} minus that of the reference{unit(found.metric)}",
                     "")
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    scale = 100.0 if words.is_share(found.metric) else 1.0
    for number, comparison in enumerate(BY):
        marker, color = MARKS[comparison]
        drawn = [(row - 0.22 + 0.22 * number, _difference(sweep, found, comparison, point, reference))
                 for row, point in enumerate(others)]
        known = [(row, own) for row, own in drawn if own.value is not None]
        for row, own in known:
            if own.low is not None and own.high is not None:
                area.plot([scale * own.low, scale * own.high], [row, row], color=color, linewidth=1.5)
        area.plot([scale * (own.value or 0.0) for _, own in known], [row for row, _ in known], linestyle="",
                  marker=marker, color=color, markersize=6, label=BY[comparison])
    area.set_ylim(len(others) - 0.45, -0.55)
    area.set_yticks(range(len(others)), [draw.plain(sweep.name(point), 30) for point in others])
    area.tick_params(axis="y", length=0)
    area.grid(visible=False, axis="y")
    value_axis(area.xaxis, None, 7)
    canvas.legend(*area.get_legend_handles_labels(), loc="upper left", ncols=3, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / WIDTH, 1 - 0.12 / height))
    return Figure("matched_fit", draw.png(canvas), " ".join(_sentences(sweep, found)), (
        f"Mean differences to {sweep.name(reference)}, paired over {sweep.repetition}s, with their 95% intervals. "
        f"{capital('higher' if is_greater_better(sweep, found.metric) else 'lower')} is better."))
