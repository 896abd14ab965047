"""The same command gives the same bytes."""

from __future__ import annotations

import pytest
from run_files import UNLIKE, assert_same_result, find_run, result_files
from warm_dlx import server

from dlx.record import layout

COMMANDS = {
    "mlp": ["model.norm=batch", "regularizer=[dropout,l2,early_stopping]", "epochs=4"],
    "cnn": [
        "model=cnn",
        "model.width=8",
        "optimizer=sgd",
        "schedule=cosine",
        "regularizer=[gradient_clip]",
        "epochs=2",
    ],
    "regression": ["dataset=diabetes", "model.norm=layer", "optimizer=adamw", "epochs=6"],
}
SLOW = {
    "two-threads": ["model=cnn", "model.width=32", "device.threads=2", "batch_size=128", "epochs=3"],
    "float64": ["device.precision=float64", "dataset=breast_cancer", "epochs=4"],
    "bfloat16": ["device.precision=bfloat16", "epochs=2"],
    "preset": ["experiment=digits_cnn", "epochs=4"],
}


def twice(tmp_path, overrides):
    """Run a command twice, in folders of the same name but another place and a different environment."""
    runs = []
    for number, env in enumerate(
        ({"PYTHONHASHSEED": "1", "TZ": "UTC"}, {"LANG": "C", "TZ": "Asia/Tokyo", "COLUMNS": "40"})
    ):
        cwd = tmp_path / str(number)
        cwd.mkdir()
        result = server().run("train", *overrides, "--json", cwd=cwd, env=env)
        assert result.code == 0, result
        runs.append(find_run(cwd))
    assert_same_result(*runs)
    return runs


@pytest.mark.parametrize("name", COMMANDS)
def test_train_twice_gives_the_same_bytes(name, tmp_path):
    run, _ = twice(tmp_path, COMMANDS[name])
    compared = result_files(run)
    assert {
        layout.METRICS,
        layout.LAYERS,
        layout.PREDICTIONS,
        layout.SUMMARY,
        layout.CONFIG,
        layout.OVERRIDES,
    } <= compared.keys()
    assert {f"{layout.CHECKPOINTS}/{name}" for name in (layout.INITIAL, layout.BEST, layout.LAST)} <= compared.keys()
    assert {
        f"{layout.REPORT}/{name}" for name in (layout.REPORT_JSON, layout.REPORT_MARKDOWN, layout.REPORT_HTML)
    } <= compared.keys()
    assert not UNLIKE & compared.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_train_twice_with_other_settings_gives_the_same_bytes(name, tmp_path):
    twice(tmp_path, SLOW[name])


def test_train_with_another_number_of_checkpoints_gives_the_same_numbers(tmp_path):
    numbers = {layout.METRICS, layout.PREDICTIONS, layout.SUMMARY}
    found = []
    for seconds in ("0", "1000"):
        cwd = tmp_path / seconds
        cwd.mkdir()
        assert server().run("train", *COMMANDS["cnn"], f"checkpoint_seconds={seconds}", "--json", cwd=cwd).code == 0
        files = result_files(find_run(cwd))
        found.append({name: data for name, data in files.items() if name in numbers or name.endswith(".safetensors")})
    assert found[0] == found[1]


def test_report_written_again_gives_the_same_bytes(tmp_path):
    assert server().run("train", *COMMANDS["mlp"], "--json", cwd=tmp_path).code == 0
    run = find_run(tmp_path)
    before = result_files(run)
    assert server().run("report", str(run), cwd=tmp_path).code == 0
    assert result_files(run) == before
