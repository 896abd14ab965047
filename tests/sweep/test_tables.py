"""runs.csv and leaderboard.csv, against results made up for them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sweep_results import make_up, rows_of

from dlx.sweep.plan import make_plan
from dlx.sweep.run import missing, write_tables
from dlx.sweep.tables import collect, ranking, varying


def ranked(folder) -> list[str]:
    """The models of leaderboard.csv, best first."""
    return [row["model"] for row in rows_of(folder / "leaderboard.csv")]


def per_model(**numbers):
    """Give each run the numbers of its model, plus a little that depends on its seed."""
    def values(run):
        own = numbers[run.saved["model"]["part"]]
        return own if isinstance(own, str | None) else {
            key: None if value is None else value + 0.001 * run.saved["seed"] for key, value in own.items()}
    return values


def test_tables_average_over_seeds_with_t_intervals(workdir):
    plan = make_plan(["model=mlp,linear", "optimizer.lr=0.1,0.2", "seed=range(5)"], None)
    draw = np.random.default_rng(3)
    drawn = {run.hash: {(metric, split): float(draw.normal()) for metric in ("loss", "accuracy")
                        for split in ("train_eval", "val", "test", "gap")} for run in plan.runs}
    make_up(workdir, plan, lambda run: drawn[run.hash])
    standings = write_tables(workdir, plan).standings
    assert len(standings) == 4
    for row, text in zip(standings, rows_of(workdir / "leaderboard.csv"), strict=True):
        members = [drawn[run.hash] for run in plan.runs if run.saved["model"]["part"] == row.point["model.part"]
                   and run.saved["optimizer"]["lr"] == row.point["optimizer.lr"]]
        assert (len(members), row.num_done, row.num_runs) == (5, 5, 5)
        for metric in ("loss", "accuracy"):
            for split, estimates in (("val", row.val), ("gap", row.gap), ("test", row.test)):
                sample = [member[metric, split] for member in members]
                low, high = stats.t.interval(0.95, 4, np.mean(sample), stats.sem(sample))
                assert estimates[metric] == pytest.approx((np.mean(sample), low, high), abs=1e-12)
            for split, estimates in (("val", row.val), ("gap", row.gap)):
                shown = [float(text[f"{split}_{metric}_{part}"]) for part in ("mean", "low", "high")]
                assert shown == pytest.approx(estimates[metric], rel=1e-8)
        assert not [name for name in text if name.startswith("test")]


def test_tables_rank_losses_upwards(workdir):
    plan = make_plan(["model=mlp,linear,cnn", "seed=1,2"], None)
    make_up(workdir, plan, per_model(mlp={("loss", "val"): 0.5}, linear={("loss", "val"): 0.1},
                                     cnn={("loss", "val"): 0.9}))
    write_tables(workdir, plan)
    assert ranked(workdir) == ["linear", "mlp", "cnn"]
    assert [row["rank"] for row in rows_of(workdir / "leaderboard.csv")] == ["1", "2", "3"]


@pytest.mark.parametrize(("selection", "expected"), [
    ("best_val_accuracy", ["cnn", "mlp", "linear"]), ("best_val_nll", ["mlp", "linear", "cnn"]),
    ("best_val_loss", ["linear", "cnn", "mlp"]), ("last", ["linear", "cnn", "mlp"])])
def test_tables_rank_by_the_metric_of_the_selection(workdir, selection, expected):
    plan = make_plan(["model=mlp,linear,cnn", "seed=1,2", f"selection={selection}"], None)
    make_up(workdir, plan, per_model(
        mlp={("loss", "val"): 3.0, ("accuracy", "val"): 0.5, ("nll", "val"): 1.0},
        linear={("loss", "val"): 1.0, ("accuracy", "val"): 0.4, ("nll", "val"): 2.0},
        cnn={("loss", "val"): 2.0, ("accuracy", "val"): 0.6, ("nll", "val"): 3.0}))
    outcome = write_tables(workdir, plan)
    assert ranked(workdir) == expected
    metric, sign = ranking(outcome.results)
    assert (metric, sign) == ("loss" if selection == "last" else selection[9:],
                              -1.0 if selection.endswith("accuracy") else 1.0)


def test_tables_never_rank_by_test(workdir):
    plan = make_plan(["model=mlp,linear", "seed=1,2", "selection=best_val_accuracy"], None)
    tables = []
    for index, test in enumerate(([0.1, 0.9], [0.9, 0.1])):
        folder = workdir / str(index)
        folder.mkdir()
        make_up(folder, plan, per_model(mlp={("accuracy", "val"): 0.7, ("accuracy", "test"): test[0]},
                                        linear={("accuracy", "val"): 0.6, ("accuracy", "test"): test[1]}))
        write_tables(folder, plan)
        tables.append((folder / "leaderboard.csv").read_bytes())
    assert tables[0] == tables[1]
    assert ranked(workdir / "0") == ["mlp", "linear"]


@pytest.mark.parametrize("selection", ["best_val_loss", "best_val_accuracy"])
@pytest.mark.parametrize("order", ["cnn,mlp,linear", "mlp,cnn,linear", "mlp,linear,cnn"])
def test_tables_rank_what_has_no_number_last(workdir, order, selection):
    for index, nothing in enumerate((None, "failed", "diverged",
                                     {("loss", "val"): None, ("accuracy", "val"): None})):
        folder = workdir / str(index)
        folder.mkdir()
        plan = make_plan([f"model={order}", "seed=1,2", f"selection={selection}"], None)
        make_up(folder, plan, per_model(mlp={("loss", "val"): 0.2, ("accuracy", "val"): 0.8}, cnn=nothing,
                                        linear={("loss", "val"): 0.1, ("accuracy", "val"): 0.9}))
        write_tables(folder, plan)
        assert ranked(folder) == ["linear", "mlp", "cnn"]


def test_tables_count_runs_that_are_not_done(workdir):
    plan = make_plan(["model=mlp,linear", "seed=range(4)"], None)
    statuses = {0: {("loss", "val"): 1.0}, 1: {("loss", "val"): 2.0}, 2: "diverged", 3: None}
    make_up(workdir, plan, lambda run: statuses[run.saved["seed"]])
    outcome = write_tables(workdir, plan)
    for row in rows_of(workdir / "leaderboard.csv"):
        assert (row["runs_done"], row["runs"], float(row["val_loss_mean"])) == ("2", "4", 1.5)
    assert [row["status"] for row in rows_of(workdir / "runs.csv")] == ["done", "done", "diverged", "missing"] * 2
    assert [result.reason for result in outcome.results][:4] == ["", "", "because diverged", "never started"]


def test_tables_of_one_seed_have_no_interval(workdir):
    plan = make_plan(["model=mlp,linear"], None)
    make_up(workdir, plan, per_model(mlp={("loss", "val"): 0.5, ("loss", "gap"): 0.1},
                                     linear={("loss", "val"): 0.4, ("loss", "gap"): 0.2}))
    standings = write_tables(workdir, plan).standings
    assert [row.val["loss"][0] for row in standings] == [0.4, 0.5]
    assert all(math.isnan(bound) for row in standings for bound in row.val["loss"][1:])
    first = rows_of(workdir / "leaderboard.csv")[0]
    assert (first["val_loss_mean"], first["val_loss_low"], first["val_loss_high"]) == ("0.4", "", "")


def test_tables_of_a_single_configuration(workdir):
    plan = make_plan(["seed=1,2"], None)
    make_up(workdir, plan, lambda run: {("loss", "val"): float(run.saved["seed"])})
    write_tables(workdir, plan)
    row, = rows_of(workdir / "leaderboard.csv")
    assert (row["rank"], row["runs"], row["val_loss_mean"]) == ("1", "2", "1.5")


def test_tables_of_nothing_done_still_list_every_run(workdir):
    plan = make_plan(["model=mlp,linear", "seed=1,2"], None)
    make_up(workdir, plan, lambda run: "failed")
    write_tables(workdir, plan)
    assert [row["status"] for row in rows_of(workdir / "runs.csv")] == ["failed"] * 4
    assert [row["runs_done"] for row in rows_of(workdir / "leaderboard.csv")] == ["0", "0"]


def test_tables_are_the_same_bytes_each_time(workdir):
    plan = make_plan(["model=mlp,linear", "optimizer.lr=0.1,0.2", "seed=1,2,3"], None)
    make_up(workdir, plan, per_model(mlp={("loss", "val"): 1 / 3}, linear={("loss", "val"): 2 / 3}))
    write_tables(workdir, plan)
    before = [(workdir / name).read_bytes() for name in ("runs.csv", "leaderboard.csv")]
    write_tables(workdir, plan)
    assert [(workdir / name).read_bytes() for name in ("runs.csv", "leaderboard.csv")] == before


def test_tables_name_columns_as_they_are_typed(workdir):
    plan = make_plan(["model=mlp,linear", "regularizer=[],[l2]", "optimizer.lr=0.1,1", "seed=1,2"], None)
    make_up(workdir, plan, lambda run: {("loss", "val"): 1.0, ("loss", "test"): 2.0})
    write_tables(workdir, plan)
    first = rows_of(workdir / "runs.csv")[0]
    assert [*first] == ["run", "seed", "model", "optimizer.lr", "regularizer", "status", "val_loss", "test_loss"]
    assert {row["regularizer"] for row in rows_of(workdir / "runs.csv")} == {"none", "l2"}


@pytest.mark.parametrize(("overrides", "keys"), [
    (["seed=1,2"], ["seed"]),
    (["seed=1,2", "split.seed=3"], ["seed"]),
    (["split.seed=1,2"], ["split.seed"]),
    (["model=mlp,linear"], ["model.part"]),
    # The default width of a model and the default lr of an optimizer come with it; what was varied stays.
    (["model=mlp,cnn"], ["model.part"]),
    (["model=mlp,cnn", "model.width=8,16"], ["model.part", "model.width"]),
    (["optimizer=adam,sgd"], ["optimizer.part"]),
    (["optimizer=adam,sgd", "optimizer.lr=0.1,0.01"], ["optimizer.part", "optimizer.lr"]),
    (["model.width=1,2", "optimizer.lr=0.1"], ["model.width"]),
    (["epochs=1"], []),
])
def test_varying_keys_are_those_that_differ(overrides, keys):
    assert varying(make_plan(overrides, None)) == keys


def test_varying_keys_keep_an_axis_whose_values_happen_to_go_with_a_choice():
    # Two random points: each optimizer has its own lr.
    plan = make_plan(["search=random", "search.num_trials=2", "search.seed=3", "optimizer=adam,sgd",
                      "optimizer.lr=interval(0.1,1)"], None)
    assert len({run.saved["optimizer"]["part"] for run in plan.runs}) == 2
    assert varying(plan) == ["optimizer.part", "optimizer.lr"]


def test_missing_runs_are_those_that_are_not_over(workdir):
    plan = make_plan(["seed=range(7)"], None)
    statuses = {0: {("loss", "val"): 1.0}, 1: "diverged", 2: "failed", 3: "interrupted", 4: "oom", 5: "running",
                6: None}
    make_up(workdir, plan, lambda run: statuses[run.saved["seed"]])
    assert [run.saved["seed"] for run in missing(workdir, plan)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"metrics": 3}', '{"metrics": [{"metric": "loss"}], "gaps": []}'])
@pytest.mark.parametrize("name", ["summary.json", "status.json"])
def test_collect_of_a_damaged_file_counts_the_run_as_failed(workdir, name, damage):
    plan = make_plan(["seed=1,2"], None)
    make_up(workdir, plan, lambda run: {("loss", "val"): 1.0})
    (workdir / "runs" / plan.runs[0].hash / name).write_text(damage)
    first, second = collect(workdir, plan)
    assert (first.status, second.status) == ("failed", "done")
    assert name in first.reason


@pytest.mark.parametrize("key", ["init_seed", "order_seed"])
def test_tables_average_over_seeds_of_a_part_as_over_those_of_the_run(key, workdir):
    plan = make_plan([f"{key}=range(4)", "seed=0", "model.width=8,16"], None)
    assert [len(group) for group in plan.groups] == [4, 4]
    assert set(varying(plan)) == {key, "model.width"}
    make_up(workdir, plan, lambda run: {("loss", "val"): run.saved["model"]["width"] + run.saved[key]})
    standings = write_tables(workdir, plan).standings
    assert [(row.point, row.num_runs, row.val["loss"][0]) for row in standings] == [
        ({"model.width": 8}, 4, 9.5), ({"model.width": 16}, 4, 17.5)]


def test_tables_do_not_show_seeds_that_follow_that_of_the_run(workdir):
    plan = make_plan(["seed=range(3)"], None)
    assert varying(plan) == ["seed"]
    assert [run.saved["init_seed"] for run in plan.runs] == [0, 1, 2]
