"""adam_then_sgd: when it switches, what SGD starts from, and members that switch each in its time."""

import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import make, parts
from small_runs import metrics, train
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.hooks import History


def history(*losses):
    return History([{"val_loss": loss} for loss in losses], {"val_loss": False})


def switched(part, *losses):
    return part.values_after(history(*losses))["switched"]


def test_switch_is_after_so_many_epochs():
    part = make("optimizer", "adam_then_sgd", switch_epoch=2)
    assert [switched(part, *[1.0] * epochs) for epochs in range(4)] == [False, False, True, True]


def test_switch_is_when_val_has_stalled_and_stays():
    part = make("optimizer", "adam_then_sgd", patience=2, min_delta=0.1)
    assert not switched(part, 3.0, 2.0, 1.95)
    assert switched(part, 3.0, 2.0, 1.95, 1.92)
    assert switched(part, 3.0, 2.0, 1.95, 1.92, 0.5)


def test_base_lr_is_that_of_who_steps():
    part = make("optimizer", "adam_then_sgd", switch_epoch=1, lr=0.25, sgd_lr=0.5)
    assert [part.values_after(history(*[1.0] * epochs))["lr"] for epochs in (0, 1)] == [0.25, 0.5]


def test_steps_are_those_of_adam_then_of_a_fresh_sgd():
    ours, theirs = (nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(2))
    part = make("optimizer", "adam_then_sgd", weight_decay=0.1, switch_epoch=1)
    one_optimizer = part([ours])
    twins = (torch.optim.Adam([theirs], lr=part.lr, weight_decay=0.1),
             torch.optim.SGD([theirs], lr=part.sgd_lr, momentum=0.9, weight_decay=0.1))
    draw = torch.Generator().manual_seed(0)
    for epoch, twin in enumerate(twins):
        one_optimizer.param_groups[0].update(part.values_after(history(*[1.0] * epoch)))
        for _ in range(5):
            ours.grad = torch.randn(3, dtype=torch.float64, generator=draw)
            theirs.grad = ours.grad.clone()
            one_optimizer.step()
            twin.step()
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert list(one_optimizer.state[ours]) == ["momentum_buffer"]


def test_lr_column_shows_the_switch_and_the_schedule_goes_on(tmp_path):
    built = parts("optimizer=adam_then_sgd", "optimizer.switch_epoch=2", "epochs=4", "schedule=step",
                  "schedule.every_epochs=1", "schedule.gamma=0.5", "model=linear")
    lrs = metrics(train(built, tmp_path / "run"))["lr"].tolist()
    assert lrs == pytest.approx([0.001, 0.0005, 0.0025, 0.00125])


def test_members_switch_each_in_its_time_and_equal_the_runs_alone():
    common = ("optimizer=adam_then_sgd", "optimizer.lr=0.05", "optimizer.patience=1", "epochs=6", "model=linear")
    runs = [one(*common, f"seed={seed}", *own)
            for seed, own in enumerate([(), (), ("optimizer.switch_epoch=2",), ("optimizer.momentum=0",)])]
    kept = assert_equals_solo(runs)
    times = [[row["lr"] for row in own.rows].count(0.05) for own in kept]
    assert times[2] == 2
    assert len(set(times)) > 1


def test_monitor_is_a_column_of_val_where_val_decides():
    with pytest.raises(ConfigError, match=r"^optimizer.monitor must be one of val_loss, val_accuracy, "):
        parts("optimizer=adam_then_sgd", "optimizer.monitor=val_f2")
    parts("optimizer=adam_then_sgd", "optimizer.monitor=val_f2", "optimizer.switch_epoch=3")
