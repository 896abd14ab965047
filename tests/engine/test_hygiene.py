"""Checks of data of runs: when they are written, what it is made from, and that the same data is checked once."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run

from dlx.core.ragged import Ragged
from dlx.core.types import Arrays
from dlx.engine.hygiene import KEPT_BYTES, kept
from dlx.record.measures import read_section


def read(folder: Path):
    return json.loads((folder / "measures" / "data.json").read_text())["details"]


def test_run_writes_what_its_report_says_of_data_and_baselines(dlx):
    assert dlx("train", "epochs=2").code == 0
    run = only_run()
    found, summary = read(run), json.loads((run / "summary.json").read_text())
    assert found["num_rows"] == summary["num_examples"]
    own = next(item for item in summary["metrics"] if (item["metric"], item["split"]) == ("accuracy", "val"))
    simple = {item["baseline"]: item["value"] for item in found["baselines"]
              if (item["metric"], item["split"]) == ("accuracy", "val")}
    for item in found["against"]:
        if item["split"] == "val":
            assert item["difference"] == pytest.approx(own["value"] - simple[item["baseline"]])
    assert "Data and baselines" in (run / "report" / "report.md").read_text()


def test_the_same_run_says_the_same(dlx):
    for name in ("one", "two"):
        assert dlx("train", "dataset=iris", "epochs=1", f"runs_dir={name}").code == 0
    one, two = (read_section(only_run(Path(name)), "data") for name in ("one", "two"))
    assert (one.details, one.numbers) == (two.details, two.numbers)


def test_data_on_disk_gives_the_findings_of_data_in_memory(dlx):
    for place in ("memory", "disk"):
        assert dlx("train", "epochs=1", f"device.data={place}", f"runs_dir={place}").code == 0
    assert read(only_run(Path("memory"))) == read(only_run(Path("disk")))


def test_of_a_sweep_the_first_run_is_checked_and_the_report_tells(dlx):
    assert dlx("sweep", "dataset=iris", "epochs=1", "seed=0,1", "model=linear,mlp").code == 0
    sweep = only_run()
    assert len(list(sweep.glob("runs/*/measures/data.json"))) == 1
    assert not list(sweep.glob("runs/*/report")), "runs of a sweep have no reports of their own"
    assert "Data and baselines" in (sweep / "report" / "report.md").read_text()


def test_small_and_mapped_data_is_kept_and_large_data_is_read_again(tmp_path):
    targets = np.zeros(2, np.int64)
    small = Arrays(np.zeros((2, 3)), targets)
    large = Arrays(np.lib.stride_tricks.as_strided(np.zeros(1), (2, KEPT_BYTES // 8), (0, 0)), targets)
    mapped = Arrays(np.memmap(tmp_path / "data", np.uint8, "w+", shape=(2, 9)), targets)
    texts = Arrays(Ragged.of_texts(["a", "b"]), targets)
    again = Arrays(np.ones((2, 3)), targets)
    for arrays, is_kept in ((small, True), (mapped, True), (texts, True), (large, False)):
        assert kept(arrays, lambda: again)() is (arrays if is_kept else again)
