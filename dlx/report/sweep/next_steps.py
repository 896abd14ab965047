"""What to run next: seeds that would decide, ranges that end too early, failures to try again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlx.core.repeats import SEED, repeats
from dlx.record.folder import FINAL
from dlx.report import words
from dlx.report.diagnosing import typed
from dlx.report.section import Command, Section
from dlx.report.sweep import compare
from dlx.report.sweep.axes import Axis
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.estimates import MAX_SEEDS, num_seeds_to_decide
from dlx.report.sweep.points import Sweep

COMMAND = "dlx sweep"
FIRST_SEEDS = 5
MAX_COMMANDS = 4
MAX_EXTENDED = 2
# Rates and fractions end at 1, so a range that ends near it is not extended.
BOUNDED = ("_rate", "rate", "_fraction", "fraction", "momentum", "smoothing")


def section(sweep: Sweep) -> Section | None:
    """Write commands, the most useful first."""
    if not sweep.order:
        return None
    found = [*_extensions(sweep), *_seeds(sweep)][:MAX_COMMANDS]
    told = (*_remarks(sweep), *_edges(sweep))
    if not found and not told and sweep.is_cross_validation:
        return None
    if not found and not told:
        told = ("The best is apart from all others and inside of its ranges: nothing is left to decide here.",)
    return Section(
        key="next", title="What to run next", sentences=told, commands=tuple(found),
        notes=basis(
            "a range is called too short where its first or last value is in the best configuration. Numbers of seeds "
            "are "
            "for a two-sided paired t test at 5% with a power of 80%, for the difference and the spread that were "
            "seen.",
            runs_and_points(sweep),
            "that the difference is as large as it was seen: the second best of many is often closer than it looks."),
        values={"commands": [command.text for command in found]})


def _remarks(sweep: Sweep) -> tuple[str, ...]:
    again = sum(run.status not in FINAL for run in sweep.files.runs)
    diverged = sum(run.status == "diverged" for run in sweep.files.runs)
    told = []
    if again:
        told.append(f"{words.count(again, 'run')} did not end: dlx resume with this folder tries again.")
    if diverged:
        told.append(f"{words.count(diverged, 'run')} diverged and would again; see what they share under Runs that are "
                    f"not done.")
    tied = compare.tied(sweep)
    if tied and sweep.overlap is None and _num_seeds(sweep, tied[0]) is None:
        told.append(f"Not even {MAX_SEEDS} seeds would tell the best from {sweep.name(tied[0])}: take the one that is "
                    f"simpler or cheaper.")
    return tuple(told)


def _edges(sweep: Sweep) -> tuple[str, ...]:
    names = [axis.key for axis, _ in _at_the_edge(sweep)]
    if not names:
        return ()
    return (f"The best has the first or last value of {', '.join(names)}.",)


def _at_the_edge(sweep: Sweep) -> list[tuple[Axis, bool]]:
    """List the axes whose last (True) or first (False) value is in the best configuration."""
    cells = sweep.points[sweep.order[0]].cells
    found = [(axis, cell == axis.levels[-1]) for axis, cell in zip(sweep.axes, cells, strict=True)
             if len(axis.numbers) > 1 and cell in (axis.levels[0], axis.levels[-1])
             and axis.key.rpartition(".")[2] != SEED]
    return [(axis, at_end) for axis, at_end in found if beyond(axis, at_end)]


def _extensions(sweep: Sweep) -> Iterator[Command]:
    best = sweep.order[0]
    for axis, at_end in _at_the_edge(sweep)[:MAX_EXTENDED]:
        edge = axis.levels[-1 if at_end else 0]
        values = [edge, *beyond(axis, at_end)]
        tokens = {**_tokens(sweep, best), axis.key: f"{axis.key}={','.join(values)}"}
        side = "largest" if at_end else "smallest"
        yield Command(_command(tokens, _seed_token(sweep)),
                      f"{axis.key}={edge} is best and the {side} value that was tried: the best may lie beyond.")


def beyond(axis: Axis, at_end: bool) -> tuple[str, ...]:
    """Return the next two values after an end of the range, by its last ratio or step; none where there is a bound."""
    ordered = axis.numbers if at_end else axis.numbers[::-1]
    last, before = ordered[-1], ordered[-2]
    ratio = _ratio(axis, last, before, at_end)
    found = [last + step * (last - before) if ratio is None else last * ratio**step for step in (1, 2)]
    whole = all(number == round(number) for number in axis.numbers)
    found = [value for value in found if _allowed(axis, value) and (not whole or round(value) != last)]
    return tuple(dict.fromkeys(str(round(value)) if whole else f"{value:.3g}" for value in found))


def _ratio(axis: Axis, last: float, before: float, at_end: bool) -> float | None:
    """Return the ratio by which levels go on, or None where they go on by steps."""
    if axis.is_geometric or (axis.scale == "log" and not axis.is_sampled):
        return last / before
    if axis.is_arithmetic or not axis.is_sampled or last <= 0:
        return None
    return 3.0 if at_end else 1 / 3


def _allowed(axis: Axis, value: float) -> bool:
    if min(axis.numbers) >= 0 and value <= 0:
        return False
    below_one = axis.key.rpartition(".")[2].endswith(BOUNDED) and max(axis.numbers) < 1
    return not below_one or value < 1


def _seeds(sweep: Sweep) -> Iterator[Command]:
    best = sweep.order[0]
    if sweep.overlap is not None:
        # How many folds would decide is not known: more of them overlap more.
        return
    if len(sweep.seeds) < 2 or sweep.points[best].num_done < 2:
        yield Command(_command(_rivals(sweep), f"seed=range({FIRST_SEEDS})"),
                      f"One run of each says nothing about how much the seed does; {FIRST_SEEDS} give the best and its "
                      f"rival means with intervals.")
        return
    if len(sweep.order) < 2 or not compare.tied(sweep):
        return
    second = compare.tied(sweep)[0]
    number = _num_seeds(sweep, second)
    if number is None:
        return
    yield Command(_command(_rivals(sweep, second), f"seed=range({number})"),
                  f"{number} seeds would tell the best from the next that is not distinguishable from it "
                  f"({sweep.name(second)}), if they differ as much as they seem to.")


def _num_seeds(sweep: Sweep, other: int) -> int | None:
    """Return how many seeds would decide, more than there are; None where even 200 would not."""
    difference = sweep.val[other] - sweep.val[sweep.order[0]]
    difference = difference[np.isfinite(difference)]
    if len(difference) < 2:
        return None
    needed = num_seeds_to_decide(float(difference.mean()), float(difference.std(ddof=1)))
    return None if needed is None or needed > MAX_SEEDS else max(needed, len(difference) + 1)


def _rivals(sweep: Sweep, other: int | None = None) -> dict[str, str]:
    """Return what was typed for the best, with both values where another configuration differs."""
    best = sweep.order[0]
    rival = (sweep.order[1] if len(sweep.order) > 1 else best) if other is None else other
    tokens, others = _tokens(sweep, best), _tokens(sweep, rival)
    return {key: token if others.get(key, token) == token else f"{token},{others[key].partition('=')[2]}"
            for key, token in tokens.items()}


def _tokens(sweep: Sweep, point: int) -> dict[str, str]:
    overrides = sweep.points[point].runs[0].overrides
    return {typed.key(token): token for token in overrides if not _is_varied(sweep, typed.key(token))}


def _is_varied(sweep: Sweep, key: str) -> bool:
    """Say whether a key repeats the sweep's configurations: split.seed=0 for all of them is one of their settings."""
    return key == SEED or (repeats(key) and key in sweep.files.keys)


def _seed_token(sweep: Sweep) -> str | None:
    """Return the seeds or folds of the sweep as they are typed, or None where they are not whole numbers."""
    if any(repeats(key) and key != SEED for key in sweep.files.keys):
        return " ".join(token for token in sweep.files.typed if _is_varied(sweep, typed.key(token))) or None
    if not all(seed.isdecimal() for seed in sweep.seeds):
        return None
    first, last = int(sweep.seeds[0]), int(sweep.seeds[-1])
    if len(sweep.seeds) > 1 and [str(seed) for seed in range(first, last + 1)] == list(sweep.seeds):
        return f"seed=range({last + 1})" if first == 0 else f"seed=range({first},{last + 1})"
    return f"seed={','.join(sweep.seeds)}"


def _command(tokens: dict[str, str], seed: str | None) -> str:
    return typed.command_line(COMMAND, [*tokens.values(), *([] if seed is None else [seed])])
