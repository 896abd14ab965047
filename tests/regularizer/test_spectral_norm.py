"""Spectral normalization: torch's own, step by step; its singular values; by itself, among members and resumed."""

import copy
from dataclasses import replace

import pytest
import torch
from part_files import make, parts
from small_runs import digits, first_batch, session
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.spectral import Normalized, normalize
from dlx.engine.stack import mapped, stack

LAYERS = {"linear": (lambda: nn.Linear(7, 5), (4, 7)), "wide": (lambda: nn.Linear(3, 9, bias=False), (4, 3)),
          "conv1d": (lambda: nn.Conv1d(3, 6, 4, stride=2), (4, 3, 9)),
          "conv2d": (lambda: nn.Conv2d(2, 4, 3, padding=1, bias=False), (4, 2, 6, 6))}
each_layer = pytest.mark.parametrize("kind", LAYERS)


def drawn(kind, seed=0, num_iterations=1):
    """A layer in float64, normalized, and inputs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = LAYERS[kind][0]().double()
        plain = copy.deepcopy(layer)
        normalize(layer, num_iterations)
        return layer, plain, torch.randn(LAYERS[kind][1], dtype=torch.float64)


def largest(layer):
    return torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)


@each_layer
@pytest.mark.parametrize("num_iterations", [1, 3])
def test_spectral_norm_is_torchs_step_by_step(kind, num_iterations):
    layer, plain, x = drawn(kind, num_iterations=num_iterations)
    twin = nn.utils.parametrizations.spectral_norm(plain, n_power_iterations=num_iterations)
    twin.parametrizations.weight[0]._u.copy_(layer.u)
    twin.parametrizations.weight[0]._v.copy_(layer.v)
    weights = (layer._parameters["weight"], twin.parametrizations.weight.original)
    for _ in range(5):
        outputs = [own(x) for own in (layer, twin)]
        torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)
        for output in outputs:
            output.square().sum().backward()
        torch.testing.assert_close(weights[0].grad, weights[1].grad, rtol=1e-10, atol=1e-10)
        with torch.no_grad():
            for weight in weights:
                weight.sub_(0.1 * weight.grad)
                weight.grad = None


@each_layer
def test_spectral_norm_makes_the_largest_singular_value_one(kind):
    layer, _, x = drawn(kind)
    with torch.no_grad():
        layer._parameters["weight"].mul_(5.0)
    for _ in range(200):
        layer(x)
    assert largest(layer).item() == pytest.approx(1, abs=1e-6)


@each_layer
def test_spectral_norm_in_evaluation_changes_nothing_in_the_layer(kind):
    layer, _, x = drawn(kind)
    before = {name: value.clone() for name, value in layer.eval().state_dict().items()}
    first = layer(x)
    assert torch.equal(layer(x), first)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_spectral_norm_gradient_is_that_of_its_formula():
    layer, _, x = drawn("linear")
    layer.eval()

    def outputs(weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    leaves = [layer._parameters[name].detach().requires_grad_() for name in ("weight", "bias")]
    assert torch.autograd.gradcheck(outputs, leaves)


@each_layer
@pytest.mark.parametrize("by_vmap", [False, True])
def test_spectral_norm_of_members_is_that_of_each(kind, by_vmap):
    layers = [drawn(kind, seed)[0] for seed in range(3)]
    x = torch.cat([drawn(kind, seed)[2] for seed in range(3)])
    stacked = stack([nn.Sequential(layer) for layer in layers])[0]
    for _ in range(3):
        together = mapped(stacked, x) if by_vmap else stacked(x)
        alone = [layer(own) for layer, own in zip(layers, x.chunk(3), strict=True)]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=1e-12)
    if not by_vmap:
        for name in ("u", "v"):
            torch.testing.assert_close(getattr(stacked, name), torch.stack([getattr(own, name) for own in layers]))


@pytest.mark.parametrize("model", ["mlp", "cnn", "linear"])
def test_spectral_norm_brings_every_layer_of_a_model_to_one_from_above(model):
    built = session(replace(parts(f"model={model}", "regularizer=[spectral_norm]"), dataset=digits(100)))
    layers = [layer for layer in built.model.modules() if isinstance(layer, Normalized)]
    assert len(layers) == sum(isinstance(layer, nn.Linear | nn.Conv2d) for layer in built.model.modules()) > 0
    for number in range(120):
        # The estimate is never above the singular value; where weights rest, it comes to it.
        built.step(first_batch(built), number, 0.001 if number < 20 else 0.0)
        assert all(1 - 1e-5 < largest(layer).item() < 1.3 for layer in layers)
    assert [largest(layer).item() for layer in layers] == pytest.approx([1] * len(layers), abs=0.02)


def test_spectral_norm_of_a_model_without_such_layers_is_refused():
    with pytest.raises(ConfigError) as refused:
        make("regularizer", "spectral_norm").on_model(nn.Sequential(nn.Flatten()))
    assert str(refused.value) == ("regularizer=spectral_norm needs a model with linear or convolutional layers; "
                                  "Sequential has none")
