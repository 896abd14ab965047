"""Files for datasets that are the user's own: what each option of conf/dataset needs to be loaded in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np


def image_folder(folder: Path) -> list[str]:
    """Make bright and dark images in two class folders."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for name, brightness in (("bright", 180), ("dark", 60)):
        (folder / name).mkdir()
        for number in range(30):
            pixels = draw.normal(brightness, 20, (6, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return [f"dataset.path={folder}"]


def audio_folder(folder: Path) -> list[str]:
    """Make high and low tones of different length by two speakers, the class in the name."""
    import soundfile

    draw = np.random.default_rng(0)
    for label, hertz in (("high", 1500), ("low", 300)):
        for number in range(30):
            seconds = np.arange(draw.integers(1200, 2400)) / 8000
            tone = 0.5 * np.sin(2 * np.pi * hertz * seconds + number) + 0.02 * draw.normal(size=len(seconds))
            soundfile.write(folder / f"{label}_{'ab'[number % 2]}_{number}.wav", tone, 8000)
    return [f"dataset.path={folder}", 'dataset.pattern="{label}_{speaker}_{index}"']


# By option: makes files in a folder and returns the overrides that point there. The data can be learnt: a few epochs
# of training lower the loss.
FILES: dict[str, Callable[[Path], list[str]]] = {"image_folder": image_folder, "audio_folder": audio_folder}
