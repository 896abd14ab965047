import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss
from torch.nn.functional import cross_entropy

from dlx.core import intervals
from dlx.core.types import Outcome
from dlx.metric.nll import Nll

LOGITS = torch.randn(200, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
TARGETS = torch.arange(200) % 7


def test_nll_per_example_equals_torch_cross_entropy():
    twin = cross_entropy(LOGITS, TARGETS, reduction="none")
    torch.testing.assert_close(Nll().per_example(LOGITS, TARGETS), twin, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_nll_per_example_keeps_small_losses_of_large_float32_logits(shift):
    logits = torch.tensor([[8.0, 0.0, 0.0]], dtype=torch.float32) + shift
    exact = math.log1p(2 * math.exp(-8))
    assert Nll().per_example(logits, torch.tensor([0])).item() == pytest.approx(exact, rel=1e-3)


def test_nll_of_uniform_probabilities_is_log_of_the_number_of_classes():
    outcome = Outcome(np.full((30, 4), 0.25), np.arange(30) % 4)
    assert Nll().value(outcome) == pytest.approx(math.log(4), rel=1e-14)


def test_nll_of_probability_zero_is_bounded_alike_whole_and_streamed():
    logits = torch.tensor([[0.0, 2_000.0], [0.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([0, 0])
    outcome = Outcome(logits.softmax(dim=1).numpy(), targets.numpy())
    assert outcome.scores[0, 0] == 0.0
    expected = (52 * math.log(2) + math.log(2)) / 2
    assert Nll().value(outcome) == pytest.approx(expected, rel=1e-14)
    assert Nll().per_example(logits, targets).mean().item() == pytest.approx(expected, rel=1e-14)
    assert Nll().interval(outcome, 0.95, 0).high == pytest.approx(52 * math.log(2))


def test_nll_interval_is_that_of_the_mean_of_cross_entropies():
    outcome = Outcome(LOGITS.softmax(dim=1).numpy(), TARGETS.numpy())
    twin = intervals.mean(cross_entropy(LOGITS, TARGETS, reduction="none").numpy(), 0.9, 4)
    found = Nll().interval(outcome, 0.9, 4)
    assert found[:2] == pytest.approx(twin[:2], rel=1e-10)
    assert found[2:] == twin[2:]


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 2_000.0])
@pytest.mark.parametrize("num_classes", [2, 9])
def test_nll_equals_scikit_learn_also_of_probabilities_that_underflow(num_classes, scale):
    logits = np.random.default_rng(0).normal(size=(150, num_classes)) * scale
    outcome = Outcome(softmax(logits, axis=1), np.arange(150) % num_classes)
    assert Nll().value(outcome) == pytest.approx(log_loss(outcome.targets, outcome.scores), rel=1e-13)


def test_nll_does_not_need_every_class_in_the_split():
    outcome = Outcome(np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]), np.array([1, 1]))
    assert Nll().value(outcome) == pytest.approx((math.log(4) + math.log(2)) / 2, rel=1e-14)
