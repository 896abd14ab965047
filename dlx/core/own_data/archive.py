"""Tar and zip archives of the user's, read without trusting them.

Members are read into memory one by one; no name in an archive ever becomes a path. Refused are names that point
elsewhere, links, devices, encrypted or damaged members, and more bytes than an honest archive of that size holds.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from dlx.core.errors import ConfigError
from dlx.core.wording import reason

MAX_MEMBERS = 10_000_000
MAX_MEMBER_BYTES = 2**30
# An archive may hold this much whatever its own size: blank images compress well.
FREE_BYTES = 2**30
# Beyond that it may hold so many times its own size; photographs and recordings hardly compress at all.
MAX_RATIO = 100
# Of a header that says more about the next member, such as its long name.
MAX_HEADER_BYTES = 2**16
BLOCK_BYTES = 2**20
TAR_MAGIC_OFFSET, TAR_MAGIC = 257, b"ustar"
EXTRA_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                 tarfile.GNUTYPE_LONGLINK)
# Control characters, bytes that are no UTF-8, and what some systems take for a separator.
ODD_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]")
BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
          ValueError, NotImplementedError)


class Files(NamedTuple):
    """What a folder or an archive holds.

    sizes: in bytes by name, "/" between folders, ascending by name; folders: their names, ascending; read: returns the
    bytes of a file by name, from any thread, and raises ConfigError where it cannot.
    """

    sizes: dict[str, int]
    folders: tuple[str, ...]
    read: Callable[[str], bytes]


@contextlib.contextmanager
def opened_archive(path: Path, spool: Path | None) -> Iterator[Files]:
    """Open a tar, tar.gz or zip.

    Args:
        spool: a folder where a tar.gz may lie decompressed, without a name, while it is open; None for the system's.

    Raises:
        ConfigError: it is none of them, damaged or dangerous.
    """
    with open(path, "rb") as file, contextlib.ExitStack() as stack:
        try:
            files = _opened(path, file, spool, stack)
        except BROKEN as error:
            raise ConfigError(f"the archive {path} is damaged or cut short ({reason(error)}); "
                              f"make or fetch it again") from error
        yield files


def _opened(path: Path, file: BinaryIO, spool: Path | None, stack: contextlib.ExitStack) -> Files:
    head = file.read(TAR_MAGIC_OFFSET + len(TAR_MAGIC))
    file.seek(0)
    if head[:2] == b"PK":
        return _zip_files(path, stack.enter_context(zipfile.ZipFile(file)))
    if head[:2] == b"\x1f\x8b":
        return _tar_files(path, stack.enter_context(_decompressed(path, file, spool)))
    if head[TAR_MAGIC_OFFSET:] == TAR_MAGIC:
        return _tar_files(path, file)
    what = "is neither a folder nor a tar, tar.gz or zip archive" if head else "is an empty file"
    raise ConfigError(f"{path} {what}; give a folder or an archive")


def safe_name(path: Path, name: str) -> str:
    """Return the name of a member with "/" between folders and without "."; "" for the archive itself.

    Raises:
        ConfigError: it is no name of something inside.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name) is not None
    if outside or ODD_CHARACTERS.search(name):
        why = "points outside it" if outside else "holds characters that a name of a file must not have"
        raise ConfigError(f"the archive {path} is refused: the name of its member {name[:200]!r} {why}")
    return "/".join(parts)


