"""Comparisons at equal epochs, equal train loss and equal compute, with numbers that can be computed by hand."""

import numpy as np
import pytest
from report_sweeps import add_to_runs, grid, load, measured, write_sweep

from dlx.report.sweep import matched_fit
from dlx.report.sweep.matched import at_loss, at_spent, matched, passes_of_a_step
from dlx.report.sweep.render import render_sweep

EPOCHS = np.arange(1, 11)
REGULARIZERS = ["none", "l2", "sam"]


def curves(cells):
    """Straight lines: none is at its train loss 1 - 0.1 e; l2 falls half as fast; SAM is best after all epochs."""
    name, seed = cells["regularizer"], int(cells.get("seed", 0))
    train = {"none": 1 - 0.1 * EPOCHS, "l2": 1 - 0.05 * EPOCHS, "sam": 1 - 0.08 * EPOCHS}[name]
    val = {"none": 1 - 0.05 * EPOCHS, "l2": 1 - 0.04 * EPOCHS, "sam": 1 - 0.06 * EPOCHS}[name]
    return {"step": 17.0 * EPOCHS, "train_eval_loss": train, "val_loss": val + 0.01 * seed,
            "train_eval_nll": 2 * train}


def make(parent, axes=None, seeds=3, change=lambda cells: {}, key="regularizer", **changes):
    settings = grid({key: REGULARIZERS, **(axes or {}), "seed": list(map(str, range(seeds)))})
    folder = write_sweep(parent, settings, lambda cells: measured(curves({"regularizer": cells[key], **cells})[
        "val_loss"][-1]), **changes)
    return add_to_runs(folder, lambda cells: {
        "epochs": curves({"regularizer": cells[key], **cells}),
        "config": {"regularizer": {} if cells[key] == "none" else {cells[key]: {"part": cells[key]}}}, **change(cells)})


def numbers(folder, name, what="val"):
    section = matched_fit.section(load(folder))
    rows = section.values["configurations"]
    return {own["configuration"].partition("=")[2]: own[name][what]["value"] for own in rows}


def test_at_loss_lies_on_the_line_between_epochs():
    loss, val = np.array([1.0, 0.6, 0.2, 0.4]), np.array([3.0, 2.0, 1.0, 0.5])
    assert at_loss(loss, val, 0.5) == pytest.approx(1.75)
    assert at_loss(loss, val, 0.6) == pytest.approx(2.0)
    assert at_loss(loss, val, 1.2) == 3.0
    assert np.isnan(at_loss(loss, val, 0.1))


def test_at_spent_lies_on_the_line_between_epochs():
    spent, val = np.array([10.0, 20.0, 30.0]), np.array([3.0, 2.0, 1.0])
    assert at_spent(spent, val, 25) == pytest.approx(1.5)
    assert at_spent(spent, val, 30) == 1.0
    assert np.isnan(at_spent(spent, val, 5))


@pytest.mark.parametrize(("config", "passes"), [
    ({}, 1), ({"regularizer": {"own": {"part": "sam"}, "l2": {"part": "l2"}}}, 2),
    ({"regularizer": {"a": {"part": "adversarial_training", "num_steps": 7}}}, 8),
    ({"regularizer": {"a": {"part": "jacobian", "num_projections": 3}, "b": {"part": "asam"}}}, 5)])
def test_passes_of_a_step_counts_what_regularizers_add(config, passes):
    assert passes_of_a_step(config) == passes


def test_section_compares_at_equal_epochs_train_loss_and_passes(tmp_path):
    folder = make(tmp_path)
    assert numbers(folder, "epochs") == pytest.approx({"none": 0.51, "l2": 0.61, "sam": 0.41})
    # l2 gets to 0.5 at best: none is there after 5 epochs, SAM after 6.25.
    assert numbers(folder, "loss") == pytest.approx({"none": 0.76, "l2": 0.61, "sam": 0.635})
    # 10 passes are 5 epochs of SAM.
    assert numbers(folder, "compute") == pytest.approx({"none": 0.51, "l2": 0.61, "sam": 0.71})
    assert numbers(folder, "loss", "minus_reference") == pytest.approx({"none": 0, "l2": -0.15, "sam": -0.125})
    found = matched(load(folder), "loss")
    assert (found.epoch, found.loss, found.cost, found.budget) == (10, pytest.approx(0.5), "passes", 10)


