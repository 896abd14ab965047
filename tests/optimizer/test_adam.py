"""Adam: first step, bias correction, coupled weight decay."""

import math

import pytest
import torch
from part_files import make
from torch import nn

LR, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-8
GRADIENTS = [torch.tensor([1.0, -2.0, 1e-4], dtype=torch.float64), torch.tensor([0.5, 4.0, -3.0], dtype=torch.float64),
             torch.tensor([-3.0, 0.25, 7.0], dtype=torch.float64)]


def after_steps(gradients, start=0.0, **changes):
    weight = nn.Parameter(torch.full((3,), start, dtype=torch.float64))
    optimizer = make("optimizer", "adam", lr=LR, **changes)([weight])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def by_formula(gradients, start=0.0, decay=0.0, eps=EPS, betas=(BETA1, BETA2)):
    weights = []
    for index in range(3):
        w, m, v = start, 0.0, 0.0
        for t, gradient in enumerate(gradients, start=1):
            g = gradient[index].item() + decay * w
            m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
            w -= LR * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        weights.append(w)
    return torch.tensor(weights, dtype=torch.float64)


def test_adam_first_step_is_lr_times_the_sign_of_the_gradient():
    step = after_steps(GRADIENTS[:1])
    torch.testing.assert_close(step, -LR * GRADIENTS[0].sign(), rtol=1e-3, atol=0)
    torch.testing.assert_close(step, -LR * GRADIENTS[0] / (GRADIENTS[0].abs() + EPS), rtol=1e-12, atol=0)


@pytest.mark.parametrize("changes", [{}, {"eps": 1e-2}, {"betas": [0.5, 0.9]}, {"betas": [0.0, 0.0]}], ids=str)
def test_adam_equals_its_formula(changes):
    expected = by_formula(GRADIENTS, eps=changes.get("eps", EPS), betas=changes.get("betas", (BETA1, BETA2)))
    torch.testing.assert_close(after_steps(GRADIENTS, **changes), expected, rtol=1e-9, atol=0)


def test_adam_weight_decay_is_part_of_the_gradient():
    torch.testing.assert_close(after_steps(GRADIENTS, start=2.0, weight_decay=0.3),
                               by_formula(GRADIENTS, start=2.0, decay=0.3), rtol=1e-9, atol=0)


def test_adam_first_step_of_weight_decay_alone_is_lr_whatever_its_size():
    zero = [torch.zeros(3, dtype=torch.float64)]
    for decay in (0.01, 0.5):
        torch.testing.assert_close(after_steps(zero, start=2.0, weight_decay=decay),
                                   torch.full((3,), 2.0 - LR, dtype=torch.float64), rtol=1e-5, atol=0)


def test_adam_ignores_the_scale_of_the_gradient():
    one, other = (after_steps([scale * gradient for gradient in GRADIENTS], eps=1e-30) for scale in (1.0, 1e5))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)
