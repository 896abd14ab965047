"""Combinations of parts that cannot work are refused together, before any data is read."""

import pytest
import torch
from part_files import parts
from small_runs import digits, metrics, train

from dlx.core.errors import ConfigError

ABSENT = "mps" if torch.cuda.is_available() else "cuda"


def problems_of(*overrides):
    with pytest.raises(ConfigError) as refused:
        parts(*overrides)
    return list(refused.value.problems)


def test_check_parts_shows_every_problem_at_once():
    found = problems_of("dataset=diabetes", "loss=cross_entropy", "metric=[accuracy]", "model=cnn",
                        "selection=best_val_rmse", f"device={ABSENT}")
    assert [problem.split(" ")[0] for problem in found] == [
        "loss=cross_entropy", "metric=accuracy", "model=cnn", "selection", f"device={ABSENT}"]


def test_check_parts_scaled_targets_need_a_regression():
    assert problems_of("preprocessing=[scale_target]") == [
        "preprocessing=scale_target is for regression, dataset=digits is a classification: class labels have no "
        "scale; leave it out"]


@pytest.mark.parametrize("overrides", [("model=mlp", "model.norm=batch"), ("model=mlp", "model.norm=batch",
                                                                           "model.depth=2")])
def test_check_parts_batch_normalization_of_one_example_is_refused(overrides):
    # In training a batch of one example has no variance; torch would raise in the first step.
    (problem,) = problems_of(*overrides, "batch_size=1")
    assert "batch_size" in problem
    assert "model.norm" in problem


@pytest.mark.parametrize("overrides", [("model=mlp", "model.norm=layer"), ("model=mlp",), ("model=linear",)])
def test_check_parts_batches_of_one_example_train_where_nothing_is_normalized_over_them(overrides, tmp_path):
    made = parts(*overrides, "batch_size=1", "epochs=1")
    assert metrics(train(made, tmp_path / "run", digits(60)))["step"].tolist() == [36]


def test_check_parts_batches_of_two_normalize_and_a_last_one_joins_them(tmp_path):
    made = parts("model.norm=batch", "batch_size=2", "epochs=1")
    assert metrics(train(made, tmp_path / "run", digits(62)))["step"].tolist() == [19]
