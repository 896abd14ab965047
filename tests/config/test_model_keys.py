"""The keys of any model: factors of its width and depth."""

import pytest
from part_files import code_and_arguments, option_names, saved

from dlx.config.build import build
from dlx.config.saved import config_hash
from dlx.core.errors import ConfigError
from dlx.core.model_keys import INERT, SIZES, ModelKeys, divide_model


def built(*overrides):
    return build(saved(*overrides), []).model.keywords


@pytest.mark.parametrize(("size", "factor", "expected"), [
    (128, 2, 256), (128, 0.5, 64), (3, 0.5, 2), (5, 0.5, 3), (3, 0.49, 1), (4, 0.01, 1), (1, 0.1, 1), (0, 3, 0),
    (7, 1, 7),
])
def test_multiplied_size_is_the_nearest_whole_number_and_at_least_one(size, factor, expected):
    keys = ModelKeys(width_multiplier=factor, depth_multiplier=1)
    assert keys.changed("any", {"width": size, "depth": 9}) == {"width": expected, "depth": 9}


def test_multipliers_reach_the_model_and_the_saved_configuration_keeps_what_was_typed():
    overrides = ("model.width=20", "model.depth=2", "model.width_multiplier=1.5", "model.depth_multiplier=2")
    assert (built(*overrides)["width"], built(*overrides)["depth"]) == (30, 4)
    assert saved(*overrides)["model"]["width"] == 20


@pytest.mark.parametrize("size", ["width", "depth"])
@pytest.mark.parametrize("option", option_names("model"))
def test_multiplier_scales_every_model_that_has_the_size_and_is_an_error_on_the_others(option, size):
    own = code_and_arguments("model", option)[1]
    keys = ModelKeys(**{**SIZES, f"{size}_multiplier": 2})
    if size in own:
        assert keys.changed(option, own) == {**own, size: own[size] * 2}
        return
    with pytest.raises(ConfigError) as refused:
        keys.changed(option, own)
    assert str(refused.value) == (f"model.{size}_multiplier=2 multiplies model.{size}, and model={option} has none; "
                                  f"leave it at 1")


def test_multiplier_of_a_model_without_the_size_is_refused_with_all_other_problems():
    with pytest.raises(ConfigError) as refused:
        built("model=linear", "model.depth_multiplier=0.5", "optimizer.lr=-1")
    assert refused.value.problems == (
        "model.depth_multiplier=0.5 multiplies model.depth, and model=linear has none; leave it at 1",
        "optimizer.lr must be in (0, inf), got -1")


def test_multiplied_size_out_of_range_says_where_it_comes_from():
    with pytest.raises(ConfigError) as refused:
        built("model.width_multiplier=1000", "model.depth_multiplier=300", "optimizer.lr=-1")
    assert refused.value.problems == (
        "model.width must be a whole number in [1, 65536], got 128000, which model.width_multiplier makes",
        "model.depth must be a whole number in [1, 256], got 300, which model.depth_multiplier makes",
        "optimizer.lr must be in (0, inf), got -1")


@pytest.mark.parametrize("factor", ["0", "-1", "65537", "true", "many"])
def test_multiplier_out_of_range_is_refused(factor):
    with pytest.raises(ConfigError, match=r"model.width_multiplier must be "):
        built(f"model.width_multiplier={factor}")


def test_run_saved_before_there_were_such_keys_builds_and_has_the_same_hash():
    now = saved()
    before = {**now, "model": divide_model(now["model"])[1]}
    assert now["model"] == {**before["model"], **INERT}
    assert config_hash(before) == config_hash(now) != config_hash(saved("model.width_multiplier=2"))
    assert build(before, []).model.keywords == built()
