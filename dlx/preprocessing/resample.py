"""Another sample rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from dlx.core.clips import check_audio, rate_of
from dlx.core.ragged import Ragged
from dlx.core.ranges import Range
from dlx.core.types import TaskSpec

SampleRate = Annotated[int, Range("[100, 1000000]")]
# Zero crossings of the filter either side, and the shape of its window: what scipy takes where nothing is said.
HALF_LENGTH, KAISER_BETA = 10, 5.0


class Resample:
    """Polyphase resampling of audio, through scipy's `resample_poly` with its low-pass filter.

    A clip of T samples has ⌈T · rate / old rate⌉ afterwards, and is silent beyond its ends. Source: Crochiere and
    Rabiner, Interpolation and decimation of digital signals, 1981.

    Args:
        rate: samples per second afterwards, in [100, 1000000].
    """

    def __init__(self, rate: SampleRate) -> None:
        self.rate = rate

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the old sample rate. Raises ConfigError where inputs are no audio."""
        check_audio("resample", spec)
        return rate_of(spec)

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> Ragged:
        """Resample each clip."""
        from scipy.signal import firwin, resample_poly

        up, down = self._factors(int(statistics["sample_rate"][0]))
        if up == down:
            return inputs
        widest = max(up, down)
        # Designed once: scipy would do it for every clip.
        taps: Any = firwin(2 * HALF_LENGTH * widest + 1, 1 / widest, window=("kaiser", KAISER_BETA))
        return Ragged.of([resample_poly(clip.astype(np.float64), up, down, window=taps).astype(np.float32)
                          if len(clip) else clip for clip in inputs.items()])

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Describe audio of the new rate. Raises ConfigError where inputs are no audio, or not of the rate of train."""
        check_audio("resample", spec, statistics)
        up, down = self._factors(spec.sample_rate)
        shape = tuple(-(-size * up // down) for size in spec.input_shape)
        return replace(spec, sample_rate=self.rate, input_shape=shape)

    def _factors(self, old: int) -> tuple[int, int]:
        shared = math.gcd(self.rate, old)
        return self.rate // shared, old // shared
