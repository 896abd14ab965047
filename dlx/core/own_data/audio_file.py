"""Waveforms from the bytes of WAV and FLAC files. L samples."""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.decode import UnreadableError
from dlx.core.wording import reason

SUFFIXES = frozenset({".wav", ".flac"})
FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC"})
# Of all channels; silence takes hardly any room in a FLAC file.
MAX_SAMPLES = 2**28
UNKNOWN_SIZE = 2**32 - 1


class Waveform(NamedTuple):
    """Samples in [-1, 1], float32 [L], and how many of them are a second."""

    samples: np.ndarray
    rate: int


def require_soundfile() -> None:
    """Raise ConfigError where the library that decodes is not installed."""
    try:
        import soundfile  # noqa: F401
    except (ImportError, OSError) as error:
        raise ConfigError(f"dataset=audio_folder needs soundfile ({error}); pip install 'dlx[audio]'") from error


def decode_audio(data: bytes, rate: int | None) -> Waveform:
    """Decode a WAV or FLAC file to one channel, the mean of all.

    Args:
        rate: samples per second to resample to, with a polyphase filter (scipy.signal.resample_poly), where what
            overshoots full scale is cut off; None to leave them.

    Raises:
        UnreadableError: no such file, a damaged or too long one, without samples, with NaN or beyond full scale.
    """
    import soundfile

    if not data:
        raise UnreadableError("it is an empty file of 0 bytes")
    _refuse_cut(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in FORMATS:
                raise UnreadableError(f"it is {file.format} and neither WAV nor FLAC")
            if file.frames * file.channels > MAX_SAMPLES:
                raise UnreadableError(f"it says that it holds {file.frames * file.channels:,} samples, more than "
                                      f"{MAX_SAMPLES:,}; cut it into pieces")
            expected, own_rate = file.frames, file.samplerate
            channels = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError, RuntimeError, TypeError) as error:
        raise UnreadableError(_reason(error)) from error
    if len(channels) != expected:
        raise UnreadableError(f"it is cut short: {len(channels):,} of {expected:,} samples")
    if expected == 0:
        raise UnreadableError("it holds no samples")
    samples = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32)
    _check(samples)
    return Waveform(samples, own_rate) if rate in (None, own_rate) else Waveform(_resampled(samples, own_rate, rate),
                                                                                rate)


def _refuse_cut(data: bytes) -> None:
    """Refuse a WAV file with fewer bytes of samples than it says: libsndfile takes what is left for all."""
    place = 12
    while data[:4] == b"RIFF" and place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"data":
            # What was written to a pipe does not know its length.
            if size != UNKNOWN_SIZE and size > len(data) - place - 8:
                raise UnreadableError(f"it is cut short: {len(data) - place - 8:,} of {size:,} bytes of samples")
            return
        place += 8 + size + size % 2


def _check(samples: np.ndarray) -> None:
    peak = float(np.abs(samples).max())
    if not math.isfinite(peak):
        raise UnreadableError("it holds samples that are NaN or infinite")
    if peak > 1.0:
        raise UnreadableError(f"its loudest sample is {peak:g}, beyond full scale, 1; scale it down")


def _resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return np.clip(resample_poly(samples, wanted // common, rate // common), -1, 1).astype(np.float32, copy=False)


def _reason(error: Exception) -> str:
    text = reason(error)
    return "it is no WAV or FLAC file" if "Format not recognised" in text else text.partition(": ")[2] or text
