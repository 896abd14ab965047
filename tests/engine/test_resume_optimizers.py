"""A run that is interrupted and goes on is the undisturbed one, whatever its optimizer and schedule."""

import pytest
from member_runs import DIGITS, left_by
from part_files import option_names, parts
from small_runs import interrupted_after, train

from dlx.core.errors import InterruptedRunError
from dlx.record import layout

SMALL = ("model=mlp", "model.width=6", "model.norm=layer", "epochs=4", "batch_size=32", "metric=[accuracy,nll]")
# Two kinds of parameters, and a switch or a reduction before and after the interruptions.
MORE = {"adam_then_sgd": ("optimizer.patience=1", "optimizer.lr=0.3"), "lbfgs": ("batch_size=64",)}
UNLIKE = "optimizer.lr_multipliers={*.bias:0.5}"


def resumed(built, path, steps):
    """Interrupt a run during each of some steps, and let it end."""
    for number in steps:
        own, stop = interrupted_after(built, number)
        with pytest.raises(InterruptedRunError):
            train(own, path, DIGITS, stop)
        assert not (path / layout.SUMMARY).exists()
    return train(built, path, DIGITS)


def assert_resumes(overrides, tmp_path, steps):
    built = parts(*SMALL, *overrides)
    expected = left_by(train(built, tmp_path / "undisturbed", DIGITS))
    found = left_by(resumed(built, tmp_path / "resumed", steps))
    assert len(expected) >= 6
    assert [name for name, content in expected.items() if found[name] != content] == []


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("option", option_names("optimizer"))
def test_run_resumes_bit_for_bit_with_every_optimizer(option, precision, tmp_path):
    own = MORE.get(option, (UNLIKE,))
    # Calls of the loss: of a search, many are one step's.
    steps = (2, 30) if option == "lbfgs" else (2, 5)
    assert_resumes((f"optimizer={option}", f"device.precision={precision}", *own), tmp_path, steps)


@pytest.mark.parametrize("option", option_names("schedule"))
def test_run_resumes_bit_for_bit_with_every_schedule(option, tmp_path):
    own = ("schedule.patience=1", "schedule.gamma=0.5") if option == "plateau" else ()
    assert_resumes((f"schedule={option}", "optimizer.lr=0.3", *own), tmp_path, (2, 5))
