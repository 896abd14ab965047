"""Losses that torch has, too: equal to its own in value and gradient."""

import pytest
import torch
from torch.nn import functional as f

from dlx.loss.bce import BCE
from dlx.loss.huber import Huber
from dlx.loss.mae import MAE
from dlx.loss.mse_one_hot import MSEOneHot

DRAW = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(40, 5, dtype=torch.float64, generator=DRAW)
CLASSES = torch.arange(40) % 5
ONE_HOT = f.one_hot(CLASSES, 5).double()
LABELS = torch.randint(2, (40, 5), generator=DRAW)
VALUES = torch.randn(40, dtype=torch.float64, generator=DRAW)


def entropies(outputs, holds):
    return f.binary_cross_entropy(outputs.sigmoid(), holds, reduction="none").mean(dim=1)


TWINS = [
    (MAE(), VALUES, lambda outputs: f.l1_loss(outputs[:, 0], VALUES, reduction="none")),
    (Huber(0.7), VALUES, lambda outputs: f.huber_loss(outputs[:, 0], VALUES, reduction="none", delta=0.7)),
    (BCE(), LABELS, lambda outputs: entropies(outputs, LABELS.double())),
    (BCE(), CLASSES, lambda outputs: entropies(outputs, ONE_HOT)),
    (MSEOneHot(), CLASSES, lambda outputs: f.mse_loss(outputs, ONE_HOT, reduction="none").mean(1)),
]


@pytest.mark.parametrize(("loss", "targets", "twin"), TWINS, ids=lambda value: type(value).__name__)
def test_loss_equals_torch_in_value_and_gradient(loss, targets, twin):
    ours, theirs = (OUTPUTS.clone().requires_grad_() for _ in range(2))
    losses, expected = loss(ours, targets), twin(theirs)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-14)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_huber_of_members_has_the_delta_of_each():
    together = Huber(1.0)
    together.delta = torch.tensor([0.1, 10.0], dtype=torch.float64)
    for found, delta, outputs, values in zip(together(OUTPUTS, VALUES).chunk(2), (0.1, 10.0), OUTPUTS.chunk(2),
                                             VALUES.chunk(2), strict=True):
        torch.testing.assert_close(found, Huber(delta)(outputs, values))


def test_bce_reads_one_against_the_rest_as_sigmoids_over_their_sum():
    probs = BCE().logits(OUTPUTS, "classification").softmax(dim=1)
    torch.testing.assert_close(probs, OUTPUTS.sigmoid() / OUTPUTS.sigmoid().sum(dim=1, keepdim=True))
    assert torch.equal(BCE().logits(OUTPUTS, "multilabel"), OUTPUTS)


def test_mse_one_hot_reads_outputs_as_the_nearest_probabilities():
    probs = MSEOneHot().logits(OUTPUTS, "classification").exp()
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(40, dtype=torch.float64))
    reached = (probs - OUTPUTS).square().sum(dim=1)
    others = torch.distributions.Dirichlet(torch.full((5,), 0.3, dtype=torch.float64))
    for seed in range(200):
        torch.manual_seed(seed)
        assert (reached <= (others.sample((40,)) - OUTPUTS).square().sum(dim=1) + 1e-12).all()
    torch.testing.assert_close(MSEOneHot().logits(probs, "classification").exp(), probs, rtol=1e-9, atol=1e-12)
