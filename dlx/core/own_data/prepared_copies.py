"""The prepared copies that there are, and their removal."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import StorageError
from dlx.core.own_data.prepared import INDEX, TEMPORARY, cache_folder, read_facts, remove_abandoned
from dlx.core.own_data.prepared_lock import SUFFIX, unused

NAME = re.compile("[0-9a-f]{64}")


class Copy(NamedTuple):
    """A prepared copy: its folder, the dataset and the paths that it was made of, None where it is damaged; bytes."""

    folder: Path
    dataset: str | None
    paths: tuple[str, ...]
    num_bytes: int


class Removal(NamedTuple):
    """Copies that were removed, folders that killed processes had left, and copies that other processes work on."""

    removed: list[Copy]
    abandoned: list[Path]
    in_use: list[Copy]


def copies() -> list[Copy]:
    """List the prepared copies, by name."""
    root = cache_folder()
    return [_described(path) for path in sorted(root.glob("*")) if NAME.fullmatch(path.name) and path.is_dir()]


def remove(dataset: str | None = None, paths: frozenset[str] = frozenset()) -> Removal:
    """Remove prepared copies; processes that have them open keep what they see.

    Args:
        dataset: of this one alone, and damaged ones; None for all.
        paths: of a dataset, only what was made of one of these; all where empty.

    Raises:
        StorageError: a copy cannot be removed.
    """
    root = cache_folder()
    chosen = [copy for copy in copies() if dataset is None or copy.dataset is None or (
        copy.dataset == dataset and (not paths or paths & {*copy.paths}))]
    removal = Removal([], [], [])
    try:
        for copy in chosen:
            with unused(copy.folder) as free:
                if free:
                    _remove_folder(copy.folder)
                (removal.removed if free else removal.in_use).append(copy)
        removal.abandoned.extend(remove_abandoned(root) if root.is_dir() else [])
        _remove_rest(root, None if dataset is None else {path for copy in removal.removed for path in copy.paths})
    except OSError as error:
        raise StorageError(f"cannot remove {error.filename or root}: {error.strerror or error}") from error
    return removal


def _described(folder: Path) -> Copy:
    size = sum(path.stat().st_size for path in folder.glob("*"))
    try:
        known = read_facts(folder)
        return Copy(folder, str(known["dataset"]), tuple(map(str, known["paths"])), size)
    except (OSError, ValueError, KeyError, TypeError):
        return Copy(folder, None, (), size)


def _remove_folder(folder: Path) -> None:
    # Half a copy must never bear the name of a whole one.
    temporary = folder.with_name(f".{folder.name}{TEMPORARY}")
    shutil.rmtree(temporary, ignore_errors=True)
    folder.rename(temporary)
    shutil.rmtree(temporary)


def _remove_rest(root: Path, paths: set[str] | None) -> None:
    """Remove what is remembered of paths, None for all, and locks that no process holds."""
    for path in root.glob(f"{INDEX}/*"):
        if paths is None or _path_of(path) in paths:
            path.unlink(missing_ok=True)
    for path in root.glob(f".*{SUFFIX}"):
        with unused(root / path.name[1 : -len(SUFFIX)]):
            pass


def _path_of(index_file: Path) -> str | None:
    try:
        return str(json.loads(index_file.read_bytes())["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
