"""MLP: closed forms. D inputs, W width, L depth, K outputs."""

import pytest
import torch
from part_files import make, parts
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.layers import ACTIVATIONS, Dropout
from dlx.engine.build import known_spec, meta_model


def mlp(shape=(784,), num_outputs=10, **changes):
    return make("model", "mlp", input_shape=shape, num_outputs=num_outputs, **changes)


def num_parameters(model):
    return sum(param.numel() for param in model.parameters())


@pytest.mark.parametrize(("shape", "num_outputs", "width", "depth", "expected"), [
    ((784,), 10, 128, 1, 101_770), ((1, 28, 28), 10, 128, 1, 101_770), ((784,), 10, 128, 2, 118_282),
    ((10,), 1, 1, 1, 13), ((1, 8, 8), 10, 64, 5, 21_450),
])
def test_mlp_has_the_parameters_of_its_formula(shape, num_outputs, width, depth, expected):
    model = mlp(shape, num_outputs, width=width, depth=depth)
    num_inputs = torch.Size(shape).numel()
    formula = (num_inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * num_outputs
    assert num_parameters(model) == formula == expected


@pytest.mark.parametrize(("norm", "per_layer"), [("none", 0), ("batch", 2 * 128), ("layer", 2 * 128)])
def test_mlp_normalization_adds_a_scale_and_a_shift_per_unit(norm, per_layer):
    assert num_parameters(mlp(depth=3, norm=norm)) == num_parameters(mlp(depth=3)) + 3 * per_layer


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_is_linear_maps_with_activations_between(activation):
    model = mlp((6,), 3, width=4, depth=2, activation=activation).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    act = ACTIVATIONS[activation]()
    hidden = act(x @ linear[0].weight.T + linear[0].bias)
    hidden = act(hidden @ linear[1].weight.T + linear[1].bias)
    torch.testing.assert_close(model(x), hidden @ linear[2].weight.T + linear[2].bias)


def test_mlp_of_identity_activations_is_one_linear_map():
    model = mlp((6,), 3, width=8, depth=4, activation="identity").double()
    x, y = torch.randn(2, 5, 6, dtype=torch.float64)
    zero = model(torch.zeros(5, 6, dtype=torch.float64))
    torch.testing.assert_close(model(2 * x - 3 * y) - zero, 2 * (model(x) - zero) - 3 * (model(y) - zero))


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_mlp_order_is_linear_norm_activation_dropout(norm):
    model = mlp((6,), 3, width=4, depth=2, norm=norm, activation="tanh")
    block = {"none": [], "batch": ["BatchNorm1d"], "layer": ["LayerNorm"]}[norm]
    kinds = [type(module).__name__ for module in model.modules() if not list(module.children())]
    assert kinds == ["Linear", *block, "Tanh", "Dropout"] * 2 + ["Linear"]


def test_mlp_dropout_rate_is_that_of_every_layer():
    rates = [module.rate for module in mlp(depth=3, dropout_rate=0.3).modules() if isinstance(module, Dropout)]
    assert rates == [0.3] * 3


def test_mlp_initialization_reaches_every_layer_and_zeroes_biases():
    model = mlp((50,), 10, width=200, depth=3, init="orthogonal")
    for module in model.modules():
        if isinstance(module, nn.Linear):
            rows, columns = module.weight.shape
            gram = module.weight @ module.weight.T if rows <= columns else module.weight.T @ module.weight
            torch.testing.assert_close(gram, torch.eye(min(rows, columns)), atol=1e-5, rtol=0)
            assert not module.bias.any()


@pytest.mark.parametrize(("capacity", "expected"), [("low", 7_850), ("medium", 101_770), ("high", 1_863_690)])
def test_mlp_presets_of_capacity_have_their_parameters_on_mnist(capacity, expected):
    preset = parts(f"experiment=mnist_{capacity}_capacity")
    assert num_parameters(meta_model(preset, known_spec(preset))) == expected


@pytest.mark.parametrize(("norm", "width"), [("layer", 1), ("group", 8), ("group", 2)])
def test_mlp_whose_normalization_would_leave_nothing_is_refused(norm, width):
    with pytest.raises(ConfigError, match=f"model.norm={norm} normalizes each of {width} features by itself"):
        mlp(norm=norm, width=width)


def test_mlp_init_scale_multiplies_every_weight():
    states = []
    for scale in (1.0, 0.5):
        torch.manual_seed(0)
        states.append(mlp((6,), 3, width=4, depth=2, init="he", init_scale=scale).state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(states[1][name], tensor * 0.5)
