"""Batch normalization folded into the layer before it."""

import copy

import pytest
import torch
from torch import nn

from dlx.core.spectral import normalize
from dlx.measure.folding import Pair, find_pairs, folded, plain_copy
from dlx.measure.passes import look


def settled(model, seed=0):
    """The model with weights and statistics drawn, in eval mode and float64."""
    draw = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, dtype=torch.float64, generator=draw)
                tensor.copy_(values.abs() + 0.1 if name.endswith("running_var") else values)
    return model


def fold_of(model, x):
    plain = plain_copy(model)
    seen = look(plain, x, 8)
    return *folded(plain, find_pairs(seen.calls), x, seen.output), seen.output


class Twice(nn.Module):
    """Uses what its convolution makes beside giving it to the normalization."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        made = self.convolution(x)
        return made + self.norm(made)


IMAGES = torch.randn(1, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
ROWS = IMAGES.flatten(1)


@pytest.mark.parametrize(("model", "x", "pairs"), [
    (nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()), IMAGES, [("0", "1")]),
    (nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4, affine=False)), IMAGES, [("0", "1")]),
    (nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)), IMAGES,
     [("1", "2")]),
    (nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3)), IMAGES, []),
    (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.BatchNorm2d(3)), IMAGES, []),
    (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(3)), IMAGES, []),
    (nn.Sequential(nn.Conv2d(2, 3, 3), nn.InstanceNorm2d(3)), IMAGES, []),
    (Twice(), IMAGES, []),
])
def test_folding_leaves_outputs_unchanged(model, x, pairs):
    model = settled(copy.deepcopy(model))
    made, found, output = fold_of(model, x)
    assert found == [Pair(*pair) for pair in pairs]
    torch.testing.assert_close(made(x), model(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(output, model(x), rtol=0, atol=0)
    norms = [layer for layer in made.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == len(before) - len(pairs)


def test_folding_does_not_take_a_layer_that_is_called_twice():
    shared = nn.Conv2d(2, 2, 3, padding=1)
    model = settled(nn.Sequential(shared, nn.BatchNorm2d(2), shared, nn.BatchNorm2d(2)))
    made, found, _ = fold_of(model, IMAGES)
    assert found == []
    assert torch.equal(made(IMAGES), model(IMAGES))


def test_plain_copy_computes_with_the_weights_of_normalized_layers():
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.Linear(4, 3))
    normalize(model[1], 1)
    torch.nn.utils.parametrizations.weight_norm(model[2])
    model = settled(model)
    plain = plain_copy(model)
    assert [type(layer) for layer in plain] == [nn.Flatten, nn.Linear, nn.Linear]
    assert torch.equal(plain[1].weight, model[1].weight)
    torch.testing.assert_close(plain(IMAGES), model(IMAGES), rtol=1e-12, atol=1e-12)
    assert "parametrizations" in dict(model[2].named_children())
