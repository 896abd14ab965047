"""MNIST, from torchvision's on-disk layout."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from urllib.error import URLError

import numpy as np

from dlx.core.errors import ArtefactError, StorageError
from dlx.core.types import Arrays, TaskSpec

CONNECT_SECONDS = 20
RAW = Path("MNIST", "raw")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class MNIST:
    """70,000 handwritten digits, 28×28; the last 10,000 rows are its own test set.

    Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.

    Args:
        download: fetch the files where they are absent.
    """

    def __init__(self, download: bool) -> None:
        self.download = download

    def spec(self) -> TaskSpec:
        """Describe images [1, 28, 28] of ten classes."""
        return TaskSpec("classification", "image", (1, 28, 28), 10, tuple("0123456789"))

    def load(self, data_dir: str) -> Arrays:
        """Return inputs [70000, 1, 28, 28] in [0, 1] and targets [70000].

        Args:
            data_dir: the folder that holds, or will hold, `MNIST/raw/*-ubyte`.

        Raises:
            StorageError: the files are absent and cannot be downloaded.
            ArtefactError: a file is damaged.
        """
        root = Path(data_dir)
        if any(not (root / RAW / name).exists() for name in FILES):
            self._fetch(root)
        images, targets = zip(*(_read(root, train) for train in (True, False)), strict=True)
        inputs = (np.concatenate(images).astype(np.float32) / 255.0)[:, None]
        return Arrays(inputs, np.concatenate(targets), np.arange(len(targets[0]), len(inputs)))

    def _fetch(self, root: Path) -> None:
        from dlx.core.vision import torchvision

        where = f"MNIST is not in {root / RAW}"
        if not self.download:
            raise StorageError(f"{where} and dataset.download is false; set data_dir or DLX_DATA_DIR to the folder "
                               f"that holds MNIST/raw")
        timeout = socket.getdefaulttimeout()
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Two runs started together must not write the same files.
            with open(root / ".mnist.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                socket.setdefaulttimeout(CONNECT_SECONDS)
                torchvision().datasets.MNIST(str(root), download=True)
        except (RuntimeError, URLError, OSError) as error:
            raise StorageError(
                f"{where} and could not be downloaded ({' '.join(str(error).split())}); copy its four IDX files there, "
                f"or set data_dir or DLX_DATA_DIR to the folder that holds MNIST/raw") from error
        finally:
            socket.setdefaulttimeout(timeout)


def _read(root: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    from dlx.core.vision import torchvision

    where = f"{'train' if train else 't10k'} files of MNIST in {root / RAW}"
    try:
        part = torchvision().datasets.MNIST(str(root), train=train)
        images, targets = part.data.numpy(), part.targets.numpy().astype(np.int64)
    except (RuntimeError, ValueError, AssertionError, IndexError, KeyError, TypeError) as error:
        raise ArtefactError(f"the {where} are damaged ({error}); remove them to download them again") from error
    if images.shape != (len(targets), 28, 28) or len(targets) == 0 or targets.min() < 0 or targets.max() > 9:
        raise ArtefactError(f"the {where} are damaged: images {images.shape}, {len(targets)} labels; remove them to "
                            f"download them again")
    return images, targets
