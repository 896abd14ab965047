"""Planning searches: points become configurations without composing, seeds are paired, files come back as they were."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import yaml

from dlx.config.build import ANY_PACKAGE, make_search
from dlx.config.compose import compose
from dlx.config.saved import config_hash, to_saved
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.search import Trial
from dlx.sweep.frozen import read_plan, write_plan
from dlx.sweep.plan import HASH_DIGITS, extended, make_plan
from dlx.sweep.tables import settings_of

LR = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
TPE = ("search=tpe", "search.num_trials=12", "search.batch_size=4", "search.num_startup_trials=4")
SEARCHED = [
    (*TPE, LR, "model=mlp,linear"),
    (*TPE, LR, "regularizer=[],[dropout],[l2,dropout]", "seeds=3"),
    (*TPE, LR, "model.width=int(interval(4,64))", "optimizer=sgd,adam", "batch_size=range(16,129,16)"),
    (*TPE, LR, "optimizer.betas=[0.9,0.999],[0.5,0.9]", "search.objective=[val_nll,val_accuracy]"),
    ("search=cmaes", "search.num_trials=12", "search.batch_size=4", "search.population_size=4", LR,
     "epochs=range(1,9)"),
    ("search=halving", "search.num_trials=6", "search.batch_size=3", LR, "seeds=2"),
]


def next_plan(plan, values=lambda number: (float(number % 5),) * 2):
    """The plan with one more batch, each point worth a number made up for it."""
    batches = [number for number, count in enumerate(plan.batches) for _ in range(count)]
    trials = [Trial(point.position, batch, values(number)[:len(plan.goals)])
              for number, (point, batch) in enumerate(zip(plan.points, batches, strict=True))]
    return extended(plan, make_search(plan.search, [ANY_PACKAGE]), trials, [ANY_PACKAGE])


@pytest.mark.parametrize("overrides", [
    ("model=mlp,linear", "optimizer.lr=0.1,0.2", "regularizer=[],[dropout]"),
    ("seed=range(3)", "epochs=1,2"),
    ("seed=1,2", "name=run-${seed}"),
    ("epochs=2,3", "batch_size=${epochs}"),
    ("optimizer=sgd,adam", "optimizer.lr=0.1,0.5"),
    ("optimizer.lr=1,2", "optimizer.eps=${.lr}"),
    ("optimizer.lr=0.1,${level}", "seeds=2"),
    ("optimizer.betas=[0.9,0.999],[0.5,0.9]", "split.seed=3,4"),
    ("seed=1,2", "seed=5"),
    ("optimizer.lr=0.1,0.2", "model.width=3,4", "seeds=2", "seed=7"),
], ids=" ".join)
def test_patched_points_are_what_composing_gives(overrides):
    plan = make_plan(overrides, None)
    for run in plan.runs:
        composed = to_saved(compose("train", [*run.overrides, "device.threads=1", "report=none"]))
        assert run.saved == composed
        assert json.dumps(run.saved) == json.dumps(composed)
        assert run.hash == config_hash(composed, HASH_DIGITS)


@pytest.mark.parametrize("overrides", SEARCHED, ids=" ".join)
def test_searched_points_are_what_composing_gives(overrides):
    plan = next_plan(make_plan(overrides, None))
    assert len(plan.batches) == 2
    for run in plan.runs:
        composed = to_saved(compose("train", [*run.overrides, "device.threads=1", "report=none"]))
        assert json.dumps(run.saved) == json.dumps(composed)


@pytest.mark.parametrize("overrides", SEARCHED, ids=" ".join)
def test_searched_plan_round_trips_through_its_file(workdir, overrides):
    plan = next_plan(make_plan(overrides, None))
    write_plan(workdir, plan)
    assert read_plan(workdir) == plan


@pytest.mark.parametrize("overrides", SEARCHED, ids=" ".join)
def test_search_that_goes_on_from_its_file_asks_for_the_same(workdir, overrides):
    first = make_plan(overrides, None)
    second = next_plan(first)
    write_plan(workdir, first)
    assert next_plan(read_plan(workdir)) == second
    if overrides[0] != "search=halving":
        third = next_plan(second)
        write_plan(workdir, second)
        assert next_plan(read_plan(workdir)) == third
        assert next_plan(third, lambda number: (1.0, 1.0)) == third


@pytest.mark.parametrize("overrides", SEARCHED, ids=" ".join)
def test_planning_a_search_twice_gives_the_same(overrides):
    assert make_plan(overrides, None) == make_plan(overrides, None)
    assert make_plan([*overrides, "search.seed=1"], None).runs != make_plan(overrides, None).runs


def test_plan_of_grid_choices_is_the_product():
    lists = ["[]", "[dropout]", "[l2,dropout]"]
    plan = make_plan([f"regularizer={','.join(lists)}", "optimizer.lr=0.1,0.2", "model=glob([li*,ml*])"], None)
    found = [(list(run.saved["regularizer"]), run.saved["optimizer"]["lr"], run.saved["model"]["part"])
             for run in plan.runs]
    assert found == [*product([[], ["dropout"], ["l2", "dropout"]], [0.1, 0.2], ["linear", "mlp"])]


def test_shuffle_is_the_same_each_time_and_follows_its_seed():
    typed = "optimizer.lr=shuffle(range(1,9))"
    orders = [[run.saved["optimizer"]["lr"] for run in make_plan([typed, f"search.seed={seed}"], None).runs]
              for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == list(range(1, 9))


@pytest.mark.parametrize("search", ["random", "qmc", "tpe", "halving"])
def test_shuffled_values_are_drawn_like_any_others(search):
    plain, shuffled = (make_plan([f"search={search}", "search.num_trials=8", typed], None).runs
                       for typed in ("optimizer.lr=range(1,9)", "optimizer.lr=shuffle(range(1,9))"))
    assert [run.hash for run in plain] == [run.hash for run in shuffled]


def test_seeds_repeat_every_point_with_the_same_seeds():
    plan = make_plan(["model=mlp,linear", "optimizer.lr=0.1,0.2", "seeds=3", "seed=5"], None)
    assert [run.saved["seed"] for run in plan.runs] == [5, 6, 7] * 4
    assert [run.point for run in plan.runs] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert plan.axes == ("model", "optimizer.lr", "seed")
    assert plan.runs == make_plan(["model=mlp,linear", "optimizer.lr=0.1,0.2", "seed=range(5,8)"], None).runs


def test_seeds_are_paired_each_has_one_split_whatever_the_point():
    from dlx.config.build import build
    from dlx.engine.data import load

    plan = make_plan(["model=mlp,linear", "optimizer.lr=0.1,0.2", "seeds=2", "dataset=digits"], None)
    ids = {}
    for run in plan.runs:
        _, split = load(build(run.saved, []), "none")
        ids.setdefault(run.saved["seed"], []).append(np.asarray(split.train).tobytes())
    assert [len({*splits}) for splits in ids.values()] == [1, 1]
    assert len({splits[0] for splits in ids.values()}) == 2


def test_seeds_of_a_split_that_is_set_move_the_rest_alone():
    plan = make_plan(["seeds=2", "split.seed=9"], None)
    assert [(run.saved["seed"], run.saved["split"]["seed"]) for run in plan.runs] == [(0, 9), (1, 9)]


def test_seed_that_is_an_axis_of_a_grid_makes_no_point_of_its_own():
    plan = make_plan(["seed=range(2)", "optimizer.lr=0.1,0.2"], None)
    assert [(run.saved["seed"], run.point) for run in plan.runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert plan.batches == (2,)


def test_every_run_is_in_one_group_and_equal_points_share_their_run():
    plan = make_plan(["search=random", "search.num_trials=20", "model=mlp,linear", "epochs=1,2", "seeds=2"], None)
    assert len(plan.runs) == 8
    assert sorted(index for group in plan.groups for index in group) == list(range(8))


def test_points_whose_parts_do_not_fit_have_no_runs():
    plan = make_plan(["search=tpe", "search.num_trials=16", "search.batch_size=16", "optimizer=sgd",
                      "optimizer.nesterov=true,false", "optimizer.momentum=0.0,0.9"], None)
    assert {(tuple(point.position), bool(point.runs)) for point in plan.points} == {
        ((0, 0), False), ((0, 1), True), ((1, 0), True), ((1, 1), True)}


@pytest.mark.parametrize(("overrides", "message"), [
    (["seeds=3", "seed=range(5)"], "seeds=3 and seed=range(5) both say which seeds to use; give one of them"),
    (["seeds=0"], "seeds must be null or a whole number in [1, inf), got 0"),
    (["seeds=1,2"], "seeds=1,2: seeds is one for the whole sweep; give one value"),
    (["search=grid,tpe"], "search=grid,tpe: search is one for the whole sweep; give one value"),
    ([*TPE, LR, "search.seed=1,2"], "search.seed=1,2: search.seed is one for the whole sweep"),
    ([*TPE, LR, "seed=1,2"], "seed=1,2: a seed is no hyperparameter to search for; repeat each point with seeds=5"),
    ([*TPE, LR, "init_seed=1,2"],
     "init_seed=1,2: a seed is no hyperparameter to search for; repeat each point with seeds=5"),
    ([*TPE], "search=tpe has nothing to search; give an axis"),
    (["search=tpe", "search.num_trials=0", LR], "search.num_trials must be a whole number in [1, 100000], got 0"),
    (["search=tpee", LR], "search=tpee does not exist; search is one of cmaes, grid, halving, qmc, random, tpe; "
                          "did you mean tpe?"),
    (["search.num_trials=3"], "search.num_trials belongs to search=cmaes, search=halving, search=qmc, search=random or "
                              "search=tpe, which is not chosen"),
    ([*TPE, "optimizer.lr=interval(-1,1)"], "optimizer.lr must be in (0, inf), got -1.0"),
    ([*TPE, "optimizer.lr=interval(1,0.1)"], "an interval goes from a finite number to a greater one"),
    ([*TPE, "optimizer.lr=tag(log,interval(0,1))"], "an interval that is tagged log must begin above 0"),
    ([*TPE, "optimizer.lr=tag(exp,interval(0,1))"], "the tag exp has no meaning here"),
    ([*TPE, "model.width=interval(1,9)"], "model.width must be a whole number, got 1.0 (its default is 128)"),
    ([*TPE, LR, "optimizer=sgd,adam", "optimizer.rho=interval(0,0.9)"],
     "optimizer.rho belongs to optimizer=adadelta, which is not chosen"),
    ([*TPE, "epochs=2,3", LR, "name=x-${epochs}", "epochs=4"], "epochs=2,3: epochs is given twice"),
    ([*TPE, "optimizer.lr=interval(0.1,1)", "optimizer.eps=${.lr}"],
     "other values are built from optimizer.lr, so it cannot be drawn from an interval; list its values"),
    ([*TPE, LR, "seeds=2", "name=x-${seed}"], "name=x-${seed} is built from seed, which seeds varies"),
    ([*TPE, "optimizer.lr=0.1,${level}"], "search=tpe keeps its axes in a file, which may hold no interpolation"),
    ([*TPE, LR, "search.objective=test_nll"], "search.objective=test_nll uses test_nll: selection never sees test"),
    ([*TPE, LR, "search.objective=log(val_nll)"],
     "Unknown function 'log'; quote text with parentheses, key='\"a(b)\"'"),
    ([*TPE, LR, "search.objective=gap_nll"], "search.direction must be minimize or maximize for"),
    ([*TPE, LR, "search.direction=up"], "search.direction must be one of minimize, maximize"),
    (["search=cmaes", LR, "search.objective=[val_nll,val_loss]"], "search=cmaes takes one objective"),
    (["search=cmaes", "model=mlp,linear"], "search=cmaes needs an axis of numbers"),
    (["search=random", "epochs=range(1,1000000)"], "epochs=range(1,1000000) has more than 100,000 values; use "
                                                   "int(interval(low,high))"),
    (["search=random", "search.num_trials=100000", LR, "seeds=2"], "the sweep has more than 100,000 runs"),
    ([*TPE, LR, "selection=last,best_val_nll"], "selection is best_val_nll or last: state search.objective"),
])
def test_planning_refuses(overrides, message):
    with pytest.raises(ConfigError) as caught:
        make_plan(overrides, None)
    assert message in str(caught.value)


def test_plan_states_its_search(workdir):
    plan = make_plan([*TPE, LR, "search.objective='val_nll + gap_nll'", "search.direction=minimize", "seeds=2"], None)
    write_plan(workdir, plan)
    content = yaml.safe_load((workdir / "sweep.yaml").read_text())
    assert content["search"]["part"] == "tpe"
    assert content["objective"] == [{"expression": "val_nll + gap_nll", "direction": "minimize"}]
    assert (content["seeds"], content["batches"], len(content["points"])) == (2, [4], 4)
    assert list(map(tuple, content["groups"])) == list(plan.groups)


@pytest.mark.parametrize(("old", "new"), [
    ("num_trials: 12", "num_trials: 13"), ("expression: val_loss", "expression: val_nll"), ("seeds: 3", "seeds: 4"),
    ("low: 0.0001", "low: 0.001"), ("log: true", "log: false"), ("width: 128", "width: 127"),
    ("split.seed: seed", "split.seed: epochs"), ("direction: minimize", "direction: maximize"),
    ("expression: val_loss", "expression: __import__('os')"), ("batches:\n- 4", "batches:\n- 3"),
    ("low: 0.0001", "low: .inf"), ("composed:\n  - 1", "composed:\n  - 7"), ("part: tpe", "part: os.system"),
    ("groups:\n- - 0", "groups:\n- - 11")])
def test_read_plan_refuses_a_search_that_was_altered(workdir, old, new):
    write_plan(workdir, make_plan(SEARCHED[1], None))
    path = workdir / "sweep.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ArtefactError, match=r"sweep\.yaml (was altered|is not a plan|refused)"):
        read_plan(workdir)


def test_varying_keys_of_a_search_are_its_axes():
    plan = make_plan([*TPE, LR, "model.width=int(interval(4,64))", "seeds=2"], None)
    flat = [settings_of(run.saved) for run in plan.runs]
    assert len({(row["optimizer.lr"], row["model.width"]) for row in flat}) == 4


def forged(plan, **changes):
    """A plan of the same runs whose digest is right and whose space is not."""
    return plan._replace(space=plan.space._replace(**changes))


@pytest.mark.parametrize("key", ["foo", "model.foo", "seed.x", "regularizer.l2.rate", "epochs.epochs"])
def test_read_plan_refuses_axes_that_no_template_has(workdir, key):
    plan = make_plan(SEARCHED[0], None)
    lr, model = plan.space.axes
    write_plan(workdir, forged(plan, axes=(lr._replace(key=key), model)))
    with pytest.raises(ArtefactError, match=r"sweep\.yaml is not a plan"):
        read_plan(workdir)


@pytest.mark.parametrize("changes", [{"low": 1.0, "high": 0.1}, {"low": float("nan")}, {"low": 1}, {"low": "a"},
                                     {"log": 3}, {"low": 0.0, "log": True}, {"key": 3}, {"texts": ("a",)}])
def test_read_plan_refuses_axes_that_are_none(workdir, changes):
    plan = make_plan(SEARCHED[0], None)
    lr, model = plan.space.axes
    write_plan(workdir, forged(plan, axes=(lr._replace(**changes), model)))
    with pytest.raises(ArtefactError, match=r"sweep\.yaml is not a plan"):
        read_plan(workdir)


@pytest.mark.parametrize("search", [
    {"part": "os.system"}, {"part": "tpe"}, {}, {"part": "random", "num_trials": "x", "seed": 0, "objective": None,
                                                 "direction": None}, {"part": ["tpe"]}])
def test_resume_refuses_a_search_that_is_none(dlx, tmp_path, search):
    write_plan(tmp_path, make_plan(SEARCHED[0], None)._replace(search=search))
    result = dlx("resume", str(tmp_path))
    assert (result.code, result.out) == (3, ""), result.err
    assert result.err.startswith("dlx: ")
    assert not (tmp_path / "runs").exists()
