"""The learning-rate range test against a loop in plain PyTorch."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import parts
from small_runs import CONFIG, digits, session

from dlx.core.errors import ConfigError
from dlx.core.random import torch_generator
from dlx.engine.data import Shelf
from dlx.engine.range_test import growth, range_test

SGD = ("optimizer=sgd", "optimizer.lr=1e-4", "optimizer.momentum=0.8", "device.precision=float64", "model=linear",
       "batch_size=30", "schedule.warmup_epochs=3")
L2 = ("regularizer=[l2]", "regularizer.l2.strength=0.1")
NUM_STEPS = 40


def tried(*overrides, num_steps=NUM_STEPS, end_lr=1.0, num_rows=160):
    made = replace(parts(*SGD, *overrides), dataset=digits(num_rows))
    return made, range_test(made, CONFIG, growth(1e-4, end_lr, num_steps), num_steps, "", Shelf())


def test_range_test_equals_a_plain_loop_whose_rate_grows_with_penalty_and_without_warmup():
    made, curve = tried(*L2)
    built = session(made)
    model, rows = copy.deepcopy(built.model), built.data.splits["train"]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.8)
    lrs, losses = np.logspace(-4, 0, NUM_STEPS), []
    orders = [torch.randperm(len(rows.ids), generator=torch_generator(0, "order", epoch)).split(30)
              for epoch in range(NUM_STEPS)]
    for lr, chosen in zip(lrs, [batch for order in orders for batch in order], strict=False):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(rows.inputs[chosen]), rows.targets[chosen])
        loss = loss + 0.05 * sum((param**2).sum() for param in model.parameters() if param.ndim > 1)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    np.testing.assert_allclose(curve.lrs, lrs, rtol=1e-12)
    np.testing.assert_allclose(curve.losses, losses, rtol=1e-9)


def test_range_test_ends_at_the_step_where_the_loss_explodes_or_is_not_finite():
    _, whole = tried(end_lr=1e6, num_steps=60)
    assert 10 < len(whole.lrs) < 60
    assert whole.has_exploded()
    assert np.isfinite(whole.losses).all()
    # An overflow from one step to the next.
    _, sudden = tried("optimizer.momentum=0.0", "device.precision=float32", "model=mlp", end_lr=1e60, num_steps=10)
    assert len(sudden.lrs) < 10
    assert np.isfinite(sudden.losses).all()


def test_range_test_is_the_same_each_time_and_another_for_another_seed():
    _, one = tried("regularizer=[dropout]", "model=mlp")
    _, again = tried("regularizer=[dropout]", "model=mlp")
    _, other = tried("regularizer=[dropout]", "model=mlp", "seed=1")
    assert one.losses.tobytes() == again.losses.tobytes()
    assert one.losses[0] != other.losses[0]


@pytest.mark.parametrize("end_lr", [1e-3, 1e-4])
def test_growth_refuses_an_end_that_is_not_above_the_start(end_lr):
    with pytest.raises(ConfigError, match=r"end_lr must be above start_lr=0.001, got"):
        growth(1e-3, end_lr, 10)
