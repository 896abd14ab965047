"""Clips of sound, and what is said of them."""

from __future__ import annotations

import numpy as np

from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec

TARGETS = np.zeros(0)


def spec(rate: int = 8000, input_shape: tuple[int, ...] = ()) -> TaskSpec:
    """Describe audio of two classes."""
    return TaskSpec("classification", "audio", input_shape, 2, ("no", "yes"), sample_rate=rate)


def noise(*lengths: int) -> Ragged:
    """Draw clips of lengths in samples."""
    draw = np.random.default_rng(0)
    return Ragged.of([draw.normal(0, 0.1, length).astype(np.float32) for length in lengths])


def tone(hertz: float, seconds: float = 1.0, rate: int = 8000, amplitude: float = 0.5) -> np.ndarray:
    """Return a sine."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
