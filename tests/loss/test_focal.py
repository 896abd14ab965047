"""Focal loss against its formula and cross entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from dlx.core.types import IGNORED, TaskSpec
from dlx.core.vision import torchvision
from dlx.loss.focal import Focal

LOGITS = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
TARGETS = torch.arange(40) % 5


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_equals_its_formula(gamma):
    probs = LOGITS.softmax(dim=1)[torch.arange(40), TARGETS]
    torch.testing.assert_close(Focal(gamma, None)(LOGITS, TARGETS), -((1 - probs) ** gamma) * probs.log())


def test_focal_with_gamma_0_is_cross_entropy_in_value_and_gradient():
    ours, theirs = (LOGITS.clone().requires_grad_() for _ in range(2))
    Focal(0.0, None)(ours, TARGETS).sum().backward()
    cross_entropy(theirs, TARGETS, reduction="sum").backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_focal_of_two_classes_is_that_of_torchvision_with_alpha():
    logit = LOGITS[:, 0]
    targets = TARGETS % 2
    loss = Focal(2.0, [0.75, 0.25]).knowing([targets], TaskSpec("classification", "table", (3,), 2))
    ours = loss(torch.stack([torch.zeros_like(logit), logit], dim=1).requires_grad_(), targets)
    theirs = torchvision().ops.sigmoid_focal_loss(logit, targets.double(), alpha=0.25, gamma=2.0)
    torch.testing.assert_close(ours, theirs)


def test_focal_gradient_is_finite_where_the_answer_is_certain():
    logits = torch.tensor([[400.0, 0.0], [-400.0, 0.0], [0.0, 0.0]], requires_grad=True)
    for gamma in (0.3, 1.0, 2.0):
        (slope,) = torch.autograd.grad(Focal(gamma, None)(logits, torch.zeros(3, dtype=torch.int64)).sum(), logits)
        assert slope.isfinite().all()


def test_focal_of_members_has_the_gamma_of_each():
    together = Focal(0.0, None)
    together.gamma = torch.tensor([0.0, 3.0], dtype=torch.float64)
    for found, gamma, logits, targets in zip(together(LOGITS, TARGETS).chunk(2), (0.0, 3.0), LOGITS.chunk(2),
                                             TARGETS.chunk(2), strict=True):
        torch.testing.assert_close(found, Focal(gamma, None)(logits, targets))


def test_focal_of_a_sequence_is_the_mean_over_its_positions():
    logits, targets = LOGITS.view(5, 8, 5), TARGETS.view(5, 8).clone()
    targets[:, 6:] = IGNORED
    expected = Focal(2.0, None)(logits[:, :6].flatten(0, 1), targets[:, :6].flatten()).view(5, 6).mean(dim=1)
    torch.testing.assert_close(Focal(2.0, None)(logits, targets), expected)
