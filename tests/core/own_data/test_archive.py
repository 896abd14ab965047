"""Archives: what honest ones hold, and the hostile and damaged ones that are refused."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from dlx.core.errors import ConfigError
from dlx.core.own_data import archive
from dlx.core.own_data.archive import opened_archive

CONTENT = {"cat/1.jpg": b"one" * 400, "cat/a name with spaces and ü.jpg": b"two", "dog/" + "long" * 60 + ".jpg": b"",
           "dog/2.jpg": bytes(range(256)) * 9}


def write_tar(path, members=CONTENT, mode="w", **options):
    with tarfile.open(path, mode, **options) as file:
        for name, data in members.items():
            add(file, name, data)
    return path


def add(file, name, data=b"", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    file.addfile(info, io.BytesIO(data))


def write_zip(path, members=CONTENT, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def held(path):
    with opened_archive(path, None) as files:
        return {name: files.read(name) for name in files.sizes}


def refusal(path):
    with pytest.raises(ConfigError) as refused:
        held(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def said_or_held(path):
    """What an archive holds; where it is refused, the path that the message names."""
    try:
        return held(path)
    except ConfigError as error:
        return str(path) if str(path) in str(error) else str(error)


@pytest.mark.parametrize("make", [
    write_tar, lambda path: write_tar(path, mode="w:gz"), lambda path: write_tar(path, format=tarfile.PAX_FORMAT),
    lambda path: write_tar(path, format=tarfile.GNU_FORMAT), write_zip,
    lambda path: write_zip(path, method=zipfile.ZIP_STORED), lambda path: write_zip(path, method=zipfile.ZIP_LZMA)])
def test_archive_holds_what_was_packed_in_order_of_names(tmp_path, make):
    path = make(tmp_path / "packed")
    assert held(path) == CONTENT
    assert list(held(path)) == sorted(CONTENT)


def test_archive_folders_are_listed_and_dots_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        add(file, "./", type=tarfile.DIRTYPE)
        add(file, "./empty/", type=tarfile.DIRTYPE)
        add(file, "./cat/1.jpg", b"x")
    with opened_archive(tmp_path / "a.tar", None) as files:
        assert files.folders == ("empty",)
        assert files.sizes == {"cat/1.jpg": 1}


HOSTILE_NAMES = {"../evil": "points outside", "cat/../../evil": "points outside", "/etc/passwd": "points outside",
                 "C:/evil": "points outside", "c:evil": "points outside", "cat\\..\\evil": "must not have",
                 "cat/a\nb": "must not have", "cat/\x1b[2J": "must not have"}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("make", [write_tar, write_zip])
def test_archive_names_that_point_elsewhere_are_refused(tmp_path, name, make):
    path = make(tmp_path / "hostile", {"cat/1.jpg": b"x", name: b"evil"})
    assert HOSTILE_NAMES[name] in refusal(path)
    assert ascii(name)[1:-1].split("\\")[0] in refusal(path)


@pytest.mark.parametrize(("kind", "said"), [
    (tarfile.SYMTYPE, "a link to '/etc/passwd'"), (tarfile.LNKTYPE, "a link to '/etc/passwd'"),
    (tarfile.CHRTYPE, "a device"), (tarfile.BLKTYPE, "a device"), (tarfile.FIFOTYPE, "a device"),
    (b"Z", "a device or something else")])
def test_archive_tar_members_that_are_no_files_are_refused(tmp_path, kind, said):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        add(file, "cat/1.jpg", type=kind, linkname="/etc/passwd" if "link" in said else "")
    assert said in refusal(tmp_path / "a.tar")
    assert "'cat/1.jpg'" in refusal(tmp_path / "a.tar")


def test_archive_tar_of_holes_is_refused(tmp_path):
    header = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "cat/1.jpg",
              "GNU.sparse.realsize": str(2**40)}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as file:
        add(file, "GNUSparseFile.0/cat/1.jpg", b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512, pax_headers=header)
    assert "a file with holes" in refusal(tmp_path / "a.tar")


def test_archive_zip_links_are_refused(tmp_path):
    info = zipfile.ZipInfo("cat/1.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    assert "'cat/1.jpg' is neither a plain file nor a folder but a link" in refusal(tmp_path / "a.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_archive_two_members_of_one_name_are_refused(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "tar":
        with tarfile.open(path, "w") as file:
            add(file, "cat/1.jpg", b"one")
            add(file, "./cat//1.jpg", b"two")
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("cat/1.jpg", "one")
            file.writestr("cat/1.jpg", "two")
    assert "'cat/1.jpg' twice" in refusal(path)


def test_archive_encrypted_zip_is_refused(tmp_path):
    data = bytearray(write_zip(tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(signature)
        data[place + offset] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert "is encrypted" in refusal(tmp_path / "a.zip")


@pytest.fixture
def small_limits(monkeypatch):
    """Let archives be bombs at a size that a test can make; the ratio stays."""
    monkeypatch.setattr(archive, "FREE_BYTES", 2**20)


@pytest.mark.parametrize("make", [lambda path, held: write_tar(path, held, mode="w:gz"), write_zip])
def test_archive_bombs_are_refused_before_they_are_unpacked(tmp_path, small_limits, make):
    path = make(tmp_path / "bomb", {f"cat/{number}.jpg": bytes(2**22) for number in range(4)})
    assert path.stat().st_size < 100_000
    assert "over 100 times its own size" in refusal(path)


def test_archive_large_but_honest_content_is_no_bomb(tmp_path, small_limits):
    noise = np.random.default_rng(0).bytes(2**20)
    content = {"cat/1.jpg": noise, "cat/2.jpg": bytes(2**22)}
    assert held(write_zip(tmp_path / "a.zip", content)) == content


def test_archive_bomb_of_overlapping_members_counts_each_of_them(tmp_path, small_limits):
    """Every entry of the directory points at the same compressed bytes (Fifield 2019)."""
    data = write_zip(tmp_path / "a.zip", {"cat/00.jpg": bytes(2**19)}).read_bytes()
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    entries = b"".join(data[start:end].replace(b"cat/00", f"cat/{number:02}".encode()) for number in range(50))
    tail = data[end : end + 8] + struct.pack("<HHII", 50, 50, len(entries), start) + b"\0\0"
    (tmp_path / "a.zip").write_bytes(data[:start] + entries + tail)
    assert "over 100 times its own size" in refusal(tmp_path / "a.zip")


def test_archive_zip_member_longer_than_it_says_is_refused(tmp_path):
    data = write_zip(tmp_path / "a.zip", {"cat/1.jpg": b"x" * 1000}).read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(struct.pack("<I", 1000), struct.pack("<I", 10)))
    assert "'cat/1.jpg'" in refusal(tmp_path / "a.zip")


def test_archive_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1000)
    assert "'cat/1.jpg' of 1,200 bytes" in refusal(write_tar(tmp_path / "a.tar"))


def test_archive_with_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    assert "more than 3 members" in refusal(write_zip(tmp_path / "a.zip"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_archive_header_that_would_fill_memory_is_refused(tmp_path, kind):
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 2**33
    data = header.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar").write_bytes(data + bytes(20480))
    assert "a header of 8,589,934,592 bytes" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("make", [write_tar, lambda path: write_tar(path, mode="w:gz"), write_zip])
def test_archive_cut_anywhere_is_refused_or_whole(tmp_path, make):
    data = make(tmp_path / "whole").read_bytes()
    path = tmp_path / "cut"
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        assert said_or_held(path) in (CONTENT, str(path))
    path.write_bytes(data[: len(data) // 2])
    assert refusal(path)


def test_archive_tar_without_its_end_is_refused_at_every_member(tmp_path):
    data = write_tar(tmp_path / "whole.tar").read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as file:
        starts = [member.offset for member in file]
    for start in starts:
        (tmp_path / "cut.tar").write_bytes(data[:start])
        assert "empty file" in refusal(tmp_path / "cut.tar") or "cut short" in refusal(tmp_path / "cut.tar")


@pytest.mark.parametrize("compressed", [False, True])
def test_archive_tar_with_a_damaged_header_is_no_shorter_tar(tmp_path, compressed):
    data = bytearray(write_tar(tmp_path / "a.tar").read_bytes())
    with tarfile.open(tmp_path / "a.tar") as file:
        last = file.getmembers()[-1].offset
    data[last + 3] ^= 1
    (tmp_path / "a.tar").write_bytes(gzip.compress(data) if compressed else data)
    assert "damaged or cut short" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("make", [lambda path: write_tar(path, mode="w:gz"), write_zip])
def test_archive_with_any_byte_changed_holds_the_same_or_is_refused(tmp_path, make):
    data = make(tmp_path / "whole").read_bytes()
    path = tmp_path / "changed"
    for place in np.random.default_rng(0).integers(0, len(data), 300):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        found = said_or_held(path)
        # A name may be another one then; zip guards the bytes of members alone.
        assert found == str(path) or sorted(found.values()) == sorted(CONTENT.values())


@pytest.mark.parametrize("data", [b"", b"hello", b"PK", b"PK\3\4" + bytes(100), b"\x1f\x8b", bytes(100),
                                  b"\x89PNG" * 200, gzip.compress(b"hello", mtime=0), b"BZh9" * 200],
                         ids=lambda data: f"{data[:4].hex()}-{len(data)}")
def test_archive_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    assert refusal(tmp_path / "file")


def test_archive_decompressed_leaves_nothing_behind(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", mode="w:gz")
    spool = tmp_path / "spool"
    spool.mkdir()
    with opened_archive(path, spool) as files:
        assert files.read("cat/1.jpg") == CONTENT["cat/1.jpg"]
        assert list(spool.iterdir()) == []
