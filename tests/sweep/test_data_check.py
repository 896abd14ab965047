"""Data that no run of a sweep could learn from is refused before there is a folder for the sweep."""

from __future__ import annotations

import json
import logging

import pytest
from dataset_files import FILES
from torchvision_files import reader

from dlx.sweep.data_check import MOST, refuse_data
from dlx.sweep.plan import make_plan

QUICK = ("metric=[accuracy]", "epochs=1", "model.width=4")


@pytest.fixture
def people(workdir):
    """A table."""
    return ("dataset=csv", *FILES["csv"](workdir), *QUICK)


@pytest.mark.parametrize(("overrides", "message"), [
    (("dataset.target=lable", "seeds=3"), "dataset.target names lable, and"),
    (("dataset.target=height", "optimizer.lr=0.1,0.01"), "dataset=csv is a regression; use loss=mse"),
    (("metric=[rmse],[accuracy]",), "metric=rmse is for regression, dataset=csv is a classification"),
    (("preprocessing=[one_hot],[]",), "column city holds categories"),
    (("split=grouped", "split.column=persn", "seeds=2"), "persn"),
    (("dataset.train_fraction=0.001,0.5",), "train"),
])
def test_sweep_of_data_that_parts_are_not_for_leaves_no_folder(overrides, message, people, dlx, workdir):
    result = dlx("sweep", *people, *overrides)
    assert (result.code, result.out) == (2, ""), result.err
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (workdir / "runs").exists()


def test_sweep_says_once_what_is_wrong_for_all_its_runs(people, dlx):
    result = dlx("sweep", *people, "dataset.target=lable", "optimizer.lr=0.1,0.01", "batch_size=16,32", "seeds=2")
    assert result.err.count("dataset.target names lable") == 1


def test_sweep_reads_a_file_once_to_check_it(people, workdir, caplog, monkeypatch):
    plan = make_plan([*people, "optimizer.lr=0.1,0.01", "dataset.train_fraction=0.3,0.6,1", "seeds=4"], None)
    logger = logging.getLogger("dlx")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.INFO, "dlx"):
        refuse_data(plan, str(workdir), ["dlx"])
    assert len([line for line in caplog.messages if "people.csv: 160 rows" in line]) == 1


def test_sweep_checks_the_first_few_of_many_data_sets_alone(people, workdir):
    fractions = ",".join(str(0.5 + number / 100) for number in range(MOST + 1))
    plan = make_plan([*people, f"dataset.train_fraction={fractions},0.001"], None)
    refuse_data(plan, str(workdir), ["dlx"])


def test_sweep_of_a_table_trains_after_its_check(people, dlx):
    result = dlx("sweep", *people, "dataset.train_fraction=0.3,1", "workers=1", "--json")
    assert result.code == 0, result.err
    assert len(json.loads(result.out)["leaderboard"]) == 2


def test_sweep_of_data_that_cannot_be_downloaded_leaves_no_folder(dlx, workdir, monkeypatch):
    # Nobody listens there.
    monkeypatch.setattr(reader("mnist"), "mirrors", ["http://127.0.0.1:9/"])
    result = dlx("sweep", "dataset=mnist", "data_dir=data", "seeds=2", "epochs=1")
    assert (result.code, result.out) == (4, "")
    assert "MNIST is not in" in result.err
    assert not (workdir / "runs").exists()


def test_dry_run_reads_no_data(dlx, workdir):
    assert dlx("sweep", "dataset=csv", "dataset.path=none.csv", "dataset.target=y", "seeds=2", "--dry-run").code == 0
    missing = dlx("sweep", "dataset=csv", "dataset.path=none.csv", "dataset.target=y", "seeds=2")
    assert missing.code == 4
    assert "dataset.path=none.csv is not there" in missing.err
    assert not (workdir / "runs").exists()
