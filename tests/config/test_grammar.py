"""Hydra's override grammar after a sub-command, and presets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dlx.config.compose import compose, leaves
from dlx.config.options import conf_dir, targets
from dlx.core.errors import ConfigError


@pytest.mark.parametrize(("overrides", "key", "value"), [
    (["optimizer.lr=3e-4"], "optimizer.lr", 3e-4),
    (["optimizer.lr=1"], "optimizer.lr", 1),
    (["optimizer.lr= 0.5 "], "optimizer.lr", 0.5),
    (["++optimizer.lr=0.1"], "optimizer.lr", 0.1),
    (["epochs=1_000"], "epochs", 1000),
    (["optimizer.betas=[0.5,0.9]"], "optimizer.betas", [0.5, 0.9]),
    (["optimizer.betas=[ 0.5 , 0.9 ]"], "optimizer.betas", [0.5, 0.9]),
    (["optimizer=sgd", "optimizer.nesterov=TRUE"], "optimizer.nesterov", True),
    (["name='quoted'"], "name", "quoted"),
    (['name="quoted"'], "name", "quoted"),
    (["name=v1.2-b_c"], "name", "v1.2-b_c"),
    (["name='007'"], "name", "007"),
    (["data_dir='/some where/with spaces'"], "data_dir", "/some where/with spaces"),
    (["data_dir='a=b,c'"], "data_dir", "a=b,c"),
    (["data_dir=/a/b-c_d/e.f"], "data_dir", "/a/b-c_d/e.f"),
    (["data_dir='ünï'"], "data_dir", "ünï"),
    (["data_dir=ünï/数 據"], "data_dir", "ünï/数 據"),
    (["data_dir=~/data"], "data_dir", "~/data"),
    (["model.width=int(12.7)"], "model.width", 12),
    (["seed=7"], "split.seed", 7),
    (["seed=7", "split.seed=8"], "split.seed", 8),
    (["schedule.warmup_epochs=0.25", "optimizer.lr=${schedule.warmup_epochs}"], "optimizer.lr", 0.25),
    (["optimizer.lr=${schedule.warmup_epochs}", "schedule.warmup_epochs=0.25"], "optimizer.lr", 0.25),
    (["name=w${model.width}-s${seed}", "seed=3"], "name", "w128-s3"),
    (["runs_dir=${oc.env:DLX_TEST_FOLDER}"], "runs_dir", "from the environment"),
    (["runs_dir=${oc.env:DLX_TEST_NOT_SET,else}"], "runs_dir", "else"),
    (["epochs=3", "epochs=4"], "epochs", 4),
    (["+optimizer=sgd"], "optimizer.momentum", 0.9),
    (["model=cnn", "model=linear"], "model._target_", "dlx.model.linear.Linear"),
])
def test_compose_sets_what_is_typed(monkeypatch, overrides, key, value):
    monkeypatch.setenv("DLX_TEST_FOLDER", "from the environment")
    found = compose("train", overrides)
    for step in key.split("."):
        found = found[step]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("override", "names"), [
    ("regularizer=[]", []),
    ("regularizer=[none]", []),
    ("regularizer=none", []),
    ("regularizer=l2", ["l2"]),
    ("regularizer=[dropout,l2]", ["dropout", "l2"]),
    ("regularizer=[l2,dropout]", ["l2", "dropout"]),
    ("regularizer=[ l2 , 'dropout' ]", ["l2", "dropout"]),
    ("metric=[nll]", ["nll"]),
    ("preprocessing=[minmax,standardize]", ["minmax", "standardize"]),
    ("preprocessing=[]", []),
])
def test_compose_of_a_list_replaces_it_in_the_order_typed(override, names):
    assert list(compose("train", [override])[override.split("=")[0]]) == names


@pytest.mark.parametrize(("overrides", "message"), [
    (["+zzz=1"], "unknown key zzz"),
    (["++zzz=1"], "unknown key zzz"),
    (["+optimizer.lr=1"], "+optimizer.lr: keys cannot be added, every key stands in a YAML file; "
                          "write optimizer.lr=… to set one"),
    (["~optimizer"], "~optimizer: optimizer is required, it can be changed but not deleted"),
    (["~optimizer.lr"], "~optimizer.lr: optimizer.lr is required, it can be changed but not deleted"),
    (["~optimzer"], "~optimzer: unknown key; did you mean optimizer?"),
    (["seed=1,2"], "seed=1,2 gives several values: that is a sweep, use dlx sweep"),
    (["seed=range(3)"], "seed=range(3) gives several values: that is a sweep, use dlx sweep"),
    (["optimizer.lr=interval(0,1)"], "optimizer.lr=interval(0,1) gives several values: that is a sweep, use dlx sweep"),
    (["model=glob(*)"], "model=glob(*) gives several values: that is a sweep, use dlx sweep"),
    (["model@small=mlp"], "model@small=mlp: packages (@) are not used in dlx; write model=…"),
    (["optimizer=sgd", "~optimizer.lr", "seed=1,2"],
     "seed=1,2 gives several values: that is a sweep, use dlx sweep\n"
     "~optimizer.lr: optimizer.lr is required, it can be changed but not deleted"),
    (["regularizer.x={a:1}", "model={width:3}"], None),
])
def test_compose_refuses_what_the_grammar_allows_but_dlx_does_not(overrides, message):
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides)
    assert message is None or str(caught.value) == message


@pytest.mark.parametrize("override", ["model", "model=[", "model=]", "a b", "model==mlp", "=", "'", "x=${", "x={a",
                                      "optimizer.lr=choice(", "x=" + "[" * 5000])
def test_compose_of_what_does_not_parse_shows_the_override(override):
    with pytest.raises(ConfigError, match="override"):
        compose("train", [override])


def test_compose_lists_every_override_that_does_not_parse():
    with pytest.raises(ConfigError) as caught:
        compose("train", ["model", "epochs=3", "x=[1"])
    assert [problem.split("'")[1] for problem in caught.value.problems] == ["model", "x=[1"]


def test_compose_of_no_preset_is_the_default(dlx):
    assert dlx("validate", "experiment=null") == dlx("validate")


@pytest.mark.parametrize("preset", sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml")))
def test_preset_applies_every_value_that_it_states(preset):
    stated = yaml.safe_load((conf_dir() / "experiment" / f"{preset}.yaml").read_text())
    composed = compose("train", [f"experiment={preset}"])
    for entry in stated.pop("defaults", []):
        (group, option), = ((key.removeprefix("override /"), value) for key, value in entry.items())
        if isinstance(option, list):
            assert list(composed[group]) == option
        else:
            assert composed[group]["_target_"] == targets(group)[option]
    wanted = dict(leaves(stated, ""))
    assert {key: value for key, value in leaves(composed, "") if key in wanted} == wanted


def test_preset_loses_against_what_is_typed():
    preset = compose("train", ["experiment=digits_cnn"])
    assert (preset["model"]["_target_"], preset["optimizer"]["lr"], preset["epochs"]) == ("dlx.model.cnn.CNN", 0.003,
                                                                                        60)
    for overrides in (["experiment=digits_cnn", "model=mlp", "optimizer.lr=0.5", "epochs=2", "regularizer=[]"],
                      ["regularizer=[]", "epochs=2", "optimizer.lr=0.5", "model=mlp", "experiment=digits_cnn"]):
        typed = compose("train", overrides)
        assert typed["model"]["_target_"] == "dlx.model.mlp.MLP"
        assert (typed["optimizer"]["lr"], typed["epochs"], typed["regularizer"]) == (0.5, 2, {})
        assert typed["optimizer"]["_target_"] == "dlx.optimizer.adamw.AdamW"
        assert typed["schedule"]["warmup_epochs"] == 1.0


def test_preset_with_another_optimizer_keeps_to_its_own_keys(dlx):
    # The preset states optimizer.lr; it stays where the optimizer is another one that has it.
    result = dlx("show", "experiment=digits_cnn", "optimizer=sgd", "--json")
    config = json.loads(result.out)["config"]
    assert (config["optimizer"]["part"], config["optimizer"]["lr"], config["optimizer"]["momentum"]) == ("sgd", 0.003,
                                                                                                       0.9)


def test_dataset_brings_what_fits_it_and_loses_against_what_is_typed():
    composed = compose("train", ["dataset=diabetes"])
    assert composed["loss"]["_target_"] == "dlx.loss.mse.MSE"
    assert list(composed["metric"]) == ["rmse", "mae", "r2"]
    assert list(composed["preprocessing"]) == ["standardize", "scale_target"]
    typed = compose("train", ["dataset=diabetes", "metric=[mae]", "preprocessing=[minmax]"])
    assert (list(typed["metric"]), list(typed["preprocessing"])) == (["mae"], ["minmax"])


@pytest.mark.parametrize("override", ["epochs=3", "optimizer.lr=1", "seed=1", "checkpoint_seconds=1"])
def test_compose_of_evaluate_knows_its_own_keys_alone(override):
    with pytest.raises(ConfigError, match=f"^unknown key {override.split('=')[0]}"):
        compose("evaluate", [override])


@pytest.mark.parametrize("override", ["model=cnn", "regularizer=[l2]"])
def test_compose_of_evaluate_says_that_parts_come_from_the_run(override):
    with pytest.raises(ConfigError) as caught:
        compose("evaluate", [override])
    assert override.split("=")[0] in str(caught.value)
    assert "defaults list" not in str(caught.value)


def test_compose_reads_the_environment_anew_each_time(monkeypatch):
    for value in ("one", "two"):
        monkeypatch.setenv("DLX_TEST_FOLDER", value)
        assert compose("train", ["runs_dir=${oc.env:DLX_TEST_FOLDER}"])["runs_dir"] == value


def test_compose_leaves_no_trace_between_calls():
    first = compose("train", [])
    compose("train", ["optimizer.lr=5", "regularizer=[l2]"])
    assert compose("train", []) == first
    assert Path(conf_dir() / "train.yaml").is_file()
