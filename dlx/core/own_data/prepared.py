"""The prepared cache: what is decoded from files of the user's once, for all runs.

A copy is a folder below $DLX_CACHE_DIR/prepared, else ~/.cache/dlx/prepared, whose name is a hash of the content of
the files, of the transform and of the version of this format. It is written elsewhere, made durable and renamed, under
a lock that other processes wait for; of a process that is killed only a temporary folder stays, which the next removes.
Its arrays are compared with their SHA-256 whenever it is opened, and it is made again where they differ.

Files whose names, sizes and time stamps are those of last time are not read again. Change of content under the same
time of last status change, which a user cannot set, goes unnoticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlx.core.durable import sync_folder
from dlx.core.errors import ConfigError, StorageError
from dlx.core.own_data.archive import Files
from dlx.core.own_data.file_tree import Listing, Stamp, content, opened, stamp
from dlx.core.own_data.prepared_lock import locked, unused

FORMAT = 1
FACTS, INDEX, TEMPORARY = "facts.json", "index", ".tmp"
log = logging.getLogger("dlx.prepared")


class Prepared(NamedTuple):
    """A prepared copy: arrays by name, memory-mapped and read-only; the names in each path; facts of the decoder."""

    arrays: dict[str, np.ndarray]
    listings: tuple[Listing, ...]
    facts: dict[str, Any]


class Recipe(NamedTuple):
    """How a copy is made.

    dataset: name of the option; transform: all that the arrays depend on besides the files; check: raises ConfigError
    where the names of files cannot be learnt from; make: decodes files into .npy files of a folder and returns facts.
    """

    dataset: str
    transform: Mapping[str, Any]
    check: Callable[[Sequence[Listing]], object]
    make: Callable[[Sequence[Files], Path], dict[str, Any]]


def cache_folder() -> Path:
    """Return the folder of prepared copies."""
    return Path(os.environ.get("DLX_CACHE_DIR") or "~/.cache/dlx").expanduser().absolute() / "prepared"


def prepared(paths: Sequence[Path], recipe: Recipe) -> Prepared:
    """Open the prepared copy of folders or archives; it is made where there is none.

    Raises:
        ConfigError: the files cannot be learnt from; nothing is left behind.
        StorageError: the copy cannot be written.
    """
    root = cache_folder()
    with _writing(root):
        root.mkdir(parents=True, exist_ok=True)
    stamps = [stamp(path) for path in paths]
    known = [remembered(root, path, own) for path, own in zip(paths, stamps, strict=True)]
    found = _open(root / _key(known, recipe)) if None not in known else None
    if found is not None:
        return found
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(opened(path, root)) for path in paths]
        recipe.check([Listing.of(own) for own in files])
        contents = [own or content(path) for own, path in zip(known, paths, strict=True)]
        found = _found_or_made(root / _key(contents, recipe), paths, files, recipe, stamps)
    for path, own, digest in zip(paths, stamps, contents, strict=True):
        _remember(root, path, own, digest)
    return found


def _key(contents: Sequence[str | None], recipe: Recipe) -> str:
    return _digest({"format": FORMAT, "dataset": recipe.dataset, "contents": contents,
                    "transform": dict(recipe.transform)})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _found_or_made(target: Path, paths: Sequence[Path], files: Sequence[Files], recipe: Recipe,
                   stamps: Sequence[Stamp]) -> Prepared:
    with _writing(target), locked(target, f"decode {', '.join(map(str, paths))}"):
        found = _open(target)
        if found is None:
            remove_abandoned(target.parent, target.name)
            _make(target, paths, files, recipe, stamps)
            found = _open(target)
    if found is None:
        raise StorageError(f"{target} was written and reads back differently; check the disk, or set DLX_CACHE_DIR")
    return found


def _make(target: Path, paths: Sequence[Path], files: Sequence[Files], recipe: Recipe, stamps: Sequence[Stamp]) -> None:
    temporary = target.with_name(f".{target.name}{TEMPORARY}")
    temporary.mkdir()
    try:
        facts = recipe.make(files, temporary)
        for path, own in zip(paths, stamps, strict=True):
            if stamp(path).digest != own.digest:
                raise ConfigError(f"{path} changed while it was read; start again when it is complete")
        arrays = {path.name: {"bytes": path.stat().st_size, "sha256": _file_digest(path)}
                  for path in sorted(temporary.glob("*.npy"))}
        listings = [Listing.of(own)._asdict() for own in files]
        known = {"format": FORMAT, "dataset": recipe.dataset, "paths": [str(path) for path in paths],
                 "transform": dict(recipe.transform), "arrays": arrays, "listings": listings, "facts": facts}
        _write_durably(temporary / FACTS, json.dumps({"sha256": _digest(known), "content": known}).encode())
        sync_folder(temporary)
        if target.exists():
            log.warning("the prepared copy %s is damaged; it is made again", target)
            shutil.rmtree(target)
        temporary.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(folder: Path) -> Prepared | None:
    """Return the copy in a folder; None where there is none, or a damaged one."""
    try:
        known = read_facts(folder)
        for name, wanted in known["arrays"].items():
            path = folder / name
            if path.stat().st_size != wanted["bytes"] or _file_digest(path) != wanted["sha256"]:
                raise ValueError(f"{name} is not what was written")
        arrays = {name.removesuffix(".npy"): np.load(folder / name, mmap_mode="r", allow_pickle=False)
                  for name in known["arrays"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    listings = tuple(Listing(tuple(one["files"]), tuple(one["folders"])) for one in known["listings"])
    return Prepared(arrays, listings, known["facts"])


def read_facts(folder: Path) -> dict[str, Any]:
    """Read what a copy is. Raises OSError, or ValueError, KeyError or TypeError where it is damaged."""
    stored = json.loads((folder / FACTS).read_bytes())
    known: dict[str, Any] = stored["content"]
    if stored["sha256"] != _digest(known) or known["format"] != FORMAT:
        raise ValueError(f"{FACTS} is not what was written")
    return known


def remove_abandoned(root: Path, own: str = "") -> list[Path]:
    """Remove temporary folders that no process works on, and return them.

    Args:
        own: name of a copy whose lock this process holds.
    """
    removed = []
    for path in sorted(root.glob(f".*{TEMPORARY}")):
        name = path.name[1 : -len(TEMPORARY)]
        with contextlib.nullcontext(True) if name == own else unused(root / name) as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed


def remembered(root: Path, path: Path, own: Stamp) -> str | None:
    """Return the content of a path if its stamp is that of the last time, else None."""
    try:
        known = json.loads(_index_file(root, path).read_bytes())
        return str(known["content"]) if known["stamp"] == own.digest and known["path"] == str(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(root: Path, path: Path, own: Stamp, digest: str) -> None:
    target = _index_file(root, path)
    if own.settled:
        with _writing(root):
            target.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=target.parent, suffix=TEMPORARY, delete=False) as file:
                json.dump({"path": str(path), "stamp": own.digest, "content": digest}, file)
            os.replace(file.name, target)


def _index_file(root: Path, path: Path) -> Path:
    return root / INDEX / f"{hashlib.sha256(str(path).encode()).hexdigest()}.json"


def _file_digest(path: Path) -> str:
    # Read, not mapped: mapped pages would count as memory of this process.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write the prepared copy {path}: {error.strerror or error}; free space, or set "
                           f"DLX_CACHE_DIR to another folder") from error


def _write_durably(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
