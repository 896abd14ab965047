"""Log-mel spectrograms of audio, after librosa's conventions. N clips, T samples, F frames, K frequencies, M mels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlx.core.errors import ConfigError

MelScale = Literal["slaney", "htk"]
# Slaney: linear up to here, with this many hertz a mel; above, 27 mels for each factor of 6.4.
_CORNER_HZ, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0
_CORNER_MEL = _CORNER_HZ / _HZ_PER_MEL


@dataclass(frozen=True)
class MelSpectrogram:
    """How a spectrogram is made.

    Frame f is centred on sample f · hop; beyond its ends a clip is silent. A periodic Hann window lies in the middle of
    the next power of two of samples, of which the Fourier transform is taken: `librosa.stft` with center=True and
    pad_mode="constant". Mels are as `mel_filters` says, decibels those of `librosa.power_to_db` or
    `amplitude_to_db` with ref=1, amin=floor, top_db=None.

    Args:
        name: of the preprocessing, for messages.
        window_seconds: length of the window.
        hop_seconds: from frame to frame.
        num_mels: M.
        fmin, fmax: the ends of the lowest and the highest mel in hertz; None for half the sample rate.
        mel_scale: "slaney" or "htk".
        power: 2 for energies, 1 for amplitudes.
        floor: what is less counts as this much.
    """

    name: str
    window_seconds: float
    hop_seconds: float
    num_mels: int
    fmin: float
    fmax: float | None
    mel_scale: MelScale
    power: Literal[1, 2]
    floor: float

    def shape(self, rate: int, num_samples: int) -> tuple[int, int]:
        """Return (M, F) of a clip. Raises ConfigError where the settings do not suit the sample rate."""
        self.filters(rate)
        return self.num_mels, 1 + num_samples // self._samples("hop_seconds", rate, 1)

    def decibels(self, clips: np.ndarray, rate: int) -> Iterator[np.ndarray]:
        """Yield the spectrogram, float64 [M, F], of each clip of clips [N, T].

        Clip by clip: then what becomes of one depends on no other, to the last bit.
        """
        from scipy.fft import rfft
        from scipy.sparse import csr_array

        # A sparse product adds in one order everywhere, which a dense one does not.
        filters, window = csr_array(self.filters(rate)), self.window(rate)
        hop, margin = self._samples("hop_seconds", rate, 1), len(window) // 2
        for clip in clips:
            padded = np.pad(clip.astype(np.float64), margin)
            frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop]
            spectra = rfft(frames * window, axis=1)
            energies = np.square(spectra.real) + np.square(spectra.imag)
            mels = filters @ np.ascontiguousarray((energies if self.power == 2 else np.sqrt(energies)).T)
            yield 20.0 / self.power * np.log10(np.maximum(mels, self.floor))

    def window(self, rate: int) -> np.ndarray:
        """Return the Hann window with zeros on both sides, as long as the Fourier transform."""
        length = self._samples("window_seconds", rate, 2)
        size = 1 << (length - 1).bit_length()
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        left = (size - length) // 2
        return np.pad(hann, (left, size - length - left))

    def filters(self, rate: int) -> np.ndarray:
        """Return the weights [M, K]. Raises ConfigError where the settings do not suit the sample rate."""
        size = len(self.window(rate))
        fmax = rate / 2 if self.fmax is None else self.fmax
        if fmax > rate / 2:
            raise ConfigError(f"preprocessing.{self.name}.fmax must be at most half the sample rate, {rate / 2:g}, got "
                              f"{fmax:g}")
        if self.fmin >= fmax:
            raise ConfigError(f"preprocessing.{self.name}.fmin must be less than fmax, {fmax:g}, got {self.fmin:g}")
        frequencies = np.arange(size // 2 + 1) * (rate / size)
        for num_mels in range(self.num_mels, 0, -1):
            weights = mel_filters(frequencies, mel_edges(num_mels, self.fmin, fmax, self.mel_scale), self.mel_scale)
            if weights.any(axis=1).all():
                break
        if num_mels < self.num_mels:
            raise ConfigError(f"preprocessing.{self.name}.num_mels must be at most {num_mels} at {rate} samples per "
                              f"second and window_seconds={self.window_seconds:g}, got {self.num_mels}: some mels "
                              f"would be without a frequency")
        return weights

    def _samples(self, setting: str, rate: int, least: int) -> int:
        seconds: float = getattr(self, setting)
        count = round(seconds * rate)
        if count < least:
            raise ConfigError(f"preprocessing.{self.name}.{setting} must be at least {least / rate:g} at {rate} "
                              f"samples per second, got {seconds:g}")
        return count


def to_mel(hertz: np.ndarray, scale: MelScale) -> np.ndarray:
    """Map frequencies to mels.

    Args:
        hertz: of any shape.
        scale: "htk" is 2595 · log10(1 + f/700) (O'Shaughnessy, Speech communication, 1987), "slaney" the one of the
            Auditory Toolbox (Slaney, 1998), which is linear below 1 kHz.
    """
    hertz = np.asarray(hertz, np.float64)
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    above = _CORNER_MEL + np.log(np.maximum(hertz, _CORNER_HZ) / _CORNER_HZ) / _LOG_STEP
    return np.where(hertz < _CORNER_HZ, hertz / _HZ_PER_MEL, above)


def to_hertz(mels: np.ndarray, scale: MelScale) -> np.ndarray:
    """Map mels to frequencies, the inverse of `to_mel`."""
    mels = np.asarray(mels, np.float64)
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    above = _CORNER_HZ * np.exp(_LOG_STEP * np.maximum(mels - _CORNER_MEL, 0.0))
    return np.where(mels < _CORNER_MEL, mels * _HZ_PER_MEL, above)


def mel_edges(num_mels: int, fmin: float, fmax: float, scale: MelScale) -> np.ndarray:
    """Return frequencies [M + 2] at equal distances in mels; filter m rises from edge m to m + 1, falls to m + 2."""
    low, high = to_mel(np.array([fmin, fmax]), scale)
    return to_hertz(np.linspace(low, high, num_mels + 2), scale)


def mel_filters(frequencies: np.ndarray, edges: np.ndarray, scale: MelScale) -> np.ndarray:
    """Return the weights [M, K] of frequencies in each mel.

    The numbers are those of librosa's `filters.mel` with its defaults for "slaney", whose triangles have area 1 in
    hertz, and with htk=True, norm=None for "htk", as in torchaudio, whose triangles have height 1.
    """
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(weights * (2.0 / (high - low))) if scale == "slaney" else weights
