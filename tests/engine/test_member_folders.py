"""Fused runs in run folders: files, interruptions, divergence, memory, limits. R members."""

import itertools
import shutil
from dataclasses import replace

import pytest
import torch
from member_runs import (
    as_regression,
    assert_same_folder,
    files,
    left_by,
    one,
    several,
    table,
    trained,
    with_loss,
)
from small_runs import AroundLoss, interrupted_after

from dlx.config.build import build
from dlx.core.errors import ArtefactError, InterruptedRunError
from dlx.engine.reevaluate import reevaluate
from dlx.engine.run import Limits
from dlx.engine.saved_model import SavedModel
from dlx.record.checkpoint import load
from dlx.record.safe_yaml import read_json

# 84 train examples in batches of 16 are 6 steps an epoch.
STEPS = 6
VARIED = [("seed=0",), ("seed=1", "optimizer.lr=0.01"), ("seed=2", "regularizer.dropout.rate=0"),
          ("seed=3", "schedule=cosine")]
COMMON = ("epochs=3", "model.width=6", "model.norm=batch", "regularizer=[dropout,l2]")
ROLLING = "step-{:012d}.safetensors"


def four(*overrides):
    return [one(*COMMON, *overrides, *own) for own in VARIED]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return trained(four(), tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    base = tmp_path_factory.mktemp("alone")
    return [trained([described], base, names=[str(number)])[0] for number, described in enumerate(four())]


def test_member_leaves_the_files_of_the_run_alone(undisturbed, alone):
    for found, expected in zip(undisturbed, alone, strict=True):
        assert_same_folder(found, expected)
        for name in ("initial", "best", "last"):
            ours, theirs = (load(path / "checkpoints" / f"{name}.safetensors") for path in (found, expected))
            assert ours.tensors.keys() == theirs.tensors.keys()
            for key, tensor in theirs.tensors.items():
                torch.testing.assert_close(ours.tensors[key], tensor, rtol=1e-9, atol=1e-9)
            assert ours.state["form"] == {"stacked": True, "convolution": "loop"}
            other = {"form": 0, "selected": 0, "sha256": 0}
            assert {**ours.state, **other} == {**theirs.state, **other}


def test_member_checkpoint_evaluates_to_the_numbers_of_its_summary(undisturbed):
    for path, described in zip(undisturbed, four(), strict=True):
        saved, summary = load(path / "checkpoints" / "best.safetensors"), read_json(path / "summary.json")
        parts = replace(build(saved.state["config"], ["*"]), dataset=described[0].dataset)
        device = {"kind": "cpu", "threads": 1, "compile": False, "channels_last": False, "processes": 1, "data": "auto"}
        found = reevaluate(SavedModel(parts, saved).on(device), "", ["train_eval", "val", "test"], summary["level"])
        assert found["metrics"] == summary["metrics"]


@pytest.mark.parametrize("groups", [[[0, 1], [2, 3]], [[1, 3], [0, 2]], [[0, 1, 2], [3]], [[3, 2, 1, 0]]], ids=str)
def test_member_bits_do_not_depend_on_the_group(groups, undisturbed, tmp_path):
    runs = four()
    for number, group in enumerate(groups):
        base, members = tmp_path / str(number), [runs[index] for index in group]
        if len(group) == 1:
            members.append(one(*COMMON, "seed=77"))
        for path, index in zip(trained(members, base), group, strict=False):
            assert left_by(path) == left_by(undisturbed[index])


def interrupt(runs, base, num_steps):
    """Train until Ctrl-C comes during a step of all."""
    parts, stop = interrupted_after(runs[0][0], num_steps)
    with pytest.raises(InterruptedRunError, match="nothing is lost: dlx resume"):
        trained([with_loss(described, parts.loss) for described in runs], base, stop)


@pytest.mark.parametrize("num_steps", [1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS + 3])
def test_members_go_on_after_an_interruption_bit_for_bit(num_steps, undisturbed, tmp_path):
    interrupt(four(), tmp_path, num_steps)
    for path, expected in zip(trained(four(), tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)
        assert files(path) == files(expected)


def test_members_go_on_after_every_step_bit_for_bit(undisturbed, tmp_path):
    for number in range(1, 3 * STEPS):
        interrupt(four(), tmp_path, 1)
        assert {path.name for path in (tmp_path / "run-2" / "checkpoints").glob("step-*")} >= {ROLLING.format(number)}
    for path, expected in zip(trained(four(), tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)


def test_each_member_goes_on_by_itself_bit_for_bit(undisturbed, tmp_path):
    interrupt(four(), tmp_path, STEPS + 2)
    for number, described in enumerate(four()):
        (path,) = trained([described], tmp_path, names=[f"run-{number}"])
        assert left_by(path) == left_by(undisturbed[number])


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped"])
def test_members_go_on_from_the_newest_step_that_all_have(harm, undisturbed, tmp_path):
    runs = [(replace(parts, settings=replace(parts.settings, checkpoint_seconds=0.0)), config)
            for parts, config in four()]
    interrupt(runs, tmp_path, STEPS + 2)
    rolling = sorted((tmp_path / "run-1" / "checkpoints").glob("step-*"))
    assert [path.name for path in rolling] == [ROLLING.format(STEPS + 1), ROLLING.format(STEPS + 2)]
    data = rolling[-1].read_bytes()
    if harm == "missing":
        rolling[-1].unlink()
    else:
        rolling[-1].write_bytes(data[:-9] if harm == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    for path, expected in zip(trained(runs, tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)
        assert files(path) == files(expected)


def test_members_without_a_valid_step_in_common_are_refused(tmp_path):
    interrupt(four(), tmp_path, STEPS + 2)
    (only,) = (tmp_path / "run-1" / "checkpoints").glob("step-*")
    only.write_bytes(only.read_bytes()[:-9])
    with pytest.raises(ArtefactError, match="no valid checkpoint is left"):
        trained(four(), tmp_path)


def test_members_of_which_one_lost_its_checkpoints_begin_again(undisturbed, tmp_path):
    interrupt(four(), tmp_path, STEPS + 2)
    for path in (tmp_path / "run-1" / "checkpoints").glob("step-*"):
        path.unlink()
    for path, expected in zip(trained(four(), tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)


STOPPING = [("seed=0", "regularizer.early_stopping.patience=50"), ("seed=1", "regularizer.early_stopping.patience=1"),
            ("seed=2", "regularizer.early_stopping.patience=2"), ("seed=3", "regularizer.early_stopping.patience=50")]


@pytest.fixture(scope="module")
def stopping():
    # Only an improvement by 9 counts: it stops after as many epochs as it has patience, and one.
    return [one("epochs=6", "model.width=6", "model.norm=batch", "optimizer.lr=0.03", "model.dropout_rate=0.3",
                "regularizer=[early_stopping,l2]", "regularizer.early_stopping.min_delta=9", *own) for own in STOPPING]


def test_member_that_stops_early_leaves_and_the_others_are_as_without_it(stopping, tmp_path):
    found = trained(stopping, tmp_path / "four")
    assert [len(table(path)) for path in found] == [6, 2, 3, 6]
    reasons = [read_json(path / "summary.json")["stop_reason"] for path in found]
    assert reasons[0] == reasons[3] == "all epochs done"
    assert all(reason.startswith("early_stopping: val_loss has not improved") for reason in reasons[1:3])
    others = trained([stopping[0], stopping[3]], tmp_path / "two")
    assert [left_by(found[0]), left_by(found[3])] == [left_by(path) for path in others]
    for number, described in enumerate(stopping):
        assert_same_folder(found[number], trained([described], tmp_path, names=[f"alone-{number}"])[0])


@pytest.mark.parametrize("num_steps", [2 * STEPS, 2 * STEPS + 1, 3 * STEPS + 2])
def test_members_interrupted_after_some_stopped_go_on_bit_for_bit(num_steps, stopping, tmp_path):
    expected = trained(stopping, tmp_path / "whole")
    interrupt(stopping, tmp_path / "parts", num_steps)
    for path, whole in zip(trained(stopping, tmp_path / "parts"), expected, strict=True):
        assert left_by(path) == left_by(whole)


def diverging(case):
    """Four runs of which the second diverges: in its first epoch, or of a growing error in a later one."""
    lrs = ["0.1", "1e30", "0.1", "0.05"] if case == "at once" else ["0.01", "2", "0.01", "0.02"]
    model = ("model.width=6", "epochs=3") if case == "at once" else ("model=linear", "epochs=8")
    runs = [one("optimizer=sgd", *model, "device.precision=float32", f"seed={seed}", f"optimizer.lr={rate}")
            for seed, rate in enumerate(lrs)]
    return runs if case == "at once" else [as_regression(described) for described in runs]


@pytest.mark.parametrize("case", ["at once", "later"])
def test_member_that_diverges_never_touches_the_others(case, tmp_path):
    runs = diverging(case)
    found = trained(runs, tmp_path / "four")
    others = trained([runs[0], runs[2], runs[3]], tmp_path / "three")
    assert [left_by(found[index]) for index in (0, 2, 3)] == [left_by(path) for path in others]
    alone = trained([runs[1]], tmp_path, names=["alone"])[0]
    ours, theirs = (read_json(path / "status.json") for path in (found[1], alone))
    for name in ("status", "epoch", "step", "lr", "reason"):
        assert ours[name] == theirs[name], name
    assert ours["status"] == "diverged"
    assert files(found[1]) == files(alone)
    assert (len(table(alone)) == 0) == (case == "at once")
    assert len(table(found[1])) == len(table(alone))
    assert (alone / "summary.json").exists() == (case == "later")


def test_members_of_which_all_diverge_end_one_and_all(tmp_path):
    runs = [one("optimizer=sgd", "optimizer.lr=1e30", f"seed={seed}", "device.precision=float32") for seed in range(3)]
    for path in trained(runs, tmp_path):
        assert read_json(path / "status.json")["status"] == "diverged"
        assert not (path / "summary.json").exists()


def test_members_paused_at_an_epoch_go_on_bit_for_bit(undisturbed, tmp_path):
    for epoch in (1, 2):
        for path in trained(four(), tmp_path, limits=Limits(pause_epoch=epoch)):
            assert len(table(path)) == epoch
            status = read_json(path / "status.json")
            assert (status["status"], status["reason"]) == ("interrupted", f"paused at epoch {epoch}")
            assert not (path / "summary.json").exists()
    for path, expected in zip(trained(four(), tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)
        assert files(path) == files(expected)


def test_member_paused_goes_on_beside_a_part_of_the_others_bit_for_bit(undisturbed, tmp_path):
    trained(four(), tmp_path, limits=Limits(pause_epoch=1))
    runs = four()
    for group in ((0, 2), (1, 3)):
        paths = trained([runs[index] for index in group], tmp_path, names=[f"run-{index}" for index in group])
        for index, path in zip(group, paths, strict=True):
            assert left_by(path) == left_by(undisturbed[index])


def test_members_paused_beyond_their_epochs_are_finished(undisturbed, tmp_path):
    for path, expected in zip(trained(four(), tmp_path, limits=Limits(pause_epoch=9)), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)


def test_members_ended_from_outside_finish_with_that_reason(undisturbed, tmp_path):
    trained(four(), tmp_path, limits=Limits(pause_epoch=1))
    for path, whole in zip(trained(four(), tmp_path, limits=Limits(end_reason="pruned at epoch 1")), undisturbed,
                           strict=True):
        summary = read_json(path / "summary.json")
        assert (summary["stop_reason"], summary["epochs_run"], summary["status"]) == ("pruned at epoch 1", 1, "done")
        assert (path / "metrics.csv").read_text().splitlines() == (whole / "metrics.csv").read_text().splitlines()[:2]


def test_members_beyond_memory_train_in_parts_with_the_same_bytes(undisturbed, tmp_path, caplog):
    with caplog.at_level("INFO", logger="dlx"):
        found = trained(four(), tmp_path, limits=Limits(memory_share=1e-30))
    assert caplog.messages.count("4 runs train in 4 parts: memory holds 1") == 4
    for path, expected in zip(found, undisturbed, strict=True):
        assert left_by(path) == left_by(expected)


class OutOfMemory(AroundLoss):
    """A loss for which memory runs out after some training steps, where more than so many members train together."""

    def __init__(self, loss, most, step):
        super().__init__(loss)
        self.most, self.step = most, step
        self.taken = []

    def __call__(self, outputs, targets):
        if torch.is_grad_enabled():
            self.taken.append(len(targets))
            if len(targets) > self.most * 16 and len(self.taken) > self.step:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return self.loss(outputs, targets)


@pytest.mark.parametrize(("most", "step"), list(itertools.product((2, 1), (0, STEPS + 2))))
def test_members_go_on_in_parts_where_memory_runs_out_in_a_step(most, step, undisturbed, tmp_path):
    runs = four()
    loss = OutOfMemory(runs[0][0].loss, most, step)
    found = trained([with_loss(described, loss) for described in runs], tmp_path)
    assert 4 * 16 in loss.taken
    assert min(loss.taken) <= most * 16
    for path, expected in zip(found, undisturbed, strict=True):
        assert left_by(path) == left_by(expected)


def test_member_alone_for_which_memory_runs_out_says_so(tmp_path):
    described = one("epochs=1")
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        trained([with_loss(described, OutOfMemory(described[0].loss, 0, 0))], tmp_path)


def test_members_are_not_divided_for_other_errors(tmp_path):
    class Broken(OutOfMemory):
        def __call__(self, outputs, targets):
            raise RuntimeError("something else")

    runs = several(2, "epochs=1")
    with pytest.raises(RuntimeError, match="something else"):
        trained([with_loss(described, Broken(described[0].loss, 9, 0)) for described in runs], tmp_path)


def test_members_trained_but_not_summarized_are_finished_from_their_last_checkpoint(undisturbed, tmp_path):
    paths = [shutil.copytree(path, tmp_path / f"run-{number}") for number, path in enumerate(undisturbed)]
    for path in paths[1:3]:
        (path / "summary.json").unlink()
    for path, expected in zip(trained(four(), tmp_path), undisturbed, strict=True):
        assert left_by(path) == left_by(expected)
