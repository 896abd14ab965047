"""MNIST: the IDX files of the real data and of a small layout written here; absent, damaged, and without network."""

import numpy as np
import pytest

from dlx.core.errors import DlxError, StorageError
from dlx.dataset.mnist import MNIST

PREFIXES = ("train", "t10k")
FILES = [f"{prefix}-{kind}" for prefix in PREFIXES for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx(array):
    """The IDX form of an array of bytes: two zeros, type 8, number of axes, their sizes big-endian, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def read_idx(path):
    data = path.read_bytes()
    shape = [int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


@pytest.fixture
def small(tmp_path):
    """A folder with 30 train and 12 test images, and what it holds."""
    draw, held = np.random.default_rng(0), {}
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in zip(PREFIXES, (30, 12), strict=True):
        held[prefix] = draw.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10
        for kind, array in zip(("images-idx3-ubyte", "labels-idx1-ubyte"), held[prefix], strict=True):
            (raw / f"{prefix}-{kind}").write_bytes(idx(array))
    return tmp_path, held


@pytest.fixture
def no_network(monkeypatch):
    """Send every connection of urllib to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_mnist_reads_what_the_files_hold(small):
    folder, held = small
    arrays = MNIST(download=False).load(str(folder))
    images, labels = (np.concatenate([held[prefix][part] for prefix in PREFIXES]) for part in (0, 1))
    assert np.array_equal(arrays.inputs[:, 0], images.astype(np.float32) / np.float32(255))
    assert arrays.targets.tolist() == labels.tolist()
    assert arrays.test_ids.tolist() == list(range(30, 42))


def test_mnist_that_is_there_is_not_downloaded(small, no_network):
    folder, _ = small
    assert len(MNIST(download=True).load(str(folder)).targets) == 42


def test_mnist_real_files_are_read_byte_for_byte(data_dir):
    arrays = MNIST(download=False).load(str(data_dir))
    raw = data_dir / "MNIST" / "raw"
    images, labels = ([read_idx(raw / name) for name in FILES[part::2]] for part in (0, 1))
    assert np.array_equal(np.round(arrays.inputs[:, 0] * 255).astype(np.uint8), np.concatenate(images))
    assert np.array_equal(arrays.targets, np.concatenate(labels))
    assert arrays.test_ids.tolist() == list(range(60_000, 70_000))
    assert np.bincount(arrays.targets[:60_000]).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(arrays.targets[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert arrays.inputs.mean() == pytest.approx(0.1309, abs=2e-4)


def test_mnist_absent_without_download_says_where_it_looked_and_what_to_set(tmp_path):
    with pytest.raises(StorageError) as refused:
        MNIST(download=False).load(str(tmp_path))
    assert str(refused.value) == (f"MNIST is not in {tmp_path}/MNIST/raw and dataset.download is false; set data_dir "
                                  "or DLX_DATA_DIR to the folder that holds MNIST/raw")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", FILES)
def test_mnist_with_one_file_missing_is_absent(small, missing):
    folder, _ = small
    (folder / "MNIST" / "raw" / missing).unlink()
    with pytest.raises(StorageError, match=r"dataset\.download is false"):
        MNIST(download=False).load(str(folder))


def test_mnist_without_network_says_what_to_do_and_leaves_no_data(tmp_path, no_network):
    with pytest.raises(StorageError) as refused:
        MNIST(download=True).load(str(tmp_path / "new"))
    assert "could not be downloaded" in str(refused.value)
    assert f"MNIST is not in {tmp_path}/new/MNIST/raw" in str(refused.value)
    assert "set data_dir or DLX_DATA_DIR to the folder" in str(refused.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 0] == []


def test_mnist_in_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path, no_network):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Not a directory"):
        MNIST(download=True).load(str(tmp_path / "file" / "inside"))


def damage_cut(raw):
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])


def damage_magic(raw):
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>404 Not Found</html>" * 50)


def damage_empty(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(b"")


def damage_count(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(31, np.uint8)))


def damage_label(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.full(30, 10, np.uint8)))


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("damage", [damage_cut, damage_magic, damage_empty, damage_count, damage_label])
def test_mnist_damaged_files_are_refused_and_not_called_absent(small, no_network, damage, download):
    folder, _ = small
    damage(folder / "MNIST" / "raw")
    with pytest.raises(DlxError) as refused:
        MNIST(download=download).load(str(folder))
    assert str(folder) in str(refused.value)
    assert "MNIST is not in" not in str(refused.value)
