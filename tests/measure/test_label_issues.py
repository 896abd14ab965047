"""Confident learning, against cleanlab, a loop and planted errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlx.core.random import numpy_generator
from dlx.measure.label_issues import calibrated, candidates_by_chance, find_label_issues, margins

ORACLE = json.loads((Path(__file__).resolve().parent.parent / "oracles" / "errors.json").read_text())
PROBS, LABELS = np.array(ORACLE["probs"]), np.array(ORACLE["labels"])


def sure(seed, n=3_000, num_classes=5, strength=3.0):
    """Return probabilities, and labels that are drawn from them."""
    draw = np.random.default_rng(seed)
    logits = strength * draw.normal(size=(n, num_classes))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probs, (draw.random(n)[:, None] > np.cumsum(probs, axis=1)).sum(axis=1).clip(max=num_classes - 1)


def test_candidates_thresholds_and_joint_are_those_of_cleanlab():
    found = find_label_issues(PROBS, LABELS)
    assert found.candidates.tolist() == ORACLE["candidates"]
    assert found.joint.tolist() == ORACLE["joint"]
    assert found.thresholds == pytest.approx(ORACLE["thresholds"])


def test_calibrated_joint_is_that_of_cleanlab_before_it_rounds_to_whole_examples():
    joint = calibrated(np.array(ORACLE["joint"]), LABELS)
    assert joint.sum() == pytest.approx(1)
    assert np.abs(joint * len(LABELS) - np.array(ORACLE["calibrated"])).max() < 1
    assert find_label_issues(PROBS, LABELS).share == pytest.approx(1 - np.trace(joint))


def looped(probs, labels):
    """The paper's rule, example by example."""
    num_classes, candidates = probs.shape[1], []
    thresholds = [probs[labels == label, label].mean() if (labels == label).any() else 2.0
                  for label in range(num_classes)]
    joint = np.zeros((num_classes, num_classes), int)
    for row, (own, label) in enumerate(zip(probs, labels, strict=True)):
        reached = [at for at in range(num_classes) if own[at] >= thresholds[at] - 1e-6]
        if not reached:
            continue
        seems = reached[0] if len(reached) == 1 else int(own.argmax())
        joint[label, seems] += 1
        if seems != label and own[label] + 1e-6 < max(np.delete(own, label)):
            candidates.append((own[label], row))
    joint[np.diag_indices(num_classes)] = joint.diagonal().clip(min=1)
    return [row for _, row in sorted(candidates)], joint


@pytest.mark.parametrize("seed", range(6))
def test_label_issues_equal_a_loop(seed):
    probs, labels = sure(seed, 400, 2 + seed, 1.0 + seed / 2)
    found = find_label_issues(probs, labels)
    candidates, joint = looped(probs, labels)
    assert found.candidates.tolist() == candidates
    assert found.joint.tolist() == joint.tolist()


def test_planted_errors_are_found():
    probs, _ = sure(0, strength=8.0)
    classes = probs.argmax(axis=1)
    certain = probs.max(axis=1) > 0.99
    planted = np.flatnonzero(certain)[:100]
    labels = classes.copy()
    labels[planted] = (classes[planted] + 1) % 5
    found = find_label_issues(probs, labels)
    assert set(planted.tolist()) <= set(found.candidates.tolist())
    assert found.share == pytest.approx(100 / len(labels), abs=0.02)


def test_right_labels_of_a_certain_model_give_no_candidates():
    probs = np.eye(3)[np.arange(30) % 3]
    found = find_label_issues(probs, np.arange(30) % 3)
    assert (len(found.candidates), found.share) == (0, 0.0)
    assert candidates_by_chance(probs, numpy_generator(0, "x"), 20, 0.95)[:3] == (0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_by_chance_counts_what_drawn_labels_give(seed):
    probs, _ = sure(seed, 600, 4, 2.0)
    draw = np.random.default_rng(seed)
    counts = []
    for _ in range(200):
        labels = (draw.random(600)[:, None] > np.cumsum(probs, axis=1)).sum(axis=1).clip(max=3)
        counts.append(len(find_label_issues(probs, labels).candidates))
    found = candidates_by_chance(probs, numpy_generator(seed, "label-issues"), 200, 0.9)
    error = np.std(counts) * np.sqrt(2 / 200)
    assert found.mean == pytest.approx(np.mean(counts), abs=4 * error)
    assert (found.low, found.high) == (pytest.approx(np.quantile(counts, 0.05), abs=6),
                                       pytest.approx(np.quantile(counts, 0.95), abs=6))


def test_margin_is_the_label_less_the_best_other():
    probs = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    assert margins(probs, np.array([0, 1])) == pytest.approx([0.5, -0.1])
