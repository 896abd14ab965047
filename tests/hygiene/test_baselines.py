"""Simple answers, against scikit-learn's and against all pairs."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from dlx.core.types import IGNORED, TaskSpec
from dlx.hygiene.baselines import baselines, linear, majority, measured, nearest, sequence_majority, stratified
from dlx.hygiene.features import Features
from dlx.metric.accuracy import Accuracy
from dlx.metric.macro_f1 import MacroF1
from dlx.metric.mae import Mae
from dlx.metric.nll import Nll
from dlx.metric.r2 import R2
from dlx.metric.rmse import Rmse
from dlx.metric.top_k import TopK

CLASSES = TaskSpec("classification", "table", (6,), 4, ("a", "b", "c", "d"))
NUMBERS = TaskSpec("regression", "table", (6,), 1)


def make(kind="classification", seed=0):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(400, 6)).astype(np.float32) * np.float32([1, 5, 0.1, 1, 1, 1]) + 3
    signal = values[:, 0] + values[:, 1] / 5 + 0.3 * draw.normal(size=400)
    targets = np.digitize(signal, [2.5, 3.5, 5]) if kind == "classification" else signal
    rows = {"train": np.arange(240), "val": np.arange(240, 320), "test": np.arange(320, 400)}
    features = Features({name: values[own] for name, own in rows.items()},
                        {name: np.arange(len(own)) for name, own in rows.items()}, rows,
                        {name: targets[own] for name, own in rows.items()},
                        {name: len(own) for name, own in rows.items()}, "inputs")
    return features, targets, rows


def by_name(made, metrics):
    return {(own.baseline, own.split, own.metric): own.value for own in measured(made, metrics)}


def test_logistic_regression_is_scikit_learns_on_standardized_inputs():
    features, targets, rows = make()
    scaler = StandardScaler().fit(features.values["train"].astype(np.float64))
    twin = LogisticRegression(max_iter=1000).fit(scaler.transform(features.values["train"]), targets[rows["train"]])
    made = linear(features, CLASSES)
    np.testing.assert_allclose(made.outcomes["test"].scores,
                               twin.predict_proba(scaler.transform(features.values["test"])), atol=0.01)


def test_ridge_regression_is_scikit_learns_on_standardized_inputs():
    features, targets, rows = make("regression")
    scaler = StandardScaler().fit(features.values["train"].astype(np.float64))
    twin = Ridge().fit(scaler.transform(features.values["train"]), targets[rows["train"]])
    np.testing.assert_allclose(linear(features, NUMBERS).outcomes["test"].scores,
                               twin.predict(scaler.transform(features.values["test"])), rtol=1e-4)


def test_nearest_neighbour_is_scikit_learns():
    features, targets, rows = make()
    twin = KNeighborsClassifier(1).fit(features.values["train"], targets[rows["train"]])
    scores = nearest(features, CLASSES).outcomes["val"].scores
    np.testing.assert_array_equal(scores.argmax(axis=1), twin.predict(features.values["val"]))


def test_majority_gives_the_class_shares_of_train():
    _, targets, rows = make()
    truths = {split: targets[own] for split, own in rows.items()}
    made = majority(truths, CLASSES)
    shares = np.bincount(truths["train"], minlength=4) / 240
    values = by_name([made], {"accuracy": Accuracy(), "nll": Nll()})
    assert values["majority", "test", "accuracy"] == np.mean(truths["test"] == shares.argmax())
    assert values["majority", "test", "nll"] == pytest.approx(-np.log(shares[truths["test"]]).mean())
    assert made.title == f"majority: always {'abcd'[shares.argmax()]}"


def test_expected_accuracy_of_random_answers_is_that_of_all_pairs():
    _, targets, rows = make()
    truths = {split: targets[own] for split, own in rows.items()}
    value = by_name([stratified(truths, CLASSES)], {"accuracy": Accuracy()})["stratified", "test", "accuracy"]
    assert value == pytest.approx(np.mean(truths["train"][:, None] == truths["test"][None]))


def test_expected_errors_of_random_answers_are_those_of_all_pairs():
    _, targets, rows = make("regression")
    truths = {split: targets[own] for split, own in rows.items()}
    metrics = {"rmse": Rmse(), "mae": Mae(), "r2": R2()}
    values = by_name([stratified(truths, NUMBERS)], metrics)
    distances = truths["train"][:, None] - truths["test"][None]
    square = np.mean(distances**2)
    assert values["stratified", "test", "rmse"] == pytest.approx(np.sqrt(square))
    assert values["stratified", "test", "mae"] == pytest.approx(np.abs(distances).mean())
    assert values["stratified", "test", "r2"] == pytest.approx(1 - square / truths["test"].var())


def test_a_neighbour_has_neither_probabilities_nor_a_second_choice():
    features, targets, rows = make()
    metrics = {"accuracy": Accuracy(), "macro_f1": MacroF1(), "nll": Nll(), "top_k": TopK(2)}
    values = by_name([nearest(features, CLASSES)], metrics)
    answers = KNeighborsClassifier(1).fit(features.values["train"], targets[rows["train"]]).predict(
        features.values["test"])
    assert values["nearest", "test", "macro_f1"] == pytest.approx(
        f1_score(targets[rows["test"]], answers, average="macro"))
    assert values["nearest", "test", "nll"] is None
    assert values["nearest", "test", "top_k"] is None


def test_every_simple_answer_is_measured_on_val_and_test():
    features, targets, rows = make()
    values = by_name(baselines(features, targets, rows, CLASSES), {"accuracy": Accuracy()})
    assert {key[:2] for key in values} == {(name, split) for name in ("majority", "stratified", "nearest", "linear")
                                           for split in ("val", "test")}
    assert values["linear", "test", "accuracy"] > values["majority", "test", "accuracy"] + 0.2


def test_classes_that_train_lacks_have_no_probability():
    features, _, _ = make()
    features.targets["train"][features.targets["train"] == 3] = 0
    assert linear(features, CLASSES).outcomes["test"].scores[:, 3].max() == 0


def test_one_class_and_constant_inputs_have_answers():
    features, _, rows = make()
    flat = features._replace(values={split: np.ones_like(own) for split, own in features.values.items()})
    assert linear(flat, CLASSES).outcomes["test"].scores.sum(axis=1) == pytest.approx(1)
    assert np.isfinite(linear(flat, NUMBERS).outcomes["test"].scores).all()
    alone = features._replace(targets={split: np.zeros(len(own), int) for split, own in rows.items()})
    assert linear(alone, CLASSES).outcomes["test"].scores[:, 0] == pytest.approx(1)


def test_sequences_get_the_most_frequent_token():
    targets = np.array([[1, 1, 2], [1, IGNORED, 3], [1, 2, IGNORED]])
    made = sequence_majority(targets, {"train": np.array([0, 1]), "val": np.array([2])})
    outcome = made.outcomes["val"]
    assert outcome.scores[0, :, 0].tolist() == [1, 1, 1]
    np.testing.assert_allclose(outcome.scores[0, :2, 1], np.log([4 / 9, 2 / 9]))
    assert sequence_majority(np.zeros(5, int), {"train": np.arange(5)}) is None
