"""The folder of an ensemble: which checkpoints are its members. It stands alone: they are copies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlx.core.errors import ArtefactError
from dlx.record import atomic, layout
from dlx.record.safe_yaml import read_json

FORMAT = 1


class Source(NamedTuple):
    """Where a member comes from: its run folder, and the bytes of its checkpoint."""

    run: str
    data: bytes


def is_ensemble(folder: Path) -> bool:
    """Say whether a folder is that of an ensemble."""
    return os.path.isfile(folder / layout.ENSEMBLE)


def member_path(folder: Path, number: int) -> Path:
    """Return the place of a member's checkpoint; number: from 1."""
    return folder / layout.MEMBERS / f"{number:03d}.safetensors"


def write_members(folder: Path, sources: Sequence[Source], facts: Mapping[str, Any]) -> None:
    """Copy checkpoints into the folder of a new ensemble, and write ensemble.json last, which makes it one.

    Args:
        facts: plain data, to come first.

    Raises:
        StorageError: the file system refused.
    """
    with atomic.storage_errors(folder):
        (folder / layout.MEMBERS).mkdir()
    for number, source in enumerate(sources, start=1):
        atomic.write_bytes(member_path(folder, number), source.data, "file")
    members = [{"file": str(member_path(folder, number).relative_to(folder)), "run": source.run,
                "sha256": hashlib.sha256(source.data).hexdigest()} for number, source in enumerate(sources, start=1)]
    atomic.write_json(folder / layout.ENSEMBLE, {"format": FORMAT, **facts, "members": members})


def member_paths(folder: Path) -> list[Path]:
    """Return the checkpoints of an ensemble, each as it was copied.

    Raises:
        ArtefactError: one is missing or another than ensemble.json says, or that is damaged.
    """
    said = read_json(folder / layout.ENSEMBLE)
    members = said.get("members")
    if said.get("format") != FORMAT or not isinstance(members, list) or not members:
        raise ArtefactError(f"{folder / layout.ENSEMBLE} is refused: it must name members, in format {FORMAT}")
    paths = [member_path(folder, number) for number in range(1, len(members) + 1)]
    for path, member in zip(paths, members, strict=True):
        if not path.is_file():
            raise ArtefactError(f"{path} is missing: the ensemble has {len(members)} members")
        expected = member.get("sha256") if isinstance(member, dict) else None
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ArtefactError(f"{path} is another file than {layout.ENSEMBLE} says: its SHA-256 does not match")
    return paths
