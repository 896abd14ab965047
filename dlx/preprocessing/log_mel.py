"""Spectrograms of audio: log-mel, and their cepstral coefficients.

N clips, T samples, M mels, Q coefficients, F frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np

from dlx.core.clips import check_audio, num_samples, rate_of, stacked
from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.ranges import NonNegative, Positive, Range
from dlx.core.spectrogram import MelScale, MelSpectrogram
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

    name = "log_mel"

    def __init__(self, window_seconds: Positive, hop_seconds: Positive, num_mels: NumMels, fmin: NonNegative,
                 fmax: Positive | None, mel_scale: MelScale, power: Literal[1, 2], floor: Positive) -> None:
        self.spectrogram = MelSpectrogram(self.name, window_seconds, hop_seconds, num_mels, fmin, fmax, mel_scale,
                                          power, floor)

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return sample rate and T. Raises ConfigError where inputs are no audio, or clips not of one length."""
        check_audio(self.name, spec)
        return rate_of(spec) | {"num_samples": np.array([num_samples(self.name, inputs)], np.int64)}

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Map clips to float32 [N, 1, rows, F]. Raises ConfigError for clips that are not as long as those of train."""
        rate, length = (int(statistics[name][0]) for name in ("sample_rate", "num_samples"))
        clips = stacked(self.name, inputs, length)
        images = np.empty((len(clips), *self._shape(rate, length)), np.float32)
        for image, decibels in zip(images, self.spectrogram.decibels(clips, rate), strict=True):
            image[0] = self._rows(decibels)
        return images

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Describe images [1, rows, F]; None before T is known.

        Raises:
            ConfigError: inputs are no audio or not of the rate of train, or settings do not suit the sample rate or
                each other.
        """
        check_audio(self.name, spec, statistics)
        self._shape(spec.sample_rate, 0)
        lengths = spec.input_shape if statistics is None else statistics["num_samples"].tolist()
        if not lengths:
            return None
        return replace(spec, layout="image", input_shape=self._shape(spec.sample_rate, lengths[0]), sample_rate=0)

    def _shape(self, rate: int, length: int) -> tuple[int, int, int]:
        return 1, *self.spectrogram.shape(rate, length)

    def _rows(self, decibels: np.ndarray) -> np.ndarray:
        return decibels


class MFCC(LogMel):
    """Turns audio into images [1, Q, F]: the first Q of the orthonormal DCT-II over the mels of `log_mel`, in decibels.

    The numbers are those of librosa's `feature.mfcc` of such a spectrogram: no lifter, coefficient 0 kept. Source:
    Davis and Mermelstein, Comparison of parametric representations for monosyllabic word recognition, 1980.

    Args:
        num_coefficients: Q, at most num_mels, in [1, 1024].
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

    name = "mfcc"

    def __init__(self, num_coefficients: NumMels, window_seconds: Positive, hop_seconds: Positive, num_mels: NumMels,
                 fmin: NonNegative, fmax: Positive | None, mel_scale: MelScale, power: Literal[1, 2], floor: Positive
                 ) -> None:
        super().__init__(window_seconds, hop_seconds, num_mels, fmin, fmax, mel_scale, power, floor)
        self.num_coefficients = num_coefficients

    def _shape(self, rate: int, length: int) -> tuple[int, int, int]:
        channels, num_mels, num_frames = super()._shape(rate, length)
        if self.num_coefficients > num_mels:
            raise ConfigError(f"preprocessing.mfcc.num_coefficients must be at most num_mels, {num_mels}, got "
                              f"{self.num_coefficients}")
        return channels, self.num_coefficients, num_frames

    def _rows(self, decibels: np.ndarray) -> np.ndarray:
        from scipy.fft import dct

        return np.asarray(dct(decibels, axis=0, norm="ortho")[: self.num_coefficients])
