"""What every schedule of conf/schedule promises."""

import math

import pytest
import torch
from argument_values import alternatives
from part_files import annotations, code_and_arguments, make, option_names

NAMES = option_names("schedule")
every_schedule = pytest.mark.parametrize("option", NAMES)
PER_EPOCH, EPOCHS = 7, 12
TOTAL = PER_EPOCH * EPOCHS


def factors(option, total=TOTAL, **changes):
    schedule = make("schedule", option, **changes)
    return [schedule.factor(step, PER_EPOCH, total) for step in range(total)]


@every_schedule
@pytest.mark.parametrize("warmup_epochs", [0, 0.0, 0.5, 1.0, 3.7, EPOCHS, 100.0])
@pytest.mark.parametrize("total", [1, 2, PER_EPOCH, TOTAL, 10 * TOTAL])
def test_schedule_factor_is_finite_and_not_negative_at_every_step(option, warmup_epochs, total):
    values = factors(option, total, warmup_epochs=warmup_epochs)
    assert all(isinstance(value, float) and math.isfinite(value) and value >= 0 for value in values)


@every_schedule
def test_schedule_without_warmup_begins_at_the_base_lr(option):
    assert factors(option, warmup_epochs=0.0)[0] == 1.0


@every_schedule
@pytest.mark.parametrize("warmup_epochs", [1 / PER_EPOCH, 1.0, 2.5, 3.0])
def test_schedule_warmup_is_linear_from_above_zero_to_the_base_lr(option, warmup_epochs):
    num_steps = round(warmup_epochs * PER_EPOCH)
    values = factors(option, warmup_epochs=warmup_epochs)
    assert values[:num_steps] == pytest.approx([(step + 1) / num_steps for step in range(num_steps)], rel=1e-15)
    assert values[num_steps] == 1.0


@every_schedule
def test_schedule_after_the_warmup_is_the_schedule_of_the_steps_that_remain(option):
    warm = factors(option, TOTAL + 2 * PER_EPOCH, warmup_epochs=2.0)
    assert warm[2 * PER_EPOCH :] == factors(option, TOTAL, warmup_epochs=0.0)


@every_schedule
def test_schedule_longer_warmup_than_training_never_reaches_the_base_lr(option):
    values = factors(option, PER_EPOCH, warmup_epochs=5.0)
    assert values == pytest.approx([(step + 1) / (5 * PER_EPOCH) for step in range(PER_EPOCH)])


@every_schedule
def test_schedule_is_a_function_of_the_step_alone(option):
    schedule = make("schedule", option)
    expected = factors(option)
    order = torch.randperm(TOTAL, generator=torch.Generator().manual_seed(0)).tolist()
    assert [schedule.factor(step, PER_EPOCH, TOTAL) for step in order] == [expected[step] for step in order]
    assert [schedule.factor(TOTAL - 1, PER_EPOCH, TOTAL) for _ in range(3)] == [expected[-1]] * 3


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in NAMES
                                              for name in code_and_arguments("schedule", option)[1]])
def test_schedule_argument_has_an_effect(option, name):
    code, arguments = code_and_arguments("schedule", option)
    values = list(alternatives(annotations(code)[name], arguments[name]))
    assert values
    assert any(factors(option, **{name: value}) != factors(option) for value in values)
