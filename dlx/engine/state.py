"""Everything a run needs to go on exactly where it stopped, as tensors and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dlx.core.errors import ArtefactError
from dlx.engine.data import Statistics
from dlx.engine.history import COUNTS, Row
from dlx.record.checkpoint import Checkpoint

Weights = dict[str, Tensor]


@dataclass
class Progress:
    """Where training is. The one mutable thing of a run beside model and optimizer.

    Args:
        epoch: epochs completed.
        step_in_epoch: steps taken in the epoch after those.
        losses, norms: minimised loss and gradient norm of each of these steps, scalars on the device.
        rows: one per epoch completed.
        best_row: index of the row whose weights are kept, or None.
        best: those weights, in memory.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    best_row: int | None = None
    best: Weights = field(default_factory=dict)


def weights_of(model: nn.Module) -> Weights:
    """Copy parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def model_checkpoint(weights: Mapping[str, Tensor], statistics: Statistics, facts: Mapping[str, Any]) -> Checkpoint:
    """Make a checkpoint to evaluate: weights and the statistics of preprocessing.

    Args:
        facts: plain data, the configuration among it.
    """
    tensors = {f"model/{name}": tensor for name, tensor in weights.items()}
    for part, values in statistics.items():
        tensors |= {f"preprocessing/{part}/{name}": torch.from_numpy(value) for name, value in values.items()}
    return Checkpoint(tensors, dict(facts))


def training_checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, statistics: Statistics,
                        facts: Mapping[str, Any]) -> Checkpoint:
    """Make a checkpoint to resume from."""
    tensors, state = model_checkpoint(model.state_dict(), statistics, facts)
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items() if value is not None}
    tensors |= {f"best/{name}": tensor for name, tensor in progress.best.items()}
    for name, scalars in (("losses", progress.losses), ("norms", progress.norms)):
        if scalars:
            tensors[f"progress/{name}"] = torch.stack(scalars)
    if progress.rows:
        tensors["progress/rows"], tensors["progress/known"] = rows_to_tensors(progress.rows)
    state["progress"] = {"epoch": progress.epoch, "step_in_epoch": progress.step_in_epoch,
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


def restore_training(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> Progress:
    """Load weights and optimizer state, and return the progress. Raises ArtefactError where they do not fit."""
    restore_model(model, checkpoint)
    try:
        progress = _progress(model, checkpoint)
        _restore_optimizer(optimizer, checkpoint)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"the checkpoint's training state does not fit: {error!r}") from error
    wrong = _contradiction(progress)
    if wrong is not None:
        raise ArtefactError(f"the checkpoint's training state does not fit: {wrong}")
    if progress.best_row is not None:
        check_shapes(model, progress.best)
    return progress


def _progress(model: nn.Module, checkpoint: Checkpoint) -> Progress:
    device = next(model.parameters()).device
    taken = {name: tensor.to(device) for name, tensor in section(checkpoint, "progress").items()}
    saved = checkpoint.state["progress"]
    numbers = [saved["epoch"], saved["step_in_epoch"], *([] if saved["best_row"] is None else [saved["best_row"]])]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"positions {numbers}")
    return Progress(
        epoch=saved["epoch"], step_in_epoch=saved["step_in_epoch"],
        losses=list(taken["losses"].unbind()) if "losses" in taken else [],
        norms=list(taken["norms"].unbind()) if "norms" in taken else [],
        rows=rows_from_tensors(taken["rows"], taken["known"], saved["columns"]) if "rows" in taken else [],
        best_row=saved["best_row"],
        best={name: tensor.to(device) for name, tensor in section(checkpoint, "best").items()},
    )


def _contradiction(progress: Progress) -> str | None:
    if len(progress.rows) != progress.epoch:
        return f"{len(progress.rows)} rows after {progress.epoch} epochs"
    if not len(progress.losses) == len(progress.norms) == progress.step_in_epoch:
        return f"{len(progress.losses)} losses after {progress.step_in_epoch} steps"
    if progress.best_row is not None and progress.best_row >= len(progress.rows):
        return f"best row {progress.best_row} of {len(progress.rows)}"
    return None


def _restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    groups = optimizer.state_dict()["param_groups"]
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for name, tensor in section(checkpoint, "optimizer").items():
        index, _, value = name.partition("/")
        param = params[int(index)]
        if tensor.ndim > 0 and tensor.shape != param.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}")
        state.setdefault(int(index), {})[value] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def section(checkpoint: Checkpoint, name: str) -> Weights:
    """Return the tensors whose names start with `name/`, without that prefix."""
    prefix = name + "/"
    return {key.removeprefix(prefix): tensor for key, tensor in checkpoint.tensors.items() if key.startswith(prefix)}
