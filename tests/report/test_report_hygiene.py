"""What the report says of data that was checked."""

import json

import pytest
from report_runs import class_predictions, make_rows, make_summary, overfitting_curves, write_run

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measures
from dlx.record.measures import write_measures
from dlx.report.data import DEFINITIONS, numbers_of
from dlx.report.diagnosing.diagnosis import diagnose_run
from dlx.report.files import read_run
from dlx.report.render import render

COUNTS = {"found": 0, "of": 360, "rows": []}


def checks(**changes):
    """What the section data finds where nothing is wrong."""
    across = {"val in train": COUNTS, "test in train": COUNTS, "test in val": COUNTS}
    within = {"train": {"found": 0, "of": 1077, "rows": []}, "val": COUNTS, "test": COUNTS}
    sizes = {"train": 1077, "val": 360, "test": 360}
    told = {"auc": 0.51, "p_value": 0.4, "adjusted": 1.0, "num_rows": 720, "num_permutations": 999}
    labels = {"name": "targets", "statistic": "chi2", "value": 0.1, "p_value": 0.99, "q_value": 1.0}
    shift = {"classifier": told, "properties": [], "num_properties": 2, "labels": labels, "alpha": 0.01}
    return {
        "format": 1, "alpha": 0.01, "num_rows": sizes, "num_compared": 1797,
        "duplicates": {"within": within, "across": across, "pairs": {name: [] for name in across}},
        "conflicts": {"rows": {"found": 0, "of": 1797, "rows": []}, "groups": 0, "examples": [], "most_right": 1.0},
        "near": {"median": 2.6, "threshold": 0.34, "dimension": 8.4, "chance": 0.0, "within": within, "across": across,
                 "pairs": {name: [] for name in across}, "beyond_chance": [], "num_rows": sizes, "of_rows": sizes,
                 "is_complete": True},
        "leaked": {}, "order": None, "groups": [], "times": [], "columns": None,
        "shifts": {"val": shift, "test": shift},
        "made": [{"name": "linear", "title": "logistic regression", "fitted_on": 500, "of_rows": 1077}],
        "features": "the inputs after preprocessing",
        "baselines": [{"baseline": "linear", "split": split, "metric": "accuracy", "value": 0.95, "n": 360}
                      for split in ("val", "test")],
        "greater_is_better": {"accuracy": True}, "against": [], "without_leaked": [], **changes}


def beaten(split="val", better="baseline"):
    return {"baseline": "linear", "split": split, "measure": "accuracy", "difference": -0.031, "low": -0.05,
            "high": -0.01, "method": "BCa bootstrap", "level": 0.95, "n": 360, "better": better}


def write(parent, found):
    folder = write_run(parent, make_rows(*overfitting_curves()), make_summary(), class_predictions())
    write_measures(folder, "data", Measures(details=found))
    return folder


def section(folder):
    render(folder)
    report = json.loads((folder / "report" / "report.json").read_text())
    return next(item for item in report["sections"] if item["key"] == "data")


def test_clean_data_is_said_to_be_clean_and_baselines_stand_beside_the_model(tmp_path):
    found = section(write(tmp_path, checks()))
    assert found["sentences"] == ["No row of one split is in another, and no leak or larger shift was found in 1,797 "
                                  "rows."]
    table = found["tables"][1]
    assert table["title"] == "Test beside simple answers"
    assert table["rows"] == [["this model", "96.9%"], ["logistic regression", "95.0%"]]
    assert "logistic regression from 500 of 1,077 rows" in found["notes"][2]


def test_leaked_rows_are_told_first_in_page_and_markdown(tmp_path):
    one = {"found": 1, "of": 360, "rows": [7]}
    raw = checks()
    raw["duplicates"]["across"] = {**raw["duplicates"]["across"], "test in train": one}
    raw["duplicates"]["pairs"] = {**raw["duplicates"]["pairs"], "test in train": [[7, 803]]}
    folder = write(tmp_path, raw)
    assert section(folder)["sentences"] == ["1 problem.", "1 of 360 test rows is also in train, byte for byte: "
                                            "row 7 and 803."]
    for name in ("report.html", "report.md"):
        assert "1 of 360 test rows is also in train, byte for byte" in (folder / "report" / name).read_text()


