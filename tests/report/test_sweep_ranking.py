"""Which measure ranks the gap: made-up sweeps whose measures are known."""

import csv
import json

import numpy as np
import pytest
from report_sweeps import grid, load, write_sweep
from scipy import stats

from dlx.core.measures import Measure, Measures
from dlx.measure.comparison import holm
from dlx.record.measures import write_measures
from dlx.report.sweep import ranking
from dlx.report.sweep.ranked import CEILING
from dlx.report.sweep.render import render_sweep

AXES = {"optimizer.lr": ["0.001", "0.01"], "batch_size": ["32", "64", "128"], "model.width": ["8", "16"],
        "seed": ["0", "1"]}


def settings_of(folder):
    """The rows of runs.csv."""
    with open(folder / "runs.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured_sweep(parent, measures, axes=None, metric="accuracy", width=0.02, measured=None):
    """A grid whose test gap is random and known; measures(gap, row, generator) makes the numbers of a run."""
    generator, gaps = np.random.default_rng(0), {}

    def outcome(setting):
        gap = 0.05 + 0.04 * float(generator.uniform())
        val = gap + 0.004 * float(generator.normal())
        gaps[json.dumps(setting)] = gap
        other = {"train_eval_loss": 0.1, "val_loss": 0.1 + val, "test_loss": 0.1 + gap, "gap_loss": val}
        own = {"train_eval_accuracy": 0.99, "val_accuracy": 0.99 - val, "test_accuracy": 0.99 - gap,
               "gap_accuracy": -val}
        return {**other, **(own if metric == "accuracy" else {})}

    folder = write_sweep(parent, grid(axes or AXES), outcome)
    for index, row in enumerate(settings_of(folder)):
        run = folder / "runs" / row["run"]
        metrics = [{"metric": name, "split": split, "value": float(row[f"{split}_{name}"]),
                    "low": float(row[f"{split}_{name}"]) - width, "high": float(row[f"{split}_{name}"]) + width,
                    "greater_is_better": name == "accuracy"} for name in ("loss", metric) for split in ("val", "test")]
        (run / "summary.json").write_text(json.dumps({"format": 1, "task": "classification", "metrics": metrics}))
        if measured is None or index < measured:
            gap = float(row["test_loss"]) - 0.1
            write_measures(run, "capacity", Measures([
                item if isinstance(item, Measure) else Measure(*item) for item in measures(gap, row, generator)]))
    return folder


def planted(gap, row, generator):
    """One that knows the gap, its reverse, one that knows nothing, and one that follows the learning rate."""
    return [("path_norm", gap), ("margin_gamma", 1 - gap), ("weight_norm", float(generator.normal())),
            ("distance_from_init", float(row["optimizer.lr"]) + 1e-6 * float(generator.normal())), ("parameters", 7.0),
            ("path_norm_per_example", gap**2), Measure("spectral_norm", 3 * gap, of={"layer": "a"}),
            Measure("weight_norm", gap, checkpoint="initial"), Measure("margin_gamma", gap, "test"),
            Measure("hessian_eigenvalue", 100 * gap, "train_eval", of={"rank": 1}),
            Measure("hessian_eigenvalue", 50 * gap, "train_eval", of={"rank": 2})]


def test_ranking_finds_a_planted_measure_and_its_reverse(tmp_path):
    found = ranking.section(load(measured_sweep(tmp_path, planted)))
    by_label = {item["label"]: item for item in found.values["measures"]}
    assert {*by_label} == {"path_norm", "margin_gamma", "weight_norm", "distance_from_init"}
    assert by_label["path_norm"]["tau"] == pytest.approx(1.0)
    assert by_label["margin_gamma"]["tau"] == pytest.approx(-1.0)
    assert by_label["path_norm"]["granulated"] == pytest.approx(1.0)
    # Theory expects a margin to fall as the gap grows.
    assert by_label["margin_gamma"]["errors"]["mean"] == by_label["path_norm"]["errors"]["worst"] == 0.0
    assert by_label["path_norm"]["agrees"]
    assert by_label["path_norm"]["adjusted"] < 0.01 < 0.05 < by_label["weight_norm"]["adjusted"]
    assert abs(by_label["weight_norm"]["tau"]) < by_label["weight_norm"]["noise"]
    assert "2 of 4 measures rank the test gap in error (1 - accuracy) over 24 runs" in found.sentences[0]
    assert found.values["alike"] == {"path_norm": ["path_norm_per_example", "hessian_eigenvalue, rank 1"]}
    assert found.values["constant"] == ["parameters"]


def test_ranking_is_scipy_over_runs_and_holm_over_measures(tmp_path):
    folder = measured_sweep(tmp_path, planted)
    found = ranking.section(load(folder))
    rows = settings_of(folder)
    gaps = [float(row["train_eval_accuracy"]) - float(row["test_accuracy"]) for row in rows]
    numbers = [json.loads((folder / "runs" / row["run"] / "measures" / "capacity.json").read_text())["numbers"]
               for row in rows]
    own = [next(item["value"] for item in run if item["name"] == "weight_norm") for run in numbers]
    item = next(item for item in found.values["measures"] if item["label"] == "weight_norm")
    assert item["tau"] == pytest.approx(stats.kendalltau(own, gaps).statistic)
    raised = holm([item["p"] for item in found.values["measures"]])
    assert [item["adjusted"] for item in found.values["measures"]] == pytest.approx(raised)
    val = [float(row["train_eval_accuracy"]) - float(row["val_accuracy"]) for row in rows]
    ceiling = next(item for item in found.values["baselines"] if item["label"] == CEILING)
    assert ceiling["tau"] == pytest.approx(stats.kendalltau(val, gaps).statistic)
    assert ceiling["adjusted"] is None


def test_ranking_holds_learning_rate_and_batch_size_equal(tmp_path):
    folder = measured_sweep(tmp_path, planted)
    item = next(item for item in ranking.section(load(folder)).values["measures"]
                if item["label"] == "distance_from_init")
    rows = settings_of(folder)
    gaps = [float(row["test_loss"]) for row in rows]
    own = [next(number["value"] for number in json.loads(
        (folder / "runs" / row["run"] / "measures" / "capacity.json").read_text())["numbers"]
        if number["name"] == "distance_from_init") for row in rows]
    signs = [np.sign(own[i] - own[j]) * np.sign(gaps[i] - gaps[j]) for i in range(24) for j in range(i)
             if all(rows[i][key] == rows[j][key] for key in ("optimizer.lr", "batch_size"))]
    assert item["at_equal"] == pytest.approx(np.mean(signs))


def test_ranking_of_a_norm_that_falls_with_the_gap_warns(tmp_path):
    found = ranking.section(load(measured_sweep(tmp_path, lambda gap, row, generator: [("weight_norm", -gap)])))
    assert any("1 measure that theory expects to grow with the gap falls with it here: weight norm" in point
               for point in found.points)
    assert found.values["measures"][0]["errors"]["mean"] == 1.0


def test_ranking_says_where_the_sign_depends_on_the_setting(tmp_path):
    def twisted(gap, row, generator):
        # Along width and batch size with the gap, along the learning rate always up.
        return [("path_norm", gap if row["optimizer.lr"] == "0.001" else 1 - gap)]

    found = ranking.section(load(measured_sweep(tmp_path, twisted)))
    item = found.values["measures"][0]
    assert item["agrees"] is False
    assert any(point.startswith("The sign is the same whichever setting varies for 0 of 1 measures") for point in
               found.points)


def test_ranking_without_accuracy_ranks_the_gap_of_the_metric(tmp_path):
    found = ranking.section(load(measured_sweep(tmp_path, planted, metric="loss")))
    assert found.values["metric"] == "loss"
    assert found.values["other"] is None
    assert found.values["measures"][0]["tau"] == pytest.approx(1.0)


@pytest.mark.parametrize(("measured", "is_there"), [(0, False), (5, False), (6, True)])
def test_ranking_needs_six_runs_with_measures(tmp_path, measured, is_there):
    found = ranking.section(load(measured_sweep(tmp_path, planted, measured=measured)))
    assert (found is not None) == is_there


def test_ranking_of_a_random_search_has_no_pairs_that_differ_in_one_setting(tmp_path):
    axes = {"optimizer.lr": ["0.001", "0.01"], "model.width": ["8", "16"], "seed": ["0", "1"]}
    points = [{"optimizer.lr": f"{0.001 * (index + 1):g}", "model.width": str(8 + index), "seed": "0"}
              for index in range(8)]
    folder = measured_sweep(tmp_path, planted, axes)
    assert ranking.section(load(folder)) is not None
    (tmp_path / "random").mkdir()
    drawn = write_sweep(tmp_path / "random", points, lambda setting: {
        "train_eval_loss": 0.1, "val_loss": 0.2, "test_loss": 0.2 + float(setting["optimizer.lr"]), "gap_loss": 0.1})
    for index, row in enumerate(settings_of(drawn)):
        run = drawn / "runs" / row["run"]
        (run / "summary.json").write_text(json.dumps({"format": 1, "task": "regression", "metrics": []}))
        write_measures(run, "capacity", Measures([Measure("path_norm", float(index))]))
    item = ranking.section(load(drawn)).values["measures"][0]
    assert (item["tau"], item["granulated"], item["errors"]) == (pytest.approx(1.0), None, None)


def test_ranking_is_in_the_report_and_leaves_the_same_bytes(tmp_path):
    folder = measured_sweep(tmp_path, planted)
    first = (render_sweep(folder).folder / "report.md").read_bytes()
    assert b"## Which measure ranks the gap" in first
    assert (render_sweep(folder).folder / "report.md").read_bytes() == first


def test_ranking_does_not_look_at_what_measures_the_answers(tmp_path):
    folder = measured_sweep(tmp_path, planted, measured=0)
    for row in settings_of(folder):
        write_measures(folder / "runs" / row["run"], "calibration",
                       Measures([Measure("temperature", float(row["test_loss"]))]))
    assert ranking.section(load(folder)) is None
