"""Combinations of parts that cannot work are refused together, before any data is read."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from part_files import make, parts
from small_runs import digits, metrics, train

from dlx.core.errors import ConfigError
from dlx.engine.problems import part_problems

ABSENT = "mps" if torch.cuda.is_available() else "cuda"


def problems_of(*overrides):
    with pytest.raises(ConfigError) as refused:
        parts(*overrides)
    return list(refused.value.problems)


def test_check_parts_shows_every_problem_at_once():
    found = problems_of("dataset=diabetes", "loss=cross_entropy", "metric=[accuracy]", "model=cnn",
                        "selection=best_val_rmse", f"device={ABSENT}")
    assert [problem.split(" ")[0] for problem in found] == [
        "loss=cross_entropy", "model=cnn", "selection", f"device={ABSENT}"]


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


def test_check_parts_of_data_whose_task_can_be_told_offers_to_tell_it(dlx, workdir):
    (workdir / "t.csv").write_text("x,y\n" + "".join(f"{row},{row % 7 + 0.5}\n" for row in range(40)))
    result = dlx("train", "dataset=csv", "dataset.path=t.csv", "dataset.target=y", "metric=[accuracy,nll]")
    assert (result.code, result.err.splitlines()[-1]) == (2, (
        "dlx: loss=cross_entropy is for classification and sequence, metric=[accuracy,nll] is for classification, "
        "dataset=csv is a regression; use loss=mse metric=[rmse,mae,r2] "
        "preprocessing=[impute,one_hot,standardize,scale_target]; or, if its target is to be a classification, "
        "dataset.task=classification"))
    assert not (workdir / "runs").exists()


def test_check_parts_codes_of_categories_do_not_reach_a_model(dlx, workdir):
    (workdir / "t.csv").write_text("x,city,y\n" + "".join(
        f"{row},{('Oslo', 'Bern')[row % 2]},{('a', 'b')[row // 2 % 2]}\n" for row in range(40)))
    own = ("dataset=csv", "dataset.path=t.csv", "dataset.target=y", "epochs=1", "--json")
    result = dlx("train", *own, "preprocessing=[]")
    assert (result.code, result.err.splitlines()[-1]) == (
        2, "dlx: a model takes numbers and column city holds categories: add one_hot or ordinal to preprocessing")
    assert not (workdir / "runs").exists()
    for encoding in ("one_hot", "ordinal"):
        assert dlx("train", *own, f"preprocessing=[{encoding}]").code == 0


@pytest.mark.parametrize(("option", "data", "message"), [
    ("augment_flip", "breast_cancer", "regularizer=augment_flip is for images, and the model sees tables; leave it "
                                      "out"),
    ("input_noise", "copy", "regularizer=input_noise is for images and tables, and the model sees tokens; leave it "
                              "out"),
    ("input_noise", "adding", "regularizer=input_noise is for images and tables, and the model sees series; leave "
                                "it out"),
])
def test_check_parts_augmentation_of_another_layout_is_refused_before_there_is_a_run(option, data, message, dlx,
                                                                                    workdir):
    result = dlx("train", f"dataset={data}", f"regularizer=[{option}]")
    assert result.code == 2
    assert message in result.err
    assert not (workdir / "runs").exists()


@dataclass(frozen=True)
class Doubling:
    """A regularizer of a user's that cannot work beside others."""

    CONFLICTS: ClassVar = {"l2": "it has a penalty of its own", "absent": "it is never there"}


@pytest.mark.parametrize("order", [("l2", "doubling"), ("doubling", "l2")])
def test_check_parts_regularizers_in_conflict_are_refused_with_the_reason(order):
    made = parts("regularizer=[none]")
    both = {"l2": make("regularizer", "l2"), "doubling": Doubling()}
    named = {name: both[name] for name in order}
    assert part_problems(replace(made, regularizers=named)) == [
        "regularizer=[doubling,l2]: it has a penalty of its own; leave one out"]
    assert part_problems(replace(made, regularizers={"doubling": Doubling()})) == []
    assert part_problems(replace(made, regularizers=named), ["regularizer"]) == []
