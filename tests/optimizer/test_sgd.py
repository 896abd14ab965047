"""SGD: closed forms of momentum, Nesterov and coupled weight decay."""

import pytest
import torch
from part_files import make
from torch import nn

from dlx.core.errors import ConfigError

LR, MOMENTUM = 0.1, 0.9
GRADIENTS = [torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([0.5, 4.0], dtype=torch.float64),
             torch.tensor([-3.0, 0.0], dtype=torch.float64)]


def after_steps(gradients, **changes):
    weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = make("optimizer", "sgd", lr=LR, **changes)([weight])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def test_sgd_without_momentum_subtracts_lr_times_gradient():
    torch.testing.assert_close(after_steps(GRADIENTS, momentum=0.0), 1 - LR * sum(GRADIENTS))


def test_sgd_momentum_accumulates_gradients_geometrically():
    a, b, c = GRADIENTS
    velocities = [a, MOMENTUM * a + b, MOMENTUM**2 * a + MOMENTUM * b + c]
    torch.testing.assert_close(after_steps(GRADIENTS, momentum=MOMENTUM), 1 - LR * sum(velocities))


def test_sgd_nesterov_looks_ahead_along_the_velocity():
    a, b, c = GRADIENTS
    velocities = [a, MOMENTUM * a + b, MOMENTUM**2 * a + MOMENTUM * b + c]
    steps = [g + MOMENTUM * v for g, v in zip(GRADIENTS, velocities, strict=True)]
    torch.testing.assert_close(after_steps(GRADIENTS, momentum=MOMENTUM, nesterov=True), 1 - LR * sum(steps))


def test_sgd_under_a_constant_gradient_tends_to_lr_over_one_minus_momentum():
    constant = [torch.tensor([1.0, -1.0], dtype=torch.float64)] * 200
    last = after_steps(constant, momentum=MOMENTUM) - after_steps(constant[:-1], momentum=MOMENTUM)
    torch.testing.assert_close(last, -LR / (1 - MOMENTUM) * constant[0], rtol=1e-8, atol=0)


def test_sgd_weight_decay_is_coupled_to_the_gradient_and_its_momentum():
    decay = 0.5
    weight, velocity = torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for gradient in GRADIENTS:
        velocity = MOMENTUM * velocity + gradient + decay * weight
        weight = weight - LR * velocity
    torch.testing.assert_close(after_steps(GRADIENTS, momentum=MOMENTUM, weight_decay=decay), weight)


def test_sgd_weight_decay_alone_shrinks_weights_by_one_minus_lr_times_decay():
    shrunk = after_steps([torch.zeros(2, dtype=torch.float64)] * 4, momentum=0.0, weight_decay=0.5)
    torch.testing.assert_close(shrunk, torch.full_like(shrunk, (1 - LR * 0.5) ** 4))


def test_sgd_nesterov_without_momentum_is_refused():
    with pytest.raises(ConfigError) as refused:
        make("optimizer", "sgd", nesterov=True, momentum=0.0)
    assert str(refused.value) == "optimizer.nesterov=true needs optimizer.momentum above 0, got 0"
