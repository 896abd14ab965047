"""Keyed randomness: every draw comes from a generator named by (seed, purpose, position).

Nothing reads global state, so resuming needs only a position, a run does not change when another part adds a draw, and
a member of a fused run draws what it would have drawn alone.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def key(seed: int, purpose: str, *position: int) -> int:
    """Return the 63-bit key of one stream of draws.

    Args:
        seed: the seed of the run.
        purpose: what is drawn, e.g. "order", "dropout".
        position: where, e.g. the epoch or the step.
    """
    text = ":".join([str(seed), purpose, *map(str, position)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def torch_generator(seed: int, purpose: str, *position: int) -> torch.Generator:
    """Return a CPU generator at the start of the stream (seed, purpose, position)."""
    import torch

    return torch.Generator().manual_seed(key(seed, purpose, *position))


def numpy_generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """Return a NumPy generator at the start of the stream (seed, purpose, position)."""
    return np.random.default_rng(key(seed, purpose, *position))


@contextlib.contextmanager
def keyed_global(seed: int, purpose: str) -> Iterator[None]:
    """Seed torch's global CPU generator inside the block and restore it afterwards.

    Constructors of `torch.nn` layers, and of a user's own model, draw from the global generator and take no other.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key(seed, purpose))
        yield
