"""The likelihood of class labels. B batch, L positions, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlx.core.types import IGNORED

if TYPE_CHECKING:
    from torch import Tensor


def negative_log_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log softmax(logits)[target] in nats, [B], for logits [B, C] and class indices [B].

    The formula of log_softmax, exact for small values; its CPU kernel takes three times as long on few classes. To
    train, `torch.nn.functional.cross_entropy` is faster: it prepares the gradient on the way.
    """
    shifted = logits - logits.amax(dim=1, keepdim=True)
    return shifted.exp().sum(dim=1).log() - shifted.gather(1, targets[:, None])[:, 0]


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log softmax(logits)[target] of every position, [B, L], for logits [B, L, C]; 0 where nothing is asked."""
    nats = negative_log_likelihood(logits.flatten(0, 1), asked_or_first(targets).flatten())
    return nats.view(targets.shape) * (targets != IGNORED)


def asked_or_first(targets: Tensor) -> Tensor:
    """Return targets that are classes everywhere: the first one where nothing is asked."""
    return targets * (targets != IGNORED)


def mean_over_positions(values: Tensor, targets: Tensor) -> Tensor:
    """Return each sequence's mean of values [B, L] over the positions that are asked, [B]; 0 where none is."""
    asked = targets != IGNORED
    return (values * asked).sum(dim=1) / asked.sum(dim=1).clamp(min=1)
