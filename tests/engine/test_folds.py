"""Folds as members, and the rows that a run folder says it used."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from member_runs import assert_same_folder, left_by, one, trained
from small_runs import digits

from dlx.core.errors import ArtefactError
from dlx.engine.reevaluate import reevaluate
from dlx.engine.run import Limits
from dlx.engine.saved_model import SavedModel
from dlx.record import layout
from dlx.record.checkpoint import load
from dlx.record.split_rows import read_split

# Folds of 29, 28, 28, 28, 28 rows.
DATA = digits(141)


def folds(*overrides):
    return [one("split=kfold", f"split.fold={fold}", *overrides, data=DATA) for fold in range(5)]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return trained(folds(), tmp_path_factory.mktemp("together"))


def test_folds_of_different_sizes_train_in_two_parts(tmp_path, caplog):
    caplog.set_level("INFO", "dlx")
    trained(folds("epochs=1"), tmp_path)
    said = [record.getMessage() for record in caplog.records if "parts" in record.getMessage()]
    assert said == ["5 runs train in 2 parts: runs with splits of different sizes cannot train together: "
                    "[(90, 22, 29), (90, 23, 28)]"] * 5


def test_a_fold_among_others_is_the_fold_alone(together, tmp_path):
    for number, (described, path) in enumerate(zip(folds(), together, strict=True)):
        (alone,) = trained([described], tmp_path, names=[str(number)])
        assert_same_folder(path, alone)


def test_folds_are_the_same_bytes_in_whatever_company(together, tmp_path):
    pairs = trained(folds()[:2], tmp_path) + trained(folds()[2:], tmp_path, names=["2", "3", "4"])
    assert [left_by(path) for path in pairs] == [left_by(path) for path in together]


def test_the_saved_rows_of_all_folds_test_every_row_once(together):
    saved = [read_split(path / layout.SPLIT) for path in together]
    assert np.sort(np.concatenate([own["test"] for own in saved])).tolist() == list(range(141))
    for own, path in zip(saved, together, strict=True):
        predicted = pd.read_csv(path / layout.PREDICTIONS)
        for name in ("val", "test"):
            assert predicted[predicted["split"] == name]["id"].tolist() == own[name].tolist()
        assert np.sort(np.concatenate(list(own.values()))).tolist() == list(range(141))


def grouped(group):
    return one("split=grouped", "epochs=2", data=DATA.with_arrays(notes={"group": group}))


def test_a_run_does_not_go_on_with_rows_that_are_divided_otherwise(tmp_path):
    described = grouped(np.arange(141) // 3)
    trained([described], tmp_path, limits=Limits(pause_epoch=1))
    other = replace(grouped(np.arange(141) % 47)[0])
    with pytest.raises(ArtefactError, match=r"holds other rows than the data is divided into now: train has "):
        trained([(other, described[1])], tmp_path)
    (path,) = trained([described], tmp_path)
    assert (path / layout.SUMMARY).exists()


def test_evaluate_refuses_rows_that_are_divided_otherwise(tmp_path):
    described = grouped(np.arange(141) // 3)
    (path,) = trained([described], tmp_path)
    best, split_path = load(path / layout.CHECKPOINTS / layout.BEST), path / layout.SPLIT
    device = {"kind": "cpu", "precision": "float64", "threads": 1, "compile": False, "channels_last": False,
              "processes": 1, "data": "auto"}
    arguments = ("", ["val"], 0.95, split_path)
    reevaluate(SavedModel(described[0], best).on(device), *arguments)
    with pytest.raises(ArtefactError, match=r"split\.npz holds other rows"):
        reevaluate(SavedModel(grouped(np.arange(141) % 47)[0], best).on(device), *arguments)
