"""Weights that no run left: a state dict of torch's in a .pth or .pt file, or the tensors of a safetensors file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.core.errors import ArtefactError
from dlx.core.wording import reason

if TYPE_CHECKING:
    from torch import Tensor

TORCH = (".pth", ".pt")
SAFE = ".safetensors"
# The metadata by which a run's checkpoint is known.
OWN = b'"dlx"'
FIRST = 2**20


def is_of_others(path: Path) -> bool:
    """Say whether a file holds weights alone; a checkpoint of a run names itself in its first bytes."""
    if not path.is_file() or path.suffix not in (*TORCH, SAFE):
        return False
    with path.open("rb") as file:
        return path.suffix in TORCH or OWN not in file.read(FIRST)


def load_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read tensors by name, and the SHA-256 of the file. Nothing but tensors is unpickled (weights_only).

    Raises:
        ArtefactError: the file is damaged, or holds something else than tensors by name.
    """
    import torch
    from safetensors.torch import load_file

    try:
        held: Any = load_file(path) if path.suffix == SAFE else torch.load(path, "cpu", weights_only=True)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except Exception as error:
        raise ArtefactError(f"{path} refused: {reason(error)}") from error
    if not isinstance(held, dict) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise ArtefactError(f"{path} refused: it must hold tensors by name, as torch.save(model.state_dict()) writes "
                            f"them")
    return {str(name): tensor for name, tensor in held.items()}, digest
