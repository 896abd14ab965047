"""The learning curve of a sweep beside the law that made its numbers."""

import json

import numpy as np
import pytest
from report_sweeps import add_to_runs, grid, load, write_sweep

from dlx.report.sweep import learning_curve
from dlx.report.sweep.render import render_sweep

KEY = "dataset.train_fraction"
FRACTIONS = ["0.05", "0.1", "0.2", "0.4", "0.8"]


def examples(cells):
    return round(2000 * float(cells[KEY]))


def law(cells, floor=0.05, scale=2.0, exponent=0.5):
    return floor + scale * examples(cells) ** -exponent


def columns(loss, accuracy=None, test=None):
    found = {"train_eval_loss": loss / 2, "val_loss": loss, "test_loss": loss if test is None else test,
             "gap_loss": loss / 2}
    return found if accuracy is None else {
        **found, "train_eval_accuracy": 1.0, "val_accuracy": accuracy, "test_accuracy": accuracy,
        "gap_accuracy": accuracy - 1}


def make(parent, outcome, axes=None, seeds=4, **changes):
    settings = grid({KEY: FRACTIONS, **(axes or {}), **({"seed": list(map(str, range(seeds)))} if seeds > 1 else {})})
    folder = write_sweep(parent, settings, outcome, **changes)
    return add_to_runs(folder, lambda cells: {"summary": {
        "num_examples": {"train": examples(cells), "val": 360}, "epochs_run": 30,
        "selection": {"rule": "best_val_loss", "epoch": 30 if cells[KEY] == "0.05" else 12}}})


def noise(setting):
    return 1 + 0.02 * (int(setting["seed"]) - 1.5) * (-1) ** FRACTIONS.index(setting[KEY])


def test_curve_finds_the_law_that_made_the_losses(tmp_path):
    sweep = load(make(tmp_path, lambda setting: columns(law(setting) * noise(setting))))
    own, = learning_curve.section(sweep).values["curves"]
    assert own["sizes"] == [100, 200, 400, 800, 1600]
    assert (own["floor"], own["scale"], own["exponent"]) == (
        pytest.approx(0.05, abs=1e-3), pytest.approx(2, rel=1e-2), pytest.approx(0.5, rel=5e-3))
    for name, truth in (("floor", 0.05), ("scale", 2), ("exponent", 0.5)):
        low, high = own[f"{name}_interval"]
        assert low < truth < high
    assert own["held_out"]["size"] == 1600
    assert own["held_out"]["measured"] == pytest.approx(0.1, rel=1e-6)
    assert own["held_out"]["predicted"] == pytest.approx(0.1, rel=5e-3)
    # Without a floor the line in logarithms goes on falling.
    assert own["held_out_without_floor"]["predicted"] < 0.095
    for factor, found in zip((2, 4), own["extrapolated"], strict=True):
        assert found["size"] == 1600 * factor
        assert found["error"] == pytest.approx(0.05 + 2 * (1600 * factor) ** -0.5, rel=5e-3)
        low, high = found["interval"]
        assert low < found["error"] < high


def test_curve_says_its_findings_with_their_numbers(tmp_path):
    section = learning_curve.section(load(make(tmp_path, lambda setting: columns(law(setting) * noise(setting)))))
    first, held_out, later = section.sentences
    assert first.startswith("Val loss goes from 0.250 with 100 train examples to 0.100 with 1,600; the fitted power "
                            "law has the exponent 0.5")
    assert held_out.endswith("measured was 0.100, inside the interval.")
    assert "would take 4.0" in later
    assert "A power without a floor predicts the largest size better than one with a floor in 0 of 1 fit." in (
        section.points)
    assert any("With 100 examples the best epoch was the last in 4 of 4 runs" in point for point in section.points)
    assert "Viering and Loog 2022" in section.notes[2]
    assert section.figures[0].picture.png.startswith(b"\x89PNG")


