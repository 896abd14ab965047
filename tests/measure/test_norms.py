"""Norms of layers and of whole networks against closed forms and torch."""

import math

import numpy as np
import pytest
import torch
from test_folding import settled
from torch import nn

from dlx.measure import norms
from dlx.measure.norms import Network
from dlx.measure.passes import look
from dlx.measure.weights import layers_of, measure_layers, parameter_norms


def norm2(matrix):
    return torch.linalg.matrix_norm(matrix, 2).item()


def measured(model, initial, x):
    calls = look(model, x, 4).calls
    return measure_layers(layers_of(model), {layer.name: layer for layer in layers_of(initial)}, calls)


def network(found):
    return Network(*(np.array(values) for values in zip(*(
        (item.frobenius, item.spectral.value, item.distance, item.rows) for item in found), strict=True)))


def perceptron(seed):
    return settled(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), seed)


ROW = torch.ones(1, 6, dtype=torch.float64)


def test_norms_of_matrices_are_those_of_torch():
    model, initial = perceptron(0), perceptron(1)
    found = measured(model, initial, ROW)
    assert [item.name for item in found] == ["0", "2"]
    for item in found:
        weight = model.get_submodule(item.name).weight.detach()
        change = weight - initial.get_submodule(item.name).weight.detach()
        assert item.spectral.value == pytest.approx(norm2(weight), rel=1e-12)
        assert item.frobenius == pytest.approx(torch.linalg.matrix_norm(weight).item(), rel=1e-12)
        assert item.stable_rank == pytest.approx((torch.linalg.matrix_norm(weight) ** 2).item() / norm2(weight) ** 2)
        assert item.distance == pytest.approx(torch.linalg.matrix_norm(change).item(), rel=1e-12)
        assert item.rows == pytest.approx(sum(math.hypot(*row) for row in change.tolist()), rel=1e-12)
        assert (item.circular, item.matrix) == (None, None)


def test_norms_of_the_network_are_their_formulas():
    model, initial = perceptron(0), perceptron(1)
    found, gamma = network(measured(model, initial, ROW)), 0.7
    weights = [(model[index].weight.detach(), initial[index].weight.detach()) for index in (0, 2)]
    product = math.prod(norm2(weight) for weight, _ in weights)
    assert math.exp(norms.log_product(found.spectral) / 2) == pytest.approx(product)
    ratio = sum(((weight - start) ** 2).sum().item() / norm2(weight) ** 2 for weight, start in weights)
    assert math.exp(norms.spectral_complexity(found, gamma)) == pytest.approx((product / gamma) ** 2 * ratio)
    assert norms.frobenius_over_spectral(found) == pytest.approx(
        sum((weight**2).sum().item() / norm2(weight) ** 2 for weight, _ in weights))
    rows = sum((torch.linalg.vector_norm(weight - start, dim=1).sum().item() / norm2(weight)) ** (2 / 3)
               for weight, start in weights)
    assert math.exp(norms.log_bartlett_complexity(found)) == pytest.approx(product * rows**1.5)
    # The measure and its root by example are one number, in two forms.
    log = norms.log_product(found.spectral)
    assert norms.per_example(math.exp(log), 50) == pytest.approx(math.exp(norms.log_per_example(log, 50)))


def test_products_and_ratios_do_not_change_where_layers_are_rescaled():
    model, initial = perceptron(0), perceptron(1)
    before = network(measured(model, initial, ROW))
    for made in (model, initial):
        with torch.no_grad():
            made[0].weight *= 3
            made[2].weight /= 3
    after = network(measured(model, initial, ROW))
    assert norms.log_product(after.spectral) == pytest.approx(norms.log_product(before.spectral), abs=1e-12)
    assert norms.frobenius_over_spectral(after) == pytest.approx(norms.frobenius_over_spectral(before))
    assert norms.spectral_complexity(after, 1.0) == pytest.approx(norms.spectral_complexity(before, 1.0))
    assert norms.log_bartlett_complexity(after) == pytest.approx(norms.log_bartlett_complexity(before))


def test_a_layer_of_zeros_makes_logarithms_infinite():
    zero = Network(*(np.array([0.0, 1.0]) for _ in range(4)))
    assert norms.log_product(zero.spectral) == -math.inf
    assert norms.frobenius_over_spectral(zero) == math.inf


def test_weights_that_did_not_move_have_no_complexity_left():
    still = Network(np.ones(2), np.ones(2), np.zeros(2), np.zeros(2))
    assert norms.spectral_complexity(still, 1.0) == -math.inf
    assert norms.log_bartlett_complexity(still) == -math.inf


def test_layers_are_found_in_every_kind_of_module():
    model = nn.ModuleDict({
        "embedding": nn.Embedding(7, 4), "rnn": nn.LSTM(4, 3), "attention": nn.MultiheadAttention(4, 2),
        "scale": nn.LayerNorm(4), "bare": nn.LayerNorm(4, elementwise_affine=False), "batch": nn.BatchNorm1d(4),
        "convolution": nn.Conv2d(2, 4, 3), "act": nn.PReLU(3)}).double()
    found = {layer.name: (layer.form, tuple(layer.weight.shape)) for layer in layers_of(model)}
    assert found == {
        "embedding": ("matrix", (7, 4)), "rnn.weight_ih_l0": ("matrix", (12, 4)),
        "rnn.weight_hh_l0": ("matrix", (12, 3)),
        "attention.in_proj_weight": ("matrix", (12, 4)), "attention.out_proj": ("matrix", (4, 4)),
        "scale": ("scale", (4,)), "batch": ("scale", (4,)), "convolution": ("convolution", (4, 2, 3, 3))}


def test_norms_of_a_scale_are_those_of_its_diagonal():
    model, initial = (settled(nn.Sequential(nn.BatchNorm1d(6)), seed) for seed in (0, 1))
    (found,) = measured(model, initial, ROW)
    own, start = (torch.diag(made[0].weight / (made[0].running_var + made[0].eps).sqrt()).detach()
                  for made in (model, initial))
    assert found.spectral.value == pytest.approx(norm2(own), rel=1e-12)
    assert found.frobenius == pytest.approx(torch.linalg.matrix_norm(own).item(), rel=1e-12)
    assert found.rows == pytest.approx((own - start).abs().sum().item(), rel=1e-12)


def test_parameter_norms_count_a_tensor_once():
    model, initial = perceptron(0), perceptron(1)
    vectors = [torch.cat([param.detach().flatten() for param in made.parameters()]) for made in (model, initial)]
    expected = [vectors[0].norm().item(), vectors[1].norm().item(), (vectors[0] - vectors[1]).norm().item()]
    assert parameter_norms(model, initial) == pytest.approx(expected, rel=1e-12)
    model[2].weight = model[0].weight
    assert parameter_norms(model, model)[0] == pytest.approx(
        math.sqrt(sum(param.square().sum().item() for param in {model[0].weight, model[0].bias, model[2].bias})))
