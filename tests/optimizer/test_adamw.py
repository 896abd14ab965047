"""AdamW: decoupled weight decay."""

import torch
from part_files import make
from torch import nn

LR = 0.01
GRADIENTS = [torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([0.5, 4.0], dtype=torch.float64),
             torch.tensor([-3.0, 0.25], dtype=torch.float64)]


def after_steps(gradients, option="adamw", start=2.0, **changes):
    weight = nn.Parameter(torch.full((2,), start, dtype=torch.float64))
    optimizer = make("optimizer", option, lr=LR, **changes)([weight])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def test_adamw_without_weight_decay_is_adam():
    assert torch.equal(after_steps(GRADIENTS, weight_decay=0.0),
                       after_steps(GRADIENTS, "adam", weight_decay=0.0))


def test_adamw_weight_decay_alone_shrinks_weights_by_one_minus_lr_times_decay():
    shrunk = after_steps([torch.zeros(2, dtype=torch.float64)] * 5, weight_decay=0.4)
    torch.testing.assert_close(shrunk, torch.full_like(shrunk, 2.0 * (1 - LR * 0.4) ** 5))


def test_adamw_decays_before_a_step_that_does_not_see_the_decay():
    decay, adam, expected = 0.4, torch.full((2,), 2.0, dtype=torch.float64), torch.full((2,), 2.0, dtype=torch.float64)
    for number in range(1, 4):
        before, adam = adam, after_steps(GRADIENTS[:number], "adam", weight_decay=0.0)
        expected = (1 - LR * decay) * expected + (adam - before)
    torch.testing.assert_close(after_steps(GRADIENTS, weight_decay=decay), expected, rtol=1e-12, atol=0)
