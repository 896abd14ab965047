"""Random numbers per example without a generator: hashes of (key, id, position) in integer arithmetic.

What an example draws depends on its key and id alone: not on the batch, the member or the device that it is in. Number
j of example i is mix(mix(key) + i·α + j·β), with 64-bit integers that wrap around. Sources: the mixer is that of
splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014; constants of Stafford's variant
13); it mixes a counter in two dimensions, whose α and β are the odd numbers next to 2⁶⁴/ρ and 2⁶⁴/ρ², ρ³ = ρ + 1
(Roberts, The unreasonable effectiveness of quasirandom sequences, 2018).

Shape letters: B examples, of one or of many members; K draws of each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Key = int | Tensor
ALPHA = 0xC13FA9A902A6328F - 2**64
BETA = 0x91E10DA5C79E7B1D - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
# As many as a float32 in [0, 1) holds at even distances.
_BITS = 24


def bits(key: Key, ids: Tensor, count: int) -> Tensor:
    """Return 64 random bits, int64 [B, K].

    Args:
        key: a 63-bit number, or int64 [B] where examples are of members with keys of their own.
        ids: int64 [B].
        count: K.
    """
    starts = ids * ALPHA + (mixed(key) if isinstance(key, Tensor) else _mixed_number(key))
    return mixed(starts[:, None] + torch.arange(count, device=ids.device) * BETA)


def uniforms(key: Key, ids: Tensor, count: int) -> Tensor:
    """Return numbers in [0, 1), float32 [B, K]: multiples of 2⁻²⁴, the same bytes on every device."""
    return _unit(bits(key, ids, count) >> (64 - _BITS))


def normals(key: Key, ids: Tensor, count: int) -> Tensor:
    """Return standard normal numbers, float32 [B, K]; two of each 64 bits. Source: Box and Muller, 1958."""
    pairs = bits(key, ids, (count + 1) // 2)
    # 1 - u is in (0, 1], so that its logarithm is finite.
    radius = _unit(pairs >> (64 - _BITS)).neg_().add_(1).log_().mul_(-2).sqrt_()
    angle = _unit(pairs).mul_(2 * math.pi)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]


def ragged_bits(key: Key, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return the first bits of each example one after the other, int64 [T]: as many of example i as lengths[i] says.

    They are those that `bits` returns, without room for the longest example in every row.

    Args:
        key: a 63-bit number.
        ids, lengths: int64 [B]; T is the sum of lengths.
    """
    starts = ids * ALPHA + (mixed(key) if isinstance(key, Tensor) else _mixed_number(key))
    firsts = lengths.cumsum(0) - lengths
    places = torch.arange(int(lengths.sum()), device=ids.device) - firsts.repeat_interleave(lengths)
    return mixed(starts.repeat_interleave(lengths) + places * BETA)


def ragged_uniforms(key: Key, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return numbers in [0, 1) as `uniforms` does, one after the other as `ragged_bits`, float32 [T]."""
    return _unit(ragged_bits(key, ids, lengths) >> (64 - _BITS))


def ragged_normals(key: Key, ids: Tensor, lengths: Tensor) -> Tensor:
    """Return standard normal numbers, one of each 64 bits, one after the other as `ragged_bits`, float32 [T]."""
    numbers = ragged_bits(key, ids, lengths)
    radius = _unit(numbers >> (64 - _BITS)).neg_().add_(1).log_().mul_(-2).sqrt_()
    return radius * _unit(numbers).mul_(2 * math.pi).cos_()


def between(uniform: Tensor, low: float, high: float) -> Tensor:
    """Map numbers in [0, 1) to [low, high]."""
    return low + (high - low) * uniform


def whole(uniform: Tensor, count: int | Tensor) -> Tensor:
    """Map numbers in [0, 1) to 0 … count - 1, int64; count, up to 2²⁴, may be of each example.

    A product with a multiple of 2⁻²⁴ below 1 never rounds up to count: it misses it by more than half its last digit.
    """
    scaled: Tensor = uniform * count
    return scaled.to(torch.int64)


def _unit(numbers: Tensor) -> Tensor:
    return (numbers & ((1 << _BITS) - 1)).to(torch.float32).mul_(1 / (1 << _BITS))


def mixed(state: Tensor) -> Tensor:
    """Return the mixer of splitmix64 of int64 numbers, of any shape."""
    state = (state ^ _shifted(state, 30)) * _FIRST
    state = (state ^ _shifted(state, 27)) * _SECOND
    return state ^ _shifted(state, 31)


def _mixed_number(state: int) -> int:
    # As `mixed`: eleven operations on a tensor of one number would take longer than the draws of a small batch.
    state %= 2**64
    state = (state ^ state >> 30) * _FIRST % 2**64
    state = (state ^ state >> 27) * _SECOND % 2**64
    state ^= state >> 31
    return state if state < 2**63 else state - 2**64


def _shifted(state: Tensor, places: int) -> Tensor:
    # torch's shift brings in copies of the sign.
    return (state >> places) & ((1 << (64 - places)) - 1)
