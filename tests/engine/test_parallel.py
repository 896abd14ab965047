"""Several processes that share every batch train what one process trains, to rounding, and agree with each other."""

import signal

import numpy as np
import pytest
import torch
from part_files import make, parts, saved
from rank_work import refused, stopped, together, trained

from dlx.config.saved import config_hash
from dlx.core.errors import ConfigError

# Rounding of a step in float32 is 6e-8, relative; that of 51 steps adds up, and columns are differences of losses.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
EVERYTHING = ["regularizer=[dropout,l2,gradient_clip]", "regularizer.gradient_clip.limit=0.5", "epochs=3"]
RUNS = {
    "mlp": [],
    "mlp-layer": ["model.norm=layer", "optimizer=sgd"],
    "mlp-batch": ["model.norm=batch"],
    "cnn": ["model=cnn", "model.width=4"],
    "cnn-batch": ["model=cnn", "model.width=4", "model.norm=batch", "optimizer=sgd"],
    # Batches of fewer examples than processes, and of one.
    "small-batches": ["batch_size=2", "epochs=1", "model.width=8"],
    "regression": ["dataset=diabetes", "loss=mse", "metric=[rmse,r2]", "preprocessing=[standardize,scale_target]"],
}


def both(count, made, *others):
    return together(1, trained, [made], *([other] for other in others)), together(
        count, trained, [made] * count, *([other] * count for other in others))


def assert_equal_to_rounding(alone, several, tolerance):
    for own in several:
        assert len(own.rows) == len(alone.rows) > 0
        for row, expected in zip(own.rows, alone.rows, strict=True):
            for name, value in expected.items():
                assert row[name] == pytest.approx(value, rel=10 * tolerance, abs=tolerance), name
        for name, value in alone.weights.items():
            np.testing.assert_allclose(own.weights[name], value, rtol=0, atol=tolerance, err_msg=name)


def assert_same_bits(several):
    first, *others = several
    for other in others:
        assert other.rows == first.rows
        for name, value in first.weights.items():
            np.testing.assert_array_equal(other.weights[name], value, err_msg=name)


@pytest.mark.parametrize(("name", "count"), [*((name, 2) for name in RUNS if name != "small-batches"), ("mlp", 3),
                                             ("cnn-batch", 3), ("small-batches", 3)])
def test_processes_train_in_float64_what_one_process_trains(name, count):
    made = parts(*EVERYTHING, *RUNS[name], "device.precision=float64", "device.threads=1")
    (alone,), several = both(count, made)
    assert_equal_to_rounding(alone, several, TOLERANCE["float64"])
    assert_same_bits(several)


@pytest.mark.parametrize("name", ["mlp", "cnn-batch"])
def test_processes_train_in_float32_what_one_process_trains(name):
    (alone,), several = both(2, parts(*EVERYTHING, *RUNS[name], "device.threads=1"))
    assert_equal_to_rounding(alone, several, TOLERANCE["float32"])
    assert_same_bits(several)


@pytest.mark.parametrize("names", ["mixup,jacobian,ema", "cutmix,confidence_penalty,asam,max_norm,swa",
                                   "adversarial_training,sam,gradient_noise,weight_decay,label_smoothing"])
def test_processes_share_the_hooks_of_regularizers(names):
    made = parts(f"regularizer=[{names}]", *RUNS["cnn"], "model.norm=layer", "optimizer=sgd", "epochs=2",
                 "device.precision=float64", "device.threads=1", "batch_size=67")
    (alone,), several = both(2, made)
    assert_equal_to_rounding(alone, several, TOLERANCE["float64"])
    assert_same_bits(several)


def test_processes_share_each_part_of_a_batch():
    made = parts(*EVERYTHING, "accumulation_steps=5", "batch_size=32", "device.precision=float64", "device.threads=1")
    (alone,), several = both(2, made)
    assert_equal_to_rounding(alone, several, TOLERANCE["float64"])
    assert_same_bits(several)


def test_processes_change_a_batch_before_they_divide_it():
    made = parts("epochs=1", "device.precision=float64", "device.threads=1")
    (alone,), several = both(2, made, True)
    assert_equal_to_rounding(alone, several, TOLERANCE["float64"])
    (unmixed,) = together(1, trained, [made])
    assert abs(unmixed.rows[0]["train_loss"] - alone.rows[0]["train_loss"]) > 1e-3


def test_processes_stop_at_the_same_step_whoever_gets_the_signal():
    endings = together(3, stopped, [parts("epochs=1000")] * 3, [None, None, signal.SIGTERM])
    assert set(endings) == {(signal.SIGTERM, "interrupted at step 0")}


def test_processes_that_start_from_different_weights_refuse_to_train():
    said = together(2, refused, [parts("seed=1"), parts("seed=2")])
    assert set(said) == {"TrainingError: the processes of the run do not start from the same weights"}


def test_more_processes_than_examples_are_refused():
    made = parts("dataset=diabetes", "loss=mse", "metric=[rmse]", "split.val_fraction=0.006")
    assert set(together(4, refused, [made] * 4)) == {
        "ConfigError: device.processes=4 is more than the 3 examples of val"}


def test_processes_are_saved_but_not_part_of_the_hash():
    one, two = saved("device.processes=1"), saved("device.processes=2")
    assert (one["device"]["processes"], two["device"]["processes"]) == (1, 2)
    assert config_hash(one) == config_hash(two)


def test_processes_need_a_gpu_each():
    there = torch.cuda.device_count()
    with pytest.raises(ConfigError, match=rf"^device.processes={there + 2}: this machine has {there} GPU"):
        make("device", "cuda").check_processes("cuda", there + 2)
    with pytest.raises(ConfigError, match=r"^device.processes=2 is for device=cpu and device=cuda; mps is one device"):
        make("device", "mps").check_processes("mps", 2)
