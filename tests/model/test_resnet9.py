"""ResNet-9: layers, parameters and shortcuts of the source. C channels, K outputs."""

import pytest
import torch
from part_files import make
from torch import nn

from dlx.core.errors import ConfigError


def resnet9(shape=(3, 32, 32), num_outputs=10, **changes):
    return make("model", "resnet9", input_shape=shape, num_outputs=num_outputs, **changes)


def test_resnet9_has_nine_layers_and_the_parameters_of_their_formula():
    with torch.device("meta"):
        model = resnet9()
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    sizes = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512), (512, 512), (512, 512)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == sizes
    formula = sum(9 * fan_in * fan_out + 2 * fan_out for fan_in, fan_out in sizes) + 512 * 10 + 10
    assert sum(param.numel() for param in model.parameters()) == formula == 6_573_130


@pytest.mark.parametrize("skip", [True, False])
def test_resnet9_adds_its_residual_blocks_to_what_comes_in(skip):
    model = resnet9((1, 8, 8), width=4, skip=skip).double().eval()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    hidden = x
    for layer in model.blocks:
        hidden = skip * hidden + layer.residual(hidden) if hasattr(layer, "residual") else layer(hidden)
    torch.testing.assert_close(model(x), model.head(hidden.flatten(2).max(dim=2).values))


@pytest.mark.parametrize(("shape", "width", "message"), [
    ((3, 7, 32), 64, "halves images 3 times and needs at least 8×8 pixels, got 7×32; use model=cnn"),
    ((30,), 64, "model=resnet9 needs images .* use model=mlp"), ((3, 8, 8), 8193, "model.width must be at most 8192")])
def test_resnet9_that_cannot_be_is_refused(shape, width, message):
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        resnet9(shape, width=width)
