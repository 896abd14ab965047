"""What every schedule of conf/schedule promises."""

import math

import pytest
import torch
from argument_values import alternatives
from member_runs import fitted, one
from part_files import annotations, code_and_arguments, make, option_names

from dlx.core.hooks import FollowsHistory, History

NAMES = option_names("schedule")
# one_cycle rises by itself.
WARM = [option for option in NAMES if "warmup_epochs" in code_and_arguments("schedule", option)[1]]
every_schedule = pytest.mark.parametrize("option", NAMES)
every_warm_schedule = pytest.mark.parametrize("option", WARM)
PER_EPOCH, EPOCHS = 7, 12
TOTAL = PER_EPOCH * EPOCHS
# A loss that improves once by a little and later stalls, an accuracy that never does better.
HISTORY = History([{"val_loss": loss, "val_accuracy": 0.5} for loss in [2.0, 1.95, *[1.0] * EPOCHS * 10]],
                  {"val_loss": False, "val_accuracy": True})
COLUMNS = {"monitor": ["val_accuracy"]}


def factors(option, total=TOTAL, **changes):
    schedule = make("schedule", option, **changes)
    return [schedule_at(schedule, step).factor(step, PER_EPOCH, total) for step in range(total)]


def schedule_at(schedule, step):
    """The schedule of the epoch of a step."""
    rows = HISTORY.rows[: step // PER_EPOCH]
    return schedule.after(HISTORY._replace(rows=rows)) if isinstance(schedule, FollowsHistory) else schedule


@every_warm_schedule
@pytest.mark.parametrize("warmup_epochs", [0, 0.0, 0.5, 1.0, 3.7, EPOCHS, 100.0])
@pytest.mark.parametrize("total", [1, 2, PER_EPOCH, TOTAL, 10 * TOTAL])
def test_schedule_factor_is_finite_and_not_negative_at_every_step(option, warmup_epochs, total):
    values = factors(option, total, warmup_epochs=warmup_epochs)
    assert all(isinstance(value, float) and math.isfinite(value) and value >= 0 for value in values)


@every_schedule
@pytest.mark.parametrize("total", [1, 2, PER_EPOCH, TOTAL, 10 * TOTAL])
def test_schedule_factor_by_default_is_finite_and_not_negative(option, total):
    assert all(isinstance(value, float) and math.isfinite(value) and value >= 0 for value in factors(option, total))


@every_warm_schedule
def test_schedule_without_warmup_begins_at_the_base_lr(option):
    assert factors(option, warmup_epochs=0.0)[0] == 1.0


@every_warm_schedule
@pytest.mark.parametrize("warmup_epochs", [1 / PER_EPOCH, 1.0, 2.5, 3.0])
def test_schedule_warmup_is_linear_from_above_zero_to_the_base_lr(option, warmup_epochs):
    num_steps = round(warmup_epochs * PER_EPOCH)
    values = factors(option, warmup_epochs=warmup_epochs)
    assert values[:num_steps] == pytest.approx([(step + 1) / num_steps for step in range(num_steps)], rel=1e-15)
    assert values[num_steps] == 1.0


@pytest.mark.parametrize("option", [option for option in WARM if option != "plateau"])
def test_schedule_after_the_warmup_is_the_schedule_of_the_steps_that_remain(option):
    warm = factors(option, TOTAL + 2 * PER_EPOCH, warmup_epochs=2.0)
    assert warm[2 * PER_EPOCH :] == factors(option, TOTAL, warmup_epochs=0.0)


@every_warm_schedule
def test_schedule_longer_warmup_than_training_never_reaches_the_base_lr(option):
    values = factors(option, PER_EPOCH, warmup_epochs=5.0)
    assert values == pytest.approx([(step + 1) / (5 * PER_EPOCH) for step in range(PER_EPOCH)])


@every_schedule
def test_schedule_is_a_function_of_the_step_alone(option):
    schedule = make("schedule", option)
    expected = factors(option)
    order = torch.randperm(TOTAL, generator=torch.Generator().manual_seed(0)).tolist()
    found = [schedule_at(schedule, step).factor(step, PER_EPOCH, TOTAL) for step in [*order, *[TOTAL - 1] * 3]]
    assert found == [expected[step] for step in order] + [expected[-1]] * 3


@pytest.mark.parametrize("option", [name for name in NAMES if "per" in code_and_arguments("schedule", name)[1]])
def test_schedule_per_epoch_keeps_to_the_factor_of_the_first_step_of_each_epoch(option):
    by_step, by_epoch = (factors(option, per=per) for per in ("step", "epoch"))
    assert by_epoch == [by_step[step - step % PER_EPOCH] for step in range(TOTAL)]
    assert len(set(by_step)) > len(set(by_epoch)) > 1


@every_schedule
def test_schedule_steers_a_run_from_its_configuration(option):
    runs = [one("epochs=3", f"schedule={option}", "optimizer=sgd", "model=linear")]
    (kept,) = fitted(runs, fused=False)
    per_epoch = kept.rows[0]["step"]
    schedule = runs[0][0].schedule
    history = History(kept.rows, {"val_loss": False})
    for number, row in enumerate(kept.rows):
        own = schedule.after(history._replace(rows=kept.rows[:number])) if option == "plateau" else schedule
        assert row["lr"] == 0.1 * own.factor(row["step"] - 1, per_epoch, 3 * per_epoch)


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in NAMES
                                              for name in code_and_arguments("schedule", option)[1]])
def test_schedule_argument_has_an_effect(option, name):
    code, arguments = code_and_arguments("schedule", option)
    values = [*COLUMNS.get(name, ()), *alternatives(annotations(code)[name], arguments[name])]
    assert values
    assert any(factors(option, **{name: value}) != factors(option) for value in values)
