"""The saved form of a configuration, and the hash of what determines the result."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

import pytest
import yaml

from dlx.config.compose import compose
from dlx.config.saved import config_hash, to_saved
from dlx.config.schema import SURROUNDINGS, UNHASHED
from dlx.core.model_keys import INERT
from dlx.record.safe_yaml import read_yaml

CONFIGURATIONS = [[], ["dataset=diabetes", "optimizer=sgd"], ["experiment=digits_cnn"],
                  ["regularizer=[dropout,l2,early_stopping,gradient_clip]", "schedule=cosine", "optimizer=adamw"]]


def saved_of(*overrides: str) -> dict:
    return to_saved(compose("train", overrides))


def leaves(values: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def changed(value: object) -> object:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return [*value, 1] if isinstance(value, list) else {"more": 1}


@pytest.mark.parametrize("overrides", CONFIGURATIONS, ids=str)
def test_config_hash_changes_with_every_value_that_matters_and_no_other(overrides):
    saved = saved_of(*overrides)
    before, seen, unhashed = config_hash(saved, 64), set(), 0
    for path in leaves(saved):
        other = copy.deepcopy(saved)
        parent = other
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = changed(parent[path[-1]])
        after = config_hash(other, 64)
        matters = not {path[0], ".".join(path)} & {*UNHASHED}
        assert (after != before) == matters, path
        unhashed += not matters
        seen.add(after)
    assert unhashed >= len(UNHASHED)
    assert len(seen) == len([*leaves(saved)]) - unhashed + 1


@pytest.mark.parametrize("override", ["name=other", "runs_dir=elsewhere", "data_dir=elsewhere", "checkpoint_seconds=1",
                                      "device.threads=2", "device=cpu", "device.compile=true", "optimizer.lr=1e-3",
                                      "optimizer.lr=0.001", "model=mlp", "regularizer=[]", "regularizer=[none]",
                                      "seed=0", "experiment=null"])
def test_config_hash_does_not_change_with(override):
    assert config_hash(saved_of(override)) == config_hash(saved_of())


@pytest.mark.parametrize("override", ["seed=1", "split.seed=1", "epochs=31", "level=0.9", "selection=last",
                                      "model.width=127", "model=linear", "optimizer.betas=[0.9,0.99]",
                                      "device.precision=float64", "metric=[accuracy]", "regularizer=[l2]",
                                      "preprocessing=[minmax]", "dataset=breast_cancer", "schedule=cosine"])
def test_config_hash_changes_with(override):
    assert config_hash(saved_of(override)) != config_hash(saved_of())


def test_config_hash_does_not_depend_on_the_order_of_keys():
    saved = saved_of("model=cnn")
    turned = {key: dict(reversed(value.items())) if key in ("model", "optimizer", "split") else value
              for key, value in reversed(saved.items())}
    assert [*turned] != [*saved]
    assert config_hash(turned) == config_hash(saved)
    one, other = (saved_of(*overrides) for overrides in (["model=cnn", "optimizer.lr=1"], ["optimizer.lr=1",
                                                                                         "model=cnn"]))
    assert config_hash(one) == config_hash(other)


@pytest.mark.parametrize(("one", "other"), [
    ("preprocessing=[standardize,minmax]", "preprocessing=[minmax,standardize]"),
    ("regularizer=[l2,gradient_clip]", "regularizer=[gradient_clip,l2]"),
])
def test_config_hash_changes_with_the_order_in_which_parts_apply(one, other):
    assert config_hash(saved_of(one)) != config_hash(saved_of(other))


def test_config_hash_has_the_digits_asked_for():
    digest = config_hash(saved_of(), 64)
    assert len(digest) == 64
    assert config_hash(saved_of()) == digest[:8]
    assert config_hash(saved_of(), 12) == digest[:12]


def test_config_hash_leaves_its_argument_alone():
    saved = saved_of()
    before = copy.deepcopy(saved)
    config_hash(saved)
    assert saved == before


@pytest.mark.parametrize("overrides", CONFIGURATIONS, ids=str)
def test_saved_configuration_names_parts_and_no_code(tmp_path, overrides):
    saved = saved_of(*overrides)
    assert not any(step.startswith("_") for path in leaves(saved) for step in path)
    assert "dlx." not in json.dumps(saved)
    assert not saved.keys() & {*SURROUNDINGS, "experiment"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(saved, sort_keys=False))
    assert json.dumps(read_yaml(tmp_path / "config.yaml")) == json.dumps(saved)


def test_saved_configuration_of_a_users_part_names_its_path(workdir):
    (workdir / "saved_conf/model").mkdir(parents=True)
    (workdir / "saved_conf/model/wide.yaml").write_text("_target_: mine.wide.Wide\nhidden: 3\n")
    saved = to_saved(compose("train", ["model=wide"], workdir / "saved_conf"))
    assert saved["model"] == {"part": "mine.wide.Wide", "hidden": 3, **INERT}
    assert saved["name"] == "digits-Wide"


@pytest.mark.parametrize(("overrides", "name"), [([], "digits-mlp"), (["model=cnn", "dataset=mnist"], "mnist-cnn"),
                                                 (["name=mine"], "mine"), (["name=auto"], "digits-mlp")])
def test_saved_configuration_is_named_by_dataset_and_model_unless_told(overrides, name):
    assert saved_of(*overrides)["name"] == name
