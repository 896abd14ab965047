"""Small data sets in the formats of the real ones that torchvision reads, and archives of them to download.

C classes, N images. Labels follow from brightness, so that they can be learnt.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import pytest
from part_files import make
from scipy.io import savemat

from dlx.core.vision import torchvision

OPTIONS = ("mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn", "stl10")
# Those whose files torchvision compares with a published MD5.
CHECKED = ("cifar10", "cifar100", "svhn", "stl10")
CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "emnist": "EMNIST",
           "cifar10": "CIFAR10", "cifar100": "CIFAR100", "svhn": "SVHN", "stl10": "STL10"}


class Served(NamedTuple):
    """A folder that a web server of this process serves, its address, and the paths that it was asked for."""

    folder: Path
    url: str
    asked: list[str]


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve a folder inside the block."""
    asked: list[str] = []

    class Noting(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_request(self, *_: Any) -> None:
            asked.append(self.path)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Served(folder, f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Held(NamedTuple):
    """What was written: images uint8 [N, C, H, W] and labels [N] from 0 on, of train and of test."""

    images: tuple[np.ndarray, np.ndarray]
    labels: tuple[np.ndarray, np.ndarray]


def md5(path: Path) -> str:
    """Return the MD5 of a file."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def reader(option: str) -> Any:
    """Return torchvision's class."""
    return getattr(torchvision().datasets, CLASSES[option])


def idx(array: np.ndarray) -> bytes:
    """The IDX form of an array of bytes: two zeros, type 8, number of axes, their sizes big-endian, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def draw(shape: tuple[int, ...], num_classes: int) -> Held:
    """Make four train and two test images of each class."""
    random = np.random.default_rng(0)
    labels = tuple(random.permutation(np.arange(count * num_classes) % num_classes) for count in (4, 2))
    images = tuple((random.integers(0, 64, (len(own), *shape))
                    + (own * 190 // num_classes)[:, None, None, None]).astype(np.uint8) for own in labels)
    return Held(images, labels)


def write(option: str, folder: Path, **changes: Any) -> Held:
    """Write a small data set where torchvision looks for it below a folder."""
    dataset = make("dataset", option, **changes)
    held = draw(dataset.shape, len(dataset.class_names))
    place = dataset.paths(str(folder))[0].parent
    place.mkdir(parents=True, exist_ok=True)
    family = {"cifar10": write_cifar, "cifar100": write_cifar, "svhn": write_svhn, "stl10": write_stl}
    family.get(option, write_idx)(place, dataset, held)
    return held


def write_idx(place: Path, dataset: Any, held: Held) -> None:
    """Write IDX files, those of EMNIST with rows and columns exchanged and its letters counted from 1."""
    emnist = dataset.OPTION == "emnist"
    first = 1 if emnist and dataset.split == "letters" else 0
    for part in (0, 1):
        images = held.images[part][:, 0]
        (place / dataset.files[2 * part]).write_bytes(idx(np.ascontiguousarray(images.swapaxes(1, 2) if emnist
                                                                               else images)))
        (place / dataset.files[2 * part + 1]).write_bytes(idx((held.labels[part] + first).astype(np.uint8)))


def write_cifar(place: Path, dataset: Any, held: Held) -> None:
    """Write pickled batches as Krizhevsky did: rows of 3,072 bytes, red, green and blue after one another."""
    hundred = dataset.OPTION == "cifar100"
    train, test = dataset.files[:-2], dataset.files[-2:-1]
    for names, images, labels in zip((train, test), held.images, held.labels, strict=True):
        for name, rows in zip(names, np.array_split(np.arange(len(labels)), len(names)), strict=True):
            batch = {"data": images[rows].reshape(len(rows), -1),
                     "fine_labels" if hundred else "labels": labels[rows].tolist()}
            (place / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {"fine_label_names" if hundred else "label_names": list(dataset.class_names)}
    (place / dataset.files[-1]).write_bytes(pickle.dumps(names, protocol=2))


def write_svhn(place: Path, dataset: Any, held: Held) -> None:
    """Write MATLAB files: X [32, 32, 3, N] and y [N, 1] in which 0 is called 10."""
    for name, images, labels in zip(dataset.files, held.images, held.labels, strict=True):
        savemat(place / name, {"X": images.transpose(2, 3, 1, 0),
                               "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]})


def write_stl(place: Path, dataset: Any, held: Held) -> None:
    """Write plain bytes, column by column, and labels from 1 on."""
    for part, (images, labels) in enumerate(zip(held.images, held.labels, strict=True)):
        (place / dataset.files[2 * part]).write_bytes(np.ascontiguousarray(images.swapaxes(2, 3)).tobytes())
        (place / dataset.files[2 * part + 1]).write_bytes((labels + 1).astype(np.uint8).tobytes())


def publish(patch: pytest.MonkeyPatch, option: str, folder: Path) -> None:
    """Let torchvision take the MD5 of the files below a folder for the published ones."""
    code = reader(option)
    place = make("dataset", option).paths(str(folder))[0].parent
    if option.startswith("cifar"):
        patch.setattr(code, "meta", {**code.meta, "md5": md5(place / code.meta["filename"])})
    if option in ("cifar10", "cifar100", "stl10"):
        for name in ("train_list", "test_list"):
            patch.setattr(code, name, [[file, md5(place / file) if (place / file).exists() else known]
                                       for file, known in getattr(code, name)])
    if option == "svhn":
        patch.setattr(code, "split_list", {
            split: [url, file, md5(place / file) if (place / file).exists() else known]
            for split, (url, file, known) in code.split_list.items()})


def offer(patch: pytest.MonkeyPatch, option: str, folder: Path, served: Served) -> None:
    """Pack the data set below a folder as its publisher does, and let torchvision download it from the server."""
    archives, url = served.folder, served.url
    patch.setenv("no_proxy", "127.0.0.1")
    code = reader(option)
    place = make("dataset", option).paths(str(folder))[0].parent
    if option == "emnist":
        with zipfile.ZipFile(archives / "gzip.zip", "w") as archive:
            for path in place.iterdir():
                archive.writestr(f"gzip/{path.name}.gz", gzip.compress(path.read_bytes()))
        patch.setattr(code, "url", f"{url}/gzip.zip")
        patch.setattr(code, "md5", md5(archives / "gzip.zip"))
    elif option in ("mnist", "fashion_mnist", "kmnist"):
        for path in place.iterdir():
            (archives / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        patch.setattr(code, "mirrors", [f"{url}/"])
        patch.setattr(code, "resources", [(name, md5(archives / name)) for name, _ in code.resources])
    elif option == "svhn":
        for split, (_, name, known) in code.split_list.items():
            if (place / name).exists():
                shutil.copy(place / name, archives / name)
            patch.setitem(code.split_list, split, [f"{url}/{name}", name, known])
    else:
        with tarfile.open(archives / code.filename, "w:gz") as archive:
            archive.add(place, place.name)
        patch.setattr(code, "url", f"{url}/{code.filename}")
        patch.setattr(code, "tgz_md5", md5(archives / code.filename))
