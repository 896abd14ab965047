"""Corruptions of sound. N clips, T samples of all of them together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from dlx.core.augment.draws import ragged_normals, ragged_uniforms, uniforms
from dlx.core.ragged import Ragged
from dlx.measure.corruption.kind import Change, Corruption

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
RATES = (0.05, 0.1, 0.2, 0.3, 0.5)
PEAKS = (0.5, 0.3, 0.2, 0.1, 0.05)
PACKET_SECONDS = 0.02
ORDER = 4
OnValues = Callable[[np.ndarray, "Clips", float, int], np.ndarray]


class Clips(NamedTuple):
    """How the samples [T] of N clips lie one after the other: offsets [N + 1], lengths [N], ids [N]."""

    offsets: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Give each sample the value [N] of its clip, [T]."""
        return np.asarray(np.repeat(values, self.lengths))

    def places(self) -> np.ndarray:
        """Count the samples of each clip from 0, [T]."""
        return np.asarray(np.arange(int(self.lengths.sum())) - self.spread(self.offsets[:-1]))

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and lengths."""
        return torch.from_numpy(self.ids), torch.from_numpy(self.lengths)


def audio_corruptions(sample_rate: int) -> list[Corruption]:
    """List the corruptions of clips, float32 in [-1, 1], of `sample_rate` samples per second."""
    packet = max(1, round(PACKET_SECONDS * sample_rate))
    return [
        Corruption("background_noise", (30, 20, 10, 5, 0),
                   "white noise, {} dB quieter than the clip", _on_clips(background_noise)),
        Corruption("quiet", (-6, -12, -18, -24, -30), "{} dB", _on_clips(quiet)),
        Corruption("low_pass", (0.5, 0.35, 0.25, 0.15, 0.1),
                   "the magnitudes of a Butterworth filter of order 4, half the power at {} of half the sample rate",
                   _on_clips(low_pass)),
        Corruption("time_mask", SHARES, "one span of {} of the clip is silent", _on_clips(time_mask)),
        Corruption("packet_loss", RATES, "packets of 20 ms are silent, each with probability {}",
                   _on_clips(partial(packet_loss, packet=packet))),
        Corruption("clipping", PEAKS, "samples are cut off at {} of the clip's peak", _on_clips(clipping)),
    ]


def _on_clips(function: OnValues) -> Change:
    def change(rows: Ragged, ids: np.ndarray, level: float, key: int) -> Ragged:
        values = rows.values[rows.offsets[0] : rows.offsets[-1]]
        clips = Clips(rows.offsets - rows.offsets[0], rows.lengths, ids)
        made = function(values, clips, level, key).clip(-1, 1).astype(values.dtype)
        return Ragged(made, clips.offsets)
    return change


def background_noise(values: np.ndarray, clips: Clips, level: float, key: int) -> np.ndarray:
    """Add normal noise whose power is that of the clip, mean of squares, over 10^(level / 10)."""
    power = np.array([np.square(item, dtype=np.float64).sum() for item in Ragged(values, clips.offsets).items()])
    stds = np.sqrt(power / clips.lengths.clip(min=1) / 10 ** (level / 10))
    return np.asarray(values + ragged_normals(key, *clips.tensors()).numpy() * clips.spread(stds))


def quiet(values: np.ndarray, clips: Clips, level: float, key: int) -> np.ndarray:
    """Multiply with 10^(level / 20)."""
    return np.asarray(values * 10 ** (level / 20))


def low_pass(values: np.ndarray, clips: Clips, level: float, key: int) -> np.ndarray:
    """Multiply each frequency f with 1 / √(1 + (f / f₀)⁸), f₀ being `level` of half the sample rate; no delay."""
    made = [values[:0]]
    for item in Ragged(values, clips.offsets).items():
        if len(item):
            shares = 2 * np.fft.rfftfreq(len(item))
            made.append(np.fft.irfft(np.fft.rfft(item) / np.sqrt(1 + (shares / level) ** (2 * ORDER)), len(item)))
    return np.concatenate(made)


def time_mask(values: np.ndarray, clips: Clips, level: float, key: int) -> np.ndarray:
    """Set a span of round(level · length) samples to 0; where it begins is drawn, all places being as likely."""
    spans = np.rint(level * clips.lengths).astype(np.int64)
    drawn = uniforms(key, torch.from_numpy(clips.ids), 1)[:, 0].numpy().astype(np.float64)
    firsts, places = (drawn * (clips.lengths - spans + 1)).astype(np.int64), clips.places()
    covered = (places >= clips.spread(firsts)) & (places < clips.spread(firsts + spans))
    return np.where(covered, 0, values)


def packet_loss(values: np.ndarray, clips: Clips, level: float, key: int, packet: int) -> np.ndarray:
    """Set whole packets of `packet` samples to 0."""
    counts = -(-clips.lengths // packet)
    lost = ragged_uniforms(key, torch.from_numpy(clips.ids), torch.from_numpy(counts)).numpy() < level
    firsts = counts.cumsum() - counts
    return np.where(lost[clips.spread(firsts) + clips.places() // packet], 0, values)


def clipping(values: np.ndarray, clips: Clips, level: float, key: int) -> np.ndarray:
    """Cut each clip off at ± level · max |sample|."""
    peaks = np.array([np.abs(item).max(initial=0) for item in Ragged(values, clips.offsets).items()])
    limits = level * clips.spread(peaks)
    return np.asarray(np.clip(values, -limits, limits))