def test_small_but_certain_shift_is_a_remark_and_large_one_a_problem(tmp_path):
    shift = checks()["shifts"]["val"]
    small = {**shift, "classifier": {**shift["classifier"], "auc": 0.56, "adjusted": 0.004}}
    large = {**small, "classifier": {**small["classifier"], "auc": 0.8}}
    found = section(write(tmp_path, checks(shifts={"val": small, "test": large})))
    assert found["sentences"][1:] == ["A linear classifier tells test rows from train rows: AUC 0.800 (p = 0.004)."]
    assert "A linear classifier tells val rows from train rows: AUC 0.560 (p = 0.004)." in found["points"]


def test_a_simple_answer_that_does_better_on_val_is_a_finding(tmp_path):
    diagnosis = diagnose_run(read_run(write(tmp_path, checks(against=[beaten()]))))
    (finding,) = [item for item in diagnosis.findings if item.kind == "below_baseline"]
    assert finding.verdict.startswith("Logistic regression beats this model on val")
    assert finding.evidence == ("On val, accuracy is 3.1 points below that of logistic regression; the 95% interval of "
                                "the paired difference excludes 0 (n = 360).",)
    assert any("model=linear" in command.text for command in finding.commands)


@pytest.mark.parametrize("item", [beaten("test"), beaten(better="neither"), beaten(better="model")])
def test_test_and_what_may_be_chance_are_no_finding(tmp_path, item):
    diagnosis = diagnose_run(read_run(write(tmp_path, checks(against=[item]))))
    assert "below_baseline" not in [found.kind for found in diagnosis.findings]


def test_a_run_without_checks_has_no_section(tmp_path):
    folder = write_run(tmp_path, make_rows(*overfitting_curves()), make_summary(), class_predictions())
    render(folder)
    assert "Data and baselines" not in (folder / "report" / "report.md").read_text()


@pytest.mark.parametrize("change", [{"format": 2}, {"duplicates": 3}, {"near": {}}, {"shifts": {"val": None}},
                                    {"baselines": [1]}, {"made": None}, {"groups": "x"}, {"alpha": []},
                                    {"against": [beaten(), {}]}, {"num_rows": {"train": "many"}}])
def test_a_damaged_file_is_refused_by_name(tmp_path, change):
    with pytest.raises(ArtefactError, match=r"measures/data\.json"):
        render(write(tmp_path, checks(**change)))


def test_names_from_the_file_are_escaped_in_the_page(tmp_path):
    columns = {"leaks": [{"column": "<script>alert(1)</script>", "value": 1.0, "measure": "AUC"}], "best": None,
               "constant": [], "identifiers": [], "num_rows": 9, "of_rows": 9, "limit": 0.99}
    folder = write(tmp_path, checks(columns=columns))
    render(folder)
    assert "<script>" not in (folder / "report" / "report.html").read_text()


def test_numbers_of_the_section_are_those_of_its_details():
    one = {"found": 2, "of": 360, "rows": [7, 9]}
    raw = checks(against=[beaten()], without_leaked=[
        {"split": "test", "metric": "accuracy", "value": 0.97, "n": 360, "value_without": None, "n_without": 0}])
    raw["duplicates"]["across"] = {**raw["duplicates"]["across"], "test in train": one}
    found = Measures(tuple(numbers_of(raw)), raw)
    assert found.find("equal_rows_in_split", "test", "", **{"in": "train"}).value == 2
    assert found.find("equal_rows_in_split", "val", "", **{"in": "train"}).value == 0
    assert found.find("conflicting_rows", checkpoint="").n == 1797
    assert (found.find("shift_auc", "val", "").value, found.find("shift_p_value", "val", "").num_draws) == (0.51, 999)
    assert found.find("baseline", "test", "", baseline="linear", metric="accuracy").value == 0.95
    against = found.find("model_minus_baseline", "val", baseline="linear", metric="accuracy")
    assert (against.value, against.low, against.high, against.n) == (-0.031, -0.05, -0.01, 360)
    assert found.find("without_leaked", "test", metric="accuracy").method == "undefined: train has every row"
    assert {item.name for item in found.numbers} <= DEFINITIONS.keys()
