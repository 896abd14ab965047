"""Run folders that someone made to do harm: refused in moments, within bounded memory, and nothing of them runs.

Forged checkpoints carry a valid hash, because whoever can write a file can compute one.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from run_files import find_run, once
from warm_dlx import Result, server

import dlx
from dlx.record import checkpoint, layout
from dlx.record.checkpoint import Checkpoint

OVERRIDES = ["model.width=8", "batch_size=256", "epochs=2", "metric=[accuracy]"]
GIB = 2**30
CPU_SECONDS = 2.0
SECRET = "s3cr3t-of-the-victim"
ROLLING = "step-000000000001.safetensors"
EVIL = """
import pathlib
CANARY = pathlib.Path({canary!r})
CANARY.write_text("imported")
class Model:
    def __init__(self, *args, **kwargs):
        CANARY.write_text("called")
"""
# Where a module may come from: Python, its packages, dlx, and the test server itself.
ROOTS = tuple(map(str, (sys.prefix, sys.base_prefix, Path(dlx.__file__).parent, Path(__file__).parent)))


class Place(NamedTuple):
    """A copy of a run with a trap beside it.

    cwd: the current folder of commands; `evil` can be imported from it and writes the canary.
    """

    cwd: Path
    run: Path
    canary: Path

    def file(self, name: str) -> Path:
        """A file of the run folder."""
        return self.run / name

    def call(self, *arguments: str) -> Result:
        """Run a dlx command that could import from its current folder, with a secret in its environment."""
        return server().run(*arguments, cwd=self.cwd, env={"DLX_SECRET": SECRET}, memory=GIB, importable=self.cwd,
                            seconds=15.0)


def make_run(folder: Path) -> None:
    """Train a small run to its end."""
    result = server().run("train", *OVERRIDES, "--json", cwd=folder)
    assert result.code == 0, result


@pytest.fixture()
def place(tmp_path_factory, tmp_path):
    source = once(tmp_path_factory.getbasetemp(), "hostile", make_run)
    shutil.copytree(source / "runs", tmp_path / "runs")
    canary = tmp_path / "canary"
    (tmp_path / "evil.py").write_text(EVIL.format(canary=str(canary)))
    run = find_run(tmp_path)
    assert run is not None
    return Place(tmp_path, run, canary)


@pytest.fixture()
def killed(place):
    """A run that `dlx resume` goes on with, from one rolling checkpoint."""
    folder = place.run / layout.CHECKPOINTS
    (folder / layout.LAST).rename(folder / ROLLING)
    (folder / layout.BEST).unlink()
    place.file(layout.SUMMARY).unlink()
    place.file(layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    return place


def assert_harmless(place: Place, result: Result, codes: tuple[int, ...] = (3,)) -> None:
    """One message, no traceback, little work; nothing ran, nothing leaked, nothing foreign was imported."""
    said = result.out + result.err
    assert "Traceback" not in said, said[-3000:]
    assert result.code in codes, said[-2000:]
    # Before its message, resume and train say on one line which run it is.
    messages = [line for line in result.err.splitlines() if not line.startswith("     ") and "  seed " not in line]
    assert result.code == 0 or (len(messages) == 1 and messages[0].startswith("dlx: ")), result.err[:2000]
    assert len(said) < 20_000, len(said)
    assert result.cpu_seconds < CPU_SECONDS
    assert not place.canary.exists()
    foreign = [name for name in result.modules if name.startswith("/") and not name.startswith(ROOTS)]
    assert foreign == []
    assert "evil" not in result.modules
    assert SECRET not in said
    for path in place.cwd.rglob("*"):
        if path.is_file() and path.stat().st_size < 2**24:
            assert SECRET.encode() not in path.read_bytes(), path


def test_an_untouched_run_passes_under_the_same_limits(place):
    for command in ("evaluate", "report"):
        assert_harmless(place, place.call(command, str(place.run)), codes=(0,))
    assert_harmless(place, place.call("runs"), codes=(0,))


def test_an_untouched_killed_run_is_resumed_under_the_same_limits(killed):
    assert_harmless(killed, killed.call("resume", str(killed.run)), codes=(0,))


# ---- checkpoints that are none -----------------------------------------------------------------------------------


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
    data[at:at + 64] = hashlib.sha256(data).hexdigest().encode()
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
    "metadata no text": lambda place, path: path.write_bytes(sign(
        b'{"__metadata__": {"dlx": 1, "x": "sha256\\": \\"' + b"0" * 64 + b'\\""}}')),
    "header a list": lambda place, path: path.write_bytes(sign(b'["sha256\\": \\"' + b"0" * 64 + b'\\""]')),
    "header no json": lambda place, path: path.write_bytes(sign(b'sha256\\": \\"' + b"0" * 64 + b'\\"')),
    "state a list": lambda place, path: path.write_bytes(sign(header("[" + state() + "]"))),
    "state no json": lambda place, path: path.write_bytes(sign(header(state() + "}"))),
    "state nested 50 deep": lambda place, path: path.write_bytes(sign(header(state(f', "config": {"[" * 50}{"]" * 50}')))),
    "state nested 100,000 deep": lambda place, path: path.write_bytes(
        sign(header(state(f', "config": {"[" * 100_000}{"]" * 100_000}')))),
    "state of 30 MB": lambda place, path: path.write_bytes(
        sign(header(state(f', "config": [{"1," * 15_000_000}1]')))),
    "number of 5,000 digits": lambda place, path: path.write_bytes(sign(header(state(f', "config": {"9" * 5000}')))),
    "format of another version": lambda place, path: path.write_bytes(sign(header(state(', "format": 2')))),
    "100,000 tensors": lambda place, path: path.write_bytes(sign(header(
        state(), "".join(tensor(f"model/{i}", "[0]", "[0, 0]") for i in range(100_000))))),
    "overlapping tensors": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", "[4]", "[0, 16]") + tensor("b", "[4]", "[0, 16]")), bytes(16))),
    "tensor beyond the end": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", "[1000000000]", "[0, 4000000000]")), bytes(16))),
    "tensor of 2**62 elements": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", f"[{2**31}, {2**31}, 4]", f"[0, {2**64 - 1}]")), bytes(16))),
    "tensor of negative size": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", "[-4]", "[0, 16]")), bytes(16))),
    "tensor of unknown type": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", "[4]", "[0, 16]", "OBJECT")), bytes(16))),
    "tensor of 4-bit floats": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("a", "[4]", "[0, 2]", "F4")), bytes(2))),
    "tensor named as a path": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("../../canary", "[4]", "[0, 16]")), bytes(16))),
    "tensor of a thousand axes": lambda place, path: path.write_bytes(sign(header(
        state(), tensor("model/x", str([1] * 1000), "[0, 4]")), bytes(4))),
    "sparse file of a terabyte": lambda place, path: os.truncate(path, 2**40),
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


# ---- configurations, in a checkpoint with a valid hash and in config.yaml -----------------------------------------


def put(key: str, value: object) -> Callable[[dict], None]:
    """Set config[a][b] for key a.b; "" is the configuration itself."""

    def change(config: dict) -> None:
        *path, name = key.split("/")
        for step in path:
            config = config[step]
        config[name] = value

    return change


def drop(key: str) -> Callable[[dict], None]:
    def change(config: dict) -> None:
        *path, name = key.split("/")
        for step in path:
            config = config[step]
        del config[name]

    return change


CONFIGS: dict[str, Callable[[dict], None]] = {
    "target": put("model", {"_target_": "evil.Model"}),
    "target beside a part": put("model/_target_", "evil.Model"),
    "target deep in a value": put("model/init", {"_target_": "evil.Model"}),
    "target as a new key": put("x", {"_target_": "evil.Model"}),
    "partial": put("model/_partial_", True),
    "environment in a value": put("name", "${oc.env:DLX_SECRET}"),
    "environment in a part": put("model/part", "${oc.env:DLX_SECRET}"),
    "environment in a key": put("${oc.env:DLX_SECRET}", 1),
    "interpolation": put("model/width", "${seed}"),
    "__class__": put("model/__class__", "evil.Model"),
    "__init__": put("__init__", {"__globals__": 1}),
    "dotted part of a file beside": put("model/part", "evil.Model"),
    "dotted part of Python": put("loss/part", "os.getcwd"),
    "dotted part of torch": put("model/part", "torch.load"),
    "dotted part of dlx": put("model/part", "dlx.model.mlp.MLP"),
    "dotted writer of dlx": put("model/part", "dlx.record.atomic.write_text"),
    "part that is a path": put("model/part", "../optimizer/adam"),
    "part of another group": put("model/part", "adam"),
    "part that is no text": put("model/part", ["mlp"]),
    "part that is null": put("model/part", None),
    "part of 100,000 letters": put("model/part", "m" * 100_000),
    "parent folder": put("name", "../../../etc/passwd"),
    "absolute path": put("name", "/etc/passwd"),
    "home folder": put("dataset/x", "~/.ssh/id_rsa"),
    "width of 10**9": put("model/width", 10**9),
    "depth of 10**9": put("model/depth", 10**9),
    "width of 10**400": put("model/width", 10**400),
    "width of 0": put("model/width", 0),
    "width that is text": put("model/width", "8"),
    "width that is true": put("model/width", True),
    "width that is null": put("model/width", None),
    "width that is a list": put("model/width", [8]),
    "width that is a mapping": put("model/width", {}),
    "largest allowed model": put("model", {"part": "mlp", "width": 65536, "depth": 256, "activation": "relu",
                                           "norm": "none", "dropout_rate": 0.0, "init": "torch"}),
    "seed of -1": put("seed", -1),
    "epochs of 10**12": put("epochs", 10**12),
    "batch of 0": put("batch_size", 0),
    "level of 2": put("level", 2.0),
    "selection of nothing": put("selection", "best_val_nothing"),
    "values of the data": put("model/input_shape", [10**6, 10**6]),
    "number of classes": put("model/num_outputs", 10**9),
    "unknown key": put("model/widht", 8),
    "missing key": drop("model/width"),
    "missing group": drop("model"),
    "missing seed": drop("seed"),
    "group that is text": put("model", "mlp"),
    "group that is null": put("optimizer", None),
    "regularizers that are a list": put("regularizer", ["l2"]),
    "regularizers that are text": put("regularizer", "l2"),
    "regularizers that are null": put("regularizer", None),
    "regularizer that is text": put("regularizer", {"l2": "x"}),
    "metrics that are null": put("metric", None),
    "metric with a path for a name": put("metric", {"../../x": {"part": "accuracy"}}),
    "100,000 regularizers": put("regularizer", {f"r{i}": {"part": "l2", "strength": 0.1} for i in range(100_000)}),
    "nested 20 deep": put("x", json.loads("[" * 20 + "]" * 20)),
    "split that leaves nothing": put("split/val_fraction", 1e-9),
    "rate of 0": put("optimizer/lr", 0.0),
}
# Valid JSON, YAML and a state whose configuration is no mapping.
NO_MAPPINGS: dict[str, object] = {"a list": [1], "text": "mlp", "a number": 1, "null": None, "true": True, "empty": {}}


def forge(path: Path, change: Callable[[dict], None]) -> None:
    """Change the state of a checkpoint and hash it anew."""
    found = checkpoint.load(path)
    changed = {key: copy.deepcopy(value) for key, value in found.state.items() if key not in ("sha256", "format")}
    change(changed)
    path.write_bytes(checkpoint.encode(Checkpoint(found.tensors, changed)))


@pytest.mark.parametrize("case", CONFIGS)
def test_evaluate_refuses_a_hostile_configuration_with_a_valid_hash(case, place):
    path = place.file(f"{layout.CHECKPOINTS}/{layout.BEST}")
    forge(path, lambda state: CONFIGS[case](state["config"]))
    assert_harmless(place, place.call("evaluate", str(path)))


@pytest.mark.parametrize("case", NO_MAPPINGS)
def test_evaluate_refuses_a_configuration_that_is_no_mapping(case, place):
    path = place.file(f"{layout.CHECKPOINTS}/{layout.BEST}")
    forge(path, put("config", NO_MAPPINGS[case]))
    assert_harmless(place, place.call("evaluate", str(path)))


def write_everywhere(place: Place, change: Callable[[dict], None]) -> None:
    """Change the configuration in config.yaml and, alike, in the rolling checkpoint."""
    found = checkpoint.load(place.file(f"{layout.CHECKPOINTS}/{ROLLING}")).state["config"]
    change(found)
    place.file(layout.CONFIG).write_text(json.dumps(found))
    forge(place.file(f"{layout.CHECKPOINTS}/{ROLLING}"), put("config", found))


@pytest.mark.parametrize("case", CONFIGS)
def test_resume_refuses_a_hostile_configuration(case, killed):
    write_everywhere(killed, CONFIGS[case])
    before = killed.file(layout.CONFIG).read_bytes()
    assert_harmless(killed, killed.call("resume", str(killed.run)))
    assert killed.file(layout.CONFIG).read_bytes() == before


YAMLS = {
    "tag that runs a command": '!!python/object/apply:os.system ["touch {canary}"]',
    "tag that starts a process": "!!python/object/new:subprocess.Popen [[touch, '{canary}']]",
    "tag that imports": "x: !!python/module:evil",
    "tag that names": "x: !!python/name:evil.Model",
    "tag of one's own": "x: !evil 1",
    "tag of bytes": "x: !!binary aGVsbG8=",
    "tag in a list": "x: [1, !!python/object/apply:evil.Model []]",
    "environment": "name: ${oc.env:DLX_SECRET}",
    "environment, split": "name: >\n  ${\n  oc.env:DLX_SECRET}\n",
    "alias": "a: &a [1]\nb: *a",
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 8)}]\n" for a, b in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)),
    "merge key": "a: &a {x: 1}\nb:\n  <<: *a",
    "endless alias": "&a [*a]",
    "nested 100,000 deep": "x: " + "[" * 100_000,
    "nested 100,000 deep and closed": "x: " + "[" * 100_000 + "]" * 100_000,
    "mappings nested 5,000 deep": "\n".join(" " * i + "a:" for i in range(5000)),
    "two documents": "a: 1\n---\nb: 2",
    "list": "[1, 2]",
    "text": "mlp",
    "nothing": "",
    "date": "x: 2020-01-01",
    "keys that are numbers": "1: 2",
    "key that is a list": "? [1, 2]\n: 3",
    "set": "x: !!set {a, b}",
    "number of 5,000 digits": "seed: " + "9" * 5000,
    "number of 20,000 hexadecimal digits": "seed: 0x" + "f" * 20_000,
    "number of 20,000 binary digits": "seed: 0b" + "1" * 20_000,
    "sexagesimal number of 300,000 places": "seed: 1" + ":1" * 300_000,
    "float of 300,000 places": "seed: 1" + ":1" * 300_000 + ".5",
    "control characters": "name: \x07\x1b]0;x\x07",
    "20 MB": "x: [" + "1," * 10_000_000 + "1]",
    "20 MB of comments": "# " + "x" * 20_000_000,
    "a million keys": "".join(f"k{i}: 1\n" for i in range(1_000_000)),
    "key of a megabyte": "a" * 2**20 + ": 1",
    "not closed": "x: [1, 2",
    "tabs": "x:\n\t- 1",
}


@pytest.mark.parametrize("case", YAMLS)
def test_config_yaml_that_is_hostile_is_refused_and_listed_as_damaged(case, killed):
    killed.file(layout.CONFIG).write_text(YAMLS[case].replace("{canary}", str(killed.canary)))
    assert_harmless(killed, killed.call("resume", str(killed.run)))
    assert_harmless(killed, killed.call("report", str(killed.run)))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert "damaged" in result.out


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x: \x00", b"\xef\xbb\xbf[", os.urandom(4096)],
                         ids=["no UTF-8", "NUL", "byte order mark", "random"])
def test_config_yaml_that_is_no_text_is_refused_and_listed_as_damaged(data, killed):
    killed.file(layout.CONFIG).write_bytes(data)
    for command in ("resume", "report"):
        assert_harmless(killed, killed.call(command, str(killed.run)))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert "damaged" in result.out


# ---- what a checkpoint holds beside the configuration --------------------------------------------------------------


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
    "no statistics": tensors_of(lambda tensors: [tensors.pop(name) for name in list(tensors) if "preprocessing" in name]),
    "statistics of another shape": tensors_of(lambda tensors: tensors.update(
        {name: torch.zeros(7, 7) for name in tensors if "preprocessing" in name})),
    "statistics that broadcast to 100 GB": tensors_of(lambda tensors: tensors.update(
        {name: torch.zeros(200_000, 1, 1, 1, 1) for name in tensors if "preprocessing" in name})),
    "statistics that are missing one": tensors_of(lambda tensors: tensors.pop(
        next(name for name in tensors if "preprocessing" in name))),
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
    "no rows": state_of(drop("progress/rows")),
    "fewer rows than epochs": state_of(put("progress/rows", [])),
    "rows that are text": state_of(put("progress/rows", ["x"])),
    "rows that lack columns": state_of(put("progress/rows", [{"epoch": 1}])),
    "rows with text": state_of(lambda state: state["progress"]["rows"][0].update(val_loss="x,\n=cmd")),
    "best row of 10**9": state_of(put("progress/best_row", 10**9)),
    "best row of -1": state_of(put("progress/best_row", -1)),
    "best row that is text": state_of(put("progress/best_row", "0")),
    "optimizer of another shape": tensors_of(lambda tensors: tensors.update(
        {name: torch.zeros(3) for name in tensors if name.endswith("exp_avg")})),
    "optimizer of an unknown parameter": tensors_of(lambda tensors: tensors.update({"optimizer/999/step": torch.zeros(())})),
    "optimizer of no number": tensors_of(lambda tensors: tensors.update({"optimizer/x/step": torch.zeros(())})),
    "no optimizer": tensors_of(lambda tensors: [tensors.pop(name) for name in list(tensors) if "optimizer" in name]),
    "best weights of another shape": tensors_of(lambda tensors: tensors.update(
        {name: torch.zeros(3) for name in tensors if name.startswith("best/")})),
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


# ---- status.json, summary.json and the other files that are read back ---------------------------------------------

ANY_JSON = {
    "nothing": "", "no json": "{", "list": "[]", "text": '"x"', "null": "null", "number": "1", "empty mapping": "{}",
    "nested 100,000 deep": "[" * 100_000, "nested 100,000 deep in a key": '{"status": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "number of 5,000 digits": '{"status": ' + "9" * 5000 + "}", "no UTF-8": "\udcff", "70 MB": " " * (70 * 2**20),
    "class": '{"__class__": "evil.Model", "_target_": "evil.Model", "status": "${oc.env:DLX_SECRET}"}',
}
STATUSES = {
    **ANY_JSON,
    "status that is a list": '{"status": ["done"]}',
    "status that is null": '{"status": null}',
    "status that is unknown": '{"status": "hacked", "reason": "x"}',
    "status with markup": '{"status": "[/red]", "reason": "[/x] [link=file:///etc/passwd]a[/link]"}',
    "status with escapes": json.dumps({"status": "\x1b]0;title\x07", "reason": "\x1b[2J\x1b[31m\r\n"}),
    "status with the environment": '{"status": "${oc.env:DLX_SECRET}", "reason": "${oc.env:DLX_SECRET}"}',
    "failed with markup": '{"status": "failed", "reason": "expected [/x] or [bold", "time": 0}',
    "failed with escapes": json.dumps({"status": "failed", "reason": "\x1b]0;title\x07\x1b[2J", "time": 0}),
    "reason that is a list": '{"status": "failed", "reason": [1], "time": 0}',
    "reason of a megabyte": '{"status": "failed", "reason": "' + "x" * 2**20 + '", "time": 0}',
    "time that is text": '{"status": "failed", "time": "now"}',
    "time of 1e300": '{"status": "failed", "time": 1e300}',
    "time of -1e18": '{"status": "failed", "time": -1e18}',
    "time that is no number": '{"status": "failed", "time": NaN}',
    "time of 400 digits": '{"status": "failed", "time": ' + "9" * 400 + "}",
    "diverged with markup": '{"status": "diverged", "reason": {"a": "[/x]"}}',
}
SPECIALS: dict[str, Callable[[Path], object]] = {
    "named pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "link to an endless device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "sparse file of 64 GB": lambda path: os.truncate(path, 2**36),
}


def no_escapes(text: str) -> bool:
    return not any(ord(letter) < 32 and letter not in "\n\r\t" for letter in text)


@pytest.mark.parametrize("case", STATUSES)
def test_status_json_that_is_hostile_is_refused_or_shown(case, killed):
    killed.file(layout.STATUS).write_bytes(STATUSES[case].encode(errors="surrogateescape"))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert no_escapes(result.out)
    assert_harmless(killed, killed.call("report", str(killed.run)), codes=(0, 3))
    result = killed.call("resume", str(killed.run))
    assert_harmless(killed, result, codes=(0, 2, 3))
    assert no_escapes(result.out + result.err)


@pytest.mark.parametrize("case", SPECIALS)
def test_status_json_that_is_no_file_is_refused_or_listed_as_damaged(case, killed):
    SPECIALS[case](killed.file(layout.STATUS))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert "damaged" in result.out
    assert_harmless(killed, killed.call("resume", str(killed.run)))


HUGE = int("9" * 400)


def summary(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return write


SUMMARIES: dict[str, Callable[[Path], object]] = {
    **{name: (lambda path, text=text: path.write_bytes(text.encode(errors="surrogateescape")))
       for name, text in ANY_JSON.items()},
    **SPECIALS,
    "another format": summary(put("format", 2)),
    "no metrics": summary(drop("metrics")),
    "metrics that are text": summary(put("metrics", "x")),
    "metrics that are empty": summary(put("metrics", [])),
    "metrics of text": summary(put("metrics", ["x"])),
    "gaps that are null": summary(put("gaps", None)),
    "gaps of an unknown metric": summary(lambda content: content["gaps"][0].update(metric="x")),
    "value that is text": summary(lambda content: [row.update(value="x") for row in content["metrics"]]),
    "value of 400 digits": summary(lambda content: [row.update(value=HUGE) for row in content["metrics"]]),
    "value that is a list": summary(lambda content: [row.update(value=[1]) for row in content["metrics"]]),
    "value that is no number": summary(lambda content: [row.update(value=float("nan")) for row in content["metrics"]]),
    "value that is null": summary(lambda content: [row.update(value=None) for row in content["metrics"]]),
    "level of 400 digits": summary(put("level", HUGE)),
    "level that is null": summary(put("level", None)),
    "count of 400 digits": summary(put("num_parameters", HUGE)),
    "epochs that are infinite": summary(put("epochs_run", float("inf"))),
    "examples that are a list": summary(put("num_examples", [1])),
    "markup and script": summary(lambda content: content.update(
        name="<script>alert(1)</script>[/red]", stop_reason="[/x]<img src=x onerror=alert(1)>", model="../../../etc/passwd")),
    "environment": summary(lambda content: content.update(name="${oc.env:DLX_SECRET}", dataset="${oc.env:DLX_SECRET}")),
    "escapes": summary(lambda content: content.update(name="\x1b]0;x\x07", model="\x1b[2J")),
    "100,000 metrics": summary(lambda content: content["metrics"].extend(
        [{**content["metrics"][0], "metric": f"m{i}"} for i in range(100_000)])),
}


@pytest.mark.parametrize("case", SUMMARIES)
def test_summary_json_that_is_hostile_is_refused_or_shown(case, place):
    SUMMARIES[case](place.file(layout.SUMMARY))
    for arguments, codes in ((["runs"], (0,)), (["report", str(place.run)], (0, 3)), (["resume", str(place.run)], (0, 3))):
        result = place.call(*arguments)
        assert_harmless(place, result, codes)
        assert no_escapes(result.out + result.err)
    html = place.file(f"{layout.REPORT}/{layout.REPORT_HTML}")
    assert "<script>alert" not in html.read_text()
    assert "<img src=x onerror" not in html.read_text()


TABLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    f"{name}: {case}": (name, change) for name in (layout.METRICS, layout.PREDICTIONS) for case, change in {
        **SPECIALS,
        "no UTF-8": lambda path: path.write_bytes(b"a,b\n\xff,1\n"),
        "NUL": lambda path: path.write_bytes(b"a,b\n\0,1\n"),
        "text for numbers": lambda path: path.write_text(path.read_text().replace("0.", "x")),
        "cell of a megabyte": lambda path: path.write_text(f"epoch,x\n1,{'9' * 2**20}\n"),
        "row too long": lambda path: path.write_text(path.read_text() + "1," * 1000 + "\n"),
        "row too short": lambda path: path.write_text(path.read_text() + "1\n"),
        "header twice": lambda path: path.write_text("epoch,epoch\n1,1\n"),
        "quote without end": lambda path: path.write_text('epoch,"x\n1,1\n'),
        "infinite": lambda path: path.write_text("epoch,train_eval_loss,val_loss\n1,inf,nan\n2,-inf,1e308\n"),
        "only a header": lambda path: path.write_text(path.read_text().splitlines()[0] + "\n"),
        "empty": lambda path: path.write_text(""),
    }.items()}
TABLES |= {f"{name}: {case}": (name, change) for name in (layout.PROVENANCE, layout.OVERRIDES) for case, change in {
    **SPECIALS,
    "no UTF-8": lambda path: path.write_bytes(b"\xff"),
    "list": lambda path: path.write_text("[1]"),
    "deep": lambda path: path.write_text('{"a": ' * 100_000),
    "deep and closed": lambda path: path.write_text('{"a": ' * 900 + "1" + "}" * 900),
    "script": lambda path: path.write_text('{"a": "<script>alert(1)</script>", "b": "${oc.env:DLX_SECRET}"}'),
}.items()}


@pytest.mark.parametrize("case", TABLES)
def test_other_file_that_is_hostile_is_refused_or_shown_by_report(case, place):
    name, change = TABLES[case]
    change(place.file(name))
    result = place.call("report", str(place.run))
    assert_harmless(place, result, codes=(0, 3))
    assert no_escapes(result.out + result.err)
    assert "<script>alert" not in place.file(f"{layout.REPORT}/{layout.REPORT_HTML}").read_text()


def test_a_good_run_is_listed_beside_damaged_ones(place):
    for number, case in enumerate(("alias bomb", "nothing", "environment")):
        damaged = place.run.with_name(f"2020-damaged-{number}")
        shutil.copytree(place.run, damaged)
        (damaged / layout.CONFIG).write_text(YAMLS[case])
    result = place.call("runs", "--json")
    assert_harmless(place, result, codes=(0,))
    assert sorted(row["status"] for row in json.loads(result.out)) == ["damaged"] * 3 + ["done"]
