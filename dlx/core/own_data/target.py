"""What is to be learnt of a table: classes, numbers or labels, told by the target's values. N rows, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.column import (
    are_dates,
    categories,
    category_name,
    form_of,
    numbers,
    refuse_mixed,
)
from dlx.core.own_data.own_file import Place
from dlx.core.types import Kind

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["auto", "classification", "regression"]
# Whole numbers are classes where they are this few …
MOST_CLASSES = 20
# … and each stands for at least so many rows on average.
ROWS_PER_CLASS = 2
FEWEST_ROWS = 3
# Values that are looked at before all are.
SAMPLE = 10_000


class Target(NamedTuple):
    """Targets, int64 classes [N] or labels [N, C] or float32 values [N], and what they are; class names in order."""

    kind: Kind
    values: np.ndarray
    class_names: tuple[str, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Number of classes, or 1."""
        return len(self.class_names) or 1


def read_target(values: pd.Series, name: str, task: Task, place: Place) -> Target:
    """Tell what a target asks for, and return it.

    With task "auto", text, true and false are classes, and whole numbers of which there are at most MOST_CLASSES
    different ones, each standing for ROWS_PER_CLASS rows or more on average; all other numbers are a regression.

    Raises:
        ConfigError: it cannot be learnt; says why and where.
    """
    where = f"{place.name}: target column {name}"
    if len(values) < FEWEST_ROWS:
        raise ConfigError(f"{place.name} has {len(values)} {'row' if len(values) == 1 else 'rows'}: at least "
                          f"{FEWEST_ROWS} are needed, one to train, one to select and one to test")
    form = form_of(values)
    if form in ("date", "other"):
        raise ConfigError(_no_target(where, "dates" if form == "date" else "neither numbers nor text"))
    _refuse_missing(values, where, place)
    if form == "number":
        found = numbers(values, where, place)
        if task == "classification" or (task == "auto" and _are_classes(found)):
            return _number_classes(found, where)
        return _regression(found, where)
    if task == "regression":
        return _regression(_text_numbers(values, where, place), where)
    return _text_classes(values, where, task, place)


def read_labels(values: pd.DataFrame, task: Task, place: Place) -> Target:
    """Return whether each row has each label, [N, C]: a column of 0 and 1, or of false and true, for each label.

    Raises:
        ConfigError: a column holds something else, or every row says the same; says why and where.
    """
    where, names = f"{place.name}: target columns", list(map(str, values.columns))
    if task != "auto":
        raise ConfigError(f"dataset.task={task} is of one target column, and dataset.target names {len(names)}; name "
                          f"one, or leave task=auto: several make labels")
    if len(values) < FEWEST_ROWS:
        raise ConfigError(f"{place.name} has {len(values)} rows: at least {FEWEST_ROWS} are needed")
    problems, columns = [], []
    for name, (_, column) in zip(names, values.items(), strict=True):
        _refuse_missing(column, f"{place.name}: target column {name}", place)
        found = column.map({"True": 1, "False": 0, True: 1, False: 0}).to_numpy(np.float64)
        odd = np.flatnonzero(np.isnan(found))
        if len(odd):
            problems.append(f"{where} hold 0 and 1 each, whether a row has the label, and {name} holds "
                            f"{str(column.iloc[odd[0]])!r} in {place.rows(odd[:1].tolist())}; leave it out of "
                            f"dataset.target, or name it alone")
        columns.append(found)
    if problems:
        raise ConfigError(*problems)
    labels = np.stack(columns, axis=1).astype(np.int64)
    if (labels == labels[0]).all():
        raise ConfigError(f"{where} are the same in all {len(labels)} rows: there is nothing to tell apart")
    return Target("multilabel", labels, tuple(names))


def _no_target(where: str, what: str) -> str:
    return f"{where} holds {what}, which are no target; choose another column as dataset.target"


def _refuse_missing(values: pd.Series, where: str, place: Place) -> None:
    missing = np.flatnonzero(values.isna().to_numpy())
    if len(missing) == len(values):
        raise ConfigError(f"{where} has no value in any row; choose another column as dataset.target")
    if len(missing):
        raise ConfigError(f"{where} has no value in {place.rows(missing.tolist())}; fill it in, or take the rows out "
                          f"of the file: nothing can be learnt from them")


def _are_classes(found: np.ndarray) -> bool:
    from pandas import unique

    if len(unique(found[:SAMPLE])) > MOST_CLASSES or not np.array_equal(found, np.floor(found)):
        return False
    return len(unique(found)) <= min(MOST_CLASSES, len(found) // ROWS_PER_CLASS)


def _number_classes(found: np.ndarray, where: str) -> Target:
    from pandas import factorize

    codes, values = factorize(found, sort=True)
    return _classes(codes.astype(np.int64), tuple(map(category_name, values)), where)


def _text_classes(values: pd.Series, where: str, task: Task, place: Place) -> Target:
    coded = categories(values)
    if task == "auto":
        refuse_mixed(values, coded, where, place, "dataset.task=classification")
        if are_dates(coded):
            raise ConfigError(_no_target(where, "dates"))
    _refuse_missing(values.where(coded.codes >= 0), where, place)
    return _classes(coded.codes, coded.names, where)


def _text_numbers(values: pd.Series, where: str, place: Place) -> np.ndarray:
    coded = categories(values)
    if set(coded.names) <= {"False", "True"}:
        return coded.floats
    return numbers(values, where, place)


def _classes(codes: np.ndarray, names: tuple[str, ...], where: str) -> Target:
    if len(names) < 2:
        raise ConfigError(f"{where} holds one class, {names[0]!r}, in all {len(codes)} rows: there is nothing to tell "
                          f"apart; choose another column as dataset.target, or add rows of other classes")
    if len(names) > len(codes) / 2:
        raise ConfigError(f"{where} has {len(names)} classes in {len(codes)} rows, too few rows of each to learn from: "
                          f"names of rows? Choose another column as dataset.target, or dataset.task=regression for "
                          f"numbers")
    return Target("classification", codes, names)


def _regression(found: np.ndarray, where: str) -> Target:
    largest = float(np.abs(found).max())
    if largest > float(np.finfo(np.float32).max):
        raise ConfigError(f"{where} reaches {largest:g}, beyond what float32 holds; write it in a larger unit, or its "
                          f"logarithm")
    values = found.astype(np.float32)
    if values.min() == values.max():
        raise ConfigError(f"{where} is {found[0]:g} in all {len(found)} rows: there is nothing to predict; choose "
                          f"another column as dataset.target")
    return Target("regression", values)
