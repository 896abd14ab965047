"""The capacity curve of a sweep whose shape is known."""

import json
import math

import pytest
from report_sweeps import add_to_runs, grid, load, write_sweep

from dlx.report.sweep import capacity_curve
from dlx.report.sweep.render import render_sweep

KEY = "model.width"
WIDTHS = ["1", "2", "4", "8", "16", "32"]
FALLS = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3]
TRAIN = [0.5, 0.3, 0.1, 0.01, 0.0004, 0.0001]
SHAPES = {"falls": FALLS, "rises": FALLS[::-1], "dip": [1.0, 0.6, 0.4, 0.5, 0.7, 0.8],
          "peak": [1.0, 0.5, 0.6, 0.9, 0.5, 0.3], "flat": [0.5] * 6}


def place(cells):
    return WIDTHS.index(cells[KEY])


def noise(cells, size=0.01):
    """Every seed has its own difficulty, and every run some noise that no seed has on average."""
    seed = int(cells["seed"])
    return (1 + 0.1 * seed) * math.exp(size * [1, -1, 0][(seed + place(cells)) % 3])


def columns(val, train, accuracy=None):
    found = {"train_eval_loss": train, "val_loss": val, "test_loss": 9.0, "gap_loss": val - train}
    return found if accuracy is None else {
        **found, "train_eval_accuracy": accuracy[0], "val_accuracy": accuracy[1], "test_accuracy": 0.0,
        "gap_accuracy": accuracy[1] - accuracy[0]}


def make(parent, val, train=TRAIN, seeds=3, axes=None, accuracy=False, epochs=None, task="regression", **changes):
    def outcome(cells):
        own = noise(cells) if seeds > 1 else 1.0
        shares = (1 - train[place(cells)] / 10, 1 - val[place(cells)] / 2 * own) if accuracy else None
        return columns(val[place(cells)] * own, train[place(cells)], shares)

    settings = grid({KEY: WIDTHS, **(axes or {}), **({"seed": list(map(str, range(seeds)))} if seeds > 1 else {})})
    folder = write_sweep(parent, settings, outcome, **changes)

    def files(cells):
        summary = {"num_parameters": 10 * int(cells[KEY]) + 5, "task": task, "class_names": list("abc"),
                   "num_examples": {"train": 60}}
        return {"summary": summary, **({} if epochs is None else {"epochs": epochs(cells)})}

    return add_to_runs(folder, files)


@pytest.mark.parametrize("kind", SHAPES)
def test_section_tells_the_shape(tmp_path, kind):
    section = capacity_curve.section(load(make(tmp_path, SHAPES[kind])))
    own, = section.values["curves"]
    assert own["shape"] == kind
    assert own["parameters"] == [15, 25, 45, 85, 165, 325]
    words = {"falls": "falls with capacity, and no rise is told from noise", "dip": "is U-shaped",
             "rises": "rises with capacity, and no fall is told from noise", "peak": "has a peak, a double descent",
             "flat": "has no shape that is told from noise"}[kind]
    assert section.sentences[0].startswith(f"Val loss at the selected checkpoint {words}")


def test_section_names_the_peak_and_what_it_lies_above(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, SHAPES["peak"])))
    own, = section.values["curves"]
    assert own["place"] == 85
    assert own["compared_with"] == [25, 325]
    # The mean of the seeds' difficulties is 1.1; ratios are of geometric means, in which these cancel.
    assert "0.99" in section.sentences[0]
    assert "above 0.550 at 25 parameters (1.8" in section.sentences[0]
    assert "(3.0" in section.sentences[0]


def test_thresholds_are_where_train_is_fitted_and_where_parameters_are_as_many_as_targets(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, FALLS)))
    own, = section.values["curves"]
    # 0.0004 is the first below a thousandth of 0.5.
    assert own["train_fitted_at"] == 165
    assert own["targets_of_train"] == 60
    assert section.sentences[1] == ("From 165 parameters on train is fitted at the selected checkpoint; parameters are "
                                    "as many as train's targets at 60.")


def test_accuracy_of_train_decides_where_there_is_one_and_classes_count(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, FALLS, accuracy=True, task="classification")))
    first, second = section.values["curves"]
    assert (first["metric"], second["metric"]) == ("loss", "accuracy")
    # Errors of train are a tenth of its losses: 0.001 is not below 0.1%, 0.00004 is.
    assert first["train_fitted_at"] == second["train_fitted_at"] == 165
    assert first["targets_of_train"] == 180
    assert second["val"][0][0] == pytest.approx(0.5 * math.exp(0.01))


def test_section_without_a_size_that_fits_train_says_so(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, FALLS, train=FALLS)))
    assert section.values["curves"][0]["train_fitted_at"] is None
    assert section.sentences[1].startswith("No size fits all of train at the selected checkpoint")


def test_errors_are_those_after_the_last_epoch_where_epochs_are_known(tmp_path):
    def epochs(cells):
        val = SHAPES["dip"][place(cells)] * noise(cells)
        return {"train_eval_loss": [1.0, TRAIN[place(cells)]], "val_loss": [0.2, val]}

    section = capacity_curve.section(load(make(tmp_path, FALLS, epochs=epochs)))
    own, = section.values["curves"]
    assert section.values["measured"] == "after the last epoch"
    assert own["shape"] == "dip"
    assert own["val"][2][0] == pytest.approx(0.4 * math.exp(0.01 * [1, -1, 0][2]))
    assert own["val_selected"][2][0] == pytest.approx(0.6)
    assert section.tables[0].columns[-1] == "val, selected checkpoint"


def test_one_seed_tells_no_shape(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, SHAPES["peak"], seeds=1)))
    assert section.values["curves"][0]["shape"] == "unknown"
    assert "one seed cannot tell" in section.sentences[0]
    json.dumps(section.values, allow_nan=False)


def test_every_other_configuration_has_a_curve(tmp_path):
    section = capacity_curve.section(load(make(tmp_path, FALLS, axes={"regularizer": ["none", "l2"]})))
    assert [own["configuration"] for own in section.values["curves"]] == ["regularizer=none", "regularizer=l2"]
    assert section.figures[0].picture.png.startswith(b"\x89PNG")


def test_settings_that_leave_parameters_alone_have_no_curve(tmp_path):
    settings = grid({"optimizer.lr": ["0.1", "0.2", "0.4"], "seed": ["0", "1"]})
    folder = write_sweep(tmp_path, settings, lambda cells: columns(0.5, 0.1))
    add_to_runs(folder, lambda cells: {"summary": {"num_parameters": 7}})
    assert capacity_curve.section(load(folder)) is None


def test_capacity_curve_is_written_into_the_report(tmp_path):
    folder = make(tmp_path, SHAPES["peak"], accuracy=True, task="classification")
    render_sweep(folder)
    assert (folder / "report" / "figures" / "capacity_curve.png").is_file()
