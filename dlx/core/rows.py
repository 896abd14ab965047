"""How the parameters of one member lie in a row. R members, P numbers of a row, padding included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Views begin at multiples of 64 bytes of float32, as matrix products like them; the padding stays zero.
ALIGNMENT = 16


def width(shapes: Sequence[torch.Size]) -> int:
    """Return P of a row that holds parameters of these shapes."""
    return sum(map(_padded, shapes))


def windows(matrix: Tensor, shapes: Sequence[torch.Size]) -> Iterator[Tensor]:
    """Yield the views [R, *shape] of a matrix [R, P], one per parameter."""
    start = 0
    for shape in shapes:
        yield matrix[:, start : start + shape.numel()].view(-1, *shape)
        start += _padded(shape)


def _padded(shape: torch.Size) -> int:
    return -(-shape.numel() // ALIGNMENT) * ALIGNMENT
