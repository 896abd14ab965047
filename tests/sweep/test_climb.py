"""Successive halving from rung to rung, with runs whose curves are known in advance in place of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlx.config.build import ANY_PACKAGE, make_search
from dlx.core.errors import ConfigError
from dlx.record.folder import RunFolder
from dlx.record.table import EpochTable, read_rows
from dlx.sweep.climb import Stage, climb, decide
from dlx.sweep.frozen import write_plan
from dlx.sweep.plan import Plan, make_plan

EPOCHS = 9
HALVING = ("search=halving", "search.num_trials=12", "search.batch_size=12", "seeds=2",
           "optimizer.lr=tag(log,interval(1e-4,1e-1))")


class Trained:
    """Runs that "train" by writing the rows of a curve, less val loss for less lr; counts the epochs of each."""

    def __init__(self, folder: Path, patience: int = 10**9) -> None:
        self.folder = folder
        self.patience = patience
        self.stages: list[Stage] = []

    def __call__(self, plan: Plan, stage: Stage) -> None:
        self.stages.append(stage)
        if len(self.stages) > self.patience:
            raise KeyboardInterrupt
        for run in plan.runs:
            path = self.folder / "runs" / run.hash
            if (stage.hashes is None or run.hash in stage.hashes) and not self.is_over(path):
                with RunFolder.at(path) as made:
                    self.train(path, run.saved, EPOCHS if stage.pause_epoch is None else stage.pause_epoch, stage)
                    paused = stage.pause_epoch is not None
                    made.set_status("interrupted" if paused else "done", reason=stage.stop_reason or "as planned")

    def train(self, path: Path, saved, epochs: int, stage: Stage) -> None:
        rows = read_rows(path / "metrics.csv")
        last = len(rows) if stage.stop_reason is not None else epochs
        with EpochTable(path / "metrics.csv", rows) as table:
            for epoch in range(len(rows) + 1, last + 1):
                table.append({"epoch": epoch, "val_loss": saved["optimizer"]["lr"] * (1 + saved["seed"]) + 1 / epoch})

    def is_over(self, path: Path) -> bool:
        return (path / "status.json").is_file() and RunFolder(path).status()["status"] == "done"

    def epochs(self, plan: Plan) -> list[int]:
        return [len(read_rows(self.folder / "runs" / run.hash / "metrics.csv")) for run in plan.runs]


def climbed(folder: Path, *more: str) -> tuple[Plan, Trained, list[int | None]]:
    plan = make_plan([*HALVING, *(more if "epochs=3,4" in more else (f"epochs={EPOCHS}", *more))], None)
    write_plan(folder, plan)
    trained = Trained(folder)
    _, pruned = climb(folder, plan, make_search(plan.search, [ANY_PACKAGE]), trained)
    return plan, trained, pruned


def test_climb_trains_each_run_to_where_it_is_stopped(workdir):
    plan, trained, pruned = climbed(workdir)
    assert {*pruned} == {1, 3, None}
    epochs = trained.epochs(plan)
    for point, at in zip(plan.points, pruned, strict=True):
        assert [epochs[run] for run in point.runs] == [EPOCHS if at is None else at] * 2
        reasons = {RunFolder(workdir / "runs" / plan.runs[run].hash).status()["reason"] for run in point.runs}
        assert reasons == {"as planned" if at is None else f"pruned at epoch {at} by halving"}


def test_climb_keeps_the_best_and_goes_by_the_mean_over_seeds(workdir):
    plan, _, pruned = climbed(workdir)
    lrs = [point.position[0] for point in plan.points]
    assert pruned[lrs.index(min(lrs))] is None
    search = make_search(plan.search, [ANY_PACKAGE])
    by_hand = [{rung: 1.5 * lr + 1 / rung for rung in (1, 3)} for lr in lrs]
    assert pruned == search.pruned([by_hand], EPOCHS, "minimize")


def test_climb_maximizes_what_is_to_be_maximized(workdir):
    plan, _, pruned = climbed(workdir, "search.direction=maximize")
    lrs = [point.position[0] for point in plan.points]
    assert pruned[lrs.index(max(lrs))] is None


@pytest.mark.parametrize("patience", range(6))
def test_climb_that_was_killed_at_any_stage_ends_the_same(workdir, tmp_path_factory, patience):
    plan, trained, pruned = climbed(workdir)
    other = tmp_path_factory.mktemp("killed")
    search = make_search(plan.search, [ANY_PACKAGE])
    if patience < len(trained.stages):
        with pytest.raises(KeyboardInterrupt):
            climb(other, plan, search, Trained(other, patience))
    again = Trained(other)
    assert climb(other, plan, search, again)[1] == pruned
    assert again.epochs(plan) == trained.epochs(plan)


def test_climb_of_a_finished_batch_stops_none_again(workdir):
    plan, trained, pruned = climbed(workdir)
    before = trained.epochs(plan)
    assert decide(workdir, plan, make_search(plan.search, [ANY_PACKAGE]), EPOCHS) == pruned
    again = Trained(workdir)
    climb(workdir, plan, make_search(plan.search, [ANY_PACKAGE]), again)
    assert again.epochs(plan) == before


def test_climb_refuses_an_objective_that_metrics_csv_lacks(workdir):
    with pytest.raises(ConfigError, match=r"search=halving looks at metrics\.csv, which has no val_nll"):
        climbed(workdir, "search.objective=val_nll")


def test_climb_refuses_epochs_that_vary(workdir):
    with pytest.raises(ConfigError, match="search=halving needs the same epochs for all runs"):
        climbed(workdir, "epochs=3,4")
