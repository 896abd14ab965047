"""Tables of the user's: from a file in memory to inputs, target and notes. N rows, D input columns."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.column import codes_of, form_of, is_number, numbers, read
from dlx.core.own_data.own_file import OwnFile, Place, found
from dlx.core.own_data.target import Target, Task, read_labels, read_target
from dlx.core.types import Arrays, Column, TaskSpec
from dlx.core.wording import near

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["number", "category", "ignore", "note"]
# Rows that are joined at a time: few enough to stay in the processor's cache.
BLOCK = 4096
log = logging.getLogger("dlx")


class Table(NamedTuple):
    """A file in memory: a frame whose columns have distinct names, and where it comes from."""

    frame: pd.DataFrame
    place: Place


class Wishes(NamedTuple):
    """What the user said of a table.

    targets: names of the column, or of several that are labels; task: of it; types: by name of a column, what it is;
    notes: columns that are kept beside the inputs.
    """

    targets: tuple[str, ...]
    task: Task
    types: Mapping[str, Role]
    notes: Sequence[str]


def names_of(target: str | int | Sequence[str]) -> tuple[str, ...]:
    """Return the names of target columns. Raises ConfigError where a list names none."""
    names = (str(target),) if isinstance(target, str | int) else tuple(target)
    if not names:
        raise ConfigError("dataset.target must name a column or several, got []")
    return names


class TableFile(OwnFile):
    """A table of the user's in a file."""

    def __init__(self, path: str, wishes: Wishes) -> None:
        super().__init__(path)
        self.wishes = wishes

    @abstractmethod
    def read(self, path: Path) -> Table:
        """Read a file. Raises ConfigError where it cannot be read as a table, and OSError."""

    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Return inputs, float64 [N, D], targets, notes, and the spec that the file's columns make."""
        return arrays_of(self.read(path), self.wishes)

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[np.ndarray, np.ndarray]:
        """Read rows of another file of the same form, without need of a target.

        Args:
            spec: of the data that a model was trained on; its columns are read, in their order.

        Returns:
            inputs [N, D]: a category that the spec does not name has the code after its last; ids [N], the rows.

        Raises:
            StorageError: there is no such file.
            ConfigError: it lacks a column, or one holds something else.
        """
        with found(path, data_dir) as where:
            inputs = inputs_of(self.read(where), spec.columns)
        return inputs, np.arange(len(inputs))


def arrays_of(table: Table, wishes: Wishes) -> Arrays:
    """Turn a table into arrays.

    Raises:
        ConfigError: every column that is not what was said, or cannot be an input, together.
    """
    names = input_names(list(map(str, table.frame.columns)), wishes, table.place)
    target = target_of(table, wishes)
    columns: list[Column] = []
    values: list[np.ndarray] = []
    problems: list[str] = []
    for name in names:
        said = wishes.types.get(name)
        try:
            column, own = read(table.frame[name], name, said if said in ("number", "category") else None, table.place)
        except ConfigError as error:
            problems += error.problems
        else:
            columns.append(column)
            values.append(own)
    if problems:
        raise ConfigError(*problems)
    spec = TaskSpec(target.kind, "table", (len(columns),), target.num_outputs, target.class_names, tuple(columns))
    log.info("%s", described(table.place, ", ".join(wishes.targets), target, columns))
    notes = {name: note(table.frame[name]) for name in table.frame.columns if name in noted(wishes)}
    return Arrays(joined(values), target.values, notes=notes, spec=spec)


def target_of(table: Table, wishes: Wishes) -> Target:
    """Return what a table asks for. Raises ConfigError where that cannot be learnt."""
    if len(wishes.targets) > 1:
        return read_labels(table.frame[list(wishes.targets)], wishes.task, table.place)
    (name,) = wishes.targets
    return read_target(table.frame[name], name, wishes.task, table.place)


def inputs_of(table: Table, columns: Sequence[Column]) -> np.ndarray:
    """Return the columns of a spec, float64 [N, D]."""
    have = list(map(str, table.frame.columns))
    problems = [f"{table.place.name} has no column {column.name}{near(column.name, have)}" for column in columns
                if column.name not in have]
    if problems:
        raise ConfigError(*problems)
    return joined([_values(table.frame[column.name], column, table.place) for column in columns])


