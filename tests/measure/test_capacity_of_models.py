"""Every model of dlx is taken apart: norms of its layers, folding, operations."""

import math
from functools import partial

import pytest
import torch
from part_files import code_and_arguments, option_names
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.random import keyed_global
from dlx.core.spectral import NORMALIZED, Normalized, normalize
from dlx.core.types import TaskSpec
from dlx.engine.build import flops_per_step, made_for
from dlx.measure.folding import find_pairs, fold, folded, plain_copy
from dlx.measure.passes import look
from dlx.measure.path_norm import path_norm, undefined
from dlx.measure.weights import layers_of, measure_layers

CLASSES = ("0", "1", "2")
SPECS = [TaskSpec("classification", "table", (10,), 3, CLASSES),
         TaskSpec("classification", "image", (1, 8, 8), 3, CLASSES),
         TaskSpec("classification", "image", (3, 32, 32), 3, CLASSES),
         TaskSpec("classification", "tokens", (6,), 3, CLASSES, vocabulary_size=9),
         TaskSpec("sequence", "series", (7, 3), 3, CLASSES),
         TaskSpec("transcription", "tokens", (6,), 3, CLASSES, vocabulary_size=9)]
SMALL = {"width": 6, "num_heads": 2, "architecture": "resnet18"}
# With rectifiers between their products, and no more.
WITH_PATHS = {"linear", "mlp", "cnn", "resnet", "resnet9", "torchvision"}


def build(option, spec, seed=0, **changes):
    code, arguments = code_and_arguments("model", option)
    small = {name: value for name, value in SMALL.items() if name in arguments}
    with keyed_global(seed, "init"):
        return made_for(partial(code, **{**arguments, **small, **changes}), spec).eval()


def accepts(option, spec):
    try:
        build(option, spec)
    except ConfigError:
        return False
    return True


ACCEPTED = [(option, spec) for option in option_names("model") for spec in SPECS if accepts(option, spec)]


def example(spec):
    draw = torch.Generator().manual_seed(0)
    if spec.layout == "tokens":
        return torch.tensor([[3, 1, 2, 4, 0, 0]])
    return torch.randn(1, *spec.input_shape, dtype=torch.float64, generator=draw)


def taken_apart(model, initial, x):
    """Norms of layers, the model with its batch normalizations folded, and what one example met."""
    plain, start = plain_copy(model), plain_copy(initial)
    seen = look(plain, x, 4)
    made, pairs = folded(plain, find_pairs(seen.calls), x, seen.output)
    fold(start, pairs)
    layers = layers_of(made)
    found = measure_layers(layers, {layer.name: layer for layer in layers_of(start)}, seen.calls)
    return found, made, seen


def check(model, initial, x):
    found, made, seen = taken_apart(model, initial, x)
    names = [item.name for item in found]
    assert len(set(names)) == len(names) > 0
    for item in found:
        numbers = (item.frobenius, item.spectral.value, item.distance, item.rows)
        assert all(math.isfinite(number) and number >= 0 for number in numbers), item
        assert item.stable_rank is None or item.stable_rank >= 1 - 1e-9, item
    torch.testing.assert_close(made(x), seen.output, rtol=1e-10, atol=1e-10)
    assert seen.training_flops > seen.forward_flops > 0
    return found, made, seen


@pytest.mark.parametrize(("option", "spec"), ACCEPTED, ids=lambda value: getattr(value, "layout", value))
def test_model_is_taken_apart(option, spec):
    model = build(option, spec)
    found, made, seen = check(model, build(option, spec, 1), example(spec))
    # Weights of the model are there once, but for tied ones, positions of images and class tokens.
    own = {param.data_ptr() for param in model.parameters() if param.ndim > 1}
    assert len(own) <= sum(item.stable_rank is not None for item in found)
    assert not any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in made.modules())
    others = undefined(seen.operations, seen.calls)
    # Where every position is answered a tcn has no need to look where its input ends.
    assert (not others) == (option in WITH_PATHS or (option, spec.kind, spec.layout) == ("tcn", "sequence", "series"))
    if not others:
        assert path_norm(made, spec.input_shape) > 0


@pytest.mark.parametrize(("option", "spec"), ACCEPTED, ids=lambda value: getattr(value, "layout", value))
def test_operations_agree_with_the_estimate_of_the_engine(option, spec):
    model = build(option, spec)
    seen = look(plain_copy(model), example(spec), 4)
    assert flops_per_step(model, spec, 1) == pytest.approx(3 * seen.forward_flops, rel=0.01)


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
@pytest.mark.parametrize("option", ["mlp", "cnn", "resnet", "resnet9", "tcn", "window"])
def test_model_with_another_normalization_is_taken_apart(option, norm):
    spec = next(spec for other, spec in ACCEPTED if other == option)
    model = build(option, spec, norm=norm)
    found, made, _ = check(model, build(option, spec, 1, norm=norm), example(spec))
    scales = [item for item in found if item.name not in dict(model.named_modules())
              or not hasattr(model.get_submodule(item.name), "in_features")]
    assert scales or option in ("mlp", "window")
    left = [layer for layer in made.modules() if "Norm" in type(layer).__name__]
    assert bool(left) == (norm != "batch")


@pytest.mark.parametrize("option", [option for option in option_names("model")
                                    if option not in ("bag", "window", "rnn", "gru", "lstm")])
def test_model_with_spectral_normalization_has_layers_of_norm_one(option):
    spec = next(spec for other, spec in ACCEPTED if other == option)
    models = [build(option, spec, seed) for seed in (0, 1)]
    for model in models:
        for layer in list(model.modules()):
            if type(layer) in NORMALIZED:
                normalize(layer, 1)
                layer.iterate(100 if option in ("mlp", "linear") else 1)
    before = {name: tensor.clone() for name, tensor in models[0].state_dict().items()}
    found, made, _ = check(*models, example(spec))
    assert all(torch.equal(tensor, before[name]) for name, tensor in models[0].state_dict().items())
    assert not any(isinstance(layer, Normalized) for layer in made.modules())
    if option in ("mlp", "linear"):
        assert [item.spectral.value for item in found] == pytest.approx([1.0] * len(found), abs=1e-3)


@pytest.mark.parametrize("architecture", ["densenet121", "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet",
                                          "convnext_tiny", "vit_b_16", "swin_t", "efficientnet_b0"])
@pytest.mark.slow
def test_architecture_of_torchvision_is_taken_apart(architecture):
    spec = TaskSpec("classification", "image", (3, 64, 64), 3, CLASSES)
    models = [build("torchvision", spec, seed, architecture=architecture) for seed in (0, 1)]
    check(*models, example(spec))
