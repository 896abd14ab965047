"""Plateau: against torch.optim.lr_scheduler.ReduceLROnPlateau, and as members with histories of their own."""

import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import make, parts
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dlx.core.errors import ConfigError
from dlx.core.hooks import History

LR = 0.5
DRAW = torch.Generator().manual_seed(0)
WALK = (torch.randn(60, generator=DRAW) / 10).cumsum(0).tolist()


def history(values, greater=False):
    return History([{"val_loss": value} for value in values], {"val_loss": greater})


def lr_after(schedule, values, greater=False):
    return LR * schedule.after(history(values, greater)).factor(0, 4, 400)


@pytest.mark.parametrize("greater", [False, True])
@pytest.mark.parametrize(("patience", "min_delta", "final_factor"), [(1, 0.0, 0.0), (3, 0.1, 0.0), (2, 0.05, 0.3)])
def test_plateau_equals_torch_after_every_epoch(patience, min_delta, final_factor, greater):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    twin = ReduceLROnPlateau(optimizer, mode="max" if greater else "min", factor=0.5, patience=patience - 1,
                             threshold=min_delta, threshold_mode="abs", min_lr=final_factor * LR, eps=0)
    schedule = make("schedule", "plateau", gamma=0.5, patience=patience, min_delta=min_delta,
                    final_factor=final_factor)
    for epoch, value in enumerate(WALK):
        optimizer.step()
        twin.step(value)
        assert lr_after(schedule, WALK[: epoch + 1], greater) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert optimizer.param_groups[0]["lr"] < LR


def test_plateau_counts_a_missing_value_as_no_improvement():
    schedule = make("schedule", "plateau", patience=2)
    assert lr_after(schedule, [1.0, None]) == LR
    assert lr_after(schedule, [1.0, None, None]) == pytest.approx(LR / 10)


def test_plateau_of_an_unknown_column_is_refused():
    with pytest.raises(ConfigError) as refused:
        parts("schedule=plateau", "schedule.monitor=train_loss")
    assert str(refused.value).startswith("schedule.monitor must be one of val_loss, val_accuracy, ")


def test_plateau_of_members_follows_the_history_of_each():
    overrides = ("schedule=plateau", "schedule.patience=1", "schedule.gamma=0.5", "epochs=8", "optimizer=sgd",
                 "optimizer.lr=2", "model=linear")
    kept = assert_equals_solo([one(*overrides, f"seed={seed}") for seed in range(4)])
    assert len({tuple(row["lr"] for row in own.rows) for own in kept}) > 1
