"""ResNet: layers and parameters of the paper, blocks beside torchvision's. C channels, W width, K outputs."""

import pytest
import torch
from part_files import make
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.vision import torchvision
from dlx.model.resnet import basic_block


def resnet(shape=(3, 32, 32), num_outputs=10, **changes):
    return make("model", "resnet", input_shape=shape, num_outputs=num_outputs, **changes)


@pytest.mark.parametrize(("depth", "num_layers"), [(3, 20), (5, 32), (9, 56)])
def test_resnet_has_the_layers_and_parameters_of_the_paper(depth, num_layers):
    model = resnet(depth=depth)
    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len([layer for layer in weighted if getattr(layer, "kernel_size", (3, 3)) == (3, 3)]) == num_layers
    body = sum(2 * depth * 9 * width**2 for width in (16, 32, 64)) - 9 * (16 * 32 + 32 * 64)
    norms = 2 * (16 + 2 * depth * (16 + 32 + 64) + 32 + 64)
    expected = 27 * 16 + body + 16 * 32 + 32 * 64 + norms + 64 * 10 + 10
    assert sum(param.numel() for param in model.parameters()) == expected
    # Without the projections of option B, 0.27, 0.46 and 0.85 million (their table 6).
    published = {20: 0.27, 32: 0.46, 56: 0.85}[num_layers]
    assert round((expected - 16 * 32 - 32 * 64 - 2 * (32 + 64)) / 1e6, 2) == published


@pytest.mark.parametrize(("channels", "out_channels", "stride"), [(6, 6, 1), (6, 12, 2), (6, 8, 1)])
def test_residual_block_is_torchvisions_basic_block(channels, out_channels, stride):
    own = basic_block(channels, out_channels, stride, "relu", "batch", True, 0.0).double()
    down = None if isinstance(own.shortcut, nn.Identity) else own.shortcut
    twin = torchvision().models.resnet.BasicBlock(channels, out_channels, stride, down).double()
    first, norm1, _, second, norm2 = own.residual
    twin.conv1, twin.bn1, twin.conv2, twin.bn2 = first, norm1, second, norm2
    x = torch.randn(4, channels, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(own.eval()(x), twin.eval()(x))


def test_resnet_halves_images_twice():
    sizes = []
    model = resnet((3, 32, 24), width=4, depth=1)
    for layer in model.blocks:
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    model.eval()(torch.zeros(2, 3, 32, 24))
    assert sizes[-3:] == [(4, 32, 24), (8, 16, 12), (16, 8, 6)]


@pytest.mark.parametrize(("shape", "message"), [((30,), "needs images"), ((1, 7, 40), "at least 8×8 pixels, got 7×40")])
def test_resnet_of_what_it_is_not_for_is_refused(shape, message):
    with pytest.raises(ConfigError, match=message):
        resnet(shape)
