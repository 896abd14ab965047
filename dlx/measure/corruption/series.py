"""Corruptions of series. N examples, L steps, D channels, of which the last is 1 at steps that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from dlx.core.augment.draws import normals, uniforms
from dlx.measure.corruption.audio import RATES, SHARES
from dlx.measure.corruption.kind import Change, Corruption


class SeriesStatistics(NamedTuple):
    """Of train, over the steps that there are: mean and standard deviation of each channel but the last, [D - 1]."""

    means: np.ndarray
    stds: np.ndarray


def series_statistics(rows: np.ndarray) -> SeriesStatistics:
    """Measure series [N, L, D] of train, whose last channel is 1 at steps that there are."""
    known = rows[rows[:, :, -1] != 0][:, :-1].astype(np.float64)
    return SeriesStatistics(known.mean(axis=0), known.std(axis=0))


def series_corruptions(train: SeriesStatistics) -> list[Corruption]:
    """List the corruptions of series [N, L, D]; the last channel and the steps after the end stay as they are."""
    return [
        Corruption("noise", SHARES, "normal noise of {} standard deviations of train", _on_steps(_series_noise, train)),
        Corruption("gain", (0.9, 0.8, 0.7, 0.6, 0.5), "values times {}", _on_steps(_series_gain, train)),
        Corruption("smoothing", (0.5, 1, 1.5, 2, 3), "a normal kernel of standard deviation {} steps",
                   _on_steps(_series_smooth, train)),
        Corruption("time_mask", SHARES, "one span of {} of the steps has the means of train",
                   _on_steps(_series_mask, train)),
        Corruption("step_loss", RATES, "steps have the means of train, each with probability {}",
                   _on_steps(_series_loss, train)),
        Corruption("clipping", (2, 1.5, 1, 0.75, 0.5),
                   "values further than {} standard deviations of train from its mean are moved there",
                   _on_steps(_series_clip, train)),
    ]


OnSeries = Callable[[np.ndarray, np.ndarray, torch.Tensor, SeriesStatistics, float, int], np.ndarray]


def _on_steps(function: OnSeries, train: SeriesStatistics) -> Change:
    def change(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        made, known = rows.copy(), rows[:, :, -1:] != 0
        changed = function(rows[:, :, :-1], known, torch.from_numpy(ids), train, level, key)
        made[:, :, :-1] = np.where(known, changed, rows[:, :, :-1])
        return made
    return change


def _series_noise(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                  key: int) -> np.ndarray:
    noise = normals(key, ids, values[0].size).numpy().reshape(values.shape)
    return np.asarray(values + level * train.stds * noise)


def _series_gain(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                 key: int) -> np.ndarray:
    return values * level


def _series_smooth(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                   key: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, level, axis=1, mode="nearest"))


def _series_mask(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                 key: int) -> np.ndarray:
    lengths = known[:, :, 0].sum(axis=1)
    spans = np.rint(level * lengths).astype(np.int64)
    firsts = (uniforms(key, ids, 1)[:, 0].numpy() * (lengths - spans + 1)).astype(np.int64)
    places = np.arange(values.shape[1])
    covered = (places >= firsts[:, None]) & (places < (firsts + spans)[:, None])
    return np.where(covered[:, :, None], train.means, values)


def _series_loss(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                 key: int) -> np.ndarray:
    lost = uniforms(key, ids, values.shape[1]).numpy() < level
    return np.where(lost[:, :, None], train.means, values)


def _series_clip(values: np.ndarray, known: np.ndarray, ids: torch.Tensor, train: SeriesStatistics, level: float,
                 key: int) -> np.ndarray:
    return np.asarray(np.clip(values, train.means - level * train.stds, train.means + level * train.stds))
