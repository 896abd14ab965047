"""Clips without silence at their ends, of one length. T samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dlx.core.clips import check_audio, rate_of
from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.ranges import Positive
from dlx.core.types import TaskSpec

FRAME_SECONDS, HOP_SECONDS = 0.025, 0.01
# Amplitudes below it count as it: what is 100 dB below full scale is silence beside anything.
LEAST_AMPLITUDE = 1e-5


class TrimPad:
    """Cuts silence off both ends of each clip, then makes it `seconds` long: its end is filled with zeros or cut off.

    The rule is that of `librosa.effects.trim`, with frames of 25 ms every 10 ms: a frame is silent where its root mean
    square is threshold_db or more below that of the clip's loudest frame. A clip of zeros alone is not trimmed.

    Args:
        seconds: length afterwards, in (0, inf).
        threshold_db: decibels below the loudest frame, in (0, inf); null leaves silence where it is.
    """

    def __init__(self, seconds: Positive, threshold_db: Positive | None) -> None:
        self.seconds = seconds
        self.threshold_db = threshold_db

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the sample rate. Raises ConfigError where inputs are no audio."""
        check_audio("trim_pad", spec)
        return rate_of(spec)

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> Ragged:
        """Return clips that all have T samples."""
        rate = int(statistics["sample_rate"][0])
        size = self._size(rate)
        clips = np.zeros((len(inputs), size), np.float32)
        for target, clip in zip(clips, inputs.items(), strict=True):
            kept = (clip if self.threshold_db is None else trimmed(clip, rate, self.threshold_db))[:size]
            target[: len(kept)] = kept
        return Ragged(clips.reshape(-1), np.arange(len(inputs) + 1, dtype=np.int64) * size)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec:
        """Describe audio of T samples. Raises ConfigError where inputs are no audio, or not of the rate of train."""
        check_audio("trim_pad", spec, statistics)
        return replace(spec, input_shape=(self._size(spec.sample_rate),))

    def _size(self, rate: int) -> int:
        size = round(self.seconds * rate)
        if size < 1:
            raise ConfigError(f"preprocessing.trim_pad.seconds must be at least {1 / rate:g} at {rate} samples per "
                              f"second, got {self.seconds:g}")
        return size


def trimmed(clip: np.ndarray, rate: int, threshold_db: float) -> np.ndarray:
    """Return a clip [T] without the silent frames at its ends."""
    if not len(clip):
        return clip
    length, hop = max(2, round(FRAME_SECONDS * rate)), max(1, round(HOP_SECONDS * rate))
    squares = np.pad(np.square(clip, dtype=np.float64), length // 2)
    frames = np.lib.stride_tricks.sliding_window_view(squares, 2 * (length // 2))[::hop]
    loudness = 20 * np.log10(np.maximum(np.sqrt(frames.mean(axis=1)), LEAST_AMPLITUDE))
    loud = np.flatnonzero(loudness > loudness.max() - threshold_db)
    return clip[loud[0] * hop : (loud[-1] + 1) * hop]
