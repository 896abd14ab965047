"""A table of the user's as a parquet file."""

from __future__ import annotations

from pathlib import Path

from dlx.core.errors import ConfigError
from dlx.core.own_data.frame import Role, Table, TableFile, Wishes, names_of
from dlx.core.own_data.own_file import RowNumbers
from dlx.core.own_data.target import Task
from dlx.core.wording import reason

ENDS = b"PAR1"


class Parquet(TableFile):
    """A table in a parquet file, whose columns have types: numbers, text, true and false.

    What is told by the values, and what is refused, is as for csv.

    Args:
        path: of the file: absolute, or under the current folder or data_dir.
        target: the column to predict. Several columns of 0 and 1 are labels: a row may have any of them.
        task: classification, regression, or auto: text, true and false are classes, and whole numbers where at most 20
            different ones stand for 2 rows or more each on average; all else is a regression.
        types: by name of a column what it is, where its values would tell otherwise: number, category, ignore, or note.
        notes: columns to keep beside the inputs, to split by (group, date). They are no inputs, unless types says what
            they are as inputs.
    """

    def __init__(self, path: str, target: str | list[str], task: Task, types: dict[str, Role] | None,
                 notes: list[str]) -> None:
        super().__init__(path, Wishes(names_of(target), task, types or {}, tuple(notes)))

    def read(self, path: Path) -> Table:
        """Read a file."""
        refuse_others(path)
        try:
            import pandas as pd
            from pyarrow import ArrowException
        except ImportError as error:
            raise ConfigError("dataset=parquet needs pyarrow: pip install 'dlx[parquet]'") from error
        try:
            frame = pd.read_parquet(path, engine="pyarrow")
        except (ArrowException, ValueError, OSError) as error:
            raise ConfigError(f"{path} is damaged ({reason(error)}); make it again") from error
        # An index with a name is a column; one without counts rows.
        frame = frame.reset_index(drop=frame.index.names == [None])
        frame.columns = frame.columns.map(str)
        return Table(frame, RowNumbers(str(path)))


def refuse_others(path: Path) -> None:
    """Raise ConfigError where a file is no parquet file, by its first and last bytes."""
    data_size = path.stat().st_size
    with open(path, "rb") as file:
        begin = file.read(len(ENDS))
        file.seek(max(0, data_size - len(ENDS)))
        end = file.read()
    if begin != ENDS:
        what = "is empty" if data_size == 0 else "is no parquet file: it does not begin with PAR1"
        raise ConfigError(f"{path} {what}; dataset=csv reads text")
    if end != ENDS:
        raise ConfigError(f"{path} is damaged: its end is missing ({data_size:,} bytes are there); copy it again")
