"""Reading what anyone may have written."""

from __future__ import annotations

import json
import os
import resource
import signal
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.core.errors import ArtefactError
from dlx.record.safe_yaml import MAX_BYTES, MAX_DEPTH, parse_json, plain_mapping, read_json, read_text, read_yaml

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abcdefghij -.:,[]{}#&*!|>'\"%@`é日\n", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.-1é", min_size=1, max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)
mappings = st.dictionaries(st.text("abcdef.-", min_size=1, max_size=8), plain, max_size=6)


def hostile(value):
    """Say whether generated text happens to look like a path."""
    try:
        plain_mapping(value, "")
    except ArtefactError:
        return True
    return False


@settings(deadline=None, derandomize=True, database=None)
@given(mappings)
def test_read_yaml_returns_what_dlx_wrote(tmp_path_factory, value):
    if hostile(value):
        return
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    assert read_yaml(path) == value


@settings(deadline=None, derandomize=True, database=None)
@given(mappings)
def test_parse_json_returns_what_dlx_wrote(value):
    if not hostile(value):
        assert parse_json(json.dumps(value), "here") == value


def answer(read, path):
    """Say what reading a file came to."""
    try:
        return "mapping" if isinstance(read(path), dict) else "something else"
    except ArtefactError as error:
        return f"refused: {path}" if str(path) in str(error) else f"refused without its name: {error}"


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200))
def test_read_yaml_of_any_text_is_a_mapping_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    assert answer(read_yaml, path) in ("mapping", f"refused: {path}")


@settings(deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200))
def test_read_yaml_and_json_of_any_bytes_is_a_mapping_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    for read in (read_yaml, read_json):
        assert answer(read, path) in ("mapping", f"refused: {path}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x 1\nb: *x", "aliases"),
        ("a: &x 1", "aliases"),
        ("a: *x", "aliases"),
        ("a: !!python/object/apply:os.getcwd []", "tags"),
        ("a: !!python/name:os.system", "tags"),
        ("a: !!str 1", "tags"),
        ("!!map {a: 1}", "tags"),
        ("a: !x 1", "tags"),
        ("a: ${b}", "interpolation"),
        ("a: 'x ${oc.env:HOME} y'", "interpolation"),
        ("'${a}': 1", "interpolation"),
        ("a: [1, {b: '${c}'}]", "interpolation"),
        ("_target_: os.getcwd", "key '_target_'"),
        ("a: {__class__: x}", "key '__class__'"),
        ("a: [{_x: 1}]", "key '_x'"),
        ("1: 2", "key 1"),
        ("null: 2", "key None"),
        ("true: 2", "key True"),
        ("a: /etc/passwd", "paths"),
        ("a: ../x", "paths"),
        ("a: x/../y", "paths"),
        ("a: x/..", "paths"),
        ("a: ..", "paths"),
        ("a: ~/x", "paths"),
        ("a: '~'", "paths"),
        ("a: 'C:\\x'", "paths"),
        ("a: 'c:/x'", "paths"),
        ("a: '\\\\host\\share'", "paths"),
        ("a: 'x\\..\\y'", "paths"),
        ("../x: 1", "paths"),
        ("a: 2020-01-01", "date"),
        ("a: 2020-01-01 10:00:00", "datetime"),
        ("a: [", "not valid YAML"),
        ("a: 1\n---\nb: 2", "YAML"),
        ("[1]", "mapping was expected, got list"),
        ("x", "mapping was expected, got str"),
        ("", "mapping was expected, got NoneType"),
        ("1", "mapping was expected, got int"),
        ("a: \x07", "not valid YAML"),
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested"),
    ],
)
def test_read_yaml_refuses_and_says_why(text, reason, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ArtefactError, match=f"{path} refused: .*{reason.replace('[', '.')}"):
        read_yaml(path)


@pytest.mark.parametrize(
    "text",
    [
        "a: x..y",
        "a: ...",
        "a: 1/2",
        "a: a/b",
        "a: $x",
        "a: '{b}'",
        "a_b: 1",
        "a: _x",
        "a: 1.5e-3",
        "a: x:y",
        "a: '-'",
        "a: 'a ~ b'",
    ],
)
def test_read_yaml_takes_plain_text(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert len(read_yaml(path)) == 1


@pytest.mark.parametrize("path", [
    "/data/t.csv", "~/t.csv", "~", "../t.csv", "a/../t.csv", "C:\\t.csv", "\\\\host\\t.csv", "$HOME/t.csv",
    "a b/ü,[1]{2}.csv", "100%: #1 'x' \"y\".csv", "-", "!x", "&x", "*x", "{b}", "a:b", "null", "1.0", "\u2028.csv",
    "%s", "a\tb\n"])
def test_read_yaml_takes_any_path_of_data_and_of_data_alone(path, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"dataset": {"path": path, "types": {path: "ignore"}, "notes": [path]}}))
    assert read_yaml(file)["dataset"] == {"path": path, "types": {path: "ignore"}, "notes": [path]}
    if path.startswith(("/", "~", "../", "a/..", "C:", "\\\\")):
        file.write_text(yaml.safe_dump({"model": {"path": path}}))
        with pytest.raises(ArtefactError, match="paths are not allowed"):
            read_yaml(file)


