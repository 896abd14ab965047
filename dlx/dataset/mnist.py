"""MNIST, from torchvision's on-disk layout."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np

from dlx.core.errors import StorageError
from dlx.core.types import Arrays, TaskSpec

CONNECT_SECONDS = 20


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
        """
        parts = [self._part(Path(data_dir), train) for train in (True, False)]
        images = np.concatenate([part.data.numpy() for part in parts])
        targets = np.concatenate([part.targets.numpy() for part in parts]).astype(np.int64)
        num_train = len(parts[0].targets)
        inputs = (images.astype(np.float32) / 255.0)[:, None]
        return Arrays(inputs, targets, np.arange(num_train, len(targets)))

    def _part(self, root: Path, train: bool) -> Any:
        from dlx.core.vision import torchvision

        reader = torchvision().datasets.MNIST
        try:
            return reader(str(root), train=train, download=False)
        except RuntimeError:
            if not self.download:
                raise StorageError(f"MNIST is not in {root / 'MNIST' / 'raw'} and dataset.download is false; "
                                   f"set data_dir or DLX_DATA_DIR to the folder that holds MNIST/raw") from None
        return self._fetch(reader, root, train)

    def _fetch(self, reader: Any, root: Path, train: bool) -> Any:
        timeout = socket.getdefaulttimeout()
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Two runs started together must not write the same files.
            with open(root / ".mnist.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                socket.setdefaulttimeout(CONNECT_SECONDS)
                return reader(str(root), train=train, download=True)
        except (RuntimeError, URLError, OSError) as error:
            raise StorageError(
                f"MNIST is not in {root / 'MNIST' / 'raw'} and could not be downloaded ({error}); copy its four IDX "
                f"files there, or set data_dir or DLX_DATA_DIR to the folder that holds MNIST/raw") from error
        finally:
            socket.setdefaulttimeout(timeout)
