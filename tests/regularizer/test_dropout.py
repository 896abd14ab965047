"""Dropout: keyed masks that keep the mean, in training only."""

import pytest
import torch
from part_files import make, parts
from small_runs import digits, session

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout
from dlx.core.random import key
from dlx.core.types import Batch
from dlx.engine.step import bind_noise


def layer_with_noise(rate):
    layer = Dropout(rate)
    (noise,) = bind_noise(layer, [[rate]], torch.device("cpu"))
    return layer, noise


def masks_of_steps(seed, steps, overrides=()):
    """Which hidden units each step drops: those of the first layer's output that become zero."""
    made = parts("model.depth=2", "model.activation=identity", "regularizer=[dropout]", f"seed={seed}", *overrides)
    built = session(made, digits(60))
    seen = []
    first = next(module for module in built.model.modules() if isinstance(module, Dropout))
    handle = first.register_forward_hook(lambda _, __, output: seen.append(output == 0))
    inputs = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for number in steps:
        built.step(Batch(inputs, torch.arange(16) % 10, torch.arange(16)), number, 0.0)
    handle.remove()
    return seen


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_dropout_sets_the_rate_of_every_layer(model):
    made = parts(f"model={model}", "model.depth=3", "model.dropout_rate=0.9", "regularizer=[dropout]",
                 "regularizer.dropout.rate=0.25")
    rates = [module.rate for module in session(made, digits(60)).model.modules() if isinstance(module, Dropout)]
    assert rates == [0.25] * {"mlp": 3, "cnn": 1}[model]


def test_dropout_on_a_model_without_such_layers_is_refused():
    with pytest.raises(ConfigError, match="regularizer=dropout needs a model with dropout layers; Linear has none"):
        parts("model=linear", "regularizer=[dropout]")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_at_its_rate(rate):
    layer, noise = layer_with_noise(rate)
    noise.manual_seed(0)
    out = layer(torch.ones(1000, 1000))
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)], rel=1e-6)
    deviation = (rate * (1 - rate) / 1e6) ** 0.5
    assert (out == 0).float().mean().item() == pytest.approx(rate, abs=5 * deviation)
    assert out.mean().item() == pytest.approx(1, abs=5 * deviation / (1 - rate))


def test_dropout_gradient_passes_where_the_unit_stayed():
    layer, noise = layer_with_noise(0.5)
    noise.manual_seed(0)
    x = torch.ones(100, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_dropout_in_eval_mode_or_at_rate_zero_is_the_identity(rate):
    layer = Dropout(rate)
    x = torch.randn(10, 10)
    assert layer.eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_dropout_mask_is_a_function_of_seed_and_step():
    first, second, again = masks_of_steps(0, (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(masks_of_steps(1, (0,))[0], first)
    torch.manual_seed(123)
    assert torch.equal(masks_of_steps(0, (0,))[0], first)


def test_dropout_masks_of_layers_differ():
    layers = [Dropout(0.5), Dropout(0.5)]
    (noise,) = bind_noise(torch.nn.Sequential(*layers), [[0.5, 0.5]], torch.device("cpu"))
    noise.manual_seed(key(0, "dropout", 0))
    one, other = (layer(torch.ones(50, 50)) for layer in layers)
    assert not torch.equal(one, other)


def test_dropout_masks_of_steps_are_independent():
    masks = torch.stack([mask.flatten().float() for mask in masks_of_steps(0, range(40))])
    correlation = torch.corrcoef(masks)
    off_diagonal = correlation[~torch.eye(40, dtype=torch.bool)]
    assert off_diagonal.abs().max().item() < 5 / masks.shape[1] ** 0.5
    assert abs(off_diagonal.mean().item()) < 0.01


def test_dropout_leaves_global_randomness_alone():
    state = torch.get_rng_state()
    masks_of_steps(0, (0, 1))
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_without_an_engine_says_so():
    with pytest.raises(AssertionError, match="the engine binds generators"):
        Dropout(0.5)(torch.ones(3))


def test_dropout_regularizer_is_the_model_argument_under_another_name():
    by_regularizer, by_model = (masks_of_steps(0, (3,), overrides) for overrides in (
        ("regularizer.dropout.rate=0.3",), ("regularizer.dropout.rate=0.3", "model.dropout_rate=0.8")))
    assert torch.equal(by_regularizer[0], by_model[0])
    assert make("regularizer", "dropout").rate == 0.5
