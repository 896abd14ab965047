"""split.npz: the same rows, the same bytes; nothing else is read."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dlx.core.errors import ArtefactError
from dlx.record.split_rows import read_split, refuse_other_split, write_split

ROWS = {"train": np.array([0, 2, 5]), "val": np.array([1]), "test": np.array([3, 4])}


@pytest.fixture
def path(tmp_path):
    write_split(tmp_path / "split.npz", ROWS)
    return tmp_path / "split.npz"


def test_split_reads_as_it_was_written(path):
    read = read_split(path)
    assert {name: own.tolist() for name, own in read.items()} == {name: own.tolist() for name, own in ROWS.items()}


def test_split_has_the_same_bytes_whenever_it_is_written(path, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2.0e9)
    write_split(tmp_path / "later.npz", ROWS)
    assert (tmp_path / "later.npz").read_bytes() == path.read_bytes()


def test_split_is_what_numpy_loads(path):
    with np.load(path) as arrays:
        assert arrays["val"].tolist() == [1]


def test_other_rows_are_refused_with_how_many_are_the_same(path):
    refuse_other_split(path, ROWS)
    with pytest.raises(ArtefactError, match="val has 1 rows there and 2 now, 1 of them the same"):
        refuse_other_split(path, {**ROWS, "train": ROWS["train"], "val": np.array([1, 6])})


def saved(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def compressed():
    content = io.BytesIO()
    np.savez_compressed(content, **ROWS)
    return content.getvalue()


def longer_than_the_file():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ROWS:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (2**50,)})
            archive.writestr(f"{name}.npy", header.getvalue())
    return content.getvalue()


@pytest.mark.parametrize("content", [b"", b"no zip", saved(train=np.arange(3)), saved(**ROWS, more=np.arange(2)),
                                     saved(**{**ROWS, "val": np.array([object()], dtype=object)}),
                                     saved(**{**ROWS, "val": np.array([1.0])}), saved(**{**ROWS, "val": np.eye(2)}),
                                     compressed(), longer_than_the_file()],
                         ids=["empty", "text", "missing", "more", "pickle", "floats", "matrix", "compressed", "longer"])
def test_a_file_of_another_form_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"split\.npz is refused: "):
        read_split(path)


def test_every_damaged_byte_is_refused_or_reads_as_other_rows(path):
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1:])
        try:
            read = read_split(path)
        except ArtefactError:
            continue
        assert all(own.dtype == np.int64 for own in read.values())


SPECIALS = {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"),
            "link to itself": lambda path: path.symlink_to(path), "folder": Path.mkdir,
            "sparse": lambda path: (path.touch(), os.truncate(path, 2**36))}


@pytest.mark.parametrize("case", SPECIALS)
def test_what_is_no_file_of_rows_is_refused_at_once(path, case):
    path.unlink()
    SPECIALS[case](path)
    with pytest.raises(ArtefactError, match=r"split\.npz is refused: "):
        read_split(path)
