"""The mel scale and its triangular filters. M mels, K frequencies of a spectrum."""

from __future__ import annotations

from typing import Literal

import numpy as np

MelScale = Literal["slaney", "htk"]
# Slaney: linear up to here, with this many hertz a mel; above, 27 mels for each factor of 6.4.
_CORNER_HZ, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0
_CORNER_MEL = _CORNER_HZ / _HZ_PER_MEL


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
