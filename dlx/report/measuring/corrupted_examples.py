"""What corrupted inputs look like, small enough to be kept beside the numbers. C channels, H × W pixels."""

from __future__ import annotations

import numpy as np

from dlx.core.ragged import Ragged

MOST_SIDE = 32
TEXT_LENGTH = 70


def picture_bytes(picture: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return an image [C, H, W] as bytes [h, w, 1 or 3], larger ones every so many pixels.

    Args:
        rows: images without corruption, whose extremes are black and white where they are neither bytes nor in [0, 1].
    """
    step = -(-max(picture.shape[1:]) // MOST_SIDE)
    small = picture[:, ::step, ::step][: 3 if len(picture) >= 3 else 1]
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(small.transpose(1, 2, 0))
    low, high = (0.0, 1.0) if rows.min() >= 0 and rows.max() <= 1 else (float(rows.min()), float(rows.max()))
    shares = (small.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.ascontiguousarray(np.rint(255 * shares.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0))


def shown_texts(texts: Ragged) -> str:
    """Return the beginning of the first text."""
    start, end = texts.offsets[:2]
    return texts.values[start:end].tobytes().decode()[:TEXT_LENGTH]
