"""Bias and variance of what models say that were trained alike but for their draws. S models, N examples, C classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.core.diversity import EPSILON

Array = NDArray[np.float64]


class Parts(NamedTuple):
    """Of each example [N]: mean loss over models, and the bias and variance that it is the sum of."""

    loss: Array
    bias: Array
    variance: Array


class ZeroOne(NamedTuple):
    """Of each example [N], where the loss is 1 for a wrong class.

    Args:
        main: the class that most models predict, the smallest of those that tie.
        loss: share of models that are wrong; it is no sum of the next two.
        bias: 1 where main is wrong, else 0.
        variance: share of models that predict another class than main.
    """

    main: NDArray[np.int64]
    loss: Array
    bias: Array
    variance: Array

    @property
    def unbiased_variance(self) -> float:
        """The part of the mean variance on examples whose main prediction is right: there it adds errors."""
        return float(np.where(self.bias == 0, self.variance, 0.0).mean())

    @property
    def biased_variance(self) -> float:
        """The part of the mean variance on examples whose main prediction is wrong.

        With two classes it removes errors, and error = bias + unbiased − biased; with more, only so far as it lands
        on the right class.
        """
        return float(np.where(self.bias == 1, self.variance, 0.0).mean())

    @property
    def net_variance(self) -> float:
        """Variance on unbiased examples minus variance on biased ones (Domingos 2000)."""
        return self.unbiased_variance - self.biased_variance


def squared(predictions: Array, targets: Array) -> Parts:
    """Return (ȳ − y)² and (1/S) Σ_s (ŷ_s − ȳ)², ȳ the mean prediction; their sum is the mean squared error.

    Geman, Bienenstock and Doursat 1992. The noise of targets is part of the bias. See `unbiased` for other models than
    these S.

    Args:
        predictions: [S, N].
        targets: [N].
    """
    bias = (predictions.mean(axis=0) - targets) ** 2
    return Parts(((predictions - targets) ** 2).mean(axis=0), bias, predictions.var(axis=0))


def unbiased(parts: Parts, num_models: int) -> tuple[float, float]:
    """Return the means of bias² and variance of `squared` without the error of S models: variance by S − 1.

    E[(ȳ − y)²] = bias² + variance / S, so that share of the variance is taken from the bias², which may fall below 0.

    Args:
        num_models: S ≥ 2.
    """
    variance = float(parts.variance.mean()) * num_models / (num_models - 1)
    return float(parts.bias.mean()) - variance / num_models, variance


def zero_one(predictions: NDArray[np.int64], targets: NDArray[np.int64], num_classes: int) -> ZeroOne:
    """Return Domingos' decomposition of the 0–1 loss (A unified bias-variance decomposition, 2000).

    Args:
        predictions: class indices [S, N].
        targets: class indices [N].
        num_classes: C.
    """
    votes = (predictions[:, :, None] == np.arange(num_classes)).sum(axis=0)
    main = votes.argmax(axis=1)
    return ZeroOne(main, (predictions != targets).mean(axis=0), (main != targets).astype(np.float64),
                   (predictions != main).mean(axis=0))


def cross_entropy(probs: Array, targets: NDArray[np.int64]) -> Parts:
    """Return −log p̄_y and (1/S) Σ_s KL(p̄ ‖ p_s), p̄ ∝ exp((1/S) Σ_s log p_s); their sum is the mean NLL, in nats.

    Yang, Yu, You, Steinhardt and Ma 2020 (Rethinking bias-variance trade-off for generalization of neural networks,
    section 2 and appendix). Probabilities below the machine epsilon count as it, then each row is made to sum to 1.

    Args:
        probs: [S, N, C].
        targets: class indices [N].
    """
    clipped = probs.clip(min=EPSILON)
    logs = np.log(clipped / clipped.sum(axis=2, keepdims=True))
    mean = logs.mean(axis=0)
    central = mean - np.log(np.exp(mean).sum(axis=1, keepdims=True))
    rows = np.arange(len(targets))
    divergence = (np.exp(central) * (central - mean)).sum(axis=1)
    return Parts(-logs[:, rows, targets].mean(axis=0), -central[rows, targets], divergence)
