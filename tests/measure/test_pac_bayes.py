import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from torch import nn

from dlx.core.types import Split
from dlx.measure.pac_bayes import bearable_noise, complexity
from dlx.measure.weight_space import WeightSpace


def linear():
    """A linear classifier of two classes without biases, and examples of which it gets most right."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(400, 6))
    net = nn.Linear(6, 2, bias=False).double()
    weights = draw.normal(size=(2, 6))
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(weights))
    margins = inputs @ (weights[1] - weights[0])
    targets = (margins + draw.normal(size=400) > 0).astype(np.int64)
    space = WeightSpace(net, lambda outputs, targets, ids: nn.functional.cross_entropy(outputs, targets,
                                                                                       reduction="none"),
                        lambda outputs, ids: outputs, torch.float64)
    return space, Split(torch.from_numpy(inputs), torch.from_numpy(targets), torch.arange(400)), margins, inputs


def test_bearable_noise_of_a_linear_model_is_the_closed_form():
    space, examples, margins, inputs = linear()
    signed = margins * (2 * examples.targets.numpy() - 1)
    sizes = np.linalg.norm(inputs, axis=1)
    clean = float((signed > 0).mean())

    def exact(sigma):
        # The difference of two classes' logits has the noise of two rows.
        return float(norm.cdf(signed / (math.sqrt(2) * sigma * sizes)).mean())

    draws = [torch.from_numpy(np.random.default_rng(number).normal(size=12)) for number in range(1000)]

    def drawn(sigma):
        return float(np.mean([space.ask(space.weights + sigma * draw, examples).accuracy for draw in draws]))

    assert space.ask(space.weights, examples).accuracy == clean
    true = brentq(lambda sigma: clean - exact(sigma) - 0.1, 1e-3, 2)
    assert bearable_noise(exact, clean, 0.1, 2.0, 60, 0.0).sigma == pytest.approx(true, rel=1e-9)
    found = bearable_noise(drawn, clean, 0.1, 2.0, 10, 0.001)
    assert found.sigma == pytest.approx(true, rel=0.05)
    assert found.drop == pytest.approx(0.1, abs=0.005)


def test_halving_ends_within_the_tolerance_or_after_its_steps():
    found = bearable_noise(lambda sigma: 1 - 0.2 * sigma, 1.0, 0.1, 2.0, 15, 0.01)
    assert abs(found.drop - 0.1) <= 0.01
    assert bearable_noise(lambda sigma: 1 - 0.2 * sigma**2, 1.0, 0.1, 2.0, 4, 0.0).num_looks == 5


def test_noise_that_never_costs_enough_is_unknown():
    assert bearable_noise(lambda sigma: 1.0, 1.0, 0.1, 2.0, 15, 0.01).sigma is None
    assert bearable_noise(lambda sigma: 0.5, 0.5, 0.1, 2.0, 15, 0.0).num_looks == 1


def test_complexity_is_the_formula():
    assert complexity(8.0, 0.5, 100) == pytest.approx(8 / 1 + math.log(200) + 10)
