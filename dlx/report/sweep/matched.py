"""Val at equal epochs, equal fit of train and equal compute, from the epochs of every run. P points, S seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from dlx.record import layout
from dlx.record.safe_yaml import read_yaml
from dlx.record.table import read_rows
from dlx.report.history import History
from dlx.report.sweep.details import folder_of, history_of, measures_of, summary_of
from dlx.report.sweep.files import Run
from dlx.report.sweep.points import Array, Sweep

Cost = Literal["flops", "seconds", "passes"]


class Trained(NamedTuple):
    """A run's epochs [E] that were measured: train_eval loss, val metric, and what was spent until then, by cost."""

    loss: Array
    val: Array
    epochs: Array
    costs: Mapping[Cost, Array]


class Matched(NamedTuple):
    """Val [P, S] by each comparison, NaN where a run has none.

    epoch: the last that all runs reached; loss: train_eval loss that all reached, NaN where losses cannot be compared;
    cost: what was counted; budget: of it, the smallest that a run spent; together: some runs share their seconds.
    """

    metric: str
    loss_name: str
    val: Mapping[str, Array]
    epoch: float
    loss: float
    cost: Cost
    budget: float
    together: bool


def passes_of_a_step(config: Mapping[str, Any]) -> float:
    """Count the forward and backward passes of a training step: 1, and what regularizers add.

    SAM and ASAM take a second, adversarial training one for each ascent, the Jacobian penalty one for each projection.
    """
    count = 1.0
    for own in (config.get("regularizer") or {}).values():
        added = {"sam": 1, "asam": 1, "adversarial_training": own.get("num_steps", 1),
                 "jacobian": own.get("num_projections", 1)}
        count += float(added.get(own.get("part"), 0))
    return count


def matched(sweep: Sweep, loss_name: str) -> Matched | None:
    """Compare all points by their epochs; None where a run has none, or no val metric in them."""
    found: dict[tuple[int, int], Trained] = {}
    timed: list[tuple[float, ...]] = []
    metric = _metric(sweep)
    for point in sweep.order:
        for run, seed in zip(sweep.points[point].runs, sweep.places(point), strict=True):
            history = history_of(sweep, run)
            if history is None:
                continue
            seconds, costs = _costs(sweep, run, history)
            timed.append(tuple(seconds))
            found[point, seed] = _trained(history, metric, loss_name, costs)
            if not found[point, seed].epochs.size:
                return None
    if not found:
        return None
    # Members of one training share each epoch's time, to the last digit.
    together = len(set(timed)) < len(timed)
    return _compare(sweep, found, metric, loss_name, _cheapest(found, together), together)


def _metric(sweep: Sweep) -> str:
    """Return the metric that ranks, or the loss where epochs do not have it."""
    first = next((history_of(sweep, run) for run in sweep.points[sweep.order[0]].runs if run.status == "done"), None)
    return sweep.metric if first is not None and first.has(f"val_{sweep.metric}") else "loss"


def _trained(history: History, metric: str, loss_name: str, costs: Mapping[Cost, Array]) -> Trained:
    loss, val = history.column(f"train_eval_{loss_name}"), history.column(f"val_{metric}")
    known = np.isfinite(loss) & np.isfinite(val)
    return Trained(loss[known], val[known], history.epochs[known], {name: own[known] for name, own in costs.items()})


def _costs(sweep: Sweep, run: Run, history: History) -> tuple[Array, dict[Cost, Array]]:
    """Return the seconds of the epochs, and what was spent until the end of each, by every cost that is known."""
    folder = folder_of(sweep, run)
    assert folder is not None
    path = folder / layout.CONFIG
    passes = passes_of_a_step(read_yaml(path)) if path.is_file() else 1.0
    costs: dict[Cost, Array] = {"passes": passes * history.epochs}
    section = measures_of(sweep, run).get("capacity")
    flops = None if section is None else section.find("training_step_flops")
    if flops is not None and flops.value is not None and history.has("step"):
        costs["flops"] = passes * flops.value * history.column("step")
    seconds = History.of(read_rows(folder / layout.TIMING)).column("train_seconds")
    if len(seconds) == history.num_epochs:
        costs["seconds"] = np.cumsum(seconds)
    return seconds, costs


def _cheapest(found: Mapping[tuple[int, int], Trained], together: bool) -> Cost:
    """Choose the cost that every run has: FLOPs, else seconds where each run has its own, else passes over train."""
    for cost in ("flops", "seconds"):
        if all(cost in own.costs for own in found.values()) and not (cost == "seconds" and together):
            return cost
    return "passes"


def _compare(sweep: Sweep, found: Mapping[tuple[int, int], Trained], metric: str, loss_name: str, cost: Cost,
             together: bool) -> Matched:
    epoch = min(own.epochs[-1] for own in found.values())
    loss = max(own.loss.min() for own in found.values())
    budget = min(own.costs[cost][-1] for own in found.values())
    val = {name: np.full(sweep.val.shape, np.nan) for name in ("epochs", "loss", "compute")}
    for place, own in found.items():
        val["epochs"][place] = at_spent(own.epochs, own.val, epoch)
        val["loss"][place] = at_loss(own.loss, own.val, loss)
        val["compute"][place] = at_spent(own.costs[cost], own.val, budget)
    return Matched(metric, loss_name, val, float(epoch), float(loss), cost, float(budget), together)


def at_spent(spent: Array, val: Array, budget: float) -> float:
    """Return val where a budget is spent, between epochs on the line through both; NaN before the first.

    Args:
        spent: [E], ascending; val: [E].
    """
    return float(np.interp(budget, spent, val)) if spent[0] <= budget <= spent[-1] else float("nan")


def at_loss(loss: Array, val: Array, wanted: float) -> float:
    """Return val where the loss on train first is at most the wanted one, on the line from the epoch before; NaN never.

    Args:
        loss: [E]; val: [E].
    """
    reached = np.flatnonzero(loss <= wanted)
    if not reached.size:
        return float("nan")
    after = int(reached[0])
    if after == 0:
        return float(val[0])
    share = (loss[after - 1] - wanted) / (loss[after - 1] - loss[after])
    return float(val[after - 1] + share * (val[after] - val[after - 1]))


def same_task(sweep: Sweep) -> bool:
    """Say whether all runs have the same number of train examples and of parameters, so that passes cost the same."""
    summaries = [summary_of(sweep, run) for point in sweep.order for run in sweep.points[point].runs]
    return len({(own.num_parameters, own.num_examples.get("train")) for own in summaries if own is not None}) < 2
