"""layers.csv: what the last step of every epoch did to each weight, one row per epoch and weight."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import ArtefactError
from dlx.record.safe_yaml import read_text
from dlx.record.table import MAX_BYTES


class LayerRow(NamedTuple):
    """One weight after one epoch.

    epoch: 1 for the first; step: steps so far; layer: see `layer_name`; gradient_norm: L2 norm of the gradient that the
    epoch's last step followed; update_ratio: the L2 norm of what that step added to the weight, over weight_norm;
    weight_norm: L2 norm of the weight after the step. A number that is not finite, or that a frozen weight has not, is
    None.
    """

    epoch: int
    step: int
    layer: str
    gradient_norm: float | None
    update_ratio: float | None
    weight_norm: float | None


def layer_name(parameter: str) -> str:
    """Return what a weight is called: its parameter's name without a last `.weight`, fit for a cell of a table."""
    return re.sub(r'[\s,"]', "_", parameter.removesuffix(".weight"))


def read_layers(path: Path) -> list[LayerRow]:
    """Read layers.csv; a missing file has no rows, and a last line without its end is none.

    Raises:
        ArtefactError: it is not such a table.
    """
    if not path.is_file():
        return []
    whole, _, _ = read_text(path, MAX_BYTES).rpartition("\n")
    try:
        return [_parse(row) for row in csv.DictReader(whole.splitlines())]
    except (csv.Error, ValueError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{path} refused: {error}") from error


def _parse(row: dict[str, str]) -> LayerRow:
    # The reader calls cells too many, and those of cells too few, None.
    if tuple(row) != LayerRow._fields or None in row.values():
        raise ValueError(f"it has the columns {', '.join(map(str, row))[:200]}")
    numbers = [_number(row[name]) for name in LayerRow._fields[3:]]
    epoch, step = int(row["epoch"]), int(row["step"])
    if epoch < 1:
        raise ValueError(f"epoch {epoch}")
    return LayerRow(epoch, step, row["layer"], *numbers)


def _number(cell: str) -> float | None:
    value = float(cell) if cell else None
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{cell} is not a finite number from 0 on")
    return value
