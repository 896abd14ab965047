"""A run folder is read, checked and typed; what is damaged is refused."""

import json

import numpy as np
import pytest
from report_runs import class_predictions, good_curves, make_rows, make_summary, write_digits, write_run

from dlx.core.errors import ArtefactError
from dlx.report.diagnosing.diagnosis import val_baseline
from dlx.report.files import read_run


def test_read_run_types_every_file(tmp_path):
    run = read_run(write_digits(tmp_path))
    assert (run.name, run.status.state, run.history.num_epochs) == ("digits-mlp", "done", 30)
    assert run.summary.metric("accuracy", "test").value == 0.969
    assert run.summary.headline() == "accuracy"
    assert len(run.predictions.of("val")) == len(run.predictions.of("test")) == 360
    assert run.missing == ("provenance.json is missing: versions, device and command line are unknown.",)


def test_read_run_empty_cells_are_nan(tmp_path):
    run = read_run(write_run(tmp_path, make_rows([1.0, 2.0], [1.0, 2.0], grad_ratio=[None, 0.5])))
    np.testing.assert_array_equal(run.history.column("grad_ratio"), [np.nan, 0.5])
    np.testing.assert_array_equal(run.history.column("absent"), [np.nan, np.nan])
    assert not run.history.has("absent")


def test_read_run_says_what_is_missing(tmp_path):
    run = read_run(write_run(tmp_path))
    assert [text.split()[0] for text in run.missing] == ["metrics.csv", "summary.json", "predictions.csv",
                                                         "provenance.json"]


def test_read_run_refuses_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ArtefactError, match=r"is not a run folder: it has no config\.yaml"):
        read_run(tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"format": 2}, "summary.json has format 2; this version of dlx reads 1"),
    ({"metrics": [{"metric": "accuracy"}]}, "summary.json refused"),
    ({"metrics": 3}, "summary.json refused"),
])
def test_read_run_refuses_a_summary_it_does_not_understand(tmp_path, change, message):
    with pytest.raises(ArtefactError, match=message):
        read_run(write_run(tmp_path, summary={**make_summary(), **change}))


@pytest.mark.parametrize(("row", "message"), [
    (["val", 0, 0], "line 2 has 3 cells, the header 6"),
    (["val", 0, 2, 0, 0.5, 0.5], "must be class indices below 2"),
    (["val", 0, 0, 0.5, 0.5, 0.5], "must be class indices below 2"),
    (["val", 0, "x", 0, 0.5, 0.5], "could not convert"),
])
def test_read_run_refuses_damaged_predictions(tmp_path, row, message):
    with pytest.raises(ArtefactError, match=message):
        read_run(write_run(tmp_path, predictions=[row], header=["a", "b"]))


def test_read_run_refuses_damaged_metrics(tmp_path):
    folder = write_run(tmp_path, make_rows(*good_curves()))
    with open(folder / "metrics.csv", "a") as file:
        file.write("31,abc\n")
    with pytest.raises(ArtefactError, match=r"metrics\.csv refused"):
        read_run(folder)


def test_class_names_fall_back_to_the_header(tmp_path):
    summary = make_summary(class_names=["one"])
    header = ["benign", "malignant"]
    run = read_run(write_run(tmp_path, summary=summary, predictions=class_predictions(5, 2), header=header))
    assert run.class_names == ("benign", "malignant")


def test_val_baseline_is_the_most_common_class_of_val(tmp_path):
    rows = [["val", 0, 0, 0, 0.9, 0.1], ["val", 1, 0, 0, 0.9, 0.1], ["val", 2, 1, 0, 0.9, 0.1],
            ["test", 3, 1, 1, 0.1, 0.9]]
    run = read_run(write_run(tmp_path, predictions=rows, header=["a", "b"]))
    assert val_baseline(run.predictions) == ("accuracy", pytest.approx(2 / 3), "always answering the most common class")


def test_val_baseline_of_a_regression_is_the_spread_of_val(tmp_path):
    rows = [["val", 0, 1.0, 0.0], ["val", 1, 3.0, 0.0], ["test", 2, 100.0, 0.0]]
    run = read_run(write_run(tmp_path, predictions=rows, header=[]))
    assert val_baseline(run.predictions) == ("rmse", 1.0, "always answering the mean")


def test_summary_without_an_interval_says_null(tmp_path):
    folder = write_digits(tmp_path)
    raw = json.loads((folder / "summary.json").read_text())
    assert raw["gaps"][0]["low"] is None
    assert read_run(folder).summary.gap("loss", "val").low is None


@pytest.mark.parametrize("text", ['{"format": 1, "numb', "[]", '{"format": 1, "numbers": [{"value": NaN}]}', "{}",
                                  '{"format": 1, "numbers": null}'])
def test_damaged_measures_are_refused_with_the_command_that_measures_again(tmp_path, text):
    folder = write_digits(tmp_path)
    (folder / "measures").mkdir(exist_ok=True)
    (folder / "measures" / "gap.json").write_text(text)
    with pytest.raises(ArtefactError, match=r"gap\.json .*; to measure it again: dlx evaluate .* 'report=\[gap\]'"):
        read_run(folder)
