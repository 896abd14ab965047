"""ResNet: layers and parameters of the paper, blocks beside torchvision's. C channels, W width, K outputs."""

import pytest
import torch
from part_files import make
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.layers import StochasticDepth
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


def test_resnet_of_four_stages_of_two_blocks_is_resnet_18_for_small_images():
    with torch.device("meta"):
        model = resnet(width=64, depth=2, stages=4)
    # Of github.com/kuangliu/pytorch-cifar: torchvision's 11,689,512 with a 3×3 convolution and ten classes.
    assert sum(param.numel() for param in model.parameters()) == 11_173_962
    assert 11_173_962 == 11_689_512 - 3 * 64 * (49 - 9) - 990 * 513


def test_resnet_without_skip_is_its_convolutions_one_after_the_other():
    model = resnet((3, 8, 8), width=4, depth=1, skip=False).double().eval()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    hidden = model.blocks[2](model.blocks[1](model.blocks[0](x)))
    for block in list(model.blocks)[3:]:
        hidden = torch.relu(block.residual(hidden))
        assert block.shortcut is None
    torch.testing.assert_close(model(x), model.head(hidden.mean(dim=(2, 3))))


def test_resnet_stochastic_depth_grows_linearly_to_its_rate():
    model = resnet(depth=2, stochastic_depth_rate=0.6)
    rates = [module.rate for module in model.modules() if isinstance(module, StochasticDepth)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_resnet_block_that_is_left_out_is_its_shortcut():
    block = basic_block(4, 4, 1, "identity", "batch", True, 0.9999).train()
    block.stochastic_depth.draws = [(0.9999, torch.Generator().manual_seed(0))]
    x = torch.randn(3, 4, 5, 5)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm2d), ("group", nn.GroupNorm), ("layer", nn.GroupNorm),
                                            ("none", None)])
def test_resnet_norm_follows_every_convolution_which_has_a_bias_without_one(norm, kind):
    model = resnet((1, 8, 8), norm=norm, width=8)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in model.modules() if kind is not None and isinstance(layer, kind)]
    assert len(norms) == (0 if kind is None else len(convolutions))
    assert {layer.bias is None for layer in convolutions} == {kind is not None}


@pytest.mark.parametrize(("changes", "message"), [
    ({"stochastic_depth_rate": 0.1, "skip": False}, "needs model.skip=true"),
    ({"stages": 6, "width": 4096, "shape": (3, 64, 64)}, r"\(model.stages - 1\) must be at most 65536"),
    ({"stages": 4, "shape": (1, 8, 8)}, "3 times and needs at least 16×16 pixels, got 8×8; use model=cnn"),
])
def test_resnet_that_cannot_be_is_refused(changes, message):
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        resnet(**changes)
