"""The weights of another run, at the end of a path."""

from __future__ import annotations

import copy
from pathlib import Path

from torch import nn

from dlx.core.errors import ConfigError
from dlx.record import checkpoint, layout

KEY = "report.flatness.reference"
MODEL = "model/"


def checkpoint_of(reference: Path) -> Path:
    """Return the best checkpoint of a reference run.

    Raises:
        ConfigError: there is none.
    """
    path = reference / layout.CHECKPOINTS / layout.BEST
    if not path.is_file():
        raise ConfigError(f"{KEY} must be the folder of a run that is over, got {reference}: it has no "
                          f"{layout.CHECKPOINTS}/{layout.BEST}")
    return path


def model_of(reference: Path, own: nn.Module) -> nn.Module:
    """Return a model like this run's own with the best weights of the reference, in eval mode.

    Raises:
        ConfigError: its weights are those of another model.
        ArtefactError: its checkpoint is damaged.
    """
    tensors = checkpoint.load(checkpoint_of(reference)).tensors
    weights = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
    model = copy.deepcopy(own)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != shapes:
        raise ConfigError(f"{KEY}={reference} has another model than this run: there is no line between their weights")
    model.load_state_dict(weights)
    return model