@pytest.mark.parametrize(("value", "reason"), [
    ({"path": "${oc.env:HOME}"}, "interpolation"),
    ({"types": {"${a}": "ignore"}}, "interpolation"),
    ({"notes": [["x ${a"]]}, "interpolation"),
    ({"_target_": "os.getcwd"}, "key '_target_'"),
    ({"types": {"_target_": "ignore"}}, "key '_target_'"),
    ({"types": {"__class__": "ignore"}}, "key '__class__'"),
    ({"types": {1: "ignore"}}, "key 1"),
])
@pytest.mark.parametrize("key", ["dataset", "given"])
def test_read_yaml_of_data_refuses_what_could_run(value, reason, key, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({key: value}))
    with pytest.raises(ArtefactError, match=reason):
        read_yaml(file)


def test_read_yaml_takes_what_is_as_deep_as_a_configuration_may_be(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("a: {b: {c: {d: [1, [2, [3]]]}}}")
    assert read_yaml(path)["a"]["b"]["c"]["d"] == [1, [2, [3]]]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 8)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)),
        "a: " + "[" * 100_000,
        "a: " + "[" * 100_000 + "]" * 100_000,
        "a: " + "{a: " * 100_000,
        "- " * 50_000,
        "? " * 50_000,
        "a: 1" + ":1" * 200_000,
        "a: 0x" + "f" * 20_000,
        "a: " + "9" * 20_000,
        "a: 0." + "9" * 200_000,
        "a: 1e" + "9" * 10_000,
        "a: " + "'" * 200_000,
        'a: "' + "\\x41" * 100_000 + '"',
        "a: |\n" + " x\n" * 200_000,
        "#" * 1_000_000,
    ],
    ids=[
        "alias bomb",
        "open lists",
        "lists",
        "mappings",
        "dashes",
        "question marks",
        "sexagesimal",
        "hexadecimal",
        "digits",
        "decimals",
        "exponent",
        "quotes",
        "escapes",
        "block",
        "comment",
    ],
)
def test_read_yaml_of_a_hostile_text_ends_soon(text, tmp_path):
    # In a process of its own: a parser that recurses may end it with SIGSEGV.
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert answer_of_a_child(lambda: repr(read_yaml(path))) in ("value", "refused")


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml])
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "sparse", "loop", "below a file", "no text"])
def test_reading_what_is_no_small_text_file_is_refused_at_once(kind, read, tmp_path):
    path = tmp_path / "file"
    {
        "missing": lambda: None,
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/full"),
        "sparse": lambda: (path.touch(), os.truncate(path, MAX_BYTES + 1)),
        "loop": lambda: path.symlink_to(path),
        "below a file": path.touch,
        "no text": lambda: path.write_bytes(b"\xff"),
    }[kind]()
    if kind == "pipe":
        # A reader of a pipe would wait for ever; one that has a writer reads nothing.
        writer = os.open(path, os.O_RDWR)
    path = path / "file" if kind == "below a file" else path
    try:
        if kind in ("pipe", "device"):
            assert answer_of_a_child(lambda: read(path)) == "refused"
            return
        with pytest.raises(ArtefactError, match=str(path)):
            read(path)
    finally:
        if kind == "pipe":
            os.close(writer)


def answer_of_a_child(read):
    """Read in a process that may take 1 s of work, 3 s of time and 256 MiB more than it has; say what came of it."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
            try:
                read()
                code = 0
            except ArtefactError:
                code = 3
        finally:
            os._exit(code)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return {0: "value", 3: "refused", 99: "another exception"}.get(code, f"killed by signal {-code}")
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "still waiting after 3 s"


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '"x"', "1", "null", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "{'a': 1}", '{"a": 1}x']
)
def test_read_json_refuses_what_is_no_mapping(text, tmp_path):
    path = tmp_path / "status.json"
    path.write_text(text)
    with pytest.raises(ArtefactError, match=f"{path} refused"):
        read_json(path)


def test_read_json_takes_any_text_because_none_is_looked_up(tmp_path):
    path = tmp_path / "status.json"
    path.write_text('{"reason": "cannot write /data/x: ${oc.env:HOME} ../y", "_x": 1}')
    assert read_json(path)["reason"].startswith("cannot write /data/x")


@pytest.mark.parametrize(
    "value", [{"a": object()}, {"a": b"x"}, {"a": (1, 2)}, {"a": {1, 2}}, {1: 2}, [1], "x", None, {"a": 1j}]
)
def test_plain_mapping_refuses_what_is_no_plain_data(value):
    with pytest.raises(ArtefactError, match="here refused"):
        plain_mapping(value, "here")


def test_the_reference_of_a_section_may_lie_anywhere(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("report:\n  shift:\n    reference: /somewhere/a-run\n")
    assert read_yaml(path)["report"]["shift"]["reference"] == "/somewhere/a-run"
