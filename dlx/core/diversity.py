"""How much models differ in what they say of the same examples. M models, N examples, C classes."""

from __future__ import annotations

import numpy as np

from dlx.core.types import Kind

# Probabilities below it count as it, as in the negative log likelihood: a 0 makes no divergence infinite.
EPSILON = float(np.finfo(np.float64).eps)


def per_example(scores: np.ndarray, kind: Kind) -> dict[str, np.ndarray]:
    """Return measures of diversity by name, of each example [N].

    Args:
        scores: probabilities [M, N, C], of labels each one's own, or predictions [M, N]; M ≥ 2.
        kind: classification; regression; or multilabel, where each label is a classification into two classes, and
            the measures are means over labels.
    """
    if kind == "regression":
        return {"variance": variance(scores)}
    num_models, num_examples, num_labels = scores.shape
    probs = scores
    if kind == "multilabel":
        probs = np.stack([1 - scores, scores], axis=3).reshape(num_models, num_examples * num_labels, 2)
    return {name: values.reshape(num_examples, -1).mean(axis=1)
            for name, values in (("disagreement", disagreement(probs)), ("pairwise_kl", pairwise_kl(probs)))}


def disagreement(probs: np.ndarray) -> np.ndarray:
    """Return the share of pairs of models that predict different classes, in [0, 1], [N].

    1 − Σ_c n_c (n_c − 1) / (M (M − 1)), n_c the number of models that predict class c (Fort, Hu and Lakshminarayanan
    2019, Deep Ensembles: A Loss Landscape Perspective, section 4).

    Args:
        probs: [M, N, C].
    """
    votes = (probs.argmax(axis=2)[:, :, None] == np.arange(probs.shape[2])).sum(axis=0)
    return np.asarray(1 - (votes * (votes - 1)).sum(axis=1) / _ordered_pairs(probs))


def pairwise_kl(probs: np.ndarray) -> np.ndarray:
    """Return the mean over ordered pairs of models of KL(p_i ‖ p_j), in nats, in [0, inf), [N].

    Lakshminarayanan, Pritzel and Blundell 2017 (Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles) measure disagreement by KL too, between each model and the ensemble.

    Args:
        probs: [M, N, C].
    """
    logs = np.log(probs.clip(min=EPSILON))
    own = len(probs) * (probs * logs).sum(axis=(0, 2))
    crossed = (probs.sum(axis=0) * logs.sum(axis=0)).sum(axis=1)
    return np.asarray((own - crossed) / _ordered_pairs(probs))


def variance(predictions: np.ndarray) -> np.ndarray:
    """Return the variance among models (1/M) Σ (f_m − f)², f their mean, in squared units of the target, [N].

    Its mean over examples is what the ensemble's squared error lies below the mean of its members' (the ambiguity:
    Krogh and Vedelsby 1995, Neural Network Ensembles, Cross Validation, and Active Learning).

    Args:
        predictions: [M, N].
    """
    return np.asarray(predictions.var(axis=0))


def _ordered_pairs(probs: np.ndarray) -> int:
    return len(probs) * (len(probs) - 1)
