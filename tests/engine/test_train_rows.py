"""What is done to train rows: fractions, imbalance, wrong labels. N rows, C classes."""

import itertools

import numpy as np
import pytest
from part_files import parts, saved
from small_runs import digits, table, train

from dlx.config.build import build
from dlx.core.errors import ConfigError
from dlx.core.types import TaskSpec
from dlx.engine.train_rows import TrainRows
from dlx.record.safe_yaml import read_json

PLAIN = {"train_fraction": 1.0, "imbalance": 1.0, "label_noise": 0.0, "label_confusion": None, "shuffle_labels": False,
         "train_seed": 0}
TARGETS = np.random.default_rng(0).choice(4, size=2000, p=[0.4, 0.3, 0.2, 0.1])
TRAIN = np.flatnonzero(np.random.default_rng(1).random(2000) < 0.6)
SPEC = TaskSpec("classification", "table", (3,), 4, ("a", "b", "c", "d"))


def changed(**values):
    return TrainRows(**{**PLAIN, **values})(TRAIN, TARGETS, SPEC)


def test_train_rows_unchanged_by_default():
    found = changed()
    assert found.train.tolist() == TRAIN.tolist()
    assert found.targets is TARGETS
    assert found.num_changed == 0


def test_train_fraction_subsets_are_nested_and_keep_class_counts_within_one():
    kept = {fraction: changed(train_fraction=fraction).train for fraction in (0.01, 0.1, 0.2, 0.5, 0.9)}
    sizes = list(kept)
    for small, large in itertools.pairwise(sizes):
        assert set(kept[small]) < set(kept[large]) < set(TRAIN)
    for fraction, rows in kept.items():
        assert len(rows) == round(fraction * len(TRAIN))
        expected = np.bincount(TARGETS[TRAIN]) * len(rows) / len(TRAIN)
        assert np.abs(np.bincount(TARGETS[rows], minlength=4) - expected).max() <= 1
        assert (np.diff(rows) > 0).all()


def test_train_fraction_is_stable_in_a_seed_and_differs_between_seeds():
    first, again, other = (changed(train_fraction=0.1, train_seed=seed).train for seed in (3, 3, 4))
    assert first.tolist() == again.tolist()
    assert len(set(first) & set(other)) < 0.3 * len(first)


def test_train_fraction_of_a_regression_is_nested():
    spec = TaskSpec("regression", "table", (3,), 1)
    values = np.linspace(0, 1, 2000, dtype=np.float32)
    few, more = (TrainRows(**{**PLAIN, "train_fraction": fraction})(TRAIN, values, spec).train
                 for fraction in (0.1, 0.3))
    assert set(few) < set(more)
    assert len(few) == round(0.1 * len(TRAIN))


@pytest.mark.parametrize("factor", [2.0, 10.0, 100.0])
def test_imbalance_makes_classes_rarer_by_a_geometric_sequence(factor):
    before, after = np.bincount(TARGETS[TRAIN]), np.bincount(TARGETS[changed(imbalance=factor).train], minlength=4)
    expected = before * factor ** (-np.arange(4) / 3)
    assert np.abs(after - expected).max() <= 0.5
    assert after[0] == before[0]


@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_label_noise_replaces_exactly_that_share_by_other_classes(rate):
    found = changed(label_noise=rate)
    wrong = TRAIN[found.targets[TRAIN] != TARGETS[TRAIN]]
    assert len(wrong) == found.num_changed == round(rate * len(TRAIN))
    rest = np.setdiff1d(np.arange(2000), TRAIN)
    assert found.targets[rest].tolist() == TARGETS[rest].tolist()


def test_label_noise_of_a_higher_rate_keeps_the_wrong_labels_of_a_lower():
    low, high = (changed(label_noise=rate).targets for rate in (0.1, 0.3))
    wrong = low != TARGETS
    assert (low[wrong] == high[wrong]).all()


def test_label_noise_is_symmetric():
    targets = np.zeros(30_000, np.int64)
    found = TrainRows(**{**PLAIN, "label_noise": 1.0})(np.arange(30_000), targets, SPEC).targets
    assert np.bincount(found, minlength=4)[0] == 0
    # 10,000 each; 4 standard deviations of a binomial are 327.
    assert np.abs(np.bincount(found)[1:] - 10_000).max() < 327