def test_curve_of_a_share_is_of_1_minus_it(tmp_path):
    folder = make(tmp_path, lambda setting: columns(1.0, 1 - law(setting, 0, 1.3, 0.4) * noise(setting)),
                  selection="best_val_accuracy")
    own = learning_curve.section(load(folder)).values["curves"][0]
    assert own["metric"] == "accuracy"
    assert own["exponent"] == pytest.approx(0.4, rel=1e-2)
    assert np.mean(own["errors"], axis=1) == pytest.approx([1.3 * size**-0.4 for size in own["sizes"]])


def test_ranking_metric_comes_first_and_accuracy_beside_it(tmp_path):
    folder = make(tmp_path, lambda setting: columns(law(setting) * noise(setting), 1 - law(setting, 0.01, 1, 0.6)))
    curves = learning_curve.section(load(folder)).values["curves"]
    assert [own["metric"] for own in curves] == ["loss", "accuracy"]


def test_every_other_configuration_has_a_curve_the_best_first(tmp_path):
    folder = make(tmp_path, lambda setting: columns(law(setting, 0.2 if setting["model"] == "mlp" else 0.02)
                                                    * noise(setting)), {"model": ["mlp", "cnn"]})
    first, second = learning_curve.section(load(folder)).values["curves"]
    assert (first["configuration"], second["configuration"]) == ("model=cnn", "model=mlp")
    assert (first["floor"], second["floor"]) == (pytest.approx(0.02, abs=2e-3), pytest.approx(0.2, abs=2e-3))


def test_one_seed_has_no_intervals_and_says_so(tmp_path):
    section = learning_curve.section(load(make(tmp_path, lambda setting: columns(law(setting)), seeds=1)))
    own, = section.values["curves"]
    assert own["exponent_interval"] == (None, None)
    assert own["held_out"]["low"] is None
    assert own["exponent"] == pytest.approx(0.5, rel=1e-3)
    assert "Every size has one seed, so the fits have no intervals." in section.points
    json.dumps(section.values, allow_nan=False)


def test_errors_that_rise_are_not_called_a_fall(tmp_path):
    section = learning_curve.section(load(make(tmp_path, lambda setting: columns(0.1 + 1e-4 * examples(setting)))))
    told, = section.sentences
    assert told == "Val loss does not fall with the examples: it is 0.110 with 100 and 0.260 with 1,600."


def test_test_plays_no_part(tmp_path):
    told = [learning_curve.section(load(make(tmp_path, lambda setting, test=test: columns(
        law(setting) * noise(setting), test=test), name=str(test)))) for test in (0.1, 9.0)]
    assert told[0].sentences == told[1].sentences
    assert told[0].values == told[1].values
    assert told[0].figures[0].picture.png == told[1].figures[0].picture.png


@pytest.mark.parametrize("fractions", [["0.1", "0.2", "0.4"], ["0.1", "0.2", "0.4", "all"]])
def test_too_few_or_unnumbered_sizes_have_no_curve(tmp_path, fractions):
    settings = grid({KEY: fractions, "seed": ["0", "1"]})
    assert learning_curve.section(load(write_sweep(tmp_path, settings, lambda setting: columns(0.3)))) is None


def test_losses_below_0_have_no_curve(tmp_path):
    assert learning_curve.section(load(make(tmp_path, lambda setting: columns(law(setting) - 1)))) is None


def test_runs_that_failed_leave_out_their_seed(tmp_path):
    folder = make(tmp_path, lambda setting: ("failed", "boom") if (setting[KEY], setting["seed"]) == ("0.2", "1")
                  else columns(law(setting) * noise(setting)))
    own, = learning_curve.section(load(folder)).values["curves"]
    assert np.shape(own["errors"]) == (5, 3)


def test_learning_curve_is_written_into_the_report(tmp_path):
    folder = make(tmp_path, lambda setting: columns(law(setting) * noise(setting)))
    render_sweep(folder)
    assert (folder / "report" / "figures" / "learning_curve.png").is_file()
    assert "## Learning curve" in (folder / "report" / "report.md").read_text()
