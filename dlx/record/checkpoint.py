"""Checkpoints: one safetensors file whose JSON metadata carries a SHA-256 over every byte of the file.

Neither `torch.load` nor safetensors notices a flipped bit in the payload, so the hash is ours. It is computed with its
own 64 digits set to zero. The file stays a valid safetensors file. No pickle, no code, no path is ever read from one.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.core.errors import ArtefactError
from dlx.record import atomic
from dlx.record.safe_yaml import parse_json

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
MAX_HEADER = 64 * 2**20
# Reading a tensor takes microseconds even if it is empty; no model has so many.
MAX_TENSORS = 50_000
_ZEROS = b"0" * 64
_DIGEST = re.compile(rb'sha256\\": \\"([0-9a-f]{64})\\"')
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_./-]{1,300}")


class Checkpoint(NamedTuple):
    """What a checkpoint holds: tensors by name, and plain data (configuration, position, history)."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a checkpoint; equal checkpoints have equal bytes."""
    import torch
    from safetensors.torch import save

    text = json.dumps({"sha256": _ZEROS.decode(), "format": FORMAT, **checkpoint.state}, allow_nan=False)
    # Copies, because tensors that are views of one storage cannot be saved as such.
    tensors = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
               for name, tensor in sorted(checkpoint.tensors.items())}
    data = bytearray(save(tensors, {"dlx": text}))
    start, end = _digest_span(bytes(data[: _header_end(bytes(data[:8]), len(data))]))
    data[start:end] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def decode(data: bytes, where: str) -> Checkpoint:
    """Check and read the bytes of a checkpoint.

    Args:
        data: the whole file.
        where: its name, for errors.

    Raises:
        ArtefactError: any bit differs from what was written, or the content is not plain data.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        header_end = _header_end(data[:8], len(data))
        start, end = _digest_span(data[:header_end])
        claimed = data[start:end]
        if hashlib.sha256(data[:start] + _ZEROS + data[end:]).hexdigest().encode() != claimed:
            raise ValueError("its SHA-256 does not match: the file was damaged or altered")
        header = json.loads(data[8:header_end])
        text = header["__metadata__"]["dlx"]
        if len(header) > MAX_TENSORS:
            raise ValueError(f"it has more than {MAX_TENSORS:,} tensors")
        state = parse_json(text, where)
        tensors = load(data)
    except ArtefactError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise ArtefactError(f"{where} refused: {error}") from error
    if state.get("format") != FORMAT:
        raise ArtefactError(f"{where} refused: format {state.get('format')!r}, this dlx reads {FORMAT}")
    bad = [name for name in tensors if not _TENSOR_NAME.fullmatch(name) or ".." in name]
    if bad:
        raise ArtefactError(f"{where} refused: tensor name {bad[0][:80]!r}")
    return Checkpoint(tensors, state)


def save(path: Path, checkpoint: Checkpoint, sync: atomic.Sync = "folder") -> None:
    """Write a checkpoint durably, then read it back and verify it. See `atomic.write_bytes` for `sync`.

    Raises:
        StorageError: the file system refused; what stood there before is intact.
        ArtefactError: the bytes read back differ from those written.
    """
    data = encode(checkpoint)
    atomic.write_bytes(path, data, sync)
    with atomic.storage_errors(path):
        written = path.read_bytes()
    if written != data:
        raise ArtefactError(f"{path} does not read back as it was written: the storage is failing")


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, see `decode`."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ArtefactError(f"{path} cannot be read: not a plain file")
        with open(path, "rb") as file:
            # A foreign file of any size is refused by its beginning.
            prefix = file.read(8)
            header = file.read(_header_end(prefix, facts.st_size) - 8)
            _digest_span(prefix + header)
            data = prefix + header + file.read()
    except ValueError as error:
        raise ArtefactError(f"{path} refused: {error}") from error
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing") from error
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from error
    return decode(data, str(path))


def _header_end(prefix: bytes, size: int) -> int:
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > min(MAX_HEADER, size - 8):
        raise ValueError("the file is truncated or not a checkpoint")
    return 8 + length


def _digest_span(header: bytes) -> tuple[int, int]:
    found = _DIGEST.search(header)
    if found is None:
        raise ValueError("not a dlx checkpoint: it carries no hash")
    return found.span(1)
