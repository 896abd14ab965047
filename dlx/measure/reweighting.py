"""What val says about test where test looks otherwise: importance weights of inputs, and shares of classes.

n examples of val (the source), m of test (the target), D features, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_FOLDS = 5
# Standard deviations, beyond which a feature is moved: one row far out would have all of the weight.
FARTHEST = 3.0
# Steps of the algorithm of Saerens and others until shares move by less than the tolerance.
MOST_STEPS, TOLERANCE = 1000, 1e-10


class Weights(NamedTuple):
    """values [n] of the source's examples, mean about 1; auc: how well a classifier tells target from source."""

    values: np.ndarray
    auc: float


def importance_weights(source: np.ndarray, target: np.ndarray) -> Weights:
    """Estimate p_target(x) / p_source(x) at the rows of the source.

    w = n / m · P(target | x) / P(source | x) of a logistic regression (L2, C = 1, on features that are standardized
    and cut off at ± 3) of which side a row is of. It is fitted to 4 of 5 folds and asked about the fifth: row i of a
    side is in fold i mod 5. Source: Bickel, Brückner and Scheffer, Discriminative learning under covariate shift, 2009;
    cross-fitting keeps a row's own place from making its weight.

    Args:
        source: [n, D], n ≥ 10.
        target: [m, D], m ≥ 10.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    rows, sides = np.concatenate([source, target]), np.repeat([0, 1], [len(source), len(target)])
    folds = np.concatenate([np.arange(len(source)), np.arange(len(target))]) % NUM_FOLDS
    logits = np.empty(len(rows))
    for fold in range(NUM_FOLDS):
        rest, own = folds != fold, folds == fold
        mean, std = rows[rest].mean(axis=0), rows[rest].std(axis=0)
        scaled = ((rows - mean) / np.where(std > 1e-9, std, np.inf)).clip(-FARTHEST, FARTHEST)
        fitted = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(scaled[rest], sides[rest])
        # Less the log-odds of the sides among the rows that it was fitted to.
        odds = np.log(sides[rest].mean() / (1 - sides[rest].mean()))
        logits[own] = fitted.decision_function(scaled[own]) - odds
    return Weights(np.exp(logits[: len(source)]), float(roc_auc_score(sides, logits)))


def effective_sample_size(weights: np.ndarray) -> float:
    """Return (Σ w)² / Σ w², of equal examples that a weighted mean is as sure as (Kish 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def joint_counts(predicted: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Count predictions i of examples of class j, [C, C]."""
    counts = np.bincount(predicted * num_classes + targets, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def black_box_shares(joint: np.ndarray, predicted: np.ndarray) -> np.ndarray | None:
    """Estimate the shares of classes in the target, by black box shift estimation.

    w = C⁻¹ μ, C[i, j] = P_source(ŷ = i, y = j), μ[i] = P_target(ŷ = i); the share of class j is w_j · P_source(y = j),
    negative ones set to 0, divided by their sum. Source: Lipton, Wang and Smola, 2018, with the hard predictions of
    their equation 3. It is right where P(x | y) is that of the source.

    Args:
        joint: counts [C, C], or several of them [..., C, C].
        predicted: counts of predictions in the target [..., C].

    Returns:
        Shares [..., C]; None where the matrix of `joint`, if it is one, cannot be inverted.
    """
    matrix = joint / joint.sum(axis=(-2, -1), keepdims=True)
    means = predicted / predicted.sum(axis=-1, keepdims=True)
    if joint.ndim == 2 and np.linalg.matrix_rank(matrix) < len(matrix):
        return None
    weights = (np.linalg.pinv(matrix) @ means[..., None])[..., 0]
    shares = (weights * matrix.sum(axis=-2)).clip(min=0)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True).clip(min=1e-300))


def expected_shares(probs: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Estimate the shares of classes in the target by expectation maximization.

    q_j ← mean over examples of p_j(x) q_j / π_j over its sum over classes, from q = π on. Source: Saerens, Latinne and
    Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002. It is right where the
    probabilities are calibrated on the source and P(x | y) is that of the source.

    Args:
        probs: of the target's examples [m, C].
        prior: shares π of the source [C]; a class with none keeps none.
    """
    shares, ratios = prior.copy(), np.divide(probs, prior, out=np.zeros(probs.shape), where=prior > 0)
    for _ in range(MOST_STEPS):
        weighted = ratios * shares
        following = (weighted / weighted.sum(axis=1, keepdims=True).clip(min=1e-300)).mean(axis=0)
        moved = np.abs(following - shares).max()
        shares = following
        if moved < TOLERANCE:
            break
    return shares


def accuracy_of_shares(joint: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return Σ_j share_j · recall_j, recalls of the source from counts [..., C, C]; a class without examples has 0."""
    sizes = joint.sum(axis=-2)
    hits = np.diagonal(joint, axis1=-2, axis2=-1)
    return np.asarray((shares * np.divide(hits, sizes, out=np.zeros(hits.shape), where=sizes > 0)).sum(axis=-1))


class ShareDraws(NamedTuple):
    """Bootstrap draws R: shares [R, C] and the accuracy that they mean [R]."""

    shares: np.ndarray
    accuracies: np.ndarray


def wider_interval(value: float, draws: np.ndarray, level: float) -> tuple[float, float]:
    """Return the bounds of a share in [0, 1]: the wider on each side of the percentiles of its draws [R] and of value ±
    z standard deviations of them.

    Alone the first covers too seldom where a share is estimated through the inverse of a matrix, and the second where
    it is close to 0.
    """
    from scipy.special import ndtri

    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    half = float(ndtri((1 + level) / 2)) * draws.std()
    return max(0.0, min(float(low), value - half)), min(1.0, max(float(high), value + half))


def drawn_shares(joint: np.ndarray, predicted: np.ndarray, num_draws: int, draw: np.random.Generator) -> ShareDraws:
    """Estimate shares again from resamples of the source's examples and of the target's, drawn with replacement."""
    num_classes = len(joint)
    joints = draw.multinomial(joint.sum(), joint.ravel() / joint.sum(), num_draws)
    joints = joints.reshape(num_draws, num_classes, num_classes).astype(np.float64)
    counts = draw.multinomial(predicted.sum(), predicted / predicted.sum(), num_draws).astype(np.float64)
    shares = black_box_shares(joints, counts)
    assert shares is not None, "of several matrices there is always an answer"
    return ShareDraws(shares, accuracy_of_shares(joints, shares))
