"""Log-mel spectrograms. N clips, T samples, M mels, F frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np

from dlx.core.clips import check_audio, num_samples, rate_of, stacked
from dlx.core.ragged import Ragged
from dlx.core.ranges import NonNegative, Positive, Range
from dlx.core.spectrogram import MelSpectrogram
from dlx.core.types import TaskSpec

NumMels = Annotated[int, Range("[1, 1024]")]


class LogMel:
    """Turns audio into images [1, M, F] of decibels: the lowest mel in the first row, the first frame in column 0.

    The numbers are those of librosa's `melspectrogram`, then `power_to_db` without top_db, at n_fft the power of two
    from the window's length on. Frames are centred, F = 1 + ⌊T / hop⌋. Source: Davis and Mermelstein, Comparison of
    parametric representations for monosyllabic word recognition, 1980.

    Args:
        window_seconds: length of the Hann window, in (0, inf).
        hop_seconds: from frame to frame, in (0, inf).
        num_mels: M, in [1, 1024].
        fmin: lower end of the lowest mel in hertz, in [0, inf).
        fmax: upper end of the highest mel in hertz, in (0, inf); null for half the sample rate.
        mel_scale: slaney, triangles of area 1, as librosa has it; or htk, triangles of height 1, as torchaudio has it.
        power: 2 for energies, 1 for amplitudes, before mels are summed.
        floor: what is less counts as this much, in (0, inf). 1e-6 of energies, -60 dB, is some 75 dB below a tone of
            full scale; a lower floor sets the silence that fills clips further apart from their sounds.
    """

    def __init__(self, window_seconds: Positive, hop_seconds: Positive, num_mels: NumMels, fmin: NonNegative,
                 fmax: Positive | None, mel_scale: Literal["slaney", "htk"], power: Literal[1, 2], floor: Positive
                 ) -> None:
        self.spectrogram = MelSpectrogram("log_mel", window_seconds, hop_seconds, num_mels, fmin, fmax, mel_scale,
                                          power, floor)

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return sample rate and T. Raises ConfigError where inputs are no audio, or clips not of one length."""
        check_audio("log_mel", spec)
        return rate_of(spec) | {"num_samples": np.array([num_samples("log_mel", inputs)], np.int64)}

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Map clips to float32 [N, 1, M, F]. Raises ConfigError for clips that are not as long as those of train."""
        rate, length = (int(statistics[name][0]) for name in ("sample_rate", "num_samples"))
        clips = stacked("log_mel", inputs, length)
        images = np.empty((len(clips), 1, *self.spectrogram.shape(rate, length)), np.float32)
        for image, decibels in zip(images, self.spectrogram.decibels(clips, rate), strict=True):
            image[0] = decibels
        return images

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Describe images [1, M, F]; None before T is known.

        Raises:
            ConfigError: inputs are no audio or not of the rate of train, or settings do not suit the sample rate.
        """
        check_audio("log_mel", spec, statistics)
        self.spectrogram.shape(spec.sample_rate, 0)
        lengths = spec.input_shape if statistics is None else statistics["num_samples"].tolist()
        if not lengths:
            return None
        shape = (1, *self.spectrogram.shape(spec.sample_rate, lengths[0]))
        return replace(spec, layout="image", input_shape=shape, sample_rate=0)
