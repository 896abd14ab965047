"""What outlasts a loss of power: contents before names, all of a folder before the file that vouches for it."""

from __future__ import annotations

import os

import pytest
import torch
from disk_events import disk_events

from dlx.record import atomic, checkpoint, layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder
from dlx.record.store import CheckpointStore
from dlx.record.table import EpochTable

SOME = Checkpoint({"model/weight": torch.ones(2)}, {})


def temporary(name):
    return f".{name}.{os.getpid()}.tmp"


@pytest.mark.parametrize(
    ("sync", "expected"),
    [
        ("folder", [("content", temporary("file")), ("name", "file"), ("folder", "here")]),
        ("file", [("content", temporary("file")), ("name", "file")]),
        ("none", [("name", "file")]),
    ],
)
def test_write_bytes_syncs_what_it_is_asked_to(sync, expected, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    with disk_events(monkeypatch) as events:
        atomic.write_bytes(tmp_path / "here" / "file", b"x", sync)
    assert events == expected
    assert (tmp_path / "here" / "file").read_bytes() == b"x"


def test_describe_syncs_every_file_before_the_name_of_the_configuration(tmp_path, monkeypatch):
    folder = RunFolder.at(tmp_path / "run")
    with disk_events(monkeypatch) as events:
        folder.describe({"seed": 0}, [], {})
    files = [layout.OVERRIDES, layout.PROVENANCE, layout.STATUS, layout.CONFIG]
    assert [name for kind, name in events if kind == "name"] == files
    assert [name for kind, name in events if kind == "content"] == [temporary(name) for name in files]
    assert events[-2:] == [("name", layout.CONFIG), ("folder", "run")]


def test_set_status_never_leaves_an_empty_file(tmp_path, monkeypatch):
    with disk_events(monkeypatch) as events:
        RunFolder(tmp_path).set_status("running")
    assert events == [("content", temporary(layout.STATUS)), ("name", layout.STATUS)]


@pytest.mark.parametrize("last", [SOME, None])
def test_keep_makes_names_durable_before_rolling_checkpoints_may_be_dropped(last, tmp_path, monkeypatch):
    with disk_events(monkeypatch) as events:
        CheckpointStore(tmp_path).keep(SOME, last)
    assert events[-1] == ("folder", tmp_path.name)
    assert len([kind for kind, _ in events if kind == "content"]) == (1 if last is None else 2)


def test_a_rolling_checkpoint_is_durable_before_an_older_one_is_dropped(tmp_path, monkeypatch):
    store, found = CheckpointStore(tmp_path), []
    for step in range(3):
        with disk_events(monkeypatch) as events:
            store.save_step(step, SOME)
        found.append([kind for kind, _ in events])
    assert found == [["content", "name", "folder"]] * 3
    assert checkpoint.load(store.rolling()[-1]).state.keys() >= set(SOME.state)


def test_rows_are_durable_once_synced(tmp_path, monkeypatch):
    with EpochTable(tmp_path / "metrics.csv") as table:
        table.append({"epoch": 1})
        with disk_events(monkeypatch) as events:
            table.sync()
    table.sync()
    assert events == [("content", "metrics.csv")]
