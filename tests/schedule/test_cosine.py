"""Cosine against torch.optim.lr_scheduler and closed forms."""

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from dlx.schedule.constant import Constant
from dlx.schedule.cosine import Cosine


@pytest.mark.parametrize("total", [1, 2, 50, 333])
@pytest.mark.parametrize("final_factor", [0.0, 0.1, 1.0])
def test_cosine_equals_torch(total, final_factor):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    twin = CosineAnnealingLR(optimizer, T_max=total, eta_min=0.5 * final_factor)
    schedule = Cosine(0.0, final_factor, "step")
    for step in range(total):
        assert 0.5 * schedule.factor(step, 10, total) == pytest.approx(twin.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        twin.step()


def test_cosine_is_halfway_in_the_middle_and_symmetric():
    schedule = Cosine(0.0, 0.2, "step")
    values = [schedule.factor(step, 10, 100) for step in range(100)]
    assert values[50] == pytest.approx(0.6, abs=1e-15)
    assert all(one + other == pytest.approx(1.2) for one, other in zip(values[1:], values[:0:-1], strict=True))
    assert values == sorted(values, reverse=True)


def test_cosine_above_one_rises():
    values = [Cosine(0.0, 3.0, "step").factor(step, 10, 100) for step in range(100)]
    assert values == sorted(values)
    assert 1.0 == values[0] < values[-1] < 3.0


def test_constant_is_one():
    assert {Constant(0.0).factor(step, 10, 100) for step in range(100)} == {1.0}
