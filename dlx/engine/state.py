"""Everything a run needs to go on exactly where it stopped, as tensors and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dlx.core.errors import ArtefactError
from dlx.engine.history import COUNTS, Row
from dlx.engine.pipeline import Statistics
from dlx.record.checkpoint import Checkpoint

Weights = dict[str, Tensor]


@dataclass
class Progress:
    """How far one run is: what it measured, and the weights to keep.

    Args:
        rows: one per epoch completed.
        best_row: index of the row whose weights are kept, or None.
        best: those weights, in memory.
        layers: of each epoch, in a run that keeps layers.csv: what its last step did to each weight, [L, 3].
    """

    rows: list[Row] = field(default_factory=list)
    best_row: int | None = None
    best: Weights = field(default_factory=dict)
    layers: list[Tensor] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return len(self.rows)


@dataclass
class Position:
    """Where R members are within an epoch.

    Args:
        step_in_epoch: steps taken in the epoch after those completed.
        losses, norms: each member's minimised loss and gradient norm of each of these steps, [R] on the device.
        settled: of how many of these steps the losses are those of all processes; of the others, this one's part.
        layers: where they are watched, what the epoch's last step did to each weight, [R, L, 3]; None before it.
    """

    step_in_epoch: int = 0
    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    settled: int = 0
    layers: Tensor | None = None


class Resumed(NamedTuple):
    """What a checkpoint of one run says: its progress, its place within an epoch, the state of its optimizer.

    average: the averaged weights, of a run that averages.
    """

    progress: Progress
    position: Position
    optimizer: Weights
    average: Weights


def model_checkpoint(weights: Mapping[str, Tensor], statistics: Statistics, facts: Mapping[str, Any]) -> Checkpoint:
    """Make a checkpoint to evaluate: weights and the statistics of preprocessing.

    Args:
        facts: plain data, the configuration among it.
    """
    tensors = {f"model/{name}": tensor for name, tensor in weights.items()}
    for part, values in statistics.items():
        tensors |= {f"preprocessing/{part}/{name}": torch.from_numpy(value) for name, value in values.items()}
    return Checkpoint(tensors, dict(facts))


def training_checkpoint(weights: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], progress: Progress,
                        position: Position, statistics: Statistics, facts: Mapping[str, Any],
                        average: Mapping[str, Tensor] | None = None) -> Checkpoint:
    """Make a checkpoint to resume from.

    Args:
        optimizer: its state by block of parameters and name, `0/exp_avg`: of the shape of one vector [P], or scalars.
        position: of this run alone: R is 1.
        average: of the weights, by name, where one is kept.
    """
    tensors, state = model_checkpoint(weights, statistics, facts)
    tensors |= {f"optimizer/{name}": value for name, value in optimizer.items()}
    for kind, values in (("average", average or {}), ("best", progress.best)):
        tensors |= {f"{kind}/{name}": tensor for name, tensor in values.items()}
    for name, scalars in (("losses", position.losses), ("norms", position.norms)):
        if scalars:
            tensors[f"progress/{name}"] = torch.cat(scalars)
    if progress.rows:
        tensors["progress/rows"], tensors["progress/known"] = rows_to_tensors(progress.rows)
    if progress.layers:
        tensors["progress/layers"] = torch.stack(progress.layers)
    state["progress"] = {"epoch": progress.epoch, "step_in_epoch": position.step_in_epoch,
                         "best_row": progress.best_row, "columns": list(progress.rows[0]) if progress.rows else []}
    return Checkpoint(tensors, state)


def rows_to_tensors(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Return rows as float64 [epochs, columns], exact, and which of the values are known; None counts as 0."""
    values = [[0 if value is None else value for value in row.values()] for row in rows]
    known = [[value is not None for value in row.values()] for row in rows]
    return torch.tensor(values, dtype=torch.float64), torch.tensor(known)


