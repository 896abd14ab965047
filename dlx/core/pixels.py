"""Images as bytes and as numbers."""

from __future__ import annotations

import numpy as np


def as_floats(inputs: np.ndarray) -> np.ndarray:
    """Return of images of bytes 0 to 255 the float32 numbers 0 to 1, and any other inputs, Ragged too, as they are."""
    is_bytes = isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8
    return inputs.astype(np.float32) / np.float32(255.0) if is_bytes else inputs
