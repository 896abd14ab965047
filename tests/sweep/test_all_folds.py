"""Folds from the command line: all of them at once, as repetitions of a point, and killed in between."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil

import numpy as np
import pytest
from conftest import only_run
from scipy import stats

from dlx.config.build import build
from dlx.core.errors import ConfigError
from dlx.record import layout
from dlx.record.safe_yaml import read_json
from dlx.record.split_rows import read_split
from dlx.sweep.folds import with_all_folds
from dlx.sweep.frozen import read_plan
from dlx.sweep.plan import make_plan

QUICK = ("dataset=breast_cancer", "metric=[accuracy]", "epochs=2", "model=linear")
CV = ("train", *QUICK, "split=kfold", "split.fold=all")


def read(folder):
    return [(run, read_json(folder / layout.RUNS / run.hash / layout.SUMMARY)) for run in read_plan(folder).runs]


def value(summary, metric, split):
    return next(row["value"] for row in summary["metrics"] if (row["metric"], row["split"]) == (metric, split))


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """A cross-validation, and what it printed as JSON."""
    import contextlib
    import io

    from dlx.cli.main import main

    folder, out = tmp_path_factory.mktemp("cv"), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*CV, f"runs_dir={folder}", "name=small", "--json"]) == 0
    return only_run(folder), json.loads(out.getvalue())


def test_all_folds_test_every_row_once(validated):
    folder, _ = validated
    assert folder.name.split("-")[2:4] == ["small", "cv"]
    tests = [read_split(path / layout.SPLIT)["test"] for path in (folder / layout.RUNS).iterdir()]
    assert np.sort(np.concatenate(tests)).tolist() == list(range(569))


def test_means_and_intervals_are_those_of_the_runs(validated):
    folder, _ = validated
    runs = read(folder)
    averages = {(row["metric"], row["split"]): row for row in read_json(folder / layout.CROSS_VALIDATION)["averages"]}
    sizes = [summary["num_examples"] for _, summary in runs]
    for metric, split in itertools.product(("loss", "accuracy"), ("val", "test")):
        values = np.array([value(summary, metric, split) for _, summary in runs])
        ratio = sum(own[split] for own in sizes) / sum(own["train"] for own in sizes)
        half = stats.t.ppf(0.975, 4) * values.std(ddof=1) * math.sqrt(1 / 5 + ratio)
        row = averages[metric, split]
        assert [row["mean"], row["low"], row["high"], row["sd"], row["n"]] == pytest.approx(
            [values.mean(), values.mean() - half, values.mean() + half, values.std(ddof=1), 5], rel=1e-12)


def test_gaps_are_to_train_eval_of_the_same_fold(validated):
    folder, _ = validated
    averages = {(row["metric"], row["split"]): row for row in read_json(folder / layout.CROSS_VALIDATION)["averages"]}
    for name, split in (("gap", "val"), ("test_gap", "test")):
        gaps = [value(summary, "accuracy", split) - value(summary, "accuracy", "train_eval")
                for _, summary in read(folder)]
        assert averages["accuracy", name]["mean"] == pytest.approx(np.mean(gaps), abs=1e-12)
        assert averages["accuracy", name]["sd"] == pytest.approx(np.std(gaps, ddof=1), rel=1e-9)


def test_json_holds_what_the_file_holds(validated):
    folder, printed = validated
    assert printed["cross_validation"] == read_json(folder / layout.CROSS_VALIDATION)
    assert [row["split.fold"] for row in printed["cross_validation"]["folds"]] == [0, 1, 2, 3, 4]


def test_folds_are_one_configuration_in_the_leaderboard_and_the_report(validated):
    folder, printed = validated
    assert len((folder / layout.LEADERBOARD).read_text().splitlines()) == 2
    assert [row["num_done"] for row in printed["leaderboard"]] == [5]
    report = read_json(folder / layout.REPORT / layout.REPORT_JSON)
    averages = {(row["metric"], row["split"]): row for row in printed["cross_validation"]["averages"]}
    text = json.dumps(report)
    assert "Cross-validation on breast_cancer, 5 folds" in text
    section = next(part for part in report["sections"] if part["key"] == "cross_validation")
    found, expected = section["values"]["mean"]["test"], averages["loss", "test"]
    # Written from runs.csv, which holds nine digits, and the sizes of the first fold.
    assert found["value"] == pytest.approx(expected["mean"], rel=1e-8)
    assert found["high"] - found["low"] == pytest.approx(expected["high"] - expected["low"], rel=0.01)


def result_files(folder):
    unlike = {layout.STATUS, layout.PROVENANCE, layout.LOG, layout.LOCK, layout.TIMING, layout.OVERRIDES, layout.SWEEP,
              layout.JOURNAL}
    # What measuring took, in measures/*.json, is another each time.
    return {str(path.relative_to(folder)): re.sub(rb'"seconds": [0-9.e-]+', b"", path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file() and path.name not in unlike and layout.REPORT not in path.parts}


def test_the_same_sweep_with_one_worker_and_resumed_after_a_kill_leaves_the_same_bytes(validated, dlx, tmp_path):
    folder, _ = validated
    assert dlx("sweep", *QUICK, "split=kfold", "split.fold=range(5)", "workers=1", "name=small",
               "--json").code == 0
    one = only_run()
    assert result_files(one) == result_files(folder)
    # Those of 114 rows, which train together; the last has 113.
    for run in read_plan(one).runs[:4]:
        shutil.rmtree(one / layout.RUNS / run.hash)
    (one / layout.CROSS_VALIDATION).unlink()
    assert dlx("resume", str(one), "--json").code == 0
    assert result_files(one) == result_files(folder)


def test_a_fold_by_itself_agrees_with_it_among_others_to_rounding(validated, dlx):
    folder, _ = validated
    assert dlx("train", *QUICK, "split=kfold", "split.fold=3", "device.threads=1", "--json").code == 0
    alone = only_run()
    (same,) = [summary for run, summary in read(folder) if run.saved["split"]["fold"] == 3]
    summary = read_json(alone / layout.SUMMARY)
    for metric, split in itertools.product(("loss", "accuracy"), ("train_eval", "val", "test")):
        assert value(summary, metric, split) == pytest.approx(value(same, metric, split), rel=1e-5)


def test_the_terminal_shows_means_over_folds(dlx):
    result = dlx(*CV, "epochs=1")
    assert result.code == 0
    assert "mean over 5 folds; ± is the 95% interval of Nadeau and Bengio" in " ".join(result.out.split())
    rows = [line.split()[0] for line in result.out.splitlines() if " ± 0" in line]
    assert rows == ["loss", "accuracy"]
    assert "rank" not in result.out


def test_folds_repeat_each_point_of_a_grid(workdir):
    plan = make_plan([*QUICK, "split=kfold", "split.fold=range(3)", "optimizer.lr=0.1,0.01"], None)
    assert [run.point for run in plan.runs] == [0, 1, 0, 1, 0, 1]
    assert plan.batches == (2,)
    assert {run.saved["split"]["seed"] for run in plan.runs} == {0}


def test_folds_repeat_each_trial_of_a_search(workdir):
    plan = make_plan([*QUICK, "search=tpe", "search.num_trials=4", "split=nested", "split.outer=2",
                      "split.inner=range(3)", "optimizer.lr=tag(log,interval(1e-4,1))", "seeds=2"], None)
    assert plan.folds == (("split.inner", (0, 1, 2)),)
    assert plan.runs_per_point == 6
    assert [axis.key for axis in plan.space.axes] == ["optimizer.lr"]
    for point in plan.points:
        own = [plan.runs[index].saved for index in point.runs]
        assert {saved["optimizer"]["lr"] for saved in own} == {point.position[0]}
        assert [(saved["seed"], saved["split"]["inner"]) for saved in own] == list(itertools.product((0, 1), (0, 1, 2)))
        assert {saved["split"]["outer"] for saved in own} == {2}
        assert {saved["split"]["seed"] == saved["seed"] for saved in own} == {True}
    for run in plan.runs:
        assert "split.inner=range(3)" not in run.overrides
        assert f"split.inner={run.saved['split']['inner']}" in run.overrides
        build(run.saved, [])


def test_a_search_over_inner_folds_goes_on_where_it_was_killed(dlx):
    command = ("sweep", *QUICK, "search=tpe", "search.num_trials=4", "search.batch_size=2",
               "search.num_startup_trials=1", "split=nested", "split.inner=all",
               "optimizer.lr=tag(log,interval(1e-3,1e-1))", "--json")
    assert dlx(*command).code == 0
    folder = only_run()
    plan, before = read_plan(folder), result_files(folder)
    assert [len(point.runs) for point in plan.points] == [3] * 4
    for run in plan.runs[7:]:
        shutil.rmtree(folder / layout.RUNS / run.hash)
    printed = dlx("resume", str(folder), "--json")
    assert printed.code == 0
    assert result_files(folder) == before
    best = json.loads(printed.out)["best"][0]
    values = [value(summary, "loss", "val") for run, summary in read(folder) if run.hash in best["runs"]]
    assert len(values) == 3
    assert best["objective"]["val_loss"] == pytest.approx(np.mean(values))


@pytest.mark.parametrize(("typed", "expected"), [
    (["split=kfold", "split.fold=all"], "split.fold=range(5)"),
    (["split=kfold", "split.folds=3", "split.repeats=4", "split.fold=all"], "split.fold=range(12)"),
    (["split=nested", "split.outer=all"], "split.outer=range(5)"),
    (["split=nested", "split.inner_folds=4", "split.inner=all"], "split.inner=range(4)")])
def test_all_folds_are_written_out_as_their_range(typed, expected):
    for root in ("train", "sweep"):
        assert with_all_folds(root, typed, None) == [*typed[:-1], expected]


@pytest.mark.parametrize(("command", "message"), [
    (("train", "split.fold=all"), "split.fold=all: the split that is chosen has no such folds; choose split=kfold"),
    (("train", "split=kfold", "split.inner=all"), "has no such folds; choose split=nested"),
    (("train", "split=kfold", "split.fold=all", "optimizer.lr=1,2"), "several values: that is a sweep, use dlx sweep"),
    (("sweep", "split=kfold", "split.fold=all", "split.folds=2,3"), "how many folds there are must have one value"),
    (("sweep", "split=nested", "split.outer=all", "optimizer.lr=0.1,0.01"), "search each outer fold in a sweep of its"),
    (("sweep", "search=tpe", "split=kfold", "split.fold=all"), "search=tpe has nothing to search"),
    (("sweep", "search=tpe", "split=kfold", "split.fold=int(interval(0,4))", "optimizer.lr=interval(1e-3,1)"),
     "each point is repeated with every fold"),
    (("sweep", "split=kfold", "split.fold=range(7)"), "split.fold must be in [0, split.folds · split.repeats = 5)")])
def test_folds_that_cannot_be_are_refused_before_anything_is_written(command, message, dlx, workdir):
    result = dlx(*command)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert not list(workdir.iterdir())


def test_outer_folds_of_one_configuration_are_a_cross_validation(workdir):
    with pytest.raises(ConfigError, match="search each outer fold"):
        make_plan([*QUICK, "split=nested", "split.outer=range(5)", "optimizer.lr=0.1,0.01"], None)
    plan = make_plan([*QUICK, "split=nested", "split.outer=range(5)"], None)
    assert {run.point for run in plan.runs} == {0}
