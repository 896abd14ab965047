"""Schedules against torch.optim.lr_scheduler, value by value."""

import pytest
import torch
from part_files import make
from torch.optim import lr_scheduler as twins

LR, PER_EPOCH = 0.5, 4
TOTAL = 60


def by_torch(scheduler, num_values, **arguments):
    """The learning rates of a torch scheduler, before each of its steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    twin = scheduler(optimizer, **arguments)
    values = []
    for _ in range(num_values):
        values.append(twin.get_last_lr()[0])
        optimizer.step()
        twin.step()
    return values


def by_step(option, **changes):
    schedule = make("schedule", option, **changes)
    return [LR * schedule.factor(step, PER_EPOCH, TOTAL) for step in range(TOTAL)]


def by_epoch(option, **changes):
    """One value of each epoch; the others of it are the same."""
    values = by_step(option, **changes)
    assert all(value == values[step - step % PER_EPOCH] for step, value in enumerate(values))
    return values[::PER_EPOCH]


EPOCHS = TOTAL // PER_EPOCH
OF_STEPS = [
    ("constant", {}, twins.ConstantLR, {"factor": 1.0}),
    ("linear", {}, twins.LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": TOTAL}),
    ("linear", {"final_factor": 0.2}, twins.LinearLR, {"start_factor": 1.0, "end_factor": 0.2, "total_iters": TOTAL}),
    ("polynomial", {}, twins.PolynomialLR, {"total_iters": TOTAL, "power": 0.9}),
    ("polynomial", {"power": 2.0}, twins.PolynomialLR, {"total_iters": TOTAL, "power": 2.0}),
    ("cosine_restarts", {"period_epochs": 3.0}, twins.CosineAnnealingWarmRestarts, {"T_0": 12}),
    ("cosine_restarts", {"period_epochs": 1.5, "period_multiplier": 2, "final_factor": 0.1},
     twins.CosineAnnealingWarmRestarts, {"T_0": 6, "T_mult": 2, "eta_min": 0.1 * LR}),
    ("exponential", {"per": "step"}, twins.ExponentialLR, {"gamma": 0.9 ** (1 / PER_EPOCH)}),
    ("step", {"every_epochs": 2.5}, twins.StepLR, {"step_size": 10, "gamma": 0.1}),
    ("multistep", {"milestones": [7.25, 2.0]}, twins.MultiStepLR, {"milestones": [8, 29], "gamma": 0.1}),
    ("one_cycle", {}, twins.OneCycleLR, {"max_lr": LR, "total_steps": TOTAL + 1, "cycle_momentum": False}),
    ("one_cycle", {"rise_fraction": 0.5, "start_factor": 0.1, "final_factor": 0.01}, twins.OneCycleLR,
     {"max_lr": LR, "total_steps": TOTAL + 1, "cycle_momentum": False, "pct_start": 0.5, "div_factor": 10,
      "final_div_factor": 10}),
    ("inverse_sqrt", {"timescale_epochs": 2.0}, twins.LambdaLR, {"lr_lambda": lambda step: (8 / (8 + step)) ** 0.5}),
]


@pytest.mark.parametrize(("option", "ours", "scheduler", "theirs"), OF_STEPS)
def test_schedule_of_steps_equals_torch(option, ours, scheduler, theirs):
    values = by_step(option, **ours)
    if scheduler is twins.OneCycleLR:
        theirs = {**theirs, "total_steps": TOTAL}
        expected = by_torch(scheduler, TOTAL - 1, **theirs)
        values = values[:-1]
    else:
        expected = by_torch(scheduler, TOTAL, **theirs)
    assert values == pytest.approx(expected, rel=1e-9, abs=1e-12)


OF_EPOCHS = [
    ("cosine", {"final_factor": 0.1}, twins.CosineAnnealingLR, {"T_max": EPOCHS, "eta_min": 0.1 * LR}),
    ("linear", {}, twins.LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": EPOCHS}),
    ("polynomial", {}, twins.PolynomialLR, {"total_iters": EPOCHS, "power": 0.9}),
    ("cosine_restarts", {"period_epochs": 5.0}, twins.CosineAnnealingWarmRestarts, {"T_0": 5}),
    ("exponential", {}, twins.ExponentialLR, {"gamma": 0.9}),
    ("step", {"every_epochs": 2.0}, twins.StepLR, {"step_size": 2, "gamma": 0.1}),
    ("multistep", {"milestones": [7.0, 2.0]}, twins.MultiStepLR, {"milestones": [2, 7], "gamma": 0.1}),
]


@pytest.mark.parametrize(("option", "ours", "scheduler", "theirs"), OF_EPOCHS)
def test_schedule_of_epochs_equals_torch(option, ours, scheduler, theirs):
    per = {} if option in ("step", "multistep") else {"per": "epoch"}
    assert by_epoch(option, **ours, **per) == pytest.approx(by_torch(scheduler, EPOCHS, **theirs), rel=1e-9, abs=1e-12)


def test_one_cycle_reaches_the_base_lr_and_ends_at_the_final_one():
    values = by_step("one_cycle", start_factor=0.25, final_factor=0.125, rise_fraction=0.35)
    assert values[0] == 0.25 * LR
    assert values[20] == max(values) == LR
    assert values[-1] == 0.125 * LR


@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_one_cycle_of_few_steps_ends_at_the_final_lr(total):
    schedule = make("schedule", "one_cycle", rise_fraction=0.5)
    assert schedule.factor(total - 1, 1, total) == pytest.approx(4e-6)


def test_inverse_sqrt_is_that_of_the_transformer_where_the_timescale_is_the_warmup():
    schedule = make("schedule", "inverse_sqrt", warmup_epochs=2.0, timescale_epochs=2.0)
    for step in range(TOTAL):
        # Equation 3, scaled to 1 at the end of the warmup; its steps are counted from 1.
        paper = 8**0.5 * min((step + 1) ** -0.5, (step + 1) * 8**-1.5)
        late = 8**0.5 * max(step, 8) ** -0.5
        assert schedule.factor(step, PER_EPOCH, TOTAL) == pytest.approx(paper if step < 8 else late)