def rows_from_tensors(values: Tensor, known: Tensor, columns: Sequence[str]) -> list[Row]:
    """Undo `rows_to_tensors`."""
    return [{name: None if not there else int(value) if name in COUNTS else value
             for name, value, there in zip(columns, row, mask, strict=True)}
            for row, mask in zip(values.tolist(), known.tolist(), strict=True)]


def restore_statistics(checkpoint: Checkpoint) -> Statistics:
    """Read the statistics of preprocessing."""
    statistics: Statistics = {}
    for name, tensor in section(checkpoint, "preprocessing").items():
        part, _, value = name.partition("/")
        statistics.setdefault(part, {})[value] = tensor.numpy()
    return statistics


def restore_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Load weights into a model. Raises ArtefactError where names or shapes differ."""
    weights = section(checkpoint, "model")
    check_shapes(model, weights)
    model.load_state_dict(weights)


def check_shapes(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Compare a model, which may be on the meta device, with saved weights, before anything is allocated."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        name = wrong[0]
        raise ArtefactError(f"the checkpoint does not fit its configuration: {name} has shape {found.get(name)}, "
                            f"expected {expected.get(name)} ({len(wrong)} such)")


def restore_training(model: nn.Module, checkpoint: Checkpoint, steps_per_epoch: int) -> Resumed:
    """Load weights into a plain model and return the rest. Raises ArtefactError where anything does not fit."""
    restore_model(model, checkpoint)
    try:
        resumed = _resumed(model, checkpoint)
        wrong = _contradiction(resumed, checkpoint.state["progress"]["epoch"], steps_per_epoch)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"the checkpoint's training state does not fit: {error!r}") from error
    if wrong is not None:
        raise ArtefactError(f"the checkpoint's training state does not fit: {wrong}")
    if resumed.progress.best_row is not None:
        check_shapes(model, resumed.progress.best)
    return resumed


def _resumed(model: nn.Module, checkpoint: Checkpoint) -> Resumed:
    device = next(model.parameters()).device
    taken = {name: tensor.to(device) for name, tensor in section(checkpoint, "progress").items()}
    saved = checkpoint.state["progress"]
    numbers = [saved["epoch"], saved["step_in_epoch"], *([] if saved["best_row"] is None else [saved["best_row"]])]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"positions {numbers}")
    rows = rows_from_tensors(taken["rows"], taken["known"], saved["columns"]) if "rows" in taken else []
    best = {name: tensor.to(device) for name, tensor in section(checkpoint, "best").items()}
    losses, norms = (list(torch.split(taken[name], 1)) if name in taken else [] for name in ("losses", "norms"))
    optimizer = {name: tensor.to(device) for name, tensor in section(checkpoint, "optimizer").items()}
    average = {name: tensor.to(device) for name, tensor in section(checkpoint, "average").items()}
    layers = list(taken["layers"].cpu()) if "layers" in taken else []
    return Resumed(Progress(rows, saved["best_row"], best, layers), Position(saved["step_in_epoch"], losses, norms),
                   optimizer, average)


def _contradiction(resumed: Resumed, epoch: int, steps_per_epoch: int) -> str | None:
    progress, position = resumed.progress, resumed.position
    if progress.epoch != epoch:
        return f"{len(progress.rows)} rows after {epoch} epochs"
    if not len(position.losses) == len(position.norms) == position.step_in_epoch:
        return f"{len(position.losses)} losses after {position.step_in_epoch} steps"
    if position.step_in_epoch >= steps_per_epoch:
        return f"an epoch has no step {position.step_in_epoch}"
    if progress.best_row is not None and progress.best_row >= len(progress.rows):
        return f"best row {progress.best_row} of {len(progress.rows)}"
    return None


def section(checkpoint: Checkpoint, name: str) -> Weights:
    """Return the tensors whose names start with `name/`, without that prefix."""
    prefix = name + "/"
    return {key.removeprefix(prefix): tensor for key, tensor in checkpoint.tensors.items() if key.startswith(prefix)}
