"""Memory that runs out: one message, the status oom, exit code 1."""

from __future__ import annotations

import json

import pytest
from run_files import find_run
from user_parts import CONFIG_DIR, write_user_parts
from warm_dlx import server

from dlx.record import layout

HUGE = ["model.width=10000", "model.depth=2", "epochs=1", "metric=[accuracy]"]


@pytest.mark.parametrize("megabytes", [300, 700], ids=lambda size: f"{size}MB")
def test_train_of_a_model_beyond_memory_ends_as_oom(megabytes, tmp_path):
    # 403 MB of weights: with 300 MB they cannot be made, with 700 MB their gradient cannot.
    result = server().run("train", *HUGE, cwd=tmp_path, memory=megabytes * 10**6)
    assert "Traceback" not in result.err, result.err[-1500:]
    assert result.code == 1
    assert "out of memory" in result.err
    assert "model.width" in result.err
    assert json.loads((find_run(tmp_path) / layout.STATUS).read_text())["status"] == "oom"


def test_memory_error_without_a_word_ends_as_oom(tmp_path):
    # As Python's own are; torch's and NumPy's say how much was wanted.
    write_user_parts(tmp_path)
    (tmp_path / "misbehave").touch()
    result = server().run("train", CONFIG_DIR, "model=net", "model.mode=memory", cwd=tmp_path)
    assert "IndexError" not in result.err, result.err[-600:]
    assert result.code == 1
    assert "out of memory" in result.err
    assert json.loads((find_run(tmp_path) / layout.STATUS).read_text())["status"] == "oom"


def test_sweep_goes_on_after_a_run_beyond_memory(tmp_path):
    result = server().run(
        "sweep",
        "model.width=8,40000",
        "model.depth=2",
        "epochs=1",
        "metric=[accuracy]",
        "workers=1",
        "--json",
        cwd=tmp_path,
        memory=5 * 10**9,
        seconds=90,
    )
    assert "Traceback" not in result.err.split("runs/")[0]
    assert result.code == 5, result
    statuses = [
        json.loads(path.read_text())["status"] for path in tmp_path.glob(f"runs/*/{layout.RUNS}/*/{layout.STATUS}")
    ]
    assert sorted(statuses) == ["done", "oom"]


def test_resume_after_memory_ran_out_begins_again(tmp_path):
    assert server().run("train", *HUGE, cwd=tmp_path, memory=3 * 10**8).code == 1
    run = find_run(tmp_path)
    result = server().run("resume", str(run), cwd=tmp_path, memory=3 * 10**8)
    assert result.code == 1
    assert "out of memory" in result.err
    assert "Traceback" not in result.err
