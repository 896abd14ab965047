"""What every metric of conf/metric promises. A new metric is tested by its YAML alone.

Shape letters: N examples, L positions, C classes, U labels.
"""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.special import expit, log_softmax, softmax

from dlx.core.intervals import Interval
from dlx.core.types import IGNORED, Outcome, StreamedMetric

FILES = sorted((Path(__file__).parents[2] / "conf" / "metric").glob("*.yaml"))
NUM_EXAMPLES = 240
NUM_CLASSES = 10
NUM_POSITIONS = 3
# Of what is transcribed, each label at a position of its own between blanks.
NUM_LABELS = 2
# Where it is neither the end of shares nor of errors.
BEST = {"perplexity": 1.0}
LEVEL = 0.95


def build(path):
    arguments = yaml.safe_load(path.read_text())
    module, name = arguments.pop("_target_").rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**arguments)


STREAMED = [path for path in FILES if isinstance(build(path), StreamedMetric)]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def metric(request):
    return build(request.param)


@pytest.fixture(params=STREAMED, ids=lambda path: path.stem)
def streamed_metric(request):
    return build(request.param)


def logits_of(targets, signal, num_classes=NUM_CLASSES):
    noise = np.random.default_rng(1).normal(size=(*targets.shape, num_classes))
    return noise + signal * np.eye(num_classes)[targets]


def sequences(num_classes=NUM_CLASSES):
    """Targets of one to three positions."""
    generator = np.random.default_rng(3)
    targets = generator.integers(0, num_classes, (NUM_EXAMPLES, NUM_POSITIONS))
    targets[np.arange(NUM_POSITIONS) > generator.integers(0, NUM_POSITIONS, (NUM_EXAMPLES, 1))] = IGNORED
    return targets


def told(logits, targets):
    """What an outcome keeps of logits [N, L, C]."""
    expected = np.take_along_axis(log_softmax(logits, axis=2), targets.clip(0)[:, :, None], axis=2)[:, :, 0]
    return Outcome(np.stack([logits.argmax(axis=2), np.where(targets == IGNORED, 0, expected)], axis=2), targets)


def label_sets(num_labels=NUM_CLASSES):
    """Which labels each example has, a third of them."""
    return (np.random.default_rng(4).random((NUM_EXAMPLES, num_labels)) < 1 / 3).astype(np.int64)


def transcribed(num_classes=NUM_CLASSES):
    """Targets [N, U] of one or two labels, and a path [N, L] that says them."""
    generator = np.random.default_rng(5)
    targets = generator.integers(1, num_classes, (NUM_EXAMPLES, NUM_LABELS))
    targets[generator.random(NUM_EXAMPLES) < 0.5, 1] = IGNORED
    path = np.zeros((NUM_EXAMPLES, 2 * NUM_LABELS + 1), np.int64)
    path[:, 1::2] = targets.clip(0)
    return targets, path


def signs(targets, signal):
    """Logits of labels."""
    return signal * (2 * targets - 1) + np.random.default_rng(1).normal(size=targets.shape)


def outcome_of(kind, quality):
    """Predictions of a quality in [0, 1): 0 knows nothing, near 1 is almost right."""
    generator = np.random.default_rng(0)
    if kind == "classification":
        targets = generator.permutation(np.arange(NUM_EXAMPLES) % NUM_CLASSES)
        return Outcome(softmax(logits_of(targets, quality / (1 - quality)), axis=1), targets)
    if kind == "sequence":
        targets = sequences()
        return told(logits_of(targets.clip(0), 2 * quality / (1 - quality)), targets)
    if kind == "multilabel":
        return Outcome(expit(signs(label_sets(), quality / (1 - quality))), label_sets())
    if kind == "transcription":
        targets, path = transcribed()
        return Outcome(log_softmax(logits_of(path, 2 * quality / (1 - quality)), axis=2), targets)
    targets, noise = generator.normal(100.0, 30.0, size=(2, NUM_EXAMPLES))
    return Outcome(targets + (1 - quality) * (noise - 100.0), targets)


def perfect(kind):
    targets = outcome_of(kind, 0.5).targets
    if kind == "multilabel":
        return Outcome(targets.astype(np.float64), targets)
    if kind == "transcription":
        return Outcome(log_softmax(1e3 * np.eye(NUM_CLASSES)[transcribed()[1]], axis=2), targets)
    if kind == "sequence":
        return told(1e3 * np.eye(NUM_CLASSES)[targets.clip(0)], targets)
    return Outcome(np.eye(NUM_CLASSES)[targets] if kind == "classification" else targets, targets)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_metric_file_names_its_package_and_its_module(path):
    assert path.read_text().splitlines()[0] == f"# @package metric.{path.stem}"
    assert yaml.safe_load(path.read_text())["_target_"].rsplit(".", 1)[0].startswith("dlx.metric.")


def test_metric_says_its_kind_direction_and_meaning(metric):
    assert metric.kind in ("classification", "regression", "sequence", "multilabel", "transcription")
    assert isinstance(metric.greater_is_better, bool)
    assert len(type(metric).__doc__ or "") > 20


