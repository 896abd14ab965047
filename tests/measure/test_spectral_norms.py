"""Spectral norms against explicit matrices."""

import math

import pytest
import torch
from torch import nn

from dlx.measure import spectral_norms
from dlx.measure.spectral_norms import circular_norm, matrix_norm, operator_norm

LAYERS = {
    "plain": (nn.Conv2d(2, 4, 3, padding=1), (2, 6, 5)),
    "stride": (nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 6, 6)),
    "strides": (nn.Conv2d(2, 4, 3, stride=(2, 3), padding=1), (2, 7, 6)),
    "no padding": (nn.Conv2d(2, 4, 3), (2, 6, 5)),
    "groups": (nn.Conv2d(4, 4, 3, padding=1, groups=2), (4, 4, 6)),
    "depthwise": (nn.Conv2d(4, 4, 3, padding=1, groups=4), (4, 4, 6)),
    "dilation": (nn.Conv2d(2, 3, 3, padding=2, dilation=2), (2, 6, 5)),
    "circular": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 6, 5)),
    "same": (nn.Conv2d(2, 3, 3, dilation=2, padding="same"), (2, 6, 5)),
    "one axis": (nn.Conv1d(3, 5, 4, dilation=2), (3, 12)),
    "three axes": (nn.Conv3d(2, 3, 3, padding=1), (2, 3, 4, 5)),
}


def convolution(layer, seed=0):
    draw = torch.Generator().manual_seed(seed)
    layer = layer.double()
    for param in layer.parameters():
        param.data = torch.randn(param.shape, dtype=torch.float64, generator=draw)
    return layer


def explicit(layer, shape):
    """The matrix of a layer, column by column."""
    zero = layer(torch.zeros(1, *shape, dtype=torch.float64))
    columns = [layer(unit.view(1, *shape)) - zero for unit in torch.eye(math.prod(shape), dtype=torch.float64)]
    return torch.cat(columns).flatten(1).T.detach()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("by_lanczos", [False, True])
def test_operator_norm_is_that_of_the_explicit_matrix(name, by_lanczos, monkeypatch):
    layer, shape = LAYERS[name]
    convolution(layer)
    if by_lanczos:
        monkeypatch.setattr(spectral_norms, "DENSE_SIDE", 0)
    truth = torch.linalg.matrix_norm(explicit(layer, shape), 2).item()
    found = operator_norm(layer, (1, *shape))
    assert found.value == pytest.approx(truth, rel=found.tolerance)
    assert found.tolerance == 1e-8


def test_operator_norm_of_a_large_operator_is_as_near_as_it_says(monkeypatch):
    layer, shape = convolution(nn.Conv2d(8, 8, 3, padding=1)), (8, 12, 12)
    truth = torch.linalg.matrix_norm(explicit(layer, shape), 2).item()
    monkeypatch.setattr(spectral_norms, "DENSE_SIDE", 0)
    monkeypatch.setattr(spectral_norms, "SMALL", 0)
    found = operator_norm(layer, (1, *shape))
    assert found.tolerance == 5e-4
    assert found.value == pytest.approx(truth, rel=5e-4)


def test_operator_norm_leaves_the_layer_as_it_is():
    layer = convolution(nn.Conv2d(2, 2, 3))
    before = [param.clone() for param in layer.parameters()]
    operator_norm(layer, (1, 2, 30, 30))
    assert layer.weight.dtype == torch.float64
    assert all(torch.equal(param, kept) for param, kept in zip(layer.parameters(), before, strict=True))
    assert layer.weight.grad is None


def test_operator_norm_of_zeros_is_zero(monkeypatch):
    layer = convolution(nn.Conv2d(2, 2, 3))
    layer.weight.data.zero_()
    assert operator_norm(layer, (1, 2, 4, 4)).value == 0
    monkeypatch.setattr(spectral_norms, "DENSE_SIDE", 0)
    assert operator_norm(layer, (1, 2, 4, 4)).value == 0


@pytest.mark.parametrize(("groups", "size", "stride", "dilation"), [
    (1, (6, 5), (1, 1), (1, 1)), (1, (6, 6), (2, 3), (1, 1)), (2, (4, 8), (2, 2), (2, 1)), (1, (4, 4), (1, 1), (2, 3)),
    (1, (2, 2), (1, 1), (1, 1)), (1, (9,), (3,), (2,))])
def test_circular_norm_is_that_of_the_explicit_matrix(groups, size, stride, dilation):
    kernel = [3] * len(size)
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(4, 2, *kernel, dtype=torch.float64, generator=draw)
    units = torch.eye(2 * groups * math.prod(size), dtype=torch.float64).view(-1, 2 * groups, *size)
    made = torch.zeros(len(units), 4, *size, dtype=torch.float64)
    for tap in torch.cartesian_prod(*(torch.arange(3) for _ in size)).view(-1, len(size)).tolist():
        moved = torch.roll(units, [-at * step for at, step in zip(tap, dilation, strict=True)],
                           list(range(2, 2 + len(size))))
        for row in range(4):
            own = moved[:, row // (4 // groups) * 2:][:, :2]
            made[:, row] += torch.einsum("nc...,c->n...", own, weight[(row, slice(None), *tap)])
    taken = made[(slice(None), slice(None), *(slice(None, None, step) for step in stride))]
    truth = torch.linalg.matrix_norm(taken.flatten(1), 2).item()
    assert circular_norm(weight, size, stride, dilation, groups) == pytest.approx(truth, rel=1e-12)


def test_circular_norm_is_missing_where_strides_do_not_divide_the_size_or_work_is_too_much():
    weight = torch.ones(2, 2, 3, 3, dtype=torch.float64)
    assert circular_norm(weight, (5, 4), (2, 2), (1, 1), 1) is None
    assert circular_norm(weight, (10_000, 10_000), (1, 1), (1, 1), 1) is None


def test_circular_norm_bounds_that_of_zero_padding_with_stride_one():
    layer = convolution(nn.Conv2d(3, 4, 3, padding=1))
    # Of a larger torus the image with its border is a part.
    assert operator_norm(layer, (1, 3, 6, 6)).value <= circular_norm(layer.weight.detach(), (64, 64), (1, 1), (1, 1), 1)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 5)])
def test_matrix_norm_is_that_of_torch(shape):
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert matrix_norm(matrix) == pytest.approx(torch.linalg.matrix_norm(matrix, 2).max().item(), rel=1e-12)
