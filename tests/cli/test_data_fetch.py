"""dlx data fetch: what it downloads, what it says, and what it refuses."""

import hashlib
import json
import os

import pytest
from torchvision_files import offer, publish, serving, write

from dlx.dataset.iris import Iris
from dlx.dataset.torchvision import MNIST, SVHN
from dlx.engine.data import fingerprint


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A folder to download to; small forms of two data sets are where torchvision downloads from."""
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as served:
        for option in ("mnist", "svhn"):
            write(option, tmp_path / "published")
            publish(monkeypatch, option, tmp_path / "published")
            offer(monkeypatch, option, tmp_path / "published", served)
        yield tmp_path / "data"


def test_fetch_downloads_several_data_sets_and_says_where_they_lie(dlx, offered):
    result = dlx("data", "fetch", "dataset=mnist,svhn", f"data_dir={offered}", "--json")
    assert result.code == 0
    mnist, svhn = json.loads(result.out)
    for row, dataset in ((mnist, MNIST(False)), (svhn, SVHN(False))):
        assert row["folder"] == str(offered / dataset.folder).rstrip("/")
        assert row["bytes"] == sum(os.path.getsize(offered / dataset.folder / name) for name in dataset.files)
        assert row["fingerprint"] == fingerprint(dataset.load(str(offered)))
        assert (row["rows"], row["test_rows"], row["layout"]) == (60, 20, "image")
    assert (mnist["dataset"], mnist["input_shape"], svhn["dataset"], svhn["input_shape"]) == (
        "mnist", [1, 28, 28], "svhn", [3, 32, 32])


def test_fetch_of_what_is_there_downloads_nothing_and_prints_lines(dlx, workdir, monkeypatch):
    write("mnist", workdir)
    result = dlx("data", "fetch", "dataset=mnist", "dataset.download=false", f"data_dir={workdir}")
    size = sum(path.stat().st_size for path in (workdir / "MNIST" / "raw").iterdir())
    assert result == (0, f"mnist: 60 rows, 20 of them its own test set; image 1×28×28\n"
                         f"  {size / 1000:.1f} kB in {workdir}/MNIST/raw\n"
                         f"  fingerprint {fingerprint(MNIST(False).load(str(workdir)))}\n", "")


def test_fetch_of_embedded_data_has_nothing_to_download(dlx, workdir):
    result = dlx("data", "fetch", "dataset=iris")
    assert result.out.splitlines()[:2] == ["iris: 150 rows; table 4", "  nothing to download"]
    arrays = Iris().load("")
    digest = hashlib.sha256()
    for array, name in ((arrays.inputs, "float32"), (arrays.targets, "int64")):
        digest.update(f"{array.shape}{name}".encode())
        digest.update(array.tobytes())
    assert result.out.splitlines()[2] == f"  fingerprint {digest.hexdigest()}"
    assert list(workdir.iterdir()) == []


def test_fetch_of_several_values_takes_each_combination(dlx):
    result = dlx("data", "fetch", "dataset=moons,spirals", "dataset.num_examples=range(40,80,20)", "--json")
    assert [(row["dataset"], row["rows"]) for row in json.loads(result.out)] == [
        ("moons", 40), ("moons", 60), ("spirals", 40), ("spirals", 60)]


def test_fetch_of_absent_data_exits_with_4_and_keeps_what_came_before(dlx, workdir):
    write("mnist", workdir)
    result = dlx("data", "fetch", "dataset=mnist,cifar10", "dataset.download=false", f"data_dir={workdir}")
    assert result.code == 4
    assert result.out.startswith("mnist: 60 rows")
    assert result.err == (f"dlx: CIFAR-10 is not in {workdir}/cifar-10-batches-py and dataset.download is false; set "
                          f"data_dir or DLX_DATA_DIR to the folder that holds cifar-10-batches-py\n")


def test_fetch_without_network_exits_with_4_and_a_plain_message(dlx, workdir, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    result = dlx("data", "fetch", "dataset=kmnist", f"data_dir={workdir}/new")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith(f"dlx: KMNIST is not in {workdir}/new/KMNIST/raw and could not be downloaded (")
    assert result.err.count("\n") == 1


def test_fetch_of_damaged_data_exits_with_3(dlx, workdir):
    write("svhn", workdir)
    result = dlx("data", "fetch", "dataset=svhn", f"data_dir={workdir}")
    assert result.code == 3
    assert result.err == (f"dlx: the SVHN files in {workdir} are damaged (train_32x32.mat is not the published file: "
                          f"its MD5 differs); remove them to download them again\n")


@pytest.mark.parametrize(("words", "message"), [
    (["dataset=mnist,nist"], "dataset=nist does not exist"),
    (["dataset=mnist,iris", "dataset.noise=1"], "dataset.noise belongs to dataset=blobs"),
    (["dataset.noise=interval(0,1)", "dataset=moons"], "gives several values"),
    (["dataset=moons", "dataset.noise=-1"], "dataset.noise must be in [0, inf), got -1"),
    (["dataset=mnist,("], "cannot read the override")])
def test_fetch_refuses_what_is_wrong_before_it_downloads(dlx, workdir, words, message):
    result = dlx("data", "fetch", *words, f"data_dir={workdir}/new")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not (workdir / "new").exists()