def _values(values: pd.Series, column: Column, place: Place) -> np.ndarray:
    if column.categories:
        return codes_of(values, column.categories)
    return numbers(values, f"{place.name}: column {column.name}", place)


def joined(values: Sequence[np.ndarray]) -> np.ndarray:
    """Put columns [N] side by side, float64 [N, D], rows contiguous."""
    result = np.empty((len(values[0]), len(values)))
    for low in range(0, len(result), BLOCK):
        rows = result[low : low + BLOCK]
        for position, column in enumerate(values):
            rows[:, position] = column[low : low + BLOCK]
    return result


def note(values: pd.Series) -> np.ndarray:
    """Return a column [N] as numbers, dates (UTC) or text; a missing value is NaN, NaT or an empty text."""
    form = form_of(values)
    if form == "number":
        plain = values.dtype.kind in "iu" if isinstance(values.dtype, np.dtype) else False
        return values.to_numpy() if plain else values.to_numpy(np.float64, na_value=np.nan)
    if form == "date" and values.dtype.kind == "M":
        zoned = getattr(values.dtype, "tz", None)
        return (values if zoned is None else values.dt.tz_convert(None)).to_numpy("datetime64[us]")
    return values.astype(object).where(values.notna(), "").to_numpy().astype(str)


def described(place: Place, name: str, target: Target, columns: Sequence[Column]) -> str:
    """Say what was told from the values of a table."""
    categories = [f"{column.name} ({len(column.categories)})" for column in columns if column.categories]
    what = "labels" if target.kind == "multilabel" else "classes"
    kind = f"{target.kind} of {target.num_outputs} {what}" if target.class_names else target.kind
    numeric = len(columns) - len(categories)
    return (f"{place.name}: {len(target.values)} rows; target {name}: {kind}; {numeric} columns of numbers, "
            f"{len(categories)} of categories{': ' if categories else ''}{', '.join(categories)}")


def noted(wishes: Wishes) -> set[str]:
    """Return the names of the columns to keep beside the inputs."""
    return {*wishes.notes, *(name for name, said in wishes.types.items() if said == "note")}


def input_names(names: Sequence[str], wishes: Wishes, place: Place) -> list[str]:
    """Return the columns that are inputs.

    Raises:
        ConfigError: the user named columns that do not exist, or a target twice, or none is left.
    """
    said = {"dataset.target": list(wishes.targets), "dataset.types": list(wishes.types), "dataset.notes": wishes.notes}
    problems = unknown_columns(said, names, place)
    problems += [f"{key} names {target}, which is {'the' if len(wishes.targets) == 1 else 'a'} target"
                 for key, given in list(said.items())[1:] for target in wishes.targets if target in given]
    problems += [f"dataset.target names {target} twice" for target in dict.fromkeys(wishes.targets)
                 if wishes.targets.count(target) > 1]
    if problems:
        raise ConfigError(*problems)
    inputs = [name for name in names if name not in wishes.targets and wishes.types.get(
        name, "note" if name in wishes.notes else "number") not in ("ignore", "note")]
    if not inputs:
        raise ConfigError(f"{place.name}: no column is left as an input; beside the target "
                          f"{', '.join(wishes.targets)} there are {', '.join(names)}")
    return inputs


def unknown_columns(said: Mapping[str, Sequence[str]], names: Sequence[str], place: Place) -> list[str]:
    """Say which columns do not exist.

    Args:
        said: columns by the key that names them.
        names: of the columns that there are.
    """
    return [f"{key} names {column}, and {place.name} has no such column{near(column, names) or _columns(names)}"
            for key, given in said.items() for column in given if column not in names]


def _columns(names: Sequence[str]) -> str:
    advice = "; if its first line is data, dataset.header=false" if _look_like_data(names) else ""
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    return f"; there are {shown}{advice}"


def _look_like_data(names: Sequence[str]) -> bool:
    return sum(map(is_number, names)) > len(names) / 2 and names[0] != "0"
