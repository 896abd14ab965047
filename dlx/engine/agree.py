"""Whether a run can be asked about rows of another dataset, and those rows and targets as the run knows them.

N rows, D columns, C classes of the run, L positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, Column, TaskSpec

MOST_SHOWN = 5
# Their inputs have no shape before preprocessing gives them one.
RAGGED = ("text", "audio")


class Agreed(NamedTuple):
    """inputs: maps rows of the other dataset to rows as the run's dataset gives them; targets [N, ...] as the run's."""

    inputs: Callable[[Any], Any]
    targets: np.ndarray


def agreed(own: TaskSpec, other: TaskSpec, targets: np.ndarray, called: str) -> Agreed:
    """Match another dataset with the one that a run was trained on: columns, categories and classes by name.

    Args:
        own, other: before preprocessing, of the run's dataset and of the other.
        targets: of the other dataset's rows [N, ...].
        called: the other dataset, in messages.

    Raises:
        ConfigError: with every difference.
    """
    facts: list[tuple[str, object, object]] = [("kind of task", own.kind, other.kind),
                                               ("layout", own.layout, other.layout)]
    if own.layout == other.layout and own.layout not in RAGGED and not (own.columns and other.columns):
        facts.append(("input shape", own.input_shape, other.input_shape))
    if own.layout == other.layout:
        facts += [("sample rate", own.sample_rate, other.sample_rate),
                  ("next_token", own.next_token, other.next_token)]
    problems = [f"{called} does not fit the run: its {name} is {theirs}, and the run's is {ours}"
                for name, ours, theirs in facts if ours != theirs]
    if not problems and other.vocabulary_size > own.vocabulary_size:
        problems.append(f"{called} does not fit the run: it has {other.vocabulary_size} tokens, and the run knows "
                        f"{own.vocabulary_size}")
    if problems:
        raise ConfigError(*problems)
    inputs, wrong = _columns(own.columns, other.columns, called)
    known, unknown = _classes(own, other, targets, called)
    if wrong or unknown:
        raise ConfigError(*wrong, *unknown)
    return Agreed(inputs, known)


def _columns(own: Sequence[Column], other: Sequence[Column], called: str) -> tuple[Callable[[Any], Any], list[str]]:
    """Match the columns of tables by name; where one of the two has no names, by their order."""
    if not own or not other:
        return _same, []
    theirs = {column.name: at for at, column in enumerate(other)}
    problems = []
    for text, names in (("lacks", [column.name for column in own if column.name not in theirs]),
                        ("has, which the run does not know,", [name for name in theirs if name not in
                                                               {column.name for column in own}])):
        if names:
            problems.append(f"{called} {text} {_listed('column', names)}")
    both = [(column, other[theirs[column.name]]) for column in own if column.name in theirs]
    problems += [f"column {mine.name} of {called} holds {_what(their)}, and that of the run {_what(mine)}"
                 for mine, their in both if bool(mine.categories) != bool(their.categories)]
    if problems:
        return _same, problems
    order = np.array([theirs[column.name] for column in own])
    codes = {at: _codes(column.categories, other[order[at]].categories) for at, column in enumerate(own)
             if column.categories}

    def matched(rows: np.ndarray) -> np.ndarray:
        made = rows[:, order]
        for at, known in codes.items():
            present = ~np.isnan(made[:, at])
            made[present, at] = known[made[present, at].astype(np.int64)]
        return made

    return matched, []


def _same(rows: Any) -> Any:
    return rows


def _codes(own: Sequence[str], other: Sequence[str]) -> np.ndarray:
    """Return the run's code of each category of the other; of one that it does not know the code after its last."""
    return np.array([own.index(name) if name in own else len(own) for name in other], np.float64)


def _classes(own: TaskSpec, other: TaskSpec, targets: np.ndarray, called: str) -> tuple[np.ndarray, list[str]]:
    """Number targets as the run does: by the names of classes, or where one has none by their numbers."""
    if own.kind == "regression" or own.next_token:
        return targets, []
    if own.kind == "multilabel":
        return _labels(own, other, targets, called)
    asked = targets != IGNORED
    present = np.unique(targets[asked])
    if not own.class_names or not other.class_names:
        unknown = [str(number) for number in present if number >= own.num_outputs]
        numbers = np.arange(max(other.num_outputs, own.num_outputs))
    else:
        known = {name: number for number, name in enumerate(own.class_names)}
        unknown = [other.class_names[number] for number in present if other.class_names[number] not in known]
        numbers = np.array([known.get(name, IGNORED) for name in other.class_names])
    if unknown:
        names = ", ".join(own.class_names[:MOST_SHOWN]) + (", …" if len(own.class_names) > MOST_SHOWN else "")
        return targets, [f"{called} has {_listed('class', unknown)}, which the run does not know: its "
                         f"{own.num_outputs} classes are {names or 'numbers from 0'}"]
    return np.where(asked, numbers[np.where(asked, targets, 0)], IGNORED).astype(np.int64), []


def _labels(own: TaskSpec, other: TaskSpec, targets: np.ndarray, called: str) -> tuple[np.ndarray, list[str]]:
    if set(own.class_names) != set(other.class_names) or own.num_outputs != other.num_outputs:
        return targets, [f"{called} has the labels {', '.join(other.class_names) or other.num_outputs}, and the run "
                         f"{', '.join(own.class_names) or own.num_outputs}"]
    order = [other.class_names.index(name) for name in own.class_names] or list(range(own.num_outputs))
    return targets[:, order], []


def _what(column: Column) -> str:
    return "categories" if column.categories else "numbers"


def _listed(noun: str, names: Sequence[str]) -> str:
    """Write column a, or columns a, b, …."""
    plural = {"column": "columns", "class": "classes"}[noun]
    shown = ", ".join(names[:MOST_SHOWN]) + (", …" if len(names) > MOST_SHOWN else "")
    return f"{noun if len(names) == 1 else plural} {shown}"
