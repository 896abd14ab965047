"""What val, reweighted to the inputs or to the classes of test, says about test. N examples, C classes, D features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.core.gaps import RESAMPLES_SEED
from dlx.core.intervals import Interval, function_of_means
from dlx.core.measures import Measure, Measures
from dlx.core.random import numpy_generator
from dlx.core.subject import apart
from dlx.measure.reweighting import (
    NUM_FOLDS,
    accuracy_of_shares,
    black_box_shares,
    drawn_shares,
    effective_sample_size,
    expected_shares,
    importance_weights,
    joint_counts,
    wider_interval,
)

if TYPE_CHECKING:
    from dlx.core.subject import Subject
    from dlx.core.types import Outcome

# More would let a classifier tell sides apart by chance.
NUM_COMPONENTS, ROWS_EACH = 32, 40
TOKEN_FEATURES = 512
MOST_CLASSES = 100
NUM_DRAWS = 1000


def measure_reweighted(subject: Subject, num_examples: int) -> Measures:
    """Predict accuracy on test from val, by weights of inputs and by shares of classes; of a classification."""
    if subject.spec.kind != "classification":
        return Measures(skipped=("Test was not predicted from reweighted val: that is for classification.",))
    val, test = (_sorted(subject, split, num_examples) for split in ("val", "test"))
    inputs, labels = _by_inputs(subject, val, test), _by_labels(subject)
    truth = _hits(_outcome(subject, "test")).mean()
    actual = Measure("actual", float(truth), "test", n=len(subject.splits["test"].ids))
    return Measures((actual, *inputs.numbers, *labels.numbers), {**inputs.details, **labels.details},
                    (*inputs.skipped, *labels.skipped))


def _sorted(subject: Subject, split: str, num_examples: int) -> np.ndarray:
    """Return the positions of at most so many examples of a split, in the order of their ids."""
    ids = subject.splits[split].ids.numpy()
    places = np.array(apart(ids.tolist(), num_examples))
    return np.asarray(places[np.argsort(ids[places])])


def _outcome(subject: Subject, split: str) -> Outcome:
    outcome, order = subject.said(split).outcome, np.argsort(subject.splits[split].ids.numpy())
    return outcome._replace(scores=outcome.scores[order], targets=outcome.targets[order])


def _hits(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.scores.argmax(axis=1) == outcome.targets, np.float64)


def _by_inputs(subject: Subject, val: np.ndarray, test: np.ndarray) -> Measures:
    if min(len(val), len(test)) < 2 * NUM_FOLDS:
        return Measures(skipped=(f"Inputs of val and test were not told apart: that needs {2 * NUM_FOLDS} examples of "
                                 f"each.",))
    rows = _components(np.concatenate([_features(subject, "val", val), _features(subject, "test", test)]))
    weights = importance_weights(rows[: len(val)], rows[len(val) :])
    outcome = subject.said("val").outcome
    hits = _hits(outcome._replace(scores=outcome.scores[val], targets=outcome.targets[val]))
    weighted = np.stack([weights.values * hits, weights.values])
    predicted = Measure("predicted", float(weighted[0].sum() / weighted[1].sum()), "test", of={"by": "inputs"},
                        n=len(val)).within(function_of_means(weighted, lambda means: means[0] / means[1],
                                                             subject.level, RESAMPLES_SEED))
    size = effective_sample_size(weights.values)
    return Measures((predicted, Measure("effective_sample_size", size, "val", n=len(val)),
                     Measure("domain_auc", weights.auc, "test", n=len(val) + len(test))),
                    {"num_components": rows.shape[1], "num_val": len(val), "num_test": len(test)})


def _features(subject: Subject, split: str, places: np.ndarray) -> np.ndarray:
    """Return numbers of inputs as the model takes them, [N, D]: flat, of tokens the share of each."""
    import torch

    inputs = subject.splits[split].inputs.index_select(0, _indices(subject.splits[split].inputs, places))
    rows: np.ndarray = inputs.cpu().double().numpy() if inputs.dtype != torch.int64 else inputs.cpu().numpy()
    if subject.spec.layout != "tokens":
        return rows.reshape(len(rows), -1)
    at = np.arange(len(rows))[:, None] * TOKEN_FEATURES + rows % TOKEN_FEATURES
    counts = np.bincount(at[rows != 0], minlength=len(rows) * TOKEN_FEATURES).reshape(len(rows), TOKEN_FEATURES)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True).clip(min=1))


def _indices(inputs: Any, places: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(places).to(inputs.device if isinstance(inputs, torch.Tensor) else "cpu")


def _components(rows: np.ndarray) -> np.ndarray:
    """Return the first principal components of rows [N, D], one for every 40 rows and at most 32."""
    count = min(NUM_COMPONENTS, max(1, len(rows) // ROWS_EACH))
    if rows.shape[1] <= count:
        return rows
    from sklearn.utils.extmath import randomized_svd

    left, sizes, _ = randomized_svd(rows - rows.mean(axis=0), count, random_state=RESAMPLES_SEED)
    kept = sizes > 1e-9 * sizes[0]
    return np.asarray(left[:, kept] * sizes[kept])


def _by_labels(subject: Subject) -> Measures:
    count = subject.spec.num_outputs
    if count > MOST_CLASSES:
        return Measures(skipped=(f"Shares of classes in test were not estimated: there are more than {MOST_CLASSES} "
                                 f"classes.",))
    val, test = _outcome(subject, "val"), _outcome(subject, "test")
    joint = joint_counts(val.scores.argmax(axis=1), val.targets, count)
    predicted = np.bincount(test.scores.argmax(axis=1), minlength=count)
    true = np.bincount(test.targets, minlength=count) / len(test.targets)
    train = subject.splits["train_eval"].targets.cpu().numpy()
    expected = expected_shares(test.scores, np.bincount(train, minlength=count) / len(train))
    names = subject.spec.class_names or tuple(map(str, range(count)))
    own = joint.sum(axis=0) / joint.sum()
    numbers = [*_shares("true", names, true, own, len(test.targets)),
               *_shares("em", names, expected, own, len(test.targets)),
               Measure("predicted", float(accuracy_of_shares(joint, expected)), "test", of={"by": "em"},
                       n=len(val.targets))]
    shares = black_box_shares(joint, predicted)
    if shares is None:
        return Measures(numbers, {}, ("Shares of classes in test were not estimated by black box shift estimation: "
                                      "the confusion matrix of val cannot be inverted.",))
    draws = drawn_shares(joint, predicted, NUM_DRAWS, numpy_generator(RESAMPLES_SEED, "label-shift"))
    numbers += [_within(number, draws.shares[:, at], subject.level) if number.name == "label_share" else number
                for at, number in enumerate(_shares("bbse", names, shares, own, len(test.targets)))]
    numbers.append(_within(Measure("predicted", float(accuracy_of_shares(joint, shares)), "test", of={"by": "bbse"},
                                   n=len(val.targets)), draws.accuracies, subject.level))
    return Measures(numbers, {"val_shares": [round(float(share), 9) for share in own], "class_names": list(names)})


def _within(number: Measure, draws: np.ndarray, level: float) -> Measure:
    assert number.value is not None
    low, high = wider_interval(number.value, draws, level)
    return number.within(Interval(low, high, "bootstrap of val and test, percentile or normal", level, number.n,
                                  draws.size))


def _shares(by: str, names: tuple[str, ...], shares: np.ndarray, own: np.ndarray, n: int) -> list[Measure]:
    """List each class's share, and last how far all of them lie from those of val."""
    numbers = [Measure("label_share", float(share), "test", of={"by": by, "class": name}, n=n)
               for name, share in zip(names, shares, strict=True)]
    return [*numbers, Measure("label_distance", float(np.abs(shares - own).sum() / 2), "test", of={"by": by}, n=n)]
