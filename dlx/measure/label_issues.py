"""Labels that may be wrong, by confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70).

N examples, C classes; probs [N, C] of a model that was not trained on them; labels [N]. Conventions are those of
cleanlab 2.9: `count.compute_confident_joint`, `filter.find_label_issues(filter_by="confident_learning")`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Of probabilities that count as equal.
SLACK = 1e-6
# The threshold of a class without examples: none is as probable.
UNREACHABLE = 2.0


class LabelIssues(NamedTuple):
    """What was found.

    thresholds [C]; joint [C, C]: confident counts, row the label, column the class that it seems to be, at least 1 on
    the diagonal; candidates: indices of examples whose label may be wrong, that with the least probable label first;
    seems [N]: the class that each example seems to be, −1 where none is sure enough; share: of labels that are wrong,
    from the calibrated joint.
    """

    thresholds: np.ndarray
    joint: np.ndarray
    candidates: np.ndarray
    seems: np.ndarray
    share: float


class ByChance(NamedTuple):
    """How many candidates there are where labels are drawn from the probabilities; low, high: 2.5 and 97.5%."""

    mean: float
    low: float
    high: float
    num_draws: int


def find_label_issues(probs: np.ndarray, labels: np.ndarray) -> LabelIssues:
    """Find examples whose label may be wrong.

    An example seems to be of class j where p_j ≥ t_j, t_j the mean of p_j over the examples with label j; of the most
    probable class where several are so. It is a candidate where that is not its label, and its label is not the most
    probable class either.
    """
    num_classes = probs.shape[1]
    own = probs[np.arange(len(labels)), labels]
    thresholds = thresholds_of(own, labels, num_classes)
    seems = seeming(probs, thresholds)
    sure = seems >= 0
    joint = np.bincount(labels[sure] * num_classes + seems[sure], minlength=num_classes**2)
    joint = joint.reshape(num_classes, num_classes)
    np.fill_diagonal(joint, joint.diagonal().clip(min=1))
    doubted = np.flatnonzero(_doubted(probs, labels, own, seems))
    order = np.lexsort((doubted, own[doubted]))
    return LabelIssues(thresholds, joint, doubted[order], seems, wrong_share(joint, labels))


def thresholds_of(own: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the mean probability [C] of a label among examples that have it; `own` [N] is that of each label."""
    sizes = np.bincount(labels, minlength=num_classes)
    sums = np.bincount(labels, own, minlength=num_classes)
    return np.where(sizes > 0, np.maximum(sums / np.maximum(sizes, 1), 2 * SLACK), UNREACHABLE)


def seeming(probs: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the class [N] that each example seems to be, −1 where no probability reaches its threshold."""
    reached = probs >= thresholds - SLACK
    count = reached.sum(axis=1)
    return np.where(count > 1, probs.argmax(axis=1), np.where(count == 1, reached.argmax(axis=1), -1))


def _doubted(probs: np.ndarray, labels: np.ndarray, own: np.ndarray, seems: np.ndarray) -> np.ndarray:
    rows = np.arange(len(labels))
    raised = probs.copy()
    raised[rows, labels] = own + SLACK
    doubted: np.ndarray = (seems >= 0) & (seems != labels) & (raised.argmax(axis=1) != labels)
    return doubted


def calibrated(joint: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scale the rows of a confident joint to the shares of labels: estimated probabilities [C, C] of (label, class)."""
    shares = np.bincount(labels, minlength=len(joint)) / len(labels)
    result: np.ndarray = joint / joint.sum(axis=1, keepdims=True) * shares[:, None]
    return result


def wrong_share(joint: np.ndarray, labels: np.ndarray) -> float:
    """Return the estimated share of wrong labels: 1 − the trace of the calibrated joint."""
    return float(1 - np.trace(calibrated(joint, labels)))


def margins(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the normalized margin [N] of each label, p_label − max of the others, in [−1, 1]."""
    rows = np.arange(len(labels))
    others = probs.copy()
    others[rows, labels] = -np.inf
    result: np.ndarray = probs[rows, labels] - others.max(axis=1)
    return result


def candidates_by_chance(probs: np.ndarray, draw: np.random.Generator, num_draws: int, level: float
                         ) -> ByChance:
    """Count candidates where every label is drawn from its example's probabilities: right as far as the model knows.

    low and high of the result are the (1 ∓ level)/2 quantiles of draws.
    """
    rows, top = np.arange(len(probs)), probs.argmax(axis=1)
    highest, others = probs[rows, top], probs.copy()
    others[rows, top] = 0
    sums, counts = np.cumsum(others, axis=1), []
    for _ in range(num_draws):
        # Most draws are the most probable class, of which none is a candidate.
        place = draw.random(len(probs)) * (highest + sums[:, -1])
        off = np.flatnonzero(place >= highest)
        labels = np.minimum((sums[off] <= (place[off] - highest[off])[:, None]).sum(axis=1), probs.shape[1] - 1)
        drawn = top.copy()
        drawn[off] = labels
        own = highest.copy()
        own[off] = probs[off, labels]
        seems = seeming(probs[off], thresholds_of(own, drawn, probs.shape[1]))
        counts.append(int(_doubted(probs[off], labels, own[off], seems).sum()))
    low, high = np.quantile(counts, [(1 - level) / 2, (1 + level) / 2])
    return ByChance(float(np.mean(counts)), float(low), float(high), num_draws)
