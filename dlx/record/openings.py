"""test_openings.jsonl of a runs folder: which models were measured on which test split.

A guarantee on the error of a model holds if test chose nothing. Whoever measures K models on one test split may have
chosen among them, and what is claimed has to hold for all K at once.

One line of JSON per opening, of four texts, in this order: split (SHA-256 of the data's fingerprint and the rows of
test), model (SHA-256 of its weights), run (its folder, in the runs folder), time (UTC). A line is appended with one
write; what else is in the file is passed over and counted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dlx.core.errors import ArtefactError
from dlx.record import atomic, checkpoint, layout
from dlx.record.split_rows import read_split

if TYPE_CHECKING:
    from torch import Tensor

# Of half a million openings.
MAX_BYTES = 2**27
MODEL = "model/"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Opening(NamedTuple):
    """One look at a test split: SHA-256 of the split and of the model's weights, and the run of the model."""

    split: str
    model: str
    run: str


class Openings(NamedTuple):
    """What is on record: every opening, the oldest first, and how many lines of the file say nothing."""

    all: list[Opening]
    num_damaged: int

    def models_on(self, split: str) -> set[str]:
        """Return the models that were measured on a split."""
        return {opening.model for opening in self.all if opening.split == split}


def runs_folder(folder: Path) -> Path:
    """Return the folder that holds a run's folder, or that of the sweep that a run is of."""
    folder = folder.resolve()
    is_of_sweep = folder.parent.name == layout.RUNS and (folder.parent.parent / layout.SWEEP).is_file()
    return folder.parent.parent.parent if is_of_sweep else folder.parent


def split_digest(fingerprint: str, rows: np.ndarray) -> str:
    """Return the SHA-256 of a data set's fingerprint and the row numbers of its test split [N]."""
    return hashlib.sha256(fingerprint.encode() + b"\n" + np.asarray(rows, "<i8").tobytes()).hexdigest()


def model_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a checkpoint's weights: their names, types, shapes and bytes, not how they came about."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        if name.startswith(MODEL):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def joint_digest(models: Iterable[str]) -> str:
    """Return the SHA-256 of an ensemble of models, whatever their order."""
    return hashlib.sha256("\n".join(sorted(models)).encode()).hexdigest()


def opening_of(folder: Path, fingerprint: str, model: str) -> Opening:
    """Return the opening of a run's test split by a model.

    Args:
        folder: of the run.
        fingerprint: of its data; model: digest of the weights.

    Raises:
        ArtefactError: the run's split.npz is damaged or missing.
    """
    split = split_digest(fingerprint, read_split(folder / layout.SPLIT)["test"])
    return Opening(split, model, folder.resolve().relative_to(runs_folder(folder)).as_posix())


def opening_of_run(folder: Path) -> Opening:
    """Return the opening of test by the selected model of a run that has its summary.json.

    Raises:
        ArtefactError: a file of the run is damaged or missing.
    """
    best = checkpoint.load(folder / layout.CHECKPOINTS / layout.BEST)
    return opening_of(folder, str(best.state.get("data_fingerprint")), model_digest(best.tensors))


def note(runs_dir: Path, opening: Opening) -> None:
    """Append an opening to the record of a runs folder, unless it is there: a run that is resumed opens nothing twice.

    Raises:
        StorageError: the record cannot be read or written.
    """
    path = runs_dir / layout.OPENINGS
    begin = json.dumps(opening._asdict(), ensure_ascii=True)[:-1].encode()
    with atomic.storage_errors(path, "the opening of this test split is on no record"):
        # Never through a link; not to wait for a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            known = _content(descriptor)
            if begin not in known:
                time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                # A line that another process could not finish stays alone.
                start = b"" if not known or known.endswith(b"\n") else b"\n"
                line = start + begin + f', "time": "{time}"}}\n'.encode()
                if os.write(descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def read_openings(runs_dir: Path) -> Openings:
    """Read the record of a runs folder; where there is none nothing was opened.

    Raises:
        ArtefactError: it cannot be read.
    """
    path = runs_dir / layout.OPENINGS
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Openings([], 0)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from error
    try:
        content = _content(descriptor)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    lines = [line for line in content.split(b"\n") if line]
    found = [_opening(line) for line in lines]
    known = [opening for opening in found if opening is not None]
    return Openings(known, len(lines) - len(known))


def _content(descriptor: int) -> bytes:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(0, "not a plain file")
    if facts.st_size > MAX_BYTES:
        raise OSError(0, f"larger than {MAX_BYTES} bytes")
    content = b""
    while chunk := os.pread(descriptor, 2**24, len(content)):
        content += chunk
    return content


def _opening(line: bytes) -> Opening | None:
    try:
        value = json.loads(line)
        found = Opening(*(value[name] for name in Opening._fields))
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    whole = all(isinstance(text, str) for text in found) and _DIGEST.fullmatch(found.split)
    return found if whole and _DIGEST.fullmatch(found.model) else None
