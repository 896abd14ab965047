"""Examples of different length in one array: waveforms, texts. N examples, T values in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """N one-dimensional arrays, one after the other.

    Args:
        values: [T]; texts are their UTF-8 bytes.
        offsets: [N + 1] int64; example i is values[offsets[i] : offsets[i + 1]].
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, items: Sequence[np.ndarray]) -> Self:
        """Join arrays of one type."""
        lengths = np.array([len(item) for item in items], np.int64)
        return cls(np.concatenate(items), np.concatenate([[0], lengths.cumsum()]).astype(np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the examples of several one after the other."""
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.values for part in parts]),
                   np.concatenate([[0], lengths.cumsum()]).astype(np.int64))

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Self:
        """Encode texts."""
        return cls.of([np.frombuffer(text.encode(), np.uint8) for text in texts])

    @property
    def lengths(self) -> np.ndarray:
        """Values of each example, [N]."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def items(self) -> Iterator[np.ndarray]:
        """Yield the examples as views."""
        return (self.values[low:high] for low, high in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def texts(self) -> list[str]:
        """Decode texts."""
        return [item.tobytes().decode() for item in self.items()]

    def __getitem__(self, rows: np.ndarray) -> Self:
        """Copy some of the examples, in the order of rows, as an array does."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return type(self)(self.values[places], offsets)
