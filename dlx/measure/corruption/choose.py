"""Which corruptions there are for data of a kind. N rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlx.core.types import TaskSpec
from dlx.measure.corruption.audio import audio_corruptions
from dlx.measure.corruption.images import image_corruptions, limits_of
from dlx.measure.corruption.kind import Corruption
from dlx.measure.corruption.series import series_corruptions, series_statistics
from dlx.measure.corruption.tables import table_corruptions, table_statistics
from dlx.measure.corruption.texts import text_corruptions, token_corruptions


def corruptions_of(spec: TaskSpec, train: Callable[[], Any]) -> list[Corruption]:
    """List the corruptions of rows as a dataset gives them.

    Args:
        spec: of those rows.
        train: returns rows of train, of which statistics are taken where corruptions need some.
    """
    if spec.layout == "image":
        return image_corruptions(spec.input_shape[0], _limits(train))
    if spec.layout == "audio":
        return audio_corruptions(spec.sample_rate)
    if spec.layout == "series":
        return series_corruptions(series_statistics(train()))
    if spec.layout == "table":
        return table_corruptions(table_statistics(train(), spec.columns))
    if spec.layout == "text":
        return text_corruptions()
    return token_corruptions(spec.vocabulary_size)


def _limits(train: Callable[[], Any]) -> tuple[float, float]:
    rows = train()
    return (0.0, 255.0) if rows.dtype == np.uint8 else limits_of(rows)
