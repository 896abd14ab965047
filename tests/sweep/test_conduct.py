"""Searches that are really trained: batch after batch, killed, resumed, mirrored for Optuna."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import optuna
import pytest
from conftest import only_run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sweep_results import make_up, number, rows_of, summaries

from dlx.cli.main import main
from dlx.core.search import Trial
from dlx.sweep.conduct import goal_values, pareto_front, trials_of
from dlx.sweep.frozen import read_plan, write_plan
from dlx.sweep.objective import Goal
from dlx.sweep.plan import Plan, make_plan
from dlx.sweep.tables import collect

QUICK = ("dataset=breast_cancer", "metric=[accuracy,nll]", "epochs=1", "model=linear")
TPE = ("search=tpe", "search.num_trials=6", "search.batch_size=2", "search.num_startup_trials=2",
       "optimizer.lr=tag(log,interval(1e-4,1))", "regularizer=[],[l2]", "seeds=2",
       "search.objective=val_nll + abs(gap_nll)", "search.direction=minimize")
SAME = ("sweep.yaml", "runs.csv", "leaderboard.csv")


def read_trials(folder: Path, plan: Plan) -> list[Trial]:
    """Return the trials of a plan from its run folders."""
    return trials_of(plan, collect(folder, plan))


@functools.cache
def searched() -> Path:
    """Run a search once in this process, and return its folder. It is shared: copy it before changing anything."""
    room = Path(tempfile.mkdtemp(prefix="dlx-search-"))
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    out = io.StringIO()
    typed = [text.replace("=val_nll + abs(gap_nll)", "='val_nll + abs(gap_nll)'") for text in (*QUICK, *TPE)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["sweep", "--json", f"runs_dir={room}", *typed])
    assert code == 0
    (room / "printed.json").write_text(out.getvalue())
    return Path(json.loads(out.getvalue())["folder"])


def cut(plan: Plan, batches: int) -> Plan:
    """The plan as it was before later batches were asked for."""
    points = plan.points[:sum(plan.batches[:batches])]
    count = max(index for point in points for index in point.runs) + 1
    groups = tuple(group for group in plan.groups if max(group) < count)
    return plan._replace(runs=plan.runs[:count], groups=groups, batches=plan.batches[:batches], points=points)


def objective(summary) -> float:
    return number(summary, "nll", "val") + abs(number(summary, "nll", "gap"))


def test_search_runs_all_its_batches():
    plan = read_plan(searched())
    assert plan.batches == (2, 2, 2)
    assert len(plan.points) == 6
    assert {row["status"] for row in rows_of(searched() / "runs.csv")} == {"done"}
    assert sorted(path.name for path in (searched() / "runs").iterdir()) == sorted(run.hash for run in plan.runs)


def test_search_tells_the_mean_of_the_objective_over_seeds():
    plan, found = read_plan(searched()), summaries(searched())
    for trial, point in zip(read_trials(searched(), plan), plan.points, strict=True):
        values = [objective(found[plan.runs[run].hash]) for run in point.runs]
        assert len(values) == 2
        assert trial.values == (pytest.approx(np.mean(values), rel=1e-12),)


def test_search_prints_the_best_by_its_objective():
    plan, found = read_plan(searched()), summaries(searched())
    best, = json.loads((searched().parent / "printed.json").read_text())["best"]
    means = {point: np.mean([objective(found[run.hash]) for run in plan.runs if run.point == point])
             for point in range(6)}
    assert best["objective"] == {"val_nll + abs(gap_nll)": pytest.approx(min(means.values()))}
    assert best["runs"] == [run.hash for run in plan.runs if run.point == min(means, key=means.__getitem__)]


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_search_that_was_killed_before_a_batch_was_frozen_ends_with_the_same_bytes(dlx, tmp_path, batches):
    folder = Path(shutil.copytree(searched(), tmp_path / "search"))
    whole, before = read_plan(folder), {name: (folder / name).read_bytes() for name in SAME}
    earlier = cut(whole, batches)
    write_plan(folder, earlier)
    for run in whole.runs[len(earlier.runs):]:
        shutil.rmtree(folder / "runs" / run.hash)
    (folder / "optuna.journal").unlink()
    (folder / "leaderboard.csv").unlink()
    assert dlx("resume", str(folder), "--json").code == 0
    assert {name: (folder / name).read_bytes() for name in SAME} == before


def test_search_that_was_killed_within_a_batch_runs_it_as_frozen(dlx, tmp_path):
    folder = Path(shutil.copytree(searched(), tmp_path / "search"))
    whole, before = read_plan(folder), {name: (folder / name).read_bytes() for name in SAME}
    earlier = cut(whole, 2)
    write_plan(folder, earlier)
    for run in whole.runs[len(earlier.runs) - 1:]:
        shutil.rmtree(folder / "runs" / run.hash)
    assert dlx("resume", str(folder), "--json").code == 0
    assert {name: (folder / name).read_bytes() for name in SAME} == before


def test_search_leaves_a_storage_that_optuna_opens():
    plan = read_plan(searched())
    study = optuna.load_study(study_name="dlx", storage=JournalStorage(JournalFileBackend(
        str(searched() / "optuna.journal"))))
    assert study.direction.name == "MINIMIZE"
    assert study.user_attrs == {"objective": ["val_nll + abs(gap_nll)"]}
    for trial, ours, point in zip(study.trials, read_trials(searched(), plan), plan.points, strict=True):
        assert trial.state is TrialState.COMPLETE
        assert trial.values == list(ours.values)
        assert trial.params == {"optimizer.lr": point.position[0], "regularizer": ["[]", "[l2]"][point.position[1]]}
        assert trial.user_attrs == {"batch": ours.batch, "runs": [plan.runs[run].hash for run in point.runs]}


@pytest.mark.parametrize("search", ["random", "qmc"])
def test_search_that_asks_once_leaves_a_storage_too_and_resumes_to_the_same_bytes(search, dlx):
    assert dlx("sweep", *QUICK, f"search={search}", "search.num_trials=3", "seeds=2", "--json",
               "optimizer.lr=tag(log,interval(1e-4,1))").code == 0
    folder = only_run()
    plan, before = read_plan(folder), {name: (folder / name).read_bytes() for name in SAME}
    study = optuna.load_study(study_name="dlx", storage=JournalStorage(JournalFileBackend(
        str(folder / "optuna.journal"))))
    assert plan.batches == (3,)
    assert [trial.params for trial in study.trials] == [{"optimizer.lr": point.position[0]} for point in plan.points]
    means = [np.mean([number(summaries(folder)[plan.runs[run].hash], "loss", "val") for run in point.runs])
             for point in plan.points]
    assert [trial.value for trial in study.trials] == pytest.approx(means, rel=1e-8)
    shutil.rmtree(folder / "runs" / plan.runs[-1].hash)
    resumed = dlx("resume", str(folder))
    assert resumed.code == 0
    assert {name: (folder / name).read_bytes() for name in SAME} == before
    # The default objective is what the leaderboard ranks by, which says it once.
    assert "Best on val  optimizer.lr=" in resumed.out
    assert "minimize val_loss" not in resumed.out


def test_search_tells_diverged_runs_as_failed_and_goes_on(dlx):
    result = dlx("sweep", "dataset=diabetes", "epochs=2", "optimizer=sgd", "optimizer.lr=1e-3,1e30", "search=tpe",
                 "search.num_trials=6", "search.batch_size=3", "search.num_startup_trials=2", "--json")
    assert result.code == 5
    folder = only_run()
    plan = read_plan(folder)
    trials = read_trials(folder, plan)
    assert len(trials) == 6
    assert {(trial.position[0], trial.values is None) for trial in trials} == {(0, False), (1, True)}
    study = optuna.load_study(study_name="dlx", storage=JournalStorage(JournalFileBackend(
        str(folder / "optuna.journal"))))
    assert [trial.state is TrialState.FAIL for trial in study.trials] == [trial.values is None for trial in trials]


def test_point_with_a_run_that_is_not_done_has_no_value(workdir):
    plan = make_plan(["search=tpe", "search.num_trials=4", "search.batch_size=4", "seeds=2",
                      "optimizer.lr=tag(log,interval(1e-4,1))"], None)
    outcomes = [1.0, 3.0, "diverged", 1.0, None, 1.0, {("loss", "val"): None}, 2.0]
    results = {run.hash: {("loss", "val"): value} if isinstance(value, float) else value
               for run, value in zip(plan.runs, outcomes, strict=True)}
    make_up(workdir, plan, lambda run: results[run.hash])
    assert [trial.values for trial in read_trials(workdir, plan)] == [(2.0,), None, None, None]


def test_pareto_front_is_that_of_optuna():
    draw = np.random.default_rng(0)
    first = draw.integers(0, 9, 60)
    values = {point: (float(one), float(one + draw.integers(0, 5))) for point, one in enumerate(first)}
    goals = (Goal("val_nll", "minimize"), Goal("val_accuracy", "maximize"))
    study = optuna.create_study(directions=[goal.direction for goal in goals])
    study.add_trials([optuna.trial.create_trial(values=own) for own in values.values()])
    found = pareto_front(goals, {**values, 60: None})
    assert found == sorted(trial.number for trial in study.best_trials)
    assert len(found) > 2


def test_grid_with_objectives_prints_its_front(workdir, dlx):
    plan = make_plan(["optimizer.lr=0.1,0.2,0.3", "seeds=2", "search.objective=[val_loss,gap_loss]",
                      "search.direction=minimize"], None)
    numbers = {0.1: (2.0, 1.0), 0.2: (2.0, 2.0), 0.3: (1.0, 3.0)}
    make_up(workdir, plan, lambda run: dict(zip([("loss", "val"), ("loss", "gap")],
                                                numbers[run.saved["optimizer"]["lr"]], strict=True)))
    values = goal_values(plan, collect(workdir, plan))
    assert values == {0: (2.0, 1.0), 1: (2.0, 2.0), 2: (1.0, 3.0)}
    assert pareto_front(plan.goals, values) == [0, 2]
    text = dlx("resume", str(workdir))
    assert ("Pareto front  minimize val_loss, minimize gap_loss\n"
            "  optimizer.lr=0.3  →  val_loss 1, gap_loss 3  (2 runs)\n"
            "  optimizer.lr=0.1  →  val_loss 2, gap_loss 1  (2 runs)\n") in text.out


def test_resume_refuses_other_data_than_finished_runs_saw(dlx, tmp_path):
    folder = Path(shutil.copytree(searched(), tmp_path / "search"))
    plan = read_plan(folder)
    path = folder / "runs" / plan.runs[0].hash / "summary.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "data_fingerprint": "0" * 64}))
    # Nothing is missing, so nothing would be mixed.
    assert dlx("resume", str(folder), "--json").code == 0
    shutil.rmtree(folder / "runs" / plan.runs[1].hash)
    result = dlx("resume", str(folder))
    assert (result.code, result.out) == (3, "")
    assert f"1 run of {folder} saw other data than " in result.err
    assert f"runs/{plan.runs[0].hash} for one" in result.err


def test_dry_run_shows_points_seeds_and_what_follows(dlx, workdir):
    typed = ("sweep", *QUICK, *TPE[:-2], "--dry-run")
    text = dlx(*typed)
    assert (text.code, text.err) == (0, "")
    plan = make_plan(typed[1:-1], None)
    assert f"2 points × 2 seeds, the same at every point; 4 runs in {len(plan.groups)} groups" in text.out
    assert "minimize val_loss\nsearch=tpe asks for 4 more points when these are done\n" in text.out
    rows = json.loads(dlx(*typed, "--json").out)
    assert [(row["point"], row["seed"]) for row in rows] == [(0, "0"), (0, "1"), (1, "0"), (1, "1")]
    assert all(index in plan.groups[row["group"]] for index, row in enumerate(rows))
    assert not any(math.isnan(float(row["optimizer.lr"])) for row in rows)
    halving = dlx("sweep", "--dry-run", *QUICK, "search=halving", TPE[4])
    assert "biased against configurations that generalize late" in halving.out
    assert list(workdir.iterdir()) == []
