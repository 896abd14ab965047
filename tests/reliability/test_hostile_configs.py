"""Configurations that someone made to do harm, in a checkpoint with a valid hash and in config.yaml."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from hostile_run import ROLLING, Place, assert_harmless, drop, make_killed, make_place, put
from run_files import forge

from dlx.record import checkpoint, layout


@pytest.fixture
def place(tmp_path_factory, tmp_path):
    return make_place(tmp_path_factory.getbasetemp(), tmp_path)


@pytest.fixture
def killed(place):
    return make_killed(place)


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
    "largest allowed model": put(
        "model",
        {
            "part": "mlp",
            "width": 65536,
            "depth": 256,
            "activation": "relu",
            "norm": "none",
            "dropout_rate": 0.0,
            "init": "torch",
        },
    ),
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
    "rate of 0": put("optimizer/lr", 0.0),
}
# Valid JSON, YAML and a state whose configuration is no mapping.
NO_MAPPINGS: dict[str, object] = {"a list": [1], "text": "mlp", "a number": 1, "null": None, "true": True, "empty": {}}


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
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 8)}]\n" for a, b in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
    ),
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
    "20 MB of comments": "# " + "x" * 20_000_000,
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


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe\x00", b"x: \x00", b"\xef\xbb\xbf[", os.urandom(4096)],
    ids=["no UTF-8", "NUL", "byte order mark", "random"],
)
def test_config_yaml_that_is_no_text_is_refused_and_listed_as_damaged(data, killed):
    killed.file(layout.CONFIG).write_bytes(data)
    for command in ("resume", "report"):
        assert_harmless(killed, killed.call(command, str(killed.run)))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert "damaged" in result.out
