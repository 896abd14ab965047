"""Data sets that torchvision reads: in their formats, absent, damaged, hostile, downloaded and without network."""

import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from part_files import make
from torchvision_files import CHECKED, OPTIONS, idx, offer, publish, reader, serving, write

from dlx.core.errors import ArtefactError, DlxError, StorageError
from dlx.dataset.torchvision import CIFAR10, CIFAR100, EMNIST, MNIST

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SPLITS = ("balanced", "byclass", "bymerge", "letters", "digits", "mnist")
FILES = [(option, name) for option in OPTIONS for name in make("dataset", option).files]
every_option = pytest.mark.parametrize("option", OPTIONS)


def read_idx(path):
    data = path.read_bytes()
    shape = [int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def load(option, folder, download=False, **changes):
    return make("dataset", option, download=download, **changes).load(str(folder))


def data_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_file() and not path.name.endswith(".lock"))


@pytest.fixture
def no_network(monkeypatch):
    """Send every connection of urllib to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served(tmp_path):
    """A web server on an empty folder."""
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Writes a small data set below a folder, as the published one."""
    def made(option, **changes):
        held = write(option, tmp_path / "data", **changes)
        publish(monkeypatch, option, tmp_path / "data")
        return tmp_path / "data", held

    return made


def assert_holds(arrays, held):
    assert arrays.inputs.dtype == np.uint8
    assert arrays.inputs.flags.c_contiguous
    assert np.array_equal(arrays.inputs, np.concatenate(held.images))
    assert arrays.targets.dtype == np.int64
    assert arrays.targets.tolist() == np.concatenate(held.labels).tolist()
    assert arrays.test_ids.tolist() == list(range(len(held.labels[0]), len(arrays.targets)))


@every_option
def test_torchvision_sets_are_read_as_their_files_hold_them(option, small):
    folder, held = small(option)
    assert_holds(load(option, folder), held)


@pytest.mark.parametrize("split", SPLITS)
def test_emnist_splits_are_upright_and_their_classes_begin_with_0(split, small):
    folder, held = small("emnist", split=split)
    assert_holds(load("emnist", folder, split=split), held)


@every_option
def test_torchvision_sets_name_classes_as_torchvision_does(option, small):
    folder, _ = small(option)
    names = make("dataset", option).class_names
    if option in ("mnist", "svhn"):
        assert names == tuple("0123456789")
    elif option == "emnist":
        for split in SPLITS:
            known = reader(option).classes_split_dict[split]
            assert list(EMNIST(False, split).class_names) == [name for name in known if name != "N/A"]
    elif option == "stl10":
        assert names == ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    else:
        known = reader(option)
        assert names == tuple(known.classes if hasattr(known, "classes") else known(str(folder)).classes)


def test_cifar_classes_are_in_alphabetical_order_as_published():
    assert list(CIFAR100.class_names) == sorted(set(CIFAR100.class_names))
    assert list(CIFAR10.class_names) == sorted(set(CIFAR10.class_names))
    assert (len(CIFAR10.class_names), len(CIFAR100.class_names)) == (10, 100)


@every_option
def test_torchvision_sets_name_the_files_that_torchvision_reads(option):
    dataset, known = make("dataset", option), reader(option)
    if option in ("mnist", "fashion_mnist", "kmnist"):
        assert [f"{name}.gz" for name in dataset.files] == [name for name, _ in known.resources]
        assert dataset.folder == f"{known.__name__}/raw"
    if option.startswith("cifar"):
        listed = [name for name, _ in known.train_list + known.test_list]
        assert (dataset.folder, list(dataset.files)) == (known.base_folder, [*listed, known.meta["filename"]])


