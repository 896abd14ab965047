"""What every device of conf/device promises, on a machine that has it and on one that has not."""

import os

import numpy as np
import pytest
import torch
from part_files import make, option_names, parts, saved
from small_runs import InMemory, digits, first_batch, metrics, session, train

from dlx.cli.main import main
from dlx.core.device import MIN_FLOPS_FOR_THREADS, can_bfloat16
from dlx.core.errors import ConfigError
from dlx.core.types import Arrays, TaskSpec
from dlx.record.checkpoint import load
from dlx.sweep.groups import make_groups

AVAILABLE = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
NAMES = option_names("device")
every_device = pytest.mark.parametrize("option", NAMES)


def usable(option):
    return AVAILABLE.get(option, True)


@every_device
def test_device_is_there_or_refused_with_what_is(option):
    device = make("device", option)
    if usable(option):
        assert AVAILABLE[device.check()]
        assert device.place(1.0).device.type == device.check()
        return
    there = ", ".join(kind for kind in AVAILABLE if AVAILABLE[kind])
    for ask in (device.check, lambda: device.place(1.0), lambda: parts(f"device={option}")):
        with pytest.raises(ConfigError) as refused:
            ask()
        assert str(refused.value) == f"device={option} is not available here; this machine has {there}"


@every_device
def test_device_file_names_the_kind_that_it_is(option):
    assert make("device", option).kind == option
    assert saved(f"device={option}")["device"]["kind"] == option


def test_device_auto_prefers_an_accelerator():
    assert make("device", "auto").check() == next(kind for kind in ("cuda", "mps", "cpu") if AVAILABLE[kind])


@every_device
def test_device_trains(option, tmp_path):
    if not usable(option):
        pytest.skip(f"this machine has no {option}")
    table = metrics(train(parts(f"device={option}", "epochs=3", "optimizer.lr=0.01"), tmp_path / "run", digits(120)))
    assert table["train_eval_loss"].iloc[-1] < table["train_eval_loss"].iloc[0]


@pytest.mark.parametrize(("flops", "threads"), [(1.0, 1), (MIN_FLOPS_FOR_THREADS * 0.999, 1),
                                                (MIN_FLOPS_FOR_THREADS, os.cpu_count()), (1e12, os.cpu_count())])
def test_device_threads_auto_is_one_for_small_steps_else_every_core(flops, threads):
    assert make("device", "cpu").place(flops).threads == threads


@pytest.mark.parametrize("flops", [1.0, 1e12])
def test_device_threads_set_or_decided_before_are_kept(flops):
    assert make("device", "cpu", threads=3).place(flops).threads == 3
    assert make("device", "cpu", threads=3).place(flops, threads=2).threads == 2
    assert make("device", "cpu").place(flops, threads=2).threads == 2


def test_device_enter_sets_the_threads_of_torch():
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            make("device", "cpu", threads=threads).place(1.0).enter()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("precision", "dtype", "computed"), [
    ("float32", torch.float32, torch.float32), ("float64", torch.float64, torch.float64),
    ("bfloat16", torch.float32, torch.bfloat16)])
