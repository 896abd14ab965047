"""A loss that is not finite ends the run as diverged, naming the first such step and its lr; no NaN reaches a file."""

import json
import math
from dataclasses import dataclass, field, replace

import pytest
import torch
from part_files import parts
from small_runs import best, digits, metrics, table, train

from dlx.core.errors import DivergedError
from dlx.record.checkpoint import load
from dlx.record.safe_yaml import read_json

DATA = digits(100, own_test=True)


@dataclass(frozen=True)
class BlowUp:
    """A loss that is multiplied from a training step on, counted from 0."""

    loss: object
    step: int
    factor: float
    taken: list = field(default_factory=list)

    @property
    def kinds(self):
        return self.loss.kinds

    def __call__(self, outputs, targets):
        losses = self.loss(outputs, targets)
        if not torch.is_grad_enabled():
            return losses
        self.taken.append(1)
        return losses * self.factor if len(self.taken) > self.step else losses


def diverge(made, path):
    with pytest.raises(DivergedError) as ended:
        train(made, path, DATA if made.dataset.spec().kind == "classification" else table("regression", own_test=True))
    return ended.value


def assert_no_file_holds_nan(path):
    for file in path.rglob("*"):
        if file.suffix in (".csv", ".json", ".yaml", ".txt"):
            words = file.read_text().lower().replace(",", " ").replace(":", " ").split()
            assert not {"nan", "inf", "-inf", "infinity", "-infinity"} & set(words), file
    for file in (path / "checkpoints").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load(file).tensors.values()), file


@pytest.mark.parametrize(("overrides", "lr"), [
    (("optimizer=sgd", "optimizer.lr=1e30"), 1e30),
    (("optimizer=sgd", "optimizer.lr=1e30", "dataset=diabetes"), 1e30),
    (("optimizer=adam", "optimizer.lr=1e38", "model.depth=2"), 1e38)])
def test_divergence_in_the_first_epoch_names_step_and_lr_and_leaves_no_numbers(overrides, lr, tmp_path):
    error = diverge(parts(*overrides, "epochs=3", "batch_size=16"), tmp_path / "run")
    assert error.lr == lr
    assert 0 < error.step < 4
    assert str(error) == (f"training diverged: the loss of step {error.step} was not finite, at lr {lr:g}; try a "
                          "smaller optimizer.lr, a schedule with a warmup or regularizer=gradient_clip")
    status = read_json(tmp_path / "run" / "status.json")
    assert {name: status[name] for name in ("status", "epoch", "step", "lr", "reason")} == {
        "status": "diverged", "epoch": 0, "step": error.step, "lr": lr, "reason": str(error)}
    assert (tmp_path / "run" / "metrics.csv").read_text() == ""
    assert not (tmp_path / "run" / "summary.json").exists()
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == ["initial.safetensors"]
    assert_no_file_holds_nan(tmp_path / "run")


# 60 train examples in batches of 16 are 4 steps an epoch.
@pytest.mark.parametrize("bad_step", [0, 3, 4, 9, 11])
@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_divergence_names_the_first_step_whose_loss_was_not_finite(bad_step, factor, tmp_path):
    made = parts("batch_size=16", "epochs=5", "schedule=cosine", "optimizer.lr=0.01")
    made = replace(made, loss=BlowUp(made.loss, bad_step, factor))
    error = diverge(made, tmp_path / "run")
    assert error.step == bad_step
    assert error.lr == pytest.approx(0.01 * (1 + math.cos(math.pi * bad_step / 20)) / 2)
    assert len(metrics(tmp_path / "run")) == bad_step // 4 if bad_step >= 4 else True
    assert_no_file_holds_nan(tmp_path / "run")


def test_divergence_after_good_epochs_keeps_the_best_of_them(tmp_path):
    plain = parts("batch_size=16", "epochs=5", "optimizer.lr=0.01")
    error = diverge(replace(plain, loss=BlowUp(plain.loss, 9, math.nan)), tmp_path / "run")
    whole = train(plain, tmp_path / "whole", DATA)
    table_, summary = metrics(tmp_path / "run"), read_json(tmp_path / "run" / "summary.json")
    assert table_.equals(metrics(whole)[:2])
    assert summary["status"] == "diverged"
    assert summary["epochs_run"] == 2
    assert summary["stop_reason"] == str(error)
    assert summary["selection"]["epoch"] == best(tmp_path / "run").state["selected"]["epoch"] == (
        table_["val_loss"].idxmin() + 1)
    assert all(row["value"] is not None for row in summary["metrics"] if row["metric"] in ("loss", "accuracy", "nll"))
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "best.safetensors", "initial.safetensors"]
    assert read_json(tmp_path / "run" / "status.json")["status"] == "diverged"


def test_divergence_of_gradients_alone_is_found_at_the_next_step(tmp_path):
    # The loss of step 2 is finite, its gradient is of size 1e36: the weights are lost, and the next loss says so.
    made = parts("batch_size=16", "epochs=2", "optimizer=sgd")
    made = replace(made, loss=BlowUp(made.loss, 2, 1e36))
    error = diverge(made, tmp_path / "run")
    assert error.step == 3
    assert_no_file_holds_nan(tmp_path / "run")


def test_divergence_seen_by_evaluation_alone_is_that_of_the_last_step(tmp_path):
    # The last update of the epoch loses the weights; only train_eval can see it.
    made = parts("batch_size=16", "epochs=2", "optimizer=sgd")
    made = replace(made, loss=BlowUp(made.loss, 3, 1e36))
    assert diverge(made, tmp_path / "run").step == 3
    assert_no_file_holds_nan(tmp_path / "run")


def test_divergence_on_the_command_line_exits_with_1_and_says_what_to_try(dlx, tmp_path):
    result = dlx("train", "optimizer=sgd", "optimizer.lr=1e30", "epochs=2")
    assert result.code == 1
    assert "training diverged: the loss of step" in result.out + result.err
    assert "try a smaller optimizer.lr" in " ".join((result.out + result.err).split())
    (run,) = (tmp_path / "runs").glob("*/")
    assert json.loads((run / "status.json").read_text())["status"] == "diverged"
    assert_no_file_holds_nan(run)


def test_divergence_of_an_extreme_but_finite_run_is_none(tmp_path):
    path = train(parts("epochs=2", "optimizer=sgd", "optimizer.lr=1e-30"), tmp_path / "run", DATA)
    assert metrics(path)["val_loss"].nunique() == 1


def test_divergence_is_not_a_gradient_norm_beyond_float32_that_clipping_removed(tmp_path):
    made = parts("batch_size=16", "epochs=2", "regularizer=[gradient_clip]")
    path = train(replace(made, loss=BlowUp(made.loss, 7, 1e25)), tmp_path / "run", DATA)
    assert metrics(path)["grad_norm_max"].isna().tolist() == [False, True]
    assert metrics(path)["val_loss"].notna().all()
    assert_no_file_holds_nan(path)
