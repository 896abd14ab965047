"""test_openings.jsonl: which models were measured on which test split."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from dlx.core.errors import ArtefactError, StorageError
from dlx.record import layout
from dlx.record.openings import (
    Opening,
    joint_digest,
    model_digest,
    note,
    read_openings,
    runs_folder,
    split_digest,
)

SPLIT, OTHER = split_digest("data", np.arange(5)), split_digest("data", np.arange(6))


def opening(number, split=SPLIT, run="run"):
    return Opening(split, model_digest({"model/a": torch.tensor([float(number)])}), run)


def lines(folder):
    return (folder / layout.OPENINGS).read_bytes().split(b"\n")


def test_openings_of_a_folder_without_record_are_none(tmp_path):
    assert read_openings(tmp_path) == ([], 0)


def test_note_appends_a_line_of_four_texts(tmp_path):
    note(tmp_path, opening(1))
    note(tmp_path, opening(2, run="sweep/runs/ab"))
    *written, end = lines(tmp_path)
    assert end == b""
    found = [json.loads(line) for line in written]
    assert [list(item) for item in found] == [["split", "model", "run", "time"]] * 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0]["time"])
    assert read_openings(tmp_path) == ([opening(1), opening(2, run="sweep/runs/ab")], 0)


def test_note_of_a_run_that_is_resumed_is_once(tmp_path):
    for _ in range(3):
        note(tmp_path, opening(1))
    note(tmp_path, opening(1, run="run-2"))
    assert len(read_openings(tmp_path).all) == 2
    assert len(read_openings(tmp_path).models_on(SPLIT)) == 1


def test_models_count_on_their_own_split_alone(tmp_path):
    for number in range(3):
        note(tmp_path, opening(number))
    note(tmp_path, opening(7, OTHER))
    found = read_openings(tmp_path)
    assert (len(found.models_on(SPLIT)), len(found.models_on(OTHER)), found.models_on("x")) == (3, 1, set())


@pytest.mark.parametrize("damage", [
    b'{"split": "ab', b"\xff\xfe\x00", b"[]", b"null", b"7", b'"text"', b"{}", b'{"split": 1, "model": 2, "run": 3}',
    b"[" * 100_000, b"9" * 10_000, b'{"split": "a", "model": "b", "run": "c"}', b"NaN"])
def test_lines_that_say_nothing_are_passed_over_and_counted(tmp_path, damage):
    note(tmp_path, opening(1))
    with (tmp_path / layout.OPENINGS).open("ab") as file:
        file.write(damage)
    # The torn line has no end; the next one stands alone.
    note(tmp_path, opening(2))
    assert read_openings(tmp_path) == ([opening(1), opening(2)], 1)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_a_record_that_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / layout.OPENINGS)
    with pytest.raises(StorageError, match=r"cannot write .*test_openings\.jsonl"):
        note(tmp_path, opening(1))
    with pytest.raises(ArtefactError, match=r"test_openings\.jsonl cannot be read"):
        read_openings(tmp_path)


def test_a_record_of_any_size_is_refused(tmp_path):
    with (tmp_path / layout.OPENINGS).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ArtefactError, match="larger than"):
        read_openings(tmp_path)


NOTE_MANY = """
import pathlib, sys
from dlx.record.openings import Opening, note
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 40):
    note(pathlib.Path(sys.argv[1]), Opening(sys.argv[3], f"{number:064x}", f"run-{number}"))
"""


def test_processes_that_note_at_once_lose_nothing(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", NOTE_MANY, tmp_path, str(40 * number), SPLIT])
                 for number in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    found = read_openings(tmp_path)
    assert found.num_damaged == 0
    assert {item.run for item in found.all} == {f"run-{number}" for number in range(160)}
    assert len(found.models_on(SPLIT)) == 160


def test_model_digest_is_of_the_weights_alone():
    weights = {"model/a": torch.arange(6.0).reshape(2, 3), "model/b": torch.tensor(1, dtype=torch.int64)}
    digest = model_digest(weights)
    assert model_digest({**dict(reversed(weights.items())), "optimizer/x": torch.ones(3)}) == digest
    for changed in ({"model/a": weights["model/a"].reshape(3, 2)}, {"model/b": torch.tensor(1, dtype=torch.int32)},
                    {"model/a": weights["model/a"] + 1e-6}, {"model/c": torch.ones(1)},
                    {"model/a": weights["model/a"].bfloat16()}):
        assert model_digest(weights | changed) != digest
    assert model_digest({"model/a": torch.arange(6.0).reshape(3, 2).T}) == model_digest(
        {"model/a": torch.arange(6.0).reshape(3, 2).T.contiguous()})


def test_split_digest_is_of_data_and_rows():
    assert split_digest("data", np.arange(5, dtype=np.int32)) == SPLIT
    assert len({SPLIT, OTHER, split_digest("other", np.arange(5)), split_digest("data", np.arange(5)[::-1])}) == 4


def test_joint_digest_is_of_members_in_any_order():
    assert joint_digest(["a", "b"]) == joint_digest(["b", "a"]) != joint_digest(["a"])


def test_runs_folder_of_a_run_is_its_parent_and_of_a_sweep_that_of_the_sweep(tmp_path, monkeypatch):
    run = tmp_path / "runs" / "sweep" / "runs" / "ab"
    run.mkdir(parents=True)
    assert runs_folder(run) == tmp_path / "runs" / "sweep" / "runs"
    (tmp_path / "runs" / "sweep" / layout.SWEEP).touch()
    assert runs_folder(run) == tmp_path / "runs"
    monkeypatch.chdir(run)
    assert runs_folder(type(run)(".")) == tmp_path / "runs"
