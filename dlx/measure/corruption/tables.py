"""Corruptions of tables. N rows, D columns. A missing value, NaN, stays missing but where a column says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from dlx.core.augment.draws import normals, uniforms, whole
from dlx.core.random import key as named_key
from dlx.core.types import Column
from dlx.measure.corruption.audio import RATES
from dlx.measure.corruption.kind import Change, Corruption

# Quantiles of train at this many even distances, to look up any.
NUM_QUANTILES = 201


class TableStatistics(NamedTuple):
    """Of train, without missing values, of each column [D].

    means, of categories the code that most rows have; stds, of categories 0; quantiles [201, D], from the least to the
    greatest; counts: of categories, how many a column has, of numbers 0.
    """

    means: np.ndarray
    stds: np.ndarray
    quantiles: np.ndarray
    counts: np.ndarray

    @property
    def are_numbers(self) -> np.ndarray:
        """Which columns hold numbers, [D]."""
        return np.asarray(self.counts == 0)


def table_statistics(rows: np.ndarray, columns: Sequence[Column]) -> TableStatistics:
    """Measure rows [N, D] of train; columns may be none where all are numbers."""
    counts = np.array([len(column.categories) for column in columns] or [0] * rows.shape[1])
    measured = [_column(rows[:, at].astype(np.float64), bool(counts[at])) for at in range(rows.shape[1])]
    return TableStatistics(np.array([own[0] for own in measured]), np.array([own[1] for own in measured]),
                           np.array([own[2] for own in measured]).T, counts)


def _column(values: np.ndarray, is_category: bool) -> tuple[float, float, np.ndarray]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 0.0, np.zeros(NUM_QUANTILES)
    quantiles = np.quantile(known, np.linspace(0, 1, NUM_QUANTILES))
    if is_category:
        codes, often = np.unique(known, return_counts=True)
        return float(codes[often.argmax()]), 0.0, quantiles
    return float(known.mean()), float(known.std()), quantiles


def table_corruptions(train: TableStatistics) -> list[Corruption]:
    """List the corruptions of a table's rows [N, D]: those of numbers, of categories, where it has them."""
    numbers = [
        Corruption("feature_noise", (0.1, 0.2, 0.3, 0.5, 1.0), "normal noise of {} standard deviations of train",
                   _on_numbers(_noise, train)),
        Corruption("mean_shift", (0.25, 0.5, 0.75, 1.0, 1.5),
                   "every column is moved by {} standard deviations of train, up or down alike in all rows and at all "
                   "severities",
                   _on_numbers(_mean_shift, train)),
        Corruption("scaling", (1.05, 1.1, 1.2, 1.3, 1.5), "values times {}", _on_numbers(_scaling, train)),
        Corruption("quantile_clip", (0.05, 0.1, 0.15, 0.2, 0.25),
                   "values below the quantile {} of train are moved to it, and those above the one as far from 1",
                   _on_numbers(_quantile_clip, train)),
    ] if train.are_numbers.any() else []
    categories = [Corruption("random_category", RATES, "another category, each with probability {}",
                             _random_category(train))] if (train.counts > 1).any() else []
    dropout = Corruption("feature_dropout", (0.1, 0.2, 0.3, 0.4, 0.5),
                         "the mean of train, or its most frequent category, each with probability {}",
                         _feature_dropout(train))
    return [*numbers, dropout, *categories]


OnNumbers = Callable[[np.ndarray, np.ndarray, TableStatistics, float, int], np.ndarray]


def _on_numbers(function: OnNumbers, train: TableStatistics) -> Change:
    def change(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        made = function(rows.astype(np.float64), ids, train, level, key)
        return np.where(train.are_numbers, made, rows).astype(rows.dtype)
    return change


def _noise(rows: np.ndarray, ids: np.ndarray, train: TableStatistics, level: float, key: int) -> np.ndarray:
    drawn = normals(key, torch.from_numpy(ids), rows.shape[1]).numpy()
    return np.asarray(rows + level * train.stds * drawn)


def _mean_shift(rows: np.ndarray, ids: np.ndarray, train: TableStatistics, level: float, key: int) -> np.ndarray:
    # Of the columns, not of the rows, and the same ways at every severity.
    drawn = uniforms(named_key(0, "corruption-mean_shift-signs"), torch.arange(rows.shape[1]), 1)[:, 0]
    signs = np.where(drawn.numpy() < 0.5, -1.0, 1.0)
    return np.asarray(rows + level * train.stds * signs)


def _scaling(rows: np.ndarray, ids: np.ndarray, train: TableStatistics, level: float, key: int) -> np.ndarray:
    return rows * level


def _quantile_clip(rows: np.ndarray, ids: np.ndarray, train: TableStatistics, level: float, key: int) -> np.ndarray:
    place = round(level * (NUM_QUANTILES - 1))
    return np.asarray(np.clip(rows, train.quantiles[place], train.quantiles[-1 - place]))


def _feature_dropout(train: TableStatistics) -> Change:
    def change(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        dropped = uniforms(key, torch.from_numpy(ids), rows.shape[1]).numpy() < level
        return np.where(dropped, train.means, rows).astype(rows.dtype)
    return change


def _random_category(train: TableStatistics) -> Change:
    def change(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        drawn = uniforms(key, torch.from_numpy(ids), 2 * rows.shape[1])
        replaced = (drawn[:, : rows.shape[1]].numpy() < level) & (train.counts > 1)
        others = whole(drawn[:, rows.shape[1] :], torch.from_numpy((train.counts - 1).clip(min=1))).numpy()
        # A draw among the others: the own code is skipped.
        others = others + (others >= np.nan_to_num(rows, nan=np.inf))
        return np.where(replaced, others, rows).astype(rows.dtype)
    return change
