"""Images that torchvision downloads and reads: a class for each option. N images, C channels, H×W pixels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlx.core.download import Downloadable

DIGITS = tuple("0123456789")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm")


class MNIST(Downloadable):
    """70,000 handwritten digits, 28×28; the last 10,000 rows are its own test set.

    Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "mnist"
    title = "MNIST"
    folder = "MNIST/raw"
    files: tuple[str, ...] = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                              "t10k-labels-idx1-ubyte")
    shape = (1, 28, 28)
    class_names: tuple[str, ...] = DIGITS

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        idx = _datasets().mnist
        images, labels = map(str, self.paths(data_dir)[:2] if train else self.paths(data_dir)[2:])
        return idx.read_image_file(images).numpy()[:, None], idx.read_label_file(labels).numpy().astype(np.int64)

    def _download(self, folder: Path) -> None:
        getattr(_datasets(), self.folder.split("/")[0])(str(folder), download=True)


class FashionMNIST(MNIST):
    """70,000 pictures of clothes, 28×28 in grey, ten classes; the last 10,000 rows are its own test set.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "fashion_mnist"
    title = "Fashion-MNIST"
    folder = "FashionMNIST/raw"
    class_names = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                   "Ankle boot")


class KMNIST(MNIST):
    """70,000 cursive Japanese characters, 28×28, ten classes; the last 10,000 rows are its own test set.

    Source: Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha, Deep Learning for Classical Japanese Literature,
    2018.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "kmnist"
    title = "KMNIST"
    folder = "KMNIST/raw"
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class EMNIST(MNIST):
    """Handwritten letters and digits, 28×28, upright as those of MNIST are; the last rows are its own test set.

    The files hold them with rows and columns exchanged. Source: Cohen, Afshar, Tapson and van Schaik, EMNIST, 2017.

    Args:
        download: fetch the files where they are absent: half a gigabyte, two on disk.
        split: balanced, 47 classes of 2,800 rows each; byclass, 814,255 rows of 62 classes; bymerge, the same rows,
            letters that look alike in upper and lower case merged, 47 classes; letters, 26 classes without case;
            digits, 280,000 rows; mnist, 70,000 rows of digits.
    """

    OPTION = "emnist"
    folder = "EMNIST/raw"

    def __init__(self, download: bool, split: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"]
                 ) -> None:
        super().__init__(download)
        self.split = split
        self.title = f"EMNIST {split}"
        self.files = tuple(f"emnist-{split}-{part}-{kind}-ubyte" for part in ("train", "test")
                           for kind in ("images-idx3", "labels-idx1"))
        upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
        self.class_names = {"byclass": (*DIGITS, *upper, *lower), "letters": tuple(lower), "digits": DIGITS,
                            "mnist": DIGITS}.get(split, (*DIGITS, *upper, *"abdefghnqrt"))

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        images, targets = super()._read(data_dir, train)
        return images.swapaxes(2, 3), targets - (1 if self.split == "letters" else 0)

    def _download(self, folder: Path) -> None:
        _datasets().EMNIST(str(folder), self.split, download=True)


class CIFAR10(Downloadable):
    """60,000 photographs, 32×32 in colour, ten classes; the last 10,000 rows are its own test set.

    The files are pickles: torchvision reads them where their MD5 is the published one, and they are refused otherwise.
    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "cifar10"
    title = "CIFAR-10"
    folder = "cifar-10-batches-py"
    files: tuple[str, ...] = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
    shape = (3, 32, 32)
    class_names: tuple[str, ...] = CIFAR10_CLASSES

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        part = self._reader()(data_dir, train=train)
        return part.data.transpose(0, 3, 1, 2), np.array(part.targets, np.int64)

    def _download(self, folder: Path) -> None:
        self._reader()(str(folder), download=True)

    def _checksums(self) -> Mapping[str, str]:
        reader = self._reader()
        return {**dict(reader.train_list + reader.test_list), reader.meta["filename"]: reader.meta["md5"]}

    def _reader(self) -> Any:
        return getattr(_datasets(), type(self).__name__)


class CIFAR100(CIFAR10):
    """60,000 photographs, 32×32 in colour, a hundred classes; the last 10,000 rows are its own test set.

    The files are pickles: torchvision reads them where their MD5 is the published one, and they are refused otherwise.
    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "cifar100"
    title = "CIFAR-100"
    folder = "cifar-100-python"
    files = ("train", "test", "meta")
    class_names = CIFAR100_CLASSES


class SVHN(Downloadable):
    """99,289 digits of house numbers, 32×32 in colour; the last 26,032 rows are its own test set.

    Without its extra training set. Source: Netzer, Wang, Coates, Bissacco, Wu and Ng, Reading Digits in Natural Images
    with Unsupervised Feature Learning, 2011.

    Args:
        download: fetch the files where they are absent.
    """

    OPTION = "svhn"
    title = "SVHN"
    folder = ""
    files = ("train_32x32.mat", "test_32x32.mat")
    shape = (3, 32, 32)
    class_names = DIGITS

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        part = _datasets().SVHN(data_dir, "train" if train else "test")
        return part.data, part.labels

    def _download(self, folder: Path) -> None:
        for split in ("train", "test"):
            _datasets().SVHN(str(folder), split, download=True)

    def _checksums(self) -> Mapping[str, str]:
        return {name: md5 for _, name, md5 in map(_datasets().SVHN.split_list.get, ("train", "test"))}


class STL10(Downloadable):
    """13,000 photographs, 96×96 in colour, ten classes; the last 8,000 rows are its own test set.

    Without its 100,000 images that have no labels. Source: Coates, Lee and Ng, An Analysis of Single-Layer Networks in
    Unsupervised Feature Learning, 2011.

    Args:
        download: fetch the files where they are absent: 2.6 gigabytes.
    """

    OPTION = "stl10"
    title = "STL-10"
    folder = "stl10_binary"
    files = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")
    shape = (3, 96, 96)
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

    def _read(self, data_dir: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
        part = self._reader()(data_dir, "train" if train else "test")
        return part.data, part.labels.astype(np.int64)

    def _download(self, folder: Path) -> None:
        self._reader()(str(folder), download=True)

    def _checksums(self) -> Mapping[str, str]:
        reader = self._reader()
        return dict(reader.train_list + reader.test_list)

    def _reader(self) -> Any:
        whole = _datasets().STL10
        # The third file of its list, of 2.8 gigabytes, holds the images without labels.
        return type("STL10", (whole,), {"train_list": whole.train_list[:2]})


def _datasets() -> Any:
    from dlx.core.vision import torchvision

    return torchvision().datasets