def test_device_precision_is_that_of_parameters_or_of_products(precision, dtype, computed):
    placement = make("device", "cpu", precision=precision).place(1.0)
    layer = torch.nn.Linear(3, 3).to(placement.device, placement.dtype)
    assert placement.dtype == layer.weight.dtype == dtype
    with placement.precision():
        assert layer(torch.ones(2, 3, dtype=dtype)).dtype == computed
    assert layer(torch.ones(2, 3, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_device_precision_reaches_training_and_its_files(precision, tmp_path):
    overrides = ("epochs=3", "optimizer=sgd", "optimizer.lr=0.05", "model.norm=batch", "regularizer=[l2]")
    path = train(parts(*overrides, f"device.precision={precision}"), tmp_path / "run", digits(200))
    reference = train(parts(*overrides, "device.precision=float64"), tmp_path / "reference", digits(200))
    tolerance = {"float32": 1e-4, "float64": 0.0, "bfloat16": 0.05}[precision]
    for column in ("train_loss", "train_eval_loss", "val_loss"):
        assert metrics(path)[column].tolist() == pytest.approx(metrics(reference)[column].tolist(), rel=tolerance)
    assert (path / "predictions.csv").read_text().count("\n") == 81


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_device_precision_of_saved_weights_is_float32(precision, tmp_path):
    made = parts("epochs=1", f"device.precision={precision}")
    path = train(made, tmp_path / "run", digits(60))
    for name in ("initial", "best", "last"):
        tensors = load(path / "checkpoints" / f"{name}.safetensors").tensors
        assert {tensor.dtype for key, tensor in tensors.items() if key.startswith("model/")} == {torch.float32}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")  # torch imports what it deprecates
def test_device_compiled_model_trains_as_the_plain_one(tmp_path):
    overrides = ("epochs=2", "optimizer=sgd", "model.norm=batch")
    tables = {flag: metrics(train(parts(*overrides, f"device.compile={flag}"), tmp_path / flag, digits(120)))
              for flag in ("false", "true")}
    assert tables["true"]["val_loss"].tolist() == pytest.approx(tables["false"]["val_loss"].tolist(), rel=1e-4)


@pytest.mark.parametrize("overrides", [("model=cnn", "model.norm=batch"), ("model=cnn", "model.norm=group"),
                                       ("model=resnet", "model.depth=1")])
def test_device_channels_last_trains_as_the_plain_layout(overrides, tmp_path):
    common = (*overrides, "epochs=2", "model.width=8", "optimizer=sgd", "device.precision=float64")
    tables = {flag: metrics(train(parts(*common, f"device.channels_last={flag}"), tmp_path / flag, digits(120)))
              for flag in ("false", "true")}
    for column in ("train_loss", "train_eval_loss", "val_loss", "val_accuracy"):
        assert tables["true"][column].tolist() == pytest.approx(tables["false"][column].tolist(), rel=1e-9)


@pytest.mark.parametrize(("norm", "tolerance"), [("none", 1e-5), ("group", 1e-5), ("batch", 1e-4)])
def test_device_channels_last_in_float32_takes_the_first_step_of_the_plain_layout(norm, tolerance):
    losses = []
    for flag in ("false", "true"):
        built = session(parts("model=cnn", "model.width=8", f"model.norm={norm}", f"device.channels_last={flag}"),
                        digits(120))
        losses.append([float(built.step(first_batch(built), number, 0.01)[0]) for number in range(2)])
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)


@pytest.mark.parametrize("channels", [1, 3])
def test_device_channels_last_reaches_the_convolutions(channels):
    images = np.random.default_rng(0).normal(size=(60, channels, 8, 8)).astype(np.float32)
    data = InMemory(TaskSpec("classification", "image", (channels, 8, 8), 2, ("a", "b")),
                    Arrays(images, np.arange(60) % 2))
    built = session(parts("model=cnn", "model.width=4", "device.channels_last=true"), data)
    seen = []
    for layer in built.model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda *given: seen.append(given[2].is_contiguous(
                memory_format=torch.channels_last)))
    built.step(first_batch(built), 0, 0.1)
    assert seen == [True, True]


def test_device_channels_last_is_for_models_with_convolutions_and_for_runs_alone():
    with pytest.raises(ConfigError, match=r"and model=mlp has none; leave it out"):
        parts("model=mlp", "device.channels_last=true")
    found = make_groups([saved("model=cnn", "device.channels_last=true", f"seed={seed}") for seed in range(2)], 1, 64)
    assert set(found.plain.values()) == {"device.channels_last=true is a layout of the images of one model"}


@pytest.mark.parametrize(("capabilities", "expected"), [
    ({"architecture": "x86_64", "avx512_bf16": True}, True), ({"architecture": "arm64", "bf16": True}, True),
    ({"architecture": "x86_64", "avx2": True, "avx512_f": True, "avx512_bf16": False}, False), ({}, False)])
def test_device_knows_which_processors_multiply_in_bfloat16(capabilities, expected):
    assert can_bfloat16(capabilities) is expected


def test_device_warns_of_bfloat16_that_gains_nothing_in_log_and_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", "avx2": True})
    assert make("device", "cpu").warning() is None
    runs = tmp_path / "runs"
    assert main(["train", "device=cpu", "device.precision=bfloat16", "epochs=1", f"runs_dir={runs}"]) == 0
    message = "this processor has no instructions for bfloat16"
    assert capsys.readouterr().err.count(message) == 1
    (folder,) = runs.glob("*/")
    assert (folder / "dlx.log").read_text().count(message) == 1


def test_device_float64_on_mps_is_refused_before_training():
    if not AVAILABLE["mps"]:
        pytest.skip("this machine has no mps")
    with pytest.raises(ConfigError, match=r"device\.precision=float64 is not available on mps; use device=cpu"):
        make("device", "mps", precision="float64").check()
