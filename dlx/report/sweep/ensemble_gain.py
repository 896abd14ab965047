"""What the mean of a configuration's runs would gain over one of them, by how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.core.diversity import per_example
from dlx.core.gaps import RESAMPLES_SEED
from dlx.core.intervals import Interval, mean
from dlx.measure.ensemble_gain import MAX_SUBSETS, gain, loss_by_size, of_target
from dlx.record import layout
from dlx.report import draw, words
from dlx.report.diagnosing.typed import command_line
from dlx.report.section import Command, Figure, Section, Table
from dlx.report.sweep.axes import short_names
from dlx.report.sweep.basis import basis
from dlx.report.sweep.estimates import LEVEL
from dlx.report.sweep.members import NOT_TO_CHOOSE, Group, Shared, each_shared, groups_of, have_same_rows
from dlx.report.sweep.points import Sweep
from dlx.report.sweep.scales import value_axis

MAX_GROUPS = 10
COLORS = (draw.BLUE, draw.VERMILLION, draw.GREEN, draw.ORANGE, draw.INK, draw.GREY)
MARKERS = "osD^vP"
MAX_TICKS = 8


@dataclass(frozen=True)
class Found:
    """One configuration.

    Args:
        losses: mean NLL or MSE of ensembles of its runs on test, by their number.
        gain: mean loss of a member minus that of the ensemble of all, with its interval over examples.
        accuracy: of a member on average and of the ensemble; None for a regression.
        diversity: means over examples by name.
    """

    group: Group
    num_examples: int
    losses: Mapping[int, float]
    gain: tuple[float, Interval]
    accuracy: tuple[float, float] | None
    diversity: Mapping[str, float]

    @property
    def whole(self) -> float:
        """The loss of the ensemble of all runs."""
        return self.losses[len(self.group.runs)]


def section(sweep: Sweep) -> Section | None:
    """Say what joining the runs of a configuration gains; None where no two runs share their test examples."""
    groups, left = groups_of(sweep, 2, MAX_GROUPS)
    found = [_found(group, said) for group, said in each_shared(sweep, groups)
             if isinstance(said, Shared) and said.is_whole]
    if not found:
        return None
    with draw.style():
        figures = (_figure(found),)
    commands, reason = _command(sweep, found[0])
    runs = sum(len(own.group.runs) for own in found)
    return Section(
        "ensemble_gain", "What an ensemble would gain", (*_sentences(found), *reason, *left), figures=figures,
        commands=commands, notes=basis(
            f"{_label(found[0])} of the mean of {_of(found[0])} of M runs, averaged over all subsets of M, or over "
            f"{MAX_SUBSETS} that are drawn where there are more. It is never above the mean of the members' (Jensen). "
            f"{_diversity_method(found[0])} Intervals are 95%, a bootstrap over test examples.",
            f"{words.count(runs, 'run')} done, of {words.count(len(found), 'configuration')}, and "
            f"{words.count(found[0].num_examples, 'test example')}, in predictions.csv.",
            "whether one larger model would do as well for the same cost: an ensemble of M takes M times the time and "
            f"memory to predict. Intervals are for these runs. {NOT_TO_CHOOSE}"),
        parts=(Section("ensemble_gain_numbers", "Numbers", tables=(_table(found),)),),
        values={"configurations": [_values(own) for own in found]})


def _found(group: Group, said: Shared) -> Found:
    values = of_target(said.scores, said.targets, said.kind)
    gains = gain(values, said.kind)
    accuracy = None
    if said.kind == "classification":
        right = said.scores.argmax(axis=2) == said.targets
        accuracy = (float(right.mean()), float((said.scores.mean(axis=0).argmax(axis=1) == said.targets).mean()))
    return Found(group, len(said.ids), loss_by_size(values, said.kind), (
        float(gains.mean()), mean(gains, LEVEL, RESAMPLES_SEED)), accuracy,
        {name: float(own.mean()) for name, own in per_example(said.scores, said.kind).items()})


def _label(own: Found) -> str:
    return "MSE" if own.accuracy is None else "NLL"


def _of(own: Found) -> str:
    return "predictions" if own.accuracy is None else "probabilities"


def _diversity_method(own: Found) -> str:
    if own.accuracy is None:
        return "The gain is the variance among runs (Krogh and Vedelsby 1995)."
    return ("Disagreement is the share of pairs of runs that predict different classes, pairwise KL the mean over "
            "ordered pairs of KL(p ‖ q), in nats.")


def _gain(own: Found) -> str:
    value, interval = own.gain
    low, high = (None, None) if interval.method.startswith("undefined") else (interval.low, interval.high)
    return words.interval("gain", value, low, high)


def _sentences(found: Sequence[Found]) -> Iterator[str]:
    own = found[0]
    size = len(own.group.runs)
    best = ", the best on val," if len(found) > 1 else ""
    accuracy = "" if own.accuracy is None else (
        f", and accuracy {words.measured('accuracy', own.accuracy[1])} where a run has "
        f"{words.measured('accuracy', own.accuracy[0])} on average")
    yield (f"An ensemble of the {size} runs of {own.group.name}{best} has test {_label(own)} "
           f"{words.number(own.whole, own.losses[1])}, which is {_gain(own)} below the "
           f"{words.number(own.losses[1], own.whole)} of a run on average{accuracy}.")
    if size > 2:
        whole = own.losses[1] - own.whole
        share = (own.losses[1] - own.losses[2]) / whole if whole > 0 else 0.0
        yield f"Two runs have {words.percent(share)}% of that gain."


def _command(sweep: Sweep, own: Found) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """Return the command that makes the ensemble, or why there is none."""
    if not have_same_rows(sweep, own.group):
        return (), ("dlx ensemble joins runs with the same train, val and test rows, and these were trained on "
                    "different ones: the numbers say what averaging over train rows gains.",)
    folder = sweep.files.folder
    paths = [str(folder / layout.RUNS / run.hash) for run in own.group.runs]
    if len(paths) == sweep.num_done:
        paths = [str(folder)]
    return (Command(command_line("dlx ensemble", paths), f"Join the {len(own.group.runs)} runs of "
                                                         f"{own.group.name} into one model."),), ()


def _table(found: Sequence[Found]) -> Table:
    label, is_class = _label(found[0]), found[0].accuracy is not None
    columns = ("configuration", "runs", f"{label} of a run", f"{label} of all", "gain",
               *(("accuracy of a run", "accuracy of all", "disagreement", "pairwise KL") if is_class else ()))
    rows = []
    for own in found:
        cells = [own.group.name, str(len(own.group.runs)), words.number(own.losses[1], own.whole),
                 words.number(own.whole, own.losses[1]), _gain(own)]
        if own.accuracy is not None:
            cells += [*(words.measured("accuracy", value) for value in own.accuracy),
                      f"{words.percent(own.diversity['disagreement'])}%", words.number(own.diversity["pairwise_kl"])]
        rows.append(tuple(cells))
    return Table(f"Ensembles of all runs of a configuration on test{', best val first' if len(found) > 1 else ''}",
                 columns, tuple(rows))


def _values(own: Found) -> dict[str, Any]:
    value, interval = own.gain
    known = not interval.method.startswith("undefined")
    accuracy = {} if own.accuracy is None else {"accuracy": {"member": own.accuracy[0], "ensemble": own.accuracy[1]}}
    return {"configuration": own.group.cells, "num_runs": len(own.group.runs), "num_examples": own.num_examples,
            "loss": "mse" if own.accuracy is None else "nll",
            "loss_by_size": {str(size): loss for size, loss in own.losses.items()},
            "gain": {"value": value, "low": interval.low if known else None, "high": interval.high if known else None,
                     "method": interval.method},
            **accuracy, "diversity": dict(own.diversity)}


def _figure(found: Sequence[Found]) -> Figure:
    drawn = found[:len(COLORS)]
    canvas = draw.figure(8.9, 3.4)
    areas = [draw.axes(canvas, box, title, "runs in the ensemble", "") for box, title in (
        ((0.7, 0.6, 5.3, 0.35), f"Test {_label(found[0])}"), ((4.25, 0.6, 1.75, 0.35), "Gain over one run"))]
    for own, color, marker in zip(drawn, COLORS, MARKERS, strict=False):
        losses = np.array(list(own.losses.values()))
        for area, values in zip(areas, (losses, losses[0] - losses), strict=True):
            area.plot(list(own.losses), values, color=color, marker=marker, markersize=5,
                      label=draw.plain(own.group.label, 20))
    ticks = sorted({size for own in drawn for size in own.losses})
    for area in areas:
        value_axis(area.yaxis, None)
        if len(ticks) <= MAX_TICKS:
            area.set_xticks(ticks)
        else:
            value_axis(area.xaxis, None, MAX_TICKS)
    keys = " · ".join(short_names(list(found[0].group.cells)))
    areas[1].legend(loc="upper left", bbox_to_anchor=(1.04, 1.0), borderaxespad=0, title=draw.plain(keys, 22),
                    alignment="left")
    more = f" The best {len(drawn)} configurations are shown." if len(found) > len(drawn) else ""
    own = found[0]
    return Figure("ensemble_gain", draw.png(canvas),
                  f"Test {_label(own)} of ensembles falls from {words.number(own.losses[1], own.whole)} for one run to "
                  f"{words.number(own.whole, own.losses[1])} for {len(own.group.runs)}, for {own.group.name}.",
                  f"Each dot is a mean over ensembles of so many runs of a configuration; right, how far it lies below "
                  f"one run.{more}")
