"""What regularizers that augment ask of a batch. R is 1: they see one member at a time. B examples."""

from __future__ import annotations

import torch
from torch import Tensor

from dlx.core.errors import ConfigError
from dlx.core.types import Batch


def key_and_ids(batch: Batch, generator: torch.Generator) -> tuple[int, Tensor]:
    """Return what draws are keyed by: that of member, regularizer and step, and the ids [B] on the batch's device."""
    return generator.initial_seed(), batch.ids.to(batch.inputs.device)


def images_of(batch: Batch, name: str) -> Tensor:
    """Return the inputs [B, C, H, W] of a batch. Raises ConfigError where they are no images.

    Args:
        batch: of a training step.
        name: of the regularizer.
    """
    if batch.inputs.ndim != 4:
        raise ConfigError(f"regularizer={name} needs images, and each input has the shape "
                          f"{tuple(batch.inputs.shape[1:])}; leave it out")
    return batch.inputs
