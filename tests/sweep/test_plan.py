"""From what is typed to the frozen plan of a sweep."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import yaml

from dlx.config import options
from dlx.config.compose import compose
from dlx.config.saved import config_hash, to_saved
from dlx.core.errors import ArtefactError, ConfigError
from dlx.sweep.frozen import read_plan, write_plan
from dlx.sweep.plan import HASH_DIGITS, make_plan
from dlx.sweep.tables import flatten

CONF = [options.conf_dir()]
MODELS = options.options("model", CONF)


def planned(*overrides: str) -> list[dict]:
    """The saved configuration of every run, flat."""
    return [flatten(run.saved) for run in make_plan(overrides, None).runs]


def column(key: str, *overrides: str) -> list:
    return [flat.get(key) for flat in planned(*overrides)]


@pytest.mark.parametrize(("override", "key", "expected"), [
    ("seed=1,2,3", "seed", [1, 2, 3]),
    ("seed=range(3)", "seed", [0, 1, 2]),
    ("seed=range(2,5)", "seed", [2, 3, 4]),
    ("seed=range(10,0,-4)", "seed", [10, 6, 2]),
    ("seed=choice(5,7)", "seed", [5, 7]),
    ("seed=sort(3,1,2)", "seed", [1, 2, 3]),
    ("optimizer.lr=1e-3,1e-2", "optimizer.lr", [1e-3, 1e-2]),
    ("optimizer.lr=range(0.5,2,0.5)", "optimizer.lr", [0.5, 1.0, 1.5]),
    ("selection='last',\"best_val_nll\",best_val_loss", "selection", ["last", "best_val_nll", "best_val_loss"]),
    ("optimizer.betas=[0.9,0.999],[0.5,0.9]", "optimizer.betas", [[0.9, 0.999], [0.5, 0.9]]),
    ("model=mlp,cnn", "model.part", ["mlp", "cnn"]),
    ("model=choice(linear,mlp)", "model.part", ["linear", "mlp"]),
    ("model=glob(*)", "model.part", options.options("model", CONF)),
    ("model=glob(*li*)", "model.part", ["linear"]),
    ("model=glob(*,exclude=[c*,l*])", "model.part", [name for name in MODELS if name[0] not in "cl"]),
    ("optimizer=glob([sgd,adam*])", "optimizer.part", ["adam", "adam_then_sgd", "adamw", "sgd"]),
])
def test_make_plan_expands_the_grammar(override, key, expected):
    assert column(key, override) == expected


@pytest.mark.parametrize(("override", "expected"), [
    ("regularizer=[],[dropout],[l2,dropout]", [[], ["dropout"], ["l2", "dropout"]]),
    ("regularizer=l2,dropout", [["l2"], ["dropout"]]),
    ("regularizer=choice([],[l2])", [[], ["l2"]]),
    ("regularizer=[none],[l2]", [[], ["l2"]]),
    ("metric=[accuracy],[nll,accuracy]", [["accuracy"], ["nll", "accuracy"]]),
])
def test_make_plan_expands_lists_of_parts(override, expected):
    group = override.split("=")[0]
    assert [list(run.saved[group]) for run in make_plan([override], None).runs] == expected


def test_make_plan_is_the_product_in_the_order_typed():
    axes = {"model": ["mlp", "linear"], "optimizer.lr": [0.1, 0.01, 0.001], "seed": [0, 1]}
    found = planned("model=mlp,linear", "epochs=7", "optimizer.lr=0.1,0.01,0.001", "seed=range(2)")
    assert [(flat["model.part"], flat["optimizer.lr"], flat["seed"]) for flat in found] == [*product(*axes.values())]
    assert {flat["epochs"] for flat in found} == {7}


def test_make_plan_keeps_what_was_typed_for_each_run_and_the_axes():
    plan = make_plan(["model=mlp,linear", "epochs=7", "regularizer=[],[l2]"], None)
    assert plan.axes == ("model", "regularizer")
    assert [run.overrides for run in plan.runs] == [
        (f"model={model}", "epochs=7", f"regularizer={regularizer}")
        for model, regularizer in product(["mlp", "linear"], ["[]", "[l2]"])]
    assert len({run.hash for run in plan.runs}) == 4


def test_make_plan_of_a_run_is_what_train_saves_on_one_thread():
    for run in make_plan(["model=mlp,cnn", "optimizer.lr=0.1,0.2", "regularizer=[dropout]"], None).runs:
        single = to_saved(compose("train", [*run.overrides, "device.threads=1", "report=none"]))
        assert run.saved == single
        assert run.hash == config_hash(single, HASH_DIGITS)


def test_make_plan_uses_one_thread_per_run_unless_told():
    assert column("device.threads", "seed=1,2") == [1, 1]
    assert column("device.threads", "seed=1,2", "device.threads=2") == [2, 2]


@pytest.mark.parametrize(("overrides", "count"), [
    (["seed=1,1,2"], 2),
    (["seed=1,1"], 1),
    (["optimizer.lr=0.1,1e-1,0.10"], 1),
    (["regularizer=[],[none],none"], 1),
    (["seed=1,2", "split.seed=3"], 2),
    (["epochs=3"], 1),
])
def test_make_plan_makes_equal_points_one_run(overrides, count):
    assert len(make_plan(overrides, None).runs) == count


@pytest.mark.parametrize("override", ["device.threads=1,2", "device=cpu,auto", "device.compile=true,false", "name=a,b"])
def test_make_plan_refuses_several_values_of_what_is_not_part_of_the_experiment(override):
    with pytest.raises(ConfigError) as caught:
        make_plan([override, "seed=1,2"], None)
    key = override.partition("=")[0]
    assert str(caught.value) == (f"{override}: {key} is no part of the experiment, so runs that differ by it alone "
                                 f"would be one run; give one value")


def test_make_plan_of_the_seed_moves_the_split_with_it_unless_set():
    assert column("split.seed", "seed=1,2") == [1, 2]
    assert column("split.seed", "seed=1,2", "split.seed=9") == [9, 9]
    assert column("split.seed", "split.seed=4,5") == [4, 5]


@pytest.mark.parametrize("override", ["optimizer.lr=interval(0.001,0.1)", "optimizer.lr=tag(log,interval(0.001,0.1))"])
def test_make_plan_of_an_interval_advises_a_list(override):
    with pytest.raises(ConfigError) as caught:
        make_plan([override], None)
    assert str(caught.value) == (f"{override}: an interval has endless values, which search=random, qmc, tpe, "
                                 f"cmaes and halving draw from; or list values, or use range(start,stop,step)")


def test_make_plan_of_a_glob_without_match_says_so():
    with pytest.raises(ConfigError, match=r"^model=glob\(x\*\) matches no option of model$"):
        make_plan(["model=glob(x*)"], None)


def test_make_plan_lists_the_problems_of_all_points_once():
    with pytest.raises(ConfigError) as caught:
        make_plan(["model=mpl,mlp", "optimizer.lr=abc,0.1", "epochs=0,1", "foo=1"], None)
    text = str(caught.value)
    for problem in ("model=mpl does not exist", "optimizer.lr must be a finite number, got 'abc'",
                    "epochs must be a whole number in [1, 100000000], got 0", "unknown key foo"):
        assert text.count(problem) == 1, problem


@pytest.mark.parametrize("override", ["seed=range(1000000000)", "seed=range(1000)"])
def test_make_plan_refuses_an_endless_grid_at_once(dlx_process, override):
    # A process, because a plan that is made before it is counted takes minutes and gigabytes.
    result = dlx_process("sweep", override, "epochs=range(1,1001)", "--dry-run", timeout=8)
    assert (result.code, result.err) == (2, "dlx: the grid has more than 100,000 points; give fewer values\n")


def test_make_plan_takes_the_users_options(workdir):
    (workdir / "plan_conf/model").mkdir(parents=True)
    (workdir / "plan_conf/model/wide.yaml").write_text("_target_: wide.Wide\nhidden: 3\n")
    plan = make_plan(["model=glob(*)", "seed=1"], workdir / "plan_conf")
    assert [run.saved["model"]["part"] for run in plan.runs] == [
        "wide.Wide" if name == "wide" else name for name in sorted([*MODELS, "wide"])]


GRIDS = [
    ["seed=range(3)"],
    ["epochs=1"],
    ["model=mlp,linear", "optimizer.lr=1e-3,1e-2", "seed=1,2"],
    ["regularizer=[],[dropout],[l2,dropout]", "optimizer=adam,sgd"],
    ["preprocessing=[standardize,minmax],[minmax,standardize],[]"],
    ["metric=[accuracy],[nll,accuracy]"],
    ["dataset=digits,diabetes", "metric=[],[mae]", "loss=mse"],
    ["optimizer.betas=[0.9,0.999],[0.5,0.9]", "name='on'"],
    ["optimizer=sgd", "optimizer.nesterov=true,false", "optimizer.lr=0.1,1"],
]


@pytest.mark.parametrize("overrides", GRIDS, ids=" ".join)
def test_plan_round_trips_through_its_file(workdir, overrides):
    plan = make_plan(overrides, None)
    write_plan(workdir, plan)
    assert read_plan(workdir) == plan


@pytest.mark.parametrize("overrides", GRIDS, ids=" ".join)
def test_plan_keeps_the_order_of_parts_in_its_file(workdir, overrides):
    plan = make_plan(overrides, None)
    write_plan(workdir, plan)
    # Preprocessing applies in its order, so equal mappings are not enough.
    for read, run in zip(read_plan(workdir).runs, plan.runs, strict=True):
        assert {group: list(read.saved[group]) for group in options.LIST_GROUPS} == {
            group: list(run.saved[group]) for group in options.LIST_GROUPS}


def test_plan_read_back_gives_config_yaml_of_the_same_bytes(workdir):
    plan = make_plan(["model=mlp,linear", "seed=1,2", "optimizer.lr=0.1"], None)
    write_plan(workdir, plan)
    assert [json.dumps(run.saved) for run in read_plan(workdir).runs] == [json.dumps(run.saved) for run in plan.runs]


def test_plan_states_what_is_common_once(workdir):
    write_plan(workdir, make_plan(["optimizer.lr=0.1,0.2", "seed=1,2"], None))
    text = (workdir / "sweep.yaml").read_text()
    content = yaml.safe_load(text)
    assert content["axes"] == ["optimizer.lr", "seed"]
    assert len(content["runs"]) == 4
    assert text.count("activation") == text.count("dropout_rate") == 1


def replaced(value, old, new):
    """The value with one number in it, however deep, changed for another."""
    if isinstance(value, dict):
        return {key: replaced(item, old, new) for key, item in value.items()}
    return [replaced(item, old, new) for item in value] if isinstance(value, list) else new if value == old else value


@pytest.mark.parametrize("change", [
    lambda content: content["common"].update(epochs=31),
    lambda content: content["common"].pop("epochs"),
    lambda content: content["common"].update(extra=1),
    lambda content: content.update(replaced(content, 0.1, 0.3)),
    lambda content: content["runs"][1].update(hash="0" * 12),
    lambda content: content["runs"][1].update(hash="../../elsewhere"),
    lambda content: content["runs"][0].update(hash=content["runs"][1]["hash"]),
    lambda content: content["common"].update({"model.part": "os.system"}),
    lambda content: content["runs"].append("text"),
    lambda content: content.update(runs=3),
    lambda content: content.update(common=[1]),
    lambda content: content.pop("axes"),
    lambda content: content.update(axes=None),
    lambda content: content.update(format=99),
    lambda content: content["runs"].clear(),
])
def test_read_plan_refuses_an_altered_file(workdir, change):
    write_plan(workdir, make_plan(["optimizer.lr=0.1,0.2"], None))
    content = yaml.safe_load((workdir / "sweep.yaml").read_text())
    change(content)
    (workdir / "sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ArtefactError, match=r"sweep\.yaml"):
        read_plan(workdir)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "a: &x 1\nb: *x", "a: !!python/name:os.system ''", "a: ${b}"])
def test_read_plan_refuses_what_is_no_plan(workdir, text):
    (workdir / "sweep.yaml").write_text(text)
    with pytest.raises(ArtefactError, match=r"sweep\.yaml"):
        read_plan(workdir)


def test_read_plan_of_a_missing_file_is_refused(workdir):
    with pytest.raises(ArtefactError, match=r"sweep\.yaml is missing"):
        read_plan(workdir)


def test_planning_leaves_nothing_on_disk(workdir):
    make_plan(["seed=1,2"], None)
    assert list(Path().iterdir()) == []
