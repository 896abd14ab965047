"""Shared layers: activations, normalization, initialization against their formulas."""

import math

import pytest
import torch
from torch import nn

from dlx.core.layers import ACTIVATIONS, INITIALIZERS, initialize, norm_layers

X = torch.linspace(-4, 4, 161, dtype=torch.float64)
FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "identity": lambda x: x,
}
LAYERS = {
    "linear": lambda: nn.Linear(300, 200),
    "wide": lambda: nn.Linear(100, 400),
    "convolution": lambda: nn.Conv2d(30, 60, 3),
}
FANS = {"linear": (300, 200), "wide": (100, 400), "convolution": (30 * 9, 60 * 9)}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_its_formula(name):
    expected = torch.tensor([FORMULAS[name](x) for x in X.tolist()], dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[name]()(X), expected)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("init", "variance"), [
    ("he", lambda fan_in, fan_out: 2 / fan_in), ("xavier", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    ("lecun", lambda fan_in, fan_out: 1 / fan_in)])
def test_initialize_draws_with_the_variance_of_its_formula(kind, init, variance):
    layer = LAYERS[kind]()
    initialize(layer, init)
    weight, expected = layer.weight.double(), variance(*FANS[kind])
    # The standard error of a variance is at most that of normal draws, √(2/n); of a mean, σ/√n.
    assert weight.var().item() == pytest.approx(expected, rel=5 * math.sqrt(2 / weight.numel()))
    assert abs(weight.mean().item()) < 5 * math.sqrt(expected / weight.numel())
    assert not layer.bias.any()


@pytest.mark.parametrize(("init", "largest_in_deviations"), [("xavier", math.sqrt(3)), ("he", None), ("lecun", None)])
def test_initialize_is_uniform_or_normal_as_documented(init, largest_in_deviations):
    layer = LAYERS["linear"]()
    initialize(layer, init)
    scaled = (layer.weight.double() / layer.weight.double().std()).abs()
    if largest_in_deviations is not None:
        assert scaled.max().item() == pytest.approx(largest_in_deviations, rel=0.01)
    else:
        assert (scaled < 1).double().mean().item() == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)
        assert scaled.max().item() > 3


@pytest.mark.parametrize("kind", LAYERS)
def test_initialize_orthogonal_has_orthonormal_rows_or_columns(kind):
    layer = LAYERS[kind]()
    initialize(layer, "orthogonal")
    weight = layer.weight.detach().flatten(1)
    weight = weight if weight.shape[0] <= weight.shape[1] else weight.T
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), atol=1e-5, rtol=0)


def test_initialize_torch_keeps_what_was_drawn():
    layer = LAYERS["linear"]()
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    initialize(layer, "torch")
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


@pytest.mark.parametrize("init", INITIALIZERS)
def test_initialize_leaves_normalization_alone_and_works_without_bias(init):
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.LayerNorm(4))
    initialize(model, init)
    for layer in model[1:]:
        assert torch.equal(layer.weight, torch.ones(4))
        assert torch.equal(layer.bias, torch.zeros(4))


def test_norm_layers_none_is_no_layer():
    assert norm_layers("none", 3, 1) == []
    assert norm_layers("none", 3, 2) == []


@pytest.mark.parametrize(("norm", "num_dims", "axes"), [("batch", 1, (0,)), ("batch", 2, (0, 2, 3)), ("layer", 1, (1,)),
                                                        ("layer", 2, (1, 2, 3))])
def test_norm_layers_normalizes_over_its_axes(norm, num_dims, axes):
    (layer,) = (own.double() for own in norm_layers(norm, 6, num_dims))
    draw = torch.Generator().manual_seed(0)
    x = 5 + 3 * torch.randn(8, 6, *([4, 5] if num_dims == 2 else []), dtype=torch.float64, generator=draw)
    centred = x - x.mean(dim=axes, keepdim=True)
    expected = centred / (x.var(dim=axes, keepdim=True, correction=0) + layer.eps).sqrt()
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("num_features", "num_groups"), [(6, 2), (9, 1), (16, 8), (24, 8)])
@pytest.mark.parametrize("num_dims", [1, 2])
def test_norm_layers_normalizes_the_features_of_a_group_together(num_features, num_groups, num_dims):
    (layer,) = (own.double() for own in norm_layers("group", num_features, num_dims))
    draw = torch.Generator().manual_seed(0)
    x = 5 + 3 * torch.randn(3, num_features, *([4, 5] if num_dims == 2 else []), dtype=torch.float64, generator=draw)
    for row, found in zip(x, layer(x), strict=True):
        for group, own in zip(row.chunk(num_groups), found.chunk(num_groups), strict=True):
            expected = (group - group.mean()) / (group.var(correction=0) + layer.eps).sqrt()
            torch.testing.assert_close(own, expected)