class _Budget:
    """How much more an archive may hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        self.members = 0

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ConfigError(f"the archive {self.path} is refused: it holds over {MAX_RATIO} times its own size, as "
                              f"only an archive does that is made to fill a disk; unpack it yourself if you trust it")

    def take_member(self, name: str, size: int) -> None:
        self.members += 1
        if size > MAX_MEMBER_BYTES or self.members > MAX_MEMBERS:
            what = f"more than {MAX_MEMBERS:,} members" if self.members > MAX_MEMBERS else (
                f"{name[:200]!r} of {size:,} bytes, more than {MAX_MEMBER_BYTES:,}")
            raise ConfigError(f"the archive {self.path} is refused: it holds {what}")


def _files(path: Path, members: Iterable[tuple[str, int, bool]], read: Callable[[str], bytes]) -> Files:
    """Return what is listed as (name, size, is a folder)."""
    sizes: dict[str, int] = {}
    folders: set[str] = set()
    for name, size, is_folder in members:
        if is_folder:
            folders.add(name)
        elif name in sizes:
            raise ConfigError(f"the archive {path} is refused: it holds {name!r} twice")
        else:
            sizes[name] = size
    return Files(dict(sorted(sizes.items())), tuple(sorted(folders - {""})), read)


@contextlib.contextmanager
def _decompressed(path: Path, file: BinaryIO, spool: Path | None) -> Iterator[BinaryIO]:
    budget = _Budget(path)
    with tempfile.TemporaryFile(dir=spool) as plain, gzip.open(file) as stream:
        while block := stream.read(BLOCK_BYTES):
            budget.take(len(block))
            plain.write(block)
        plain.flush()
        plain.seek(0)
        yield plain


class _Header(tarfile.TarInfo):
    """A header that ends the reading where the tar is damaged; tarfile alone would take it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise EOFError(str(error)) from error
        if header.type in EXTRA_HEADERS and header.size > MAX_HEADER_BYTES:
            raise EOFError(f"a header of {header.size:,} bytes")
        return header


def _tar_files(path: Path, file: BinaryIO) -> Files:
    places: dict[str, tuple[int, int]] = {}
    descriptor = file.fileno()

    def listed() -> Iterator[tuple[str, int, bool]]:
        budget = _Budget(path)
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as archive:
            while (member := archive.next()) is not None:
                name = safe_name(path, member.name)
                if not member.isdir() and (not member.isreg() or member.issparse()):
                    raise ConfigError(f"the archive {path} is refused: its member {name!r} is neither a plain file "
                                      f"nor a folder but {_tar_kind(member)}")
                budget.take_member(name, member.size)
                places.setdefault(name, (member.offset_data, member.size))
                # tarfile keeps every header that it has seen.
                archive.members = []  # type: ignore[attr-defined]
                yield name, member.size, member.isdir()

    def read(name: str) -> bytes:
        offset, size = places[name]
        # In one thread tarfile's own reading would seek; this needs no position.
        data = os.pread(descriptor, size, offset)
        if len(data) != size:
            raise ConfigError(f"the archive {path} is cut short within its member {name!r}; make or fetch it again")
        return data

    return _files(path, listed(), read)


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname[:200]!r}"
    return "a file with holes" if member.issparse() else "a device or something else"


def _zip_files(path: Path, archive: zipfile.ZipFile) -> Files:
    members: dict[str, zipfile.ZipInfo] = {}

    def listed() -> Iterator[tuple[str, int, bool]]:
        budget = _Budget(path)
        for member in archive.infolist():
            name = safe_name(path, member.orig_filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a link" if kind == stat.S_IFLNK else "a device or something else"
                raise ConfigError(f"the archive {path} is refused: its member {name!r} is neither a plain file nor a "
                                  f"folder but {what}")
            if member.flag_bits & 1:
                raise ConfigError(f"the archive {path} is encrypted (its member {name!r}); pack it again without "
                                  f"a password")
            budget.take_member(name, member.file_size)
            budget.take(member.file_size)
            members.setdefault(name, member)
            yield name, member.file_size, member.is_dir()

    def read(name: str) -> bytes:
        try:
            with archive.open(members[name]) as file:
                return file.read()
        except (*BROKEN, OSError) as error:
            raise ConfigError(f"the member {name!r} of the archive {path} cannot be read ({error}); pack it again"
                              ) from error

    return _files(path, listed(), read)