def test_metric_interval_contains_value_and_says_its_method(metric):
    outcome = outcome_of(metric.kind, 0.6)
    value, interval = metric.value(outcome), metric.interval(outcome, LEVEL, 0)
    assert isinstance(value, float)
    assert isinstance(interval, Interval)
    assert interval.low < value < interval.high
    assert interval.method
    assert (interval.level, interval.n) == (LEVEL, NUM_EXAMPLES)


def test_metric_interval_widens_with_level_and_narrows_with_examples(metric):
    outcome = outcome_of(metric.kind, 0.6)
    fourfold = Outcome(*(np.concatenate([array] * 4) for array in outcome))
    half, most, more = (
        metric.interval(some, level, 0) for some, level in ((outcome, 0.5), (outcome, 0.99), (fourfold, 0.99))
    )
    assert most.low < half.low < half.high < most.high
    assert more.high - more.low == pytest.approx((most.high - most.low) / 2, rel=0.15)


def test_metric_interval_is_a_function_of_outcome_level_and_seed(metric):
    outcome = outcome_of(metric.kind, 0.6)
    assert metric.interval(outcome, LEVEL, 0) == metric.interval(outcome, LEVEL, 0)
    if metric.interval(outcome, LEVEL, 0).num_draws > 0:
        assert metric.interval(outcome, LEVEL, 0) != metric.interval(outcome, LEVEL, 1)


def test_metric_leaves_outcome_as_it_was(metric):
    outcome = outcome_of(metric.kind, 0.6)
    for array in outcome:
        array.setflags(write=False)
    metric.value(outcome)
    metric.interval(outcome, LEVEL, 0)


def test_metric_value_ignores_order_of_examples(metric):
    outcome = outcome_of(metric.kind, 0.6)
    order = np.random.default_rng(2).permutation(NUM_EXAMPLES)
    shuffled = Outcome(outcome.scores[order], outcome.targets[order])
    assert metric.value(shuffled) == pytest.approx(metric.value(outcome), rel=1e-12)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_metric_of_perfect_predictions_is_the_best_value(path):
    metric = build(path)
    best = BEST.get(path.stem, 1.0 if metric.greater_is_better else 0.0)
    outcome = perfect(metric.kind)
    interval = metric.interval(outcome, LEVEL, 0)
    assert metric.value(outcome) == pytest.approx(best, abs=1e-12)
    assert interval.low - 1e-12 <= best <= interval.high + 1e-12
    assert not math.isnan(interval.low)


def test_metric_gets_worse_with_predictions(metric):
    values = [metric.value(outcome_of(metric.kind, quality)) for quality in (0.1, 0.4, 0.6, 0.7)]
    assert values == sorted(set(values), reverse=not metric.greater_is_better)


def test_metric_of_constant_predictions_is_finite(metric):
    outcome = outcome_of(metric.kind, 0.6)
    constant = Outcome(np.broadcast_to(outcome.scores.mean(axis=0), outcome.scores.shape), outcome.targets)
    interval = metric.interval(constant, LEVEL, 0)
    assert math.isfinite(metric.value(constant))
    assert -math.inf < interval.low <= interval.high < math.inf


@pytest.mark.parametrize("num_classes", [2, 3, NUM_CLASSES])
def test_metric_streamed_equals_value_of_the_whole_split(streamed_metric, num_classes):
    targets = np.arange(NUM_EXAMPLES) % num_classes
    logits = 3 * logits_of(targets, 0.5, num_classes)
    if streamed_metric.kind == "sequence":
        targets = sequences(num_classes)
        logits = 3 * logits_of(targets.clip(0), 0.5, num_classes)
        outcome, outputs = told(logits, targets), torch.tensor(logits)
    elif streamed_metric.kind == "multilabel":
        targets = label_sets(num_classes)
        logits = signs(targets, 0.5)
        outcome, outputs = Outcome(expit(logits), targets), torch.tensor(logits)
    elif streamed_metric.kind == "transcription":
        targets, path = transcribed(num_classes)
        logits = 3 * logits_of(path, 0.5, num_classes)
        outcome, outputs = Outcome(log_softmax(logits, axis=2), targets), torch.tensor(logits)
    elif streamed_metric.kind == "classification":
        outcome, outputs = Outcome(softmax(logits, axis=1), targets), torch.tensor(logits)
    else:
        outcome = Outcome(logits[:, 0], logits[:, 1])
        targets, outputs = outcome.targets, torch.tensor(outcome.scores)
    values = streamed_metric.per_example(outputs, torch.tensor(targets))
    assert values.shape == (NUM_EXAMPLES,)
    assert streamed_metric.from_mean(values.mean().item()) == pytest.approx(streamed_metric.value(outcome), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_metric_streams_in_the_dtype_of_the_outputs_and_under_vmap(streamed_metric, dtype):
    outcome = outcome_of(streamed_metric.kind, 0.6)
    scores = logits_of(outcome.targets.clip(0), 2.0) if streamed_metric.kind == "sequence" else outcome.scores
    outputs, targets = torch.tensor(scores, dtype=dtype), torch.tensor(outcome.targets)
    targets = targets.to(dtype) if streamed_metric.kind == "regression" else targets
    values = streamed_metric.per_example(outputs, targets)
    assert values.dtype == dtype
    by_member = torch.vmap(streamed_metric.per_example)(outputs.unflatten(0, (4, -1)), targets.unflatten(0, (4, -1)))
    torch.testing.assert_close(by_member.flatten(), values)