def test_section_says_that_the_ranking_changes(tmp_path):
    section = matched_fit.section(load(make(tmp_path)))
    assert section.values["ranking"] == {
        "epochs": ["regularizer=sam", "regularizer=none", "regularizer=l2"],
        "loss": ["regularizer=l2", "regularizer=sam", "regularizer=none"],
        "compute": ["regularizer=none", "regularizer=l2", "regularizer=sam"]}
    assert "At equal train loss the ranking changes: 2 pairs of 3 are the other way round" in section.sentences[1]
    # Differences between the seeds' equal offsets have no noise, so all are told.
    assert "regularizer=l2 against regularizer=sam is told from noise both times" in section.sentences[1]
    assert section.values["reference"] == "regularizer=none"
    assert section.points[0] == (
        "Against regularizer=none, regularizer=sam changes most: -0.100 [-0.100, -0.100] at equal epochs, "
        "+0.200 [0.200, 0.200] at equal compute.")


def test_flops_are_the_cost_where_every_run_has_them(tmp_path):
    folder = make(tmp_path, change=lambda cells: {"flops": 3e6 if cells["regularizer"] == "l2" else 1e6})
    found = matched(load(folder), "loss")
    assert (found.cost, found.budget) == ("flops", pytest.approx(170e6))
    # After a third of the steps: at epoch 3 1/3.
    assert numbers(folder, "compute") == pytest.approx({"none": 0.51, "l2": 1 - 0.04 * 10 / 3 + 0.01, "sam": 0.71})


def test_seconds_are_the_cost_where_every_run_has_its_own(tmp_path):
    def seconds(cells):
        return {"seconds": [(2.0 if cells["regularizer"] == "sam" else 1.0) + 1e-6 * int(cells["seed"])
                            + 1e-3 * REGULARIZERS.index(cells["regularizer"])] * 10}

    found = matched(load(make(tmp_path, change=seconds)), "loss")
    assert (found.cost, found.together) == ("seconds", False)
    assert found.budget == pytest.approx(10.0)
    assert found.val["compute"][2, 0] == pytest.approx(1 - 0.06 * 10 / 2.002)


def test_seconds_of_runs_that_trained_together_are_not_compared(tmp_path):
    section = matched_fit.section(load(make(tmp_path, change=lambda cells: {"seconds": [1.0] * 10})))
    assert section.values["cost"] == "passes"
    assert "Some runs trained together and share their seconds, so these are not compared." in section.points


def test_a_run_that_stopped_early_sets_the_epoch(tmp_path):
    def stopped(cells):
        own = curves(cells)
        return {"epochs": {name: column[:6] for name, column in own.items()}} if cells["regularizer"] == "l2" else {}

    folder = make(tmp_path, change=stopped)
    assert matched(load(folder), "loss").epoch == 6
    assert numbers(folder, "epochs") == pytest.approx({"none": 0.71, "l2": 0.77, "sam": 0.65})


def test_losses_that_are_minimised_differently_are_compared_by_their_likelihood(tmp_path):
    section = matched_fit.section(load(make(tmp_path, key="loss")))
    assert section.values["train_loss"] == pytest.approx(1.0)
    assert "train_eval NLL is at most 1.00" in section.notes[0]


@pytest.mark.parametrize("axes", [{"dataset.train_fraction": ["0.1", "1"]}, {"optimizer.lr": list("12345")}])
def test_other_data_or_too_many_configurations_are_not_compared(tmp_path, axes):
    assert matched_fit.section(load(make(tmp_path, axes, seeds=1))) is None


def test_numbers_alone_are_not_compared(tmp_path):
    settings = grid({"optimizer.lr": ["1", "2"], "seed": ["0", "1"]})
    assert matched_fit.section(load(write_sweep(tmp_path, settings, lambda cells: measured(0.3)))) is None


def test_runs_without_epochs_are_not_compared(tmp_path):
    settings = grid({"model": ["mlp", "cnn"], "seed": ["0", "1"]})
    assert matched_fit.section(load(write_sweep(tmp_path, settings, lambda cells: measured(0.3)))) is None


def test_test_plays_no_part(tmp_path):
    first = make(tmp_path)
    told = matched_fit.section(load(first))
    path = first / "runs.csv"
    path.write_text(path.read_text().replace("test_loss", "other_loss"))
    again = matched_fit.section(load(first))
    assert (again.sentences, again.values) == (told.sentences, told.values)


def test_matched_fit_is_written_into_the_report(tmp_path):
    folder = make(tmp_path)
    render_sweep(folder)
    assert (folder / "report" / "figures" / "matched_fit.png").is_file()
