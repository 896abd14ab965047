"""Generated images of 8 GB in one .npy file, and a target of ten classes in another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

SHAPE = (3, 128, 128)
NUM_IMAGES, NUM_DISTINCT, NUM_CLASSES = 163_840, 4_096, 10
BATCH_SIZE = 512
INPUTS, TARGETS = Path("large_images.npy"), Path("large_targets.npy")  # in the folder of the benchmark: sides share it


def images() -> tuple[Path, Path]:
    """Return the paths of inputs, uint8 [N, 3, 128, 128], and targets [N]; the first side that asks writes them.

    Images are noise over the brightness of their class. The same noise comes again and again, which is quicker, in
    other pixels.
    """
    if not TARGETS.exists():
        size = NUM_IMAGES * int(np.prod(SHAPE))
        free = shutil.disk_usage(".").free
        if free < 1.2 * size:
            raise OSError(f"{Path.cwd()} needs {1.2 * size / 1e9:.0f} GB for generated images and has "
                          f"{free / 1e9:.0f} GB free")
        draw = np.random.default_rng(0)
        noise = draw.integers(0, 64, (NUM_DISTINCT, *SHAPE), dtype=np.uint8)
        targets = draw.integers(0, NUM_CLASSES, NUM_IMAGES)
        with open(INPUTS, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (NUM_IMAGES, *SHAPE)})
            for low in range(0, NUM_IMAGES, NUM_DISTINCT):
                brightness = (19 * targets[low : low + NUM_DISTINCT]).astype(np.uint8)
                file.write((np.roll(noise, low // NUM_DISTINCT, axis=-1) + brightness[:, None, None, None]).data)
        unfinished = TARGETS.with_suffix(".unfinished.npy")
        np.save(unfinished, targets)
        os.replace(unfinished, TARGETS)
    return INPUTS, TARGETS
