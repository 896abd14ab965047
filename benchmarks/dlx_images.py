"""dlx starting on a folder of images that was decoded before."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from time import perf_counter

from dlx_side import NoWitness, prepared
from sides import SideFailed

from dlx.dataset.image_folder import ImageFolder
from dlx.engine.fit import Fit, train_epoch
from dlx.engine.start import start

NAMES = ("train", "test")


class FirstStepTaken(Exception):  # noqa: N818
    """Ends training after its first step."""


class UntilFirstStep(NoWitness):
    """Ends training before its second step."""

    def before_step(self, fit: Fit, step: int) -> None:
        if step > 0:
            raise FirstStepTaken


def warm_start_seconds(unpacked: bool = False) -> list[float]:
    """Return the seconds from the configuration to the end of the first step, all modules imported, a copy prepared.

    Args:
        unpacked: 60,000 files in folders instead of two archives.
    """
    os.environ["DLX_CACHE_DIR"] = str(Path("cache").absolute())
    paths = [str(path) for path in (unpacked_folders() if unpacked else archives())]
    # The first start decodes; time stamps of files written a moment ago do not count yet, so it may take two.
    ImageFolder(paths[0], paths[1], None, "rgb", None).load("")
    overrides = ("dataset=image_folder", f"dataset.path={paths[0]}", f"dataset.test_path={paths[1]}", "device=cpu",
                 "device.threads=1")
    start_time = perf_counter()
    parts, saved, surroundings = prepared(overrides, 1)
    state = start([(parts, saved)], surroundings.data_dir, [None], fused=False)
    try:
        train_epoch(state, UntilFirstStep())
    except FirstStepTaken:
        return [perf_counter() - start_time]
    raise AssertionError("an epoch has more than one step")


def archives() -> list[Path]:
    """Return the archives of train and test images."""
    folder = Path(os.environ.get("DLX_DATA_DIR", "")) / "cifar10_jpg"
    paths = [folder / f"{name}.tar" for name in NAMES]
    if not all(path.is_file() for path in paths):
        raise SideFailed("DLX_DATA_DIR has no cifar10_jpg/train.tar and test.tar")
    return paths


def unpacked_folders() -> list[Path]:
    """Unpack the archives, the first time, and return the folders of train and test images."""
    for path in archives():
        if not Path(path.stem).exists():
            with tarfile.open(path) as archive:
                archive.extractall(".", filter="data")
    return [Path(name).absolute() for name in NAMES]
