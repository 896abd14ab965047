"""The path norm against closed forms and paths one by one."""

import itertools
import math

import pytest
import torch
from test_folding import settled
from torch import nn

from dlx.measure.passes import look
from dlx.measure.path_norm import path_norm, undefined

DRAW = torch.Generator().manual_seed(0)


def perceptron(bias=False, activation=nn.ReLU):
    return settled(nn.Sequential(nn.Linear(4, 5, bias), activation(), nn.Linear(5, 3, bias), activation(),
                                 nn.Linear(3, 2, bias)))


def test_path_norm_is_that_of_the_product_of_squared_weights():
    model = perceptron()
    one, two, three = (model[index].weight.square() for index in (0, 2, 4))
    expected = math.sqrt((three @ two @ one).sum().item())
    assert path_norm(model, (4,)) == pytest.approx(expected, rel=1e-12)


def test_path_norm_sums_over_paths_from_inputs_and_biases():
    model = settled(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)))
    (first, bias), (last, end) = ([*layer.parameters()] for layer in (model[0], model[2]))
    total = sum((first[h, i] * last[k, h]).item() ** 2 for i, h, k in itertools.product(range(3), range(2), range(2)))
    total += sum((bias[h] * last[k, h]).item() ** 2 for h, k in itertools.product(range(2), range(2)))
    total += end.square().sum().item()
    assert path_norm(model, (3,)) == pytest.approx(math.sqrt(total), rel=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_path_norm_does_not_change_where_layers_are_rescaled(bias):
    model = perceptron(bias)
    before, x = path_norm(model, (4,)), torch.randn(6, 4, dtype=torch.float64, generator=DRAW)
    outputs = model(x)
    with torch.no_grad():
        for param in model[0].parameters():
            param *= 7
        model[2].weight /= 7
    torch.testing.assert_close(model(x), outputs)
    assert path_norm(model, (4,)) == pytest.approx(before, rel=1e-12)


def test_path_norm_of_a_normalization_squares_its_scale_and_shift():
    model = settled(nn.Sequential(nn.BatchNorm1d(3)))
    norm = model[0]
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    expected = scale.square() + (norm.bias - norm.running_mean * scale).square()
    assert path_norm(model, (3,)) == pytest.approx(math.sqrt(expected.sum().item()), rel=1e-12)


def test_path_norm_of_weights_that_are_shared_squares_them_once():
    shared = nn.Linear(3, 3, bias=False)
    model = settled(nn.Sequential(shared, nn.ReLU(), nn.Sequential(shared)))
    squared = shared.weight.square()
    assert path_norm(model, (3,)) == pytest.approx(math.sqrt((squared @ squared).sum().item()), rel=1e-12)


def test_path_norm_larger_than_numbers_are_is_infinite():
    model = perceptron()
    with torch.no_grad():
        model[0].weight.fill_(1e200)
    assert path_norm(model, (4,)) == math.inf


class Added(nn.Module):
    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return x + self.branch(x)


class Attending(nn.Module):
    def forward(self, x):
        return x @ x.T


@pytest.mark.parametrize(("model", "found"), [
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1),
                   nn.Flatten(), nn.Linear(2, 3)), []),
    (nn.Sequential(Added(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.LeakyReLU())), nn.AvgPool2d(2)), []),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Tanh()), ["tanh"]),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.GELU(), nn.Sigmoid()), ["gelu", "sigmoid"]),
    (nn.Sequential(nn.Flatten(), Attending()), ["products outside of layers"]),
])
def test_path_norm_is_undefined_where_more_than_products_and_rectifiers_are_met(model, found):
    seen = look(settled(model), torch.ones(1, 1, 8, 8, dtype=torch.float64), 8)
    assert undefined(seen.operations, seen.calls) == found
