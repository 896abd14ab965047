"""Lion: every weight moves by lr, in the direction of a blend of gradients."""

import torch
from part_files import make
from torch import nn

LR = 0.01


def after_steps(gradients, start=0.0, **changes):
    weight = nn.Parameter(torch.full((2,), start, dtype=torch.float64))
    optimizer = make("optimizer", "lion", lr=LR, **changes)([weight])
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return weight.detach()


def test_lion_first_step_is_lr_against_the_sign_of_the_gradient():
    assert after_steps([[1e-9, -7.0]]).tolist() == [-LR, LR]


def test_lion_direction_blends_with_the_first_beta_and_remembers_with_the_second():
    # m = 0.01 · 1 after the first step; 0.9 · 0.01 - 0.1 · g has the sign of 0.09 - g.
    steps = after_steps([[1.0, 1.0], [-0.08, -0.1]])
    torch.testing.assert_close(steps, torch.tensor([-2 * LR, 0.0], dtype=torch.float64))


def test_lion_on_a_quadratic_walks_to_the_minimum_and_stays_within_a_few_steps_of_it():
    weight = nn.Parameter(torch.tensor([1.0, -0.5], dtype=torch.float64))
    optimizer = make("optimizer", "lion", lr=LR, betas=[0.0, 0.0])([weight])
    path = []
    for _ in range(120):
        weight.grad = 3.0 * weight.detach()
        optimizer.step()
        path.append(weight.detach().clone())
    torch.testing.assert_close(path[49], torch.tensor([0.5, 0.0], dtype=torch.float64), rtol=0, atol=1e-12)
    assert all(weights.abs().max() < LR + 1e-9 for weights in path[100:])


def test_lion_weight_decay_is_decoupled():
    shrunk = after_steps([[0.0, 0.0]] * 5, start=2.0, weight_decay=0.4)
    torch.testing.assert_close(shrunk, torch.full_like(shrunk, 2.0 * (1 - LR * 0.4) ** 5))
