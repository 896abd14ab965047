"""Images as bytes and as numbers."""

from __future__ import annotations

import numpy as np


def as_floats(inputs: np.ndarray) -> np.ndarray:
    """Return floats as they are, and of bytes 0 to 255 the float32 numbers 0 to 1."""
    return inputs.astype(np.float32) / np.float32(255.0) if inputs.dtype == np.uint8 else inputs