def test_label_confusion_has_the_rates_of_the_matrix():
    matrix = [[1.0, 0.0, 0.0, 0.0], [0.2, 0.8, 0.0, 0.0], [0.0, 0.1, 0.6, 0.3], [0.25, 0.25, 0.25, 0.25]]
    targets = np.repeat(np.arange(4), 10_000)
    found = TrainRows(**{**PLAIN, "label_confusion": matrix})(np.arange(40_000), targets, SPEC).targets
    seen = np.array([np.bincount(found[targets == label], minlength=4) for label in range(4)]) / 10_000
    np.testing.assert_allclose(seen, matrix, atol=0.02)
    assert (seen[np.array(matrix) == 0] == 0).all()


def test_shuffled_labels_are_a_permutation_that_knows_nothing_of_the_inputs():
    found = changed(shuffle_labels=True)
    assert np.bincount(found.targets[TRAIN]).tolist() == np.bincount(TARGETS[TRAIN]).tolist()
    agree = (found.targets[TRAIN] == TARGETS[TRAIN]).mean()
    assert agree == pytest.approx((np.bincount(TARGETS[TRAIN]) ** 2).sum() / len(TRAIN) ** 2, abs=0.05)


@pytest.mark.parametrize(("values", "message"), [
    ({"label_noise": 0.1, "label_confusion": [[1.0, 0.0], [0.0, 1.0]]}, "set one of them"),
    ({"label_confusion": [[0.5, 0.5], [0.5, 0.6]]}, "row 1 has 2 of 2 values and sums to 1.1"),
    ({"label_confusion": [[1.0]]}, "one row for each of the 4 classes, got 1"),
])
def test_train_rows_that_contradict_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        changed(**values)


def test_train_rows_of_a_regression_have_no_label_noise():
    spec = TaskSpec("regression", "table", (3,), 1)
    with pytest.raises(ConfigError, match=r"dataset\.label_noise is for classification, and this is a regression"):
        TrainRows(**{**PLAIN, "label_noise": 0.1})(TRAIN, np.linspace(0, 1, 2000), spec)


@pytest.mark.parametrize("changes", [{"shuffle_labels": True}, {"label_noise": 0.1}])
def test_train_rows_whose_targets_are_their_own_tokens_have_no_labels_to_change(changes):
    spec = TaskSpec("sequence", "text", (), 0, next_token=True)
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"dataset\.{name} is for .*leave it out"):
        TrainRows(**{**PLAIN, **changes})(TRAIN, np.zeros(2000, np.int64), spec)


@pytest.mark.parametrize("override", ["dataset.train_fraction=0", "dataset.label_noise=1.5", "dataset.imbalance=0.5",
                                      "dataset.shuffle_labels=3"])
def test_train_rows_out_of_range_are_refused_with_their_key(override):
    with pytest.raises(ConfigError, match=override.partition("=")[0].replace(".", r"\.")):
        parts(override)


def test_label_noise_changes_train_eval_and_neither_val_nor_test(tmp_path):
    clean, noisy = (train(parts("epochs=1", f"dataset.label_noise={rate}"), tmp_path / str(rate), digits(300))
                    for rate in (0.0, 1.0))
    truth = {str(row): label for row, label in enumerate(digits(300).arrays.targets)}
    for folder in (clean, noisy):
        lines = (folder / "predictions.csv").read_text().splitlines()[1:]
        assert all(line.split(",")[2] == str(truth[line.split(",")[1]]) for line in lines)
    before, after = (read_json(folder / "summary.json") for folder in (clean, noisy))
    assert (before["num_changed_labels"], after["num_changed_labels"]) == (0, after["num_examples"]["train"])


def test_shuffled_labels_of_a_regression_leave_nothing_to_learn(tmp_path):
    data = table("regression", 3000)
    folder = train(parts("dataset=diabetes", "epochs=20", "model=linear", "dataset.shuffle_labels=true",
                         "optimizer.lr=0.02"), tmp_path / "run", data)
    values = {(row["metric"], row["split"]): row["value"] for row in read_json(folder / "summary.json")["metrics"]}
    assert values["r2", "test"] < 0.1


def test_saved_configuration_of_a_dataset_holds_what_is_done_to_its_rows():
    config = saved("dataset.train_fraction=0.5", "seed=4")
    assert (config["dataset"]["train_fraction"], config["dataset"]["train_seed"]) == (0.5, 4)
    assert build(config, []).train_rows.train_fraction == 0.5
