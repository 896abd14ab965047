"""Files for datasets that are the user's own: what each option of conf/dataset needs to be loaded in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd


def table(num_rows: int = 160) -> pd.DataFrame:
    """Two columns of numbers and one of categories that tell two classes apart, and a column to split by."""
    draw = np.random.default_rng(3)
    height, weight = draw.normal(170, 10, num_rows).round(1), draw.normal(70, 12, num_rows).round(1)
    city = draw.choice(["Bern", "Oslo", "Rome"], num_rows)
    signal = (height - 170) / 10 + (weight - 70) / 12 + (city == "Oslo") + draw.normal(0, 0.3, num_rows)
    return pd.DataFrame({"height": height, "weight": weight, "city": city, "person": np.arange(num_rows) // 4,
                         "label": np.where(signal > 0, "tall", "small")})


def csv(folder: Path) -> list[str]:
    """A text table."""
    table().to_csv(folder / "people.csv", index=False)
    return [f"dataset.path={folder / 'people.csv'}", "dataset.target=label", "dataset.notes=[person]"]


def parquet(folder: Path) -> list[str]:
    """The same table as parquet."""
    table().to_parquet(folder / "people.parquet")
    return [f"dataset.path={folder / 'people.parquet'}", "dataset.target=label", "dataset.notes=[person]"]


def arrays(folder: Path) -> list[str]:
    """Inputs and targets in one file."""
    frame = table()
    np.savez(folder / "people.npz", inputs=frame[["height", "weight"]].to_numpy(), targets=frame["label"].to_numpy(str))
    return [f"dataset.path={folder / 'people.npz'}"]


def huggingface(folder: Path) -> list[str]:
    """The same table as a folder of the datasets library."""
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_pandas(table(), preserve_index=False).save_to_disk(folder / "people")
    return [f"dataset.path={folder / 'people'}", "dataset.target=label", "dataset.notes=[person]",
            "preprocessing=[one_hot,standardize]"]


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
    """Make tones and noises of different length by two speakers, the class in the name."""
    import soundfile

    draw = np.random.default_rng(0)
    for label, volume, hiss in (("tone", 0.5, 0.001), ("noise", 0.0, 0.3)):
        for number in range(30):
            seconds = np.arange(draw.integers(1200, 2400)) / 8000
            hissing = hiss * draw.normal(size=len(seconds)).clip(-3, 3)
            tone = volume * np.sin(2 * np.pi * 900 * seconds + number) + hissing
            soundfile.write(folder / f"{label}_{'ab'[number % 2]}_{number}.wav", tone, 8000)
    return [f"dataset.path={folder}", 'dataset.pattern="{label}_{speaker}_{index}"',
            "preprocessing.trim_pad.seconds=0.2"]


# By option: makes files in a folder and returns the overrides that point there. The data can be learnt: a few epochs
# of training lower the loss.
FILES: dict[str, Callable[[Path], list[str]]] = {
    "csv": csv,
    "parquet": parquet,
    "arrays": arrays,
    "huggingface": huggingface,
    "image_folder": image_folder,
    "audio_folder": audio_folder,
}
