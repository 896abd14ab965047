"""What simple answers reach: the numbers beside every result. N rows, D features, C classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dlx.core.types import IGNORED, Metric, Outcome, TaskSpec
from dlx.hygiene.data import TRAIN, sample
from dlx.hygiene.features import Features
from dlx.hygiene.notes import nearest_of

FIT_ROWS, NEAREST_ROWS, MEASURED_ROWS = 5_000, 10_000, 2_000
# Multiplications of the nearest neighbour's search, and of the fit, so that wide inputs cost no more than narrow ones.
MAX_PRODUCTS = 6e9
MAX_FIT_NUMBERS = 2**22
MAX_ITERATIONS = 100


class Baseline(NamedTuple):
    """One simple answer.

    name: majority, stratified, nearest, linear; title: for people; fitted_on: train rows, of of_rows; places: positions
    of each held-out split that it was measured on; outcomes: what it said of them; None where only expected values are
    known; expected: by split and metric.
    """

    name: str
    title: str
    fitted_on: int
    of_rows: int
    places: Mapping[str, np.ndarray]
    outcomes: Mapping[str, Outcome] | None
    expected: Mapping[str, Mapping[str, float]]


class Value(NamedTuple):
    """A metric of a baseline on a split; value is None where the baseline has none."""

    baseline: str
    split: str
    metric: str
    value: float | None
    n: int


def baselines(features: Features, targets: np.ndarray, rows: Mapping[str, np.ndarray], spec: TaskSpec
              ) -> list[Baseline]:
    """Make all simple answers that a task has.

    Args:
        targets: of every row of the dataset.
        rows: of each split.
    """
    if spec.kind == "transcription":
        return []
    if spec.kind == "sequence":
        made = sequence_majority(targets, rows)
        return [] if made is None else [made]
    truths = {split: targets[own] for split, own in rows.items()}
    if spec.kind == "multilabel":
        return [label_majority(truths), nearest(features, spec)]
    return [majority(truths, spec), stratified(truths, spec), nearest(features, spec), linear(features, spec)]


def measured(made: list[Baseline], metrics: Mapping[str, Metric]) -> list[Value]:
    """Measure baselines with the metrics of a run."""
    values = []
    for baseline in made:
        for name, metric in metrics.items():
            own = {split: _value(metric, baseline, split, name) for split in baseline.places}
            if baseline.outcomes is not None and baseline.name == "nearest" and None in own.values():
                own = dict.fromkeys(own)
            values += [Value(baseline.name, split, name, own[split], len(places))
                       for split, places in baseline.places.items()]
    return values


def _value(metric: Metric, baseline: Baseline, split: str, name: str) -> float | None:
    if baseline.outcomes is None:
        return baseline.expected[split].get(name)
    outcome = baseline.outcomes[split]
    value = metric.value(outcome)
    if baseline.name == "nearest" and outcome.scores.ndim == 2:
        # A neighbour gives a class, no probability and no second choice: what changes with those, it does not have.
        tilt = 1e-9 * np.arange(outcome.scores.shape[1])
        others = [Outcome(0.5 * outcome.scores + 0.1 + sign * tilt, outcome.targets) for sign in (-1, 1)]
        if any(metric.value(other) != value for other in others):
            return None
    return value if np.isfinite(value) else None


def _held_out(items: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {split: own for split, own in items.items() if split != TRAIN}


def majority(targets: Mapping[str, np.ndarray], spec: TaskSpec) -> Baseline:
    """Give everyone the class shares of train, whose largest is the answer; or the mean of train."""
    train, held_out = targets[TRAIN], _held_out(targets)
    if spec.kind == "classification":
        answer = np.bincount(train, minlength=spec.num_outputs) / len(train)
        outcomes = {split: Outcome(np.tile(answer, (len(own), 1)), own) for split, own in held_out.items()}
        title = f"majority: always {_class_name(spec, int(answer.argmax()))}"
    else:
        mean = float(train.astype(np.float64).mean())
        outcomes = {split: Outcome(np.full(len(own), mean), own.astype(np.float64)) for split, own in held_out.items()}
        title = "mean of train"
    places = {split: np.arange(len(own)) for split, own in held_out.items()}
    return Baseline("majority", title, len(train), len(train), places, outcomes, {})


def label_majority(targets: Mapping[str, np.ndarray]) -> Baseline:
    """Give everyone the share of train that each label has: those of more than half are the answer."""
    train, held_out = targets[TRAIN], _held_out(targets)
    outcomes = {split: Outcome(np.tile(train.mean(axis=0), (len(own), 1)), own) for split, own in held_out.items()}
    places = {split: np.arange(len(own)) for split, own in held_out.items()}
    return Baseline("majority", "majority: labels of more than half of train", len(train), len(train), places, outcomes,
                    {})


def _class_name(spec: TaskSpec, number: int) -> str:
    return spec.class_names[number] if number < len(spec.class_names) else str(number)


def stratified(targets: Mapping[str, np.ndarray], spec: TaskSpec) -> Baseline:
    """Give everyone the target of a train row drawn at random: expected values, where they have a closed form."""
    train, held_out = targets[TRAIN], _held_out(targets)
    expect: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    expect = _expected_accuracy if spec.kind == "classification" else _expected_errors
    expected = {split: expect(train, own) for split, own in held_out.items()}
    places = {split: np.arange(len(own)) for split, own in held_out.items()}
    return Baseline("stratified", "random, as train", len(train), len(train), places, None, expected)


def _expected_accuracy(train: np.ndarray, own: np.ndarray) -> dict[str, float]:
    """Σ_c p_c q_c."""
    size = int(max(train.max(), own.max())) + 1
    shares = [np.bincount(labels, minlength=size) / len(labels) for labels in (train, own)]
    return {"accuracy": float(shares[0] @ shares[1])}


def _expected_errors(train: np.ndarray, own: np.ndarray) -> dict[str, float]:
    """E (y - y')² = var y + var y' + (mean y - mean y')², and E |y - y'|, over all pairs."""
    train, own = train.astype(np.float64), own.astype(np.float64)
    square = train.var() + own.var() + (train.mean() - own.mean()) ** 2
    ordered = np.sort(train)
    sums = np.concatenate([[0.0], ordered.cumsum()])
    below = np.searchsorted(ordered, own)
    distances = own * (2 * below - len(ordered)) + sums[-1] - 2 * sums[below]
    expected = {"rmse": float(np.sqrt(square)), "mae": float(distances.mean() / len(ordered))}
    return {**expected, "r2": float(1 - square / own.var())} if own.var() > 0 else expected


def nearest(features: Features, spec: TaskSpec) -> Baseline:
    """Give everyone the target of the nearest train row, by Euclidean distance."""
    train = features.values[TRAIN]
    known = features.some(TRAIN, NEAREST_ROWS, "nearest-train")
    most = int(min(MEASURED_ROWS, max(200, MAX_PRODUCTS / max(1, len(known) * train.shape[1]))))
    own = {split: features.some(split, most, "nearest") for split in _held_out(features.values)}
    answers = {split: features.targets[TRAIN][known][nearest_of(features.values[split][at], train[known])]
               for split, at in own.items()}
    return _of_answers("nearest", "nearest neighbour", features, own, answers, len(known), spec)


def linear(features: Features, spec: TaskSpec) -> Baseline:
    """Fit scikit-learn's logistic regression, or ridge regression, to standardized features."""
    train = features.values[TRAIN]
    known = features.some(TRAIN, min(FIT_ROWS, max(500, MAX_FIT_NUMBERS // max(1, train.shape[1]))), "linear-train")
    own = {split: features.some(split, MEASURED_ROWS, "linear") for split in _held_out(features.values)}
    mean, deviation = train[known].mean(axis=0), train[known].std(axis=0)
    useful = deviation > 1e-6 * np.maximum(1.0, np.abs(mean))
    if spec.layout != "table":
        # Pixels have a scale in common; one that hardly ever changes must not weigh as much as the others.
        deviation = np.full_like(deviation, np.sqrt(np.square(deviation[useful]).mean()) if useful.any() else 1.0)
    scaled = {split: _scaled(features.values[split][at], mean, deviation, useful)
              for split, at in {TRAIN: known, **own}.items()}
    answers = _linear_answers(scaled, features.targets[TRAIN][known], spec)
    title = "logistic regression" if spec.kind == "classification" else "ridge regression"
    return _of_answers("linear", title, features, own, answers, len(known), spec)


def _scaled(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray, useful: np.ndarray) -> np.ndarray:
    return np.asarray((values[:, useful] - mean[useful]) / deviation[useful], np.float64)


def _linear_answers(scaled: Mapping[str, np.ndarray], targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
    held_out, is_blind = _held_out(scaled), scaled[TRAIN].shape[1] == 0
    if spec.kind == "regression":
        from sklearn.linear_model import Ridge

        if is_blind:
            return {split: np.full(len(own), targets.mean()) for split, own in held_out.items()}
        fitted = Ridge().fit(scaled[TRAIN], targets.astype(np.float64))
        return {split: fitted.predict(own) for split, own in held_out.items()}
    if is_blind or len(np.unique(targets)) == 1:
        shares = np.bincount(targets, minlength=spec.num_outputs) / len(targets)
        return {split: np.tile(shares, (len(own), 1)) for split, own in held_out.items()}
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=MAX_ITERATIONS, tol=1e-3).fit(scaled[TRAIN], targets)
    answers = {}
    for split, own in held_out.items():
        probs = np.zeros((len(own), spec.num_outputs))
        probs[:, fitted.classes_] = fitted.predict_proba(own)
        answers[split] = probs
    return answers


def _of_answers(name: str, title: str, features: Features, places: Mapping[str, np.ndarray],
                answers: Mapping[str, np.ndarray], fitted_on: int, spec: TaskSpec) -> Baseline:
    outcomes = {}
    for split, own in answers.items():
        truths = features.targets[split][places[split]]
        if spec.kind == "regression":
            outcomes[split] = Outcome(np.asarray(own, np.float64), truths.astype(np.float64))
        else:
            scores = own.astype(np.float64) if own.ndim == 2 else np.eye(spec.num_outputs)[own]
            outcomes[split] = Outcome(scores, truths)
    return Baseline(name, title, fitted_on, features.of_rows[TRAIN],
                    {split: features.places[split][own] for split, own in places.items()}, outcomes, {})


def sequence_majority(targets: np.ndarray, rows: Mapping[str, np.ndarray]) -> Baseline | None:
    """Give every position the shares of classes of train; the largest is the answer."""
    if targets.ndim != 2:
        return None
    train = targets[rows[TRAIN]]
    counts = np.bincount(train[train != IGNORED], minlength=int(targets.max(initial=0)) + 1)
    if counts.sum() == 0:
        return None
    # One more of each, so that what train lacks is possible.
    log_shares = np.log((counts + 1) / (counts + 1).sum())
    outcomes = {}
    places = {split: sample(len(own), MEASURED_ROWS, f"sequence-{split}") for split, own in _held_out(rows).items()}
    for split, own in places.items():
        truths = targets[rows[split][own]]
        told = np.where(truths == IGNORED, 0.0, log_shares[np.where(truths == IGNORED, 0, truths)])
        outcomes[split] = Outcome(np.stack([np.full(told.shape, float(counts.argmax())), told], axis=-1), truths)
    return Baseline("majority", f"majority: always class {counts.argmax()}", len(train), len(train), places, outcomes,
                    {})
