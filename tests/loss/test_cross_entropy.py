"""Cross entropy against torch, scikit-learn and the formula."""

import math

import pytest
import torch
from sklearn.metrics import log_loss
from torch.nn.functional import cross_entropy

from dlx.core.types import IGNORED
from dlx.loss.cross_entropy import CrossEntropy

LOGITS = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
TARGETS = torch.arange(40) % 5


def test_cross_entropy_equals_torch_and_scikit_learn_in_the_mean():
    losses = CrossEntropy(0.0, None)(LOGITS, TARGETS)
    assert losses.mean().item() == pytest.approx(cross_entropy(LOGITS, TARGETS, reduction="mean").item(), rel=1e-14)
    assert losses.mean().item() == pytest.approx(log_loss(TARGETS, LOGITS.softmax(dim=1)), rel=1e-12)


def test_cross_entropy_equals_its_formula():
    losses = CrossEntropy(0.0, None)(LOGITS, TARGETS)
    for logits, target, loss in zip(LOGITS.tolist(), TARGETS.tolist(), losses, strict=True):
        total = sum(math.exp(logit) for logit in logits)
        assert loss.item() == pytest.approx(-math.log(math.exp(logits[target]) / total), rel=1e-12)


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes():
    for num_classes in (2, 3, 10, 1000):
        loss = CrossEntropy(0.0, None)(torch.full((1, num_classes), 7.0, dtype=torch.float64), torch.tensor([0]))
        assert loss.item() == pytest.approx(math.log(num_classes), rel=1e-12)


def test_cross_entropy_gradient_is_probability_minus_one_hot():
    logits = LOGITS.clone().requires_grad_()
    CrossEntropy(0.0, None)(logits, TARGETS).sum().backward()
    expected = LOGITS.softmax(dim=1) - torch.nn.functional.one_hot(TARGETS, 5)
    torch.testing.assert_close(logits.grad, expected)


def test_cross_entropy_ignores_a_shift_of_the_logits():
    torch.testing.assert_close(CrossEntropy(0.0, None)(LOGITS + 1e3, TARGETS), CrossEntropy(0.0, None)(LOGITS, TARGETS))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.9])
def test_cross_entropy_with_smoothing_equals_torch_in_value_and_gradient(smoothing):
    ours, theirs = (LOGITS.clone().requires_grad_() for _ in range(2))
    losses = CrossEntropy(smoothing, None)(ours, TARGETS)
    expected = cross_entropy(theirs, TARGETS, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-14)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_cross_entropy_of_members_is_that_of_each_bit_for_bit():
    values = (0.0, 0.1, 0.3, 0.0)
    logits, targets = LOGITS.float().requires_grad_(), TARGETS
    together = CrossEntropy(0.0, None)
    together.label_smoothing = torch.tensor(values)
    losses = together(logits, targets)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    for value, own, slope, batch, truth in zip(values, losses.chunk(4), gradient.chunk(4), logits.chunk(4),
                                               targets.chunk(4), strict=True):
        alone = CrossEntropy(0.0, None)
        alone.label_smoothing = torch.tensor([value])
        batch = batch.detach().requires_grad_()
        assert torch.equal(alone(batch, truth), own)
        assert torch.equal(torch.autograd.grad(alone(batch, truth).sum(), batch)[0], slope)
        assert torch.allclose(CrossEntropy(value, None)(batch, truth), own, rtol=1e-5, atol=1e-6)


def test_cross_entropy_never_smooths_in_evaluation():
    with torch.no_grad():
        assert torch.equal(CrossEntropy(0.5, None)(LOGITS, TARGETS), CrossEntropy(0.0, None)(LOGITS, TARGETS))


def sequences():
    """Logits and targets of sequences of which something is asked at one to seven positions."""
    logits = LOGITS[:35].unflatten(0, (5, 7)).clone()
    targets = TARGETS[:35].unflatten(0, (5, 7)).clone()
    for row in range(5):
        targets[row, row + 2 :] = IGNORED
    return logits, targets


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_of_a_sequence_is_the_mean_over_its_positions(smoothing):
    ours, theirs = (sequences()[0].requires_grad_() for _ in range(2))
    targets = sequences()[1]
    losses = CrossEntropy(smoothing, None)(ours, targets)
    expected = torch.stack([cross_entropy(own, target, label_smoothing=smoothing, ignore_index=IGNORED)
                            for own, target in zip(theirs, targets, strict=True)])
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-14)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_cross_entropy_of_sequences_of_members_smooths_each_by_its_own_value():
    logits, targets = sequences()
    logits.requires_grad_()
    together = CrossEntropy(0.0, None)
    together.label_smoothing = torch.tensor((0.0, 0.3), dtype=torch.float64)
    losses = together(logits.repeat(2, 1, 1), targets.repeat(2, 1))
    for part, value in zip(losses.chunk(2), (0.0, 0.3), strict=True):
        torch.testing.assert_close(part, CrossEntropy(value, None)(logits, targets), rtol=1e-12, atol=1e-14)


def test_cross_entropy_of_a_sequence_of_which_nothing_is_asked_is_0():
    logits, targets = sequences()
    targets[2] = IGNORED
    losses = CrossEntropy(0.1, None)(logits.requires_grad_(), targets)
    losses.sum().backward()
    assert losses[2] == 0
    assert not logits.grad[2].any()
    assert logits.grad.isfinite().all()
