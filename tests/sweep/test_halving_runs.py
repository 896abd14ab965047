"""Successive halving with runs that are really trained, paused at rungs and stopped."""

from __future__ import annotations

import json

from conftest import only_run
from sweep_results import rows_of, summaries

from dlx.config.build import ANY_PACKAGE, make_search
from dlx.sweep.frozen import read_plan


def test_halving_trains_each_run_to_its_rung_and_the_rest_to_the_end(dlx):
    result = dlx("sweep", "dataset=breast_cancer", "metric=[nll]", "epochs=9", "search=halving", "search.num_trials=9",
                 "search.batch_size=9", "optimizer.lr=tag(log,interval(1e-4,1))", "model=linear")
    assert result.code == 0, result.err
    assert "biased against configurations that generalize late" in result.out
    folder = only_run()
    plan, search = read_plan(folder), make_search(read_plan(folder).search, [ANY_PACKAGE])
    tables = {run.hash: rows_of(folder / "runs" / run.hash / "metrics.csv") for run in plan.runs}
    reached = [{rung: float(tables[plan.runs[run].hash][rung - 1]["val_loss"]) for rung in (1, 3)
                if rung <= len(tables[plan.runs[run].hash])} for point in plan.points for run in point.runs]
    decided = search.pruned([reached], 9, "minimize")
    assert {*decided} > {None, 1}
    for run, at in zip(plan.runs, decided, strict=True):
        summary = summaries(folder)[run.hash]
        assert (summary["epochs_run"], summary["status"]) == (9 if at is None else at, "done")
        assert len(tables[run.hash]) == summary["epochs_run"]
        assert summary["stop_reason"] == ("all epochs done" if at is None else f"pruned at epoch {at} by halving")
    assert {row["status"] for row in rows_of(folder / "runs.csv")} == {"done"}
    before = [(folder / name).read_bytes() for name in ("sweep.yaml", "runs.csv", "leaderboard.csv")]
    assert json.loads(dlx("resume", str(folder), "--json").out)["best"]
    assert [(folder / name).read_bytes() for name in ("sweep.yaml", "runs.csv", "leaderboard.csv")] == before
