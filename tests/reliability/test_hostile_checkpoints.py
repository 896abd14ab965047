"""Checkpoints that someone made to do harm: refused in moments, within bounded memory, and nothing of them runs."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_run import ROLLING, Place, assert_harmless, drop, make_killed, make_place, put
from run_files import forge

from dlx.record import checkpoint, layout
from dlx.record.checkpoint import Checkpoint


@pytest.fixture
def place(tmp_path_factory, tmp_path):
    return make_place(tmp_path_factory.getbasetemp(), tmp_path)


@pytest.fixture
def killed(place):
    return make_killed(place)


def test_an_untouched_run_passes_under_the_same_limits(place):
    for command in ("evaluate", "report"):
        assert_harmless(place, place.call(command, str(place.run)), codes=(0,))
    assert_harmless(place, place.call("runs"), codes=(0,))


def test_an_untouched_killed_run_is_resumed_under_the_same_limits(killed):
    assert_harmless(killed, killed.call("resume", str(killed.run)), codes=(0,))


class Touch:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def legacy(place: Place, path: Path) -> None:
    torch.save({"model": Touch(place.canary)}, path, _use_new_zipfile_serialization=False)


def sign(header: bytes, payload: bytes = b"", length: int | None = None) -> bytes:
    """Make a safetensors file with a valid hash from a header that holds 64 zeros for it."""
    data = bytearray((len(header) if length is None else length).to_bytes(8, "little") + header + payload)
    at = data.index(b"0" * 64)
    data[at : at + 64] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def header(text: str, tensors: str = "") -> bytes:
    """Make a header whose metadata is a text, with tensors as JSON after it."""
    return f'{{"__metadata__": {{"dlx": {json.dumps(text)}}}{tensors}}}'.encode()


def state(more: str = "") -> str:
    """Make the text of a state."""
    return f'{{"sha256": "{"0" * 64}", "format": 1{more}}}'


def tensor(name: str, shape: str, offsets: str, dtype: str = "F32") -> str:
    return f', "{name}": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}'


FAKES: dict[str, Callable[[Place, Path], object]] = {
    "pickle": lambda place, path: path.write_bytes(pickle.dumps(Touch(place.canary))),
    "torch file": lambda place, path: torch.save({"model": Touch(place.canary)}, path),
    "old torch file": legacy,
    "empty": lambda place, path: path.write_bytes(b""),
    "7 bytes": lambda place, path: path.write_bytes(b"\1\0\0\0\0\0\0"),
    "random": lambda place, path: path.write_bytes(np.random.default_rng(0).bytes(10_000)),
    "header longer than the file": lambda place, path: path.write_bytes(sign(header(state()), length=10**6)),
    "header of 2**63 bytes": lambda place, path: path.write_bytes(sign(header(state()), length=2**63)),
    "header of 2**64-1 bytes": lambda place, path: path.write_bytes(sign(header(state()), length=2**64 - 1)),
    "header shorter than it is": lambda place, path: path.write_bytes(sign(header(state()), length=150)),
    "no metadata": lambda place, path: path.write_bytes(sign(b'{"x": "sha256\\": \\"' + b"0" * 64 + b'\\""}')),
    "metadata no text": lambda place, path: path.write_bytes(
        sign(b'{"__metadata__": {"dlx": 1, "x": "sha256\\": \\"' + b"0" * 64 + b'\\""}}')
    ),
    "header a list": lambda place, path: path.write_bytes(sign(b'["sha256\\": \\"' + b"0" * 64 + b'\\""]')),
    "header no json": lambda place, path: path.write_bytes(sign(b'sha256\\": \\"' + b"0" * 64 + b'\\"')),
    "state a list": lambda place, path: path.write_bytes(sign(header("[" + state() + "]"))),
    "state no json": lambda place, path: path.write_bytes(sign(header(state() + "}"))),
    "state nested 50 deep": lambda place, path: path.write_bytes(
        sign(header(state(f', "config": {"[" * 50}{"]" * 50}')))
    ),
    "state nested 100,000 deep": lambda place, path: path.write_bytes(
        sign(header(state(f', "config": {"[" * 100_000}{"]" * 100_000}')))
    ),
    "number of 5,000 digits": lambda place, path: path.write_bytes(sign(header(state(f', "config": {"9" * 5000}')))),
    "format of another version": lambda place, path: path.write_bytes(sign(header(state(', "format": 2')))),
    "100,000 tensors": lambda place, path: path.write_bytes(
        sign(header(state(), "".join(tensor(f"model/{i}", "[0]", "[0, 0]") for i in range(100_000))))
    ),
    "overlapping tensors": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", "[4]", "[0, 16]") + tensor("b", "[4]", "[0, 16]")), bytes(16))
    ),
    "tensor beyond the end": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", "[1000000000]", "[0, 4000000000]")), bytes(16))
    ),
    "tensor of 2**62 elements": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", f"[{2**31}, {2**31}, 4]", f"[0, {2**64 - 1}]")), bytes(16))
    ),
    "tensor of negative size": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", "[-4]", "[0, 16]")), bytes(16))
    ),
    "tensor of unknown type": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", "[4]", "[0, 16]", "OBJECT")), bytes(16))
    ),
    "tensor of 4-bit floats": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("a", "[4]", "[0, 2]", "F4")), bytes(2))
    ),
    "tensor named as a path": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("../../canary", "[4]", "[0, 16]")), bytes(16))
    ),
    "tensor of a thousand axes": lambda place, path: path.write_bytes(
        sign(header(state(), tensor("model/x", str([1] * 1000), "[0, 4]")), bytes(4))
    ),
    "named pipe": lambda place, path: (path.unlink(), os.mkfifo(path)),
    "link to an endless device": lambda place, path: (path.unlink(), path.symlink_to("/dev/zero")),
    "link to itself": lambda place, path: (path.unlink(), path.symlink_to(path)),
    "folder": lambda place, path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("fake", FAKES)
def test_evaluate_refuses_a_file_that_is_no_checkpoint(fake, place):
    path = place.file(f"{layout.CHECKPOINTS}/{layout.BEST}")
    FAKES[fake](place, path)
    assert_harmless(place, place.call("evaluate", str(place.run)))


@pytest.mark.parametrize("fake", FAKES)
def test_resume_refuses_a_file_that_is_no_checkpoint(fake, killed):
    path = killed.file(f"{layout.CHECKPOINTS}/{ROLLING}")
    FAKES[fake](killed, path)
    assert_harmless(killed, killed.call("resume", str(killed.run)))


def tensors_of(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        found = checkpoint.load(path)
        tensors = dict(found.tensors)
        change(tensors)
        kept = {key: value for key, value in found.state.items() if key not in ("sha256", "format")}
        path.write_bytes(checkpoint.encode(Checkpoint(tensors, kept)))

    return write


def state_of(change: Callable[[dict], None]) -> Callable[[Path], None]:
    return lambda path: forge(path, change)


def first_weight(tensors: dict) -> str:
    return next(name for name in tensors if name.startswith("model/") and name.endswith("weight"))


def reshape(tensors: dict) -> None:
    name = first_weight(tensors)
    tensors[name] = tensors[name].flatten()


WEIGHTS: dict[str, Callable[[Path], None]] = {
    "a weight is missing": tensors_of(lambda tensors: tensors.pop(first_weight(tensors))),
    "a weight too many": tensors_of(lambda tensors: tensors.update({"model/x": torch.zeros(3)})),
    "a weight of another shape": tensors_of(reshape),
    "no weights": tensors_of(lambda tensors: tensors.clear()),
    "no statistics": tensors_of(
        lambda tensors: [tensors.pop(name) for name in list(tensors) if "preprocessing" in name]
    ),
    "statistics of another shape": tensors_of(
        lambda tensors: tensors.update({name: torch.zeros(7, 7) for name in tensors if "preprocessing" in name})
    ),
    "statistics that broadcast to 100 GB": tensors_of(
        lambda tensors: tensors.update(
            {name: torch.zeros(200_000, 1, 1, 1, 1) for name in tensors if "preprocessing" in name}
        )
    ),
    "statistics that are missing one": tensors_of(
        lambda tensors: tensors.pop(next(name for name in tensors if "preprocessing" in name))
    ),
    "data of another fingerprint": state_of(put("data_fingerprint", "0" * 64)),
    "no fingerprint": state_of(drop("data_fingerprint")),
}
PROGRESS: dict[str, Callable[[Path], None]] = {
    "no threads": state_of(drop("threads")),
    "threads of 10**9": state_of(put("threads", 10**9)),
    "threads of 10**30": state_of(put("threads", 10**30)),
    "threads of -1": state_of(put("threads", -1)),
    "threads that are text": state_of(put("threads", "2")),
    "no progress": state_of(drop("progress")),
    "progress that is a list": state_of(put("progress", [])),
    "epoch that is text": state_of(put("progress/epoch", "1")),
    "epoch of -1": state_of(put("progress/epoch", -1)),
    "epoch of 10**9": state_of(put("progress/epoch", 10**9)),
    "step of -1": state_of(put("progress/step_in_epoch", -1)),
    "step of 10**9": state_of(put("progress/step_in_epoch", 10**9)),
    "no rows": tensors_of(lambda tensors: tensors.pop("progress/rows")),
    "fewer rows than epochs": tensors_of(
        lambda tensors: tensors.update({"progress/rows": tensors["progress/rows"][:0]})
    ),
    "rows that lack columns": tensors_of(
        lambda tensors: tensors.update({"progress/rows": tensors["progress/rows"][:, :3]})
    ),
    "best row of 10**9": state_of(put("progress/best_row", 10**9)),
    "best row of -1": state_of(put("progress/best_row", -1)),
    "best row that is text": state_of(put("progress/best_row", "0")),
    "optimizer of another shape": tensors_of(
        lambda tensors: tensors.update({name: torch.zeros(3) for name in tensors if name.endswith("exp_avg")})
    ),
    "optimizer of an unknown parameter": tensors_of(
        lambda tensors: tensors.update({"optimizer/999/step": torch.zeros(())})
    ),
    "optimizer of no number": tensors_of(lambda tensors: tensors.update({"optimizer/x/step": torch.zeros(())})),
    "best weights of another shape": tensors_of(
        lambda tensors: tensors.update({name: torch.zeros(3) for name in tensors if name.startswith("best/")})
    ),
    "no best weights": tensors_of(lambda tensors: [tensors.pop(name) for name in list(tensors) if "best/" in name]),
    "losses that are none": tensors_of(lambda tensors: tensors.update({"progress/losses": torch.zeros(3, 3)})),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_evaluate_refuses_weights_that_do_not_fit(case, place):
    path = place.file(f"{layout.CHECKPOINTS}/{layout.BEST}")
    WEIGHTS[case](path)
    assert_harmless(place, place.call("evaluate", str(place.run)))


@pytest.mark.parametrize("case", {**WEIGHTS, **PROGRESS})
def test_resume_refuses_a_state_that_does_not_fit(case, killed):
    {**WEIGHTS, **PROGRESS}[case](killed.file(f"{layout.CHECKPOINTS}/{ROLLING}"))
    assert_harmless(killed, killed.call("resume", str(killed.run)))