def test_mnist_real_files_are_read_byte_for_byte(data_dir):
    arrays = MNIST(download=False).load(str(data_dir))
    raw = data_dir / "MNIST" / "raw"
    images, labels = ([read_idx(raw / name) for name in MNIST_FILES[part::2]] for part in (0, 1))
    assert np.array_equal(arrays.inputs[:, 0], np.concatenate(images))
    assert np.array_equal(arrays.targets, np.concatenate(labels))
    assert arrays.test_ids.tolist() == list(range(60_000, 70_000))
    assert np.bincount(arrays.targets[:60_000]).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(arrays.targets[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert arrays.inputs.mean() / 255 == pytest.approx(0.1309, abs=2e-4)


@every_option
def test_torchvision_set_absent_without_download_says_where_it_looked_and_what_to_set(option, tmp_path):
    dataset = make("dataset", option, download=False)
    with pytest.raises(StorageError) as refused:
        dataset.load(str(tmp_path))
    place = tmp_path / dataset.folder
    holds = dataset.folder or "train_32x32.mat and test_32x32.mat"
    assert str(refused.value) == (f"{dataset.title} is not in {place} and dataset.download is false; set data_dir or "
                                  f"DLX_DATA_DIR to the folder that holds {holds}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("option", "missing"), FILES)
def test_torchvision_set_with_one_file_missing_is_absent(small, option, missing):
    folder, _ = small(option)
    (make("dataset", option).paths(str(folder))[0].parent / missing).unlink()
    with pytest.raises(StorageError, match=r"dataset\.download is false"):
        load(option, folder)


@every_option
def test_torchvision_set_that_is_there_is_not_downloaded(option, small, no_network):
    folder, held = small(option)
    before = data_files(folder)
    assert_holds(load(option, folder, download=True), held)
    assert data_files(folder) == before


@every_option
def test_torchvision_set_without_network_says_what_to_do_and_leaves_no_data(option, tmp_path, no_network):
    with pytest.raises(StorageError) as refused:
        load(option, tmp_path / "new", download=True)
    assert "could not be downloaded" in str(refused.value)
    assert f" is not in {tmp_path / 'new' / make('dataset', option).folder} and" in str(refused.value)
    assert "set data_dir or DLX_DATA_DIR to the folder" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert data_files(tmp_path) == []


def test_mnist_in_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path, no_network):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Not a directory"):
        MNIST(download=True).load(str(tmp_path / "file" / "inside"))


@every_option
def test_torchvision_set_is_downloaded_from_its_archives_and_they_are_not_kept(option, small, served, monkeypatch,
                                                                               tmp_path):
    folder, held = small(option)
    offer(monkeypatch, option, folder, served)
    assert_holds(load(option, tmp_path / "new", download=True), held)
    assert data_files(tmp_path / "new") == data_files(folder)


@every_option
def test_torchvision_set_whose_archive_was_exchanged_is_not_taken(option, small, served, monkeypatch, tmp_path):
    folder, _ = small(option)
    offer(monkeypatch, option, folder, served)
    for path in served.folder.iterdir():
        path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(StorageError, match="could not be downloaded"):
        load(option, tmp_path / "new", download=True)
    assert data_files(tmp_path / "new") == []


@every_option
def test_torchvision_set_is_downloaded_once_for_all_who_want_it(option, small, served, monkeypatch, tmp_path):
    folder, held = small(option)
    offer(monkeypatch, option, folder, served)
    with ThreadPoolExecutor(3) as workers:
        for arrays in workers.map(lambda _: load(option, tmp_path / "new", download=True), range(3)):
            assert_holds(arrays, held)
    # torchvision asks twice for each file, first where it is redirected to.
    assert set(Counter(served.asked).values()) == {2}


def damage_cut(raw):
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])


def damage_magic(raw):
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(b"<html>404 Not Found</html>" * 50)


def damage_empty(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(b"")


def damage_count(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(41, np.uint8)))


def damage_label(raw):
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.full(40, 10, np.uint8)))


def damage_size(raw):
    (raw / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((40, 8, 8), np.uint8)))


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("damage", [damage_cut, damage_magic, damage_empty, damage_count, damage_label, damage_size])
def test_mnist_damaged_files_are_refused_and_not_called_absent(small, no_network, damage, download):
    folder, _ = small("mnist")
    damage(folder / "MNIST" / "raw")
    with pytest.raises(DlxError) as refused:
        MNIST(download=download).load(str(folder))
    assert str(refused.value).startswith(f"the MNIST files in {folder}/MNIST/raw are damaged (")


@pytest.mark.parametrize(("option", "name"), [(option, name) for option, name in FILES if option in CHECKED])
def test_torchvision_set_with_one_bit_changed_is_refused_and_the_file_named(small, option, name, no_network):
    folder, _ = small(option)
    path = make("dataset", option).paths(str(folder))[0].parent / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtefactError) as refused:
        load(option, folder, download=True)
    assert f"files in {path.parent} are damaged ({name} is not the published file: its MD5 differs)" in str(
        refused.value)


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


@pytest.mark.parametrize(("option", "name"), [(option, name) for option, name in FILES if option.startswith("cifar")])
def test_hostile_cifar_file_is_refused_before_it_can_do_anything(small, option, name, tmp_path):
    folder, _ = small(option)
    hostile = pickle.dumps(Hostile(tmp_path / "executed"))
    (make("dataset", option).paths(str(folder))[0].parent / name).write_bytes(hostile)
    with pytest.raises(ArtefactError, match="is not the published file"):
        load(option, folder)
    assert not (tmp_path / "executed").exists()
    pickle.loads(hostile)
    assert (tmp_path / "executed").exists()


def test_mnist_reads_nothing_but_its_raw_files(small):
    folder, held = small("mnist")
    processed = folder / "MNIST" / "processed"
    processed.mkdir()
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"what torchvision would read instead")
    assert_holds(load("mnist", folder), held)
