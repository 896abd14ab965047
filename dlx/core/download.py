"""Images that are downloaded: whole or absent, however many processes want them and whatever ends one of them.

N images, C channels, H×W pixels.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from dlx.core.errors import ArtefactError, StorageError
from dlx.core.types import Arrays, TaskSpec
from dlx.core.wording import reason

CONNECT_SECONDS = 20
ARCHIVES = (".gz", ".tgz", ".zip")


class Downloadable:
    """Images in torchvision's own layout below data_dir.

    OPTION: as typed; title: for people; folder: below data_dir; files: in it; shape, class_names: as in TaskSpec.
    """

    OPTION: ClassVar[str]
    title: str
    folder: str
    files: tuple[str, ...]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]

    def __init__(self, download: bool) -> None:
        self.download = download

    def spec(self) -> TaskSpec:
        """Describe the images and their classes."""
        return TaskSpec("classification", "image", self.shape, len(self.class_names), self.class_names)

    def paths(self, data_dir: str) -> list[Path]:
        """Return where the files lie, or will."""
        return [self._place(data_dir) / name for name in self.files]

    def load(self, data_dir: str) -> Arrays:
        """Return inputs uint8 [N, C, H, W], targets [N], and the test set: the last rows.

        Raises:
            StorageError: the files are absent and cannot be downloaded.
            ArtefactError: a file is damaged.
        """
        if not self._present(data_dir):
            self._fetch(data_dir)
        images, targets = zip(*(self._part(data_dir, train) for train in (True, False)), strict=True)
        num_train, num_rows = len(targets[0]), len(targets[0]) + len(targets[1])
        return Arrays(np.concatenate(images), np.concatenate(targets), np.arange(num_train, num_rows))

    def _place(self, data_dir: str) -> Path:
        return Path(data_dir) / self.folder

    def _present(self, data_dir: str) -> bool:
        return all(path.exists() for path in self.paths(data_dir))

    def _fetch(self, data_dir: str) -> None:
        where = f"{self.title} is not in {self._place(data_dir)}"
        advice = f"set data_dir or DLX_DATA_DIR to the folder that holds {self.folder or ' and '.join(self.files)}"
        if not self.download:
            raise StorageError(f"{where} and dataset.download is false; {advice}")
        try:
            fetch(Path(data_dir), self.OPTION, lambda: self._present(data_dir), self._download)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            raise StorageError(f"{where} and could not be downloaded ({reason(error)}); copy its files "
                               f"there, or {advice}") from error

    def _part(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        try:
            images, targets = self._read(data_dir, train)
        except (RuntimeError, ValueError, AssertionError, IndexError, KeyError, TypeError) as error:
            raise self._damaged(data_dir, self._wrong_file(data_dir) or str(error)) from error
        if images.shape != (len(targets), *self.shape) or images.dtype != np.uint8 or len(targets) == 0:
            raise self._damaged(data_dir, f"images {list(images.shape)}, {len(targets)} labels")
        if targets.min() < 0 or targets.max() >= len(self.class_names):
            raise self._damaged(data_dir, f"labels from {targets.min()} to {targets.max()}, {len(self.class_names)} "
                                          f"classes")
        return np.ascontiguousarray(images), targets

    def _damaged(self, data_dir: str, why: str) -> ArtefactError:
        return ArtefactError(f"the {self.title} files in {self._place(data_dir)} are damaged ({why}); remove them "
                             f"to download them again")

    def _wrong_file(self, data_dir: str) -> str | None:
        from dlx.core.vision import torchvision

        check = torchvision().datasets.utils.check_integrity
        wrong = [name for name, md5 in self._checksums().items() if not check(str(self._place(data_dir) / name), md5)]
        return f"{wrong[0]} is not the published file: its MD5 differs" if wrong else None

    def _checksums(self) -> Mapping[str, str]:
        """Return the published MD5 of files; none of those that torchvision does not check."""
        return {}

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return images uint8 [N, C, H, W] and targets int64 [N] of one of the two parts."""
        raise NotImplementedError

    def _download(self, folder: Path) -> None:
        """Let torchvision write its layout below a folder, and check it."""
        raise NotImplementedError


def fetch(root: Path, name: str, present: Callable[[], bool], download: Callable[[Path], None]) -> None:
    """Have files downloaded into a folder beside, and move each into place when all are whole.

    A process that finds another at it waits, and takes what the other fetched. What an ended one left is removed.

    Args:
        root: where the files belong; made where it is absent.
        name: of the data, to tell one lock from another.
        present: says whether the files are there.
        download: writes the files below the folder that it is given, where they belong below root; archives that it
            leaves are not kept.

    Raises:
        OSError: the network or the disk said no.
    """
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / f".{name}.part"
    with open(root / f".{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if present():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir()
            with _connecting(CONNECT_SECONDS):
                download(unfinished)
            _move(unfinished, root)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _connecting(seconds: float) -> Iterator[None]:
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)


def _move(source: Path, target: Path) -> None:
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and path.suffix not in ARCHIVES]
    for path in files:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    for path in files:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)
