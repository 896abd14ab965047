"""CNN: blocks, pooling, closed forms. C channels, W width, K outputs."""

import pytest
import torch
from part_files import code_and_arguments, make
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

from dlx.config.build import argument_problems
from dlx.core.errors import ConfigError


def cnn(shape=(1, 28, 28), num_outputs=10, **changes):
    return make("model", "cnn", input_shape=shape, num_outputs=num_outputs, **changes)


def of_kind(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("norm", "expected"), [("none", 19_466), ("batch", 19_658), ("layer", 19_658)])
def test_cnn_has_the_parameters_of_its_formula(norm, expected):
    model = cnn(norm=norm)
    blocks = [(1, 32), (32, 64)]
    formula = sum((9 * fan_in + 1) * fan_out + (0 if norm == "none" else 2 * fan_out) for fan_in, fan_out in blocks)
    assert sum(param.numel() for param in model.parameters()) == formula + (64 + 1) * 10 == expected


def test_cnn_is_convolution_activation_pooling_then_the_mean_then_a_linear_map():
    model = cnn((2, 9, 8), 3, width=4, depth=2, norm="none").double()
    x = torch.randn(5, 2, 9, 8, dtype=torch.float64)
    first, second = of_kind(model, nn.Conv2d)
    hidden = max_pool2d(relu(conv2d(x, first.weight, first.bias, padding=1)), 2)
    hidden = max_pool2d(relu(conv2d(hidden, second.weight, second.bias, padding=1)), 2)
    expected = hidden.sum(dim=(2, 3)) / 4 @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(x), expected)


def test_cnn_width_doubles_with_each_block():
    assert [layer.out_channels for layer in of_kind(cnn(width=3, depth=5), nn.Conv2d)] == [3, 6, 12, 24, 48]


@pytest.mark.parametrize(("shape", "depth", "num_poolings"), [
    ((1, 8, 8), 2, 2), ((1, 8, 8), 6, 2), ((1, 28, 28), 6, 3), ((1, 64, 101), 8, 5), ((1, 3, 50), 3, 0),
    ((1, 1, 1), 2, 0), ((3, 4, 4), 2, 1),
])
def test_cnn_pools_until_an_axis_is_below_four(shape, depth, num_poolings):
    model = cnn(shape, width=2, depth=depth)
    assert len(of_kind(model, nn.MaxPool2d)) == num_poolings
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_cnn_order_is_convolution_norm_activation_pooling(norm):
    block = {"none": [], "batch": ["BatchNorm2d"], "layer": ["GroupNorm"]}[norm]
    kinds = [type(module).__name__ for module in cnn(norm=norm).modules() if not list(module.children())]
    assert kinds == ["Conv2d", *block, "ReLU", "MaxPool2d"] * 2 + ["Dropout", "Linear"]


def test_cnn_layer_norm_is_over_channels_and_pixels():
    model = cnn((1, 6, 6), width=4, depth=1, norm="layer").double()
    x = torch.randn(3, 1, 6, 6, dtype=torch.float64)
    normalized = of_kind(model, nn.GroupNorm)[0](of_kind(model, nn.Conv2d)[0](x))
    torch.testing.assert_close(normalized.mean(dim=(1, 2, 3)), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(normalized.var(dim=(1, 2, 3), correction=0), torch.ones(3, dtype=torch.float64),
                               rtol=1e-3, atol=0)


def test_cnn_output_does_not_depend_on_where_in_the_image_a_pattern_lies():
    model = cnn((1, 32, 32), norm="none", depth=2).double().eval()
    pattern = torch.randn(4, 4, dtype=torch.float64)
    x = torch.zeros(2, 1, 32, 32, dtype=torch.float64)
    x[0, 0, 8:12, 8:12] = x[1, 0, 16:20, 12:16] = pattern
    one, other = model(x)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("width", "depth"), [(65536, 2), (1, 18), (513, 8)])
def test_cnn_too_wide_for_its_depth_is_refused(width, depth):
    with pytest.raises(ConfigError) as refused, torch.device("meta"):
        cnn(width=width, depth=depth)
    assert str(refused.value) == (f"model.width · 2^(model.depth - 1) must be at most 65536, got width {width} and "
                                  f"depth {depth}")


def test_cnn_depth_above_its_documented_eight_is_refused():
    code, arguments = code_and_arguments("model", "cnn")
    assert argument_problems("model", code, {**arguments, "depth": 8, "width": 1}, ("input_shape", "num_outputs")) == []
    problems = argument_problems("model", code, {**arguments, "depth": 9, "width": 1}, ("input_shape", "num_outputs"))
    assert problems == ["model.depth must be a whole number in [1, 8], got 9"]


def test_cnn_of_a_table_says_what_to_use_instead():
    with pytest.raises(ConfigError) as refused:
        cnn((30,))
    assert str(refused.value) == ("model=cnn needs images (C, H, W), got rows of shape (30,); use model=mlp or "
                                  "model=linear for tables")


@pytest.mark.parametrize(("pooling", "pool"), [("max", max_pool2d), ("mean", avg_pool2d), ("none", None),
                                               ("stride", None)])
@pytest.mark.parametrize("kernel", [1, 5])
def test_cnn_pools_as_asked_and_its_dense_head_sees_every_pixel(pooling, pool, kernel):
    model = cnn((2, 9, 8), 3, width=4, depth=1, norm="none", pooling=pooling, kernel=kernel, head="dense",
                head_width=6).double()
    x = torch.randn(5, 2, 9, 8, dtype=torch.float64)
    (layer,), (first, second) = of_kind(model, nn.Conv2d), of_kind(model, nn.Linear)
    hidden = relu(conv2d(x, layer.weight, layer.bias, stride=2 if pooling == "stride" else 1, padding=kernel // 2))
    hidden = relu(first(pool(hidden, 2).flatten(1) if pool else hidden.flatten(1)))
    assert first.in_features == 4 * {"max": 16, "mean": 16, "none": 72, "stride": 20}[pooling]
    torch.testing.assert_close(model(x), second(hidden))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 101)])
@pytest.mark.parametrize("pooling", ["max", "mean", "none", "stride"])
@pytest.mark.parametrize("head", ["mean", "dense"])
def test_cnn_fits_itself_to_images_of_every_size(shape, pooling, head):
    with torch.device("meta"):
        assert cnn(shape, pooling=pooling, head=head)(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(("pooling", "steps"), [("max", 4), ("mean", 4), ("none", 1), ("stride", 4)])
def test_cnn_of_global_mean_does_not_change_with_a_shift_away_from_the_borders(pooling, steps):
    # Two halvings: shifts by multiples of 4 pixels move every grid onto itself.
    model = cnn((1, 40, 40), norm="none", depth=2, pooling=pooling).double().eval()
    pattern = torch.randn(6, 6, dtype=torch.float64)
    x = torch.zeros(3, 1, 40, 40, dtype=torch.float64)
    for row, (top, left) in enumerate([(12, 12), (12 + steps, 12), (12 + 2 * steps, 12 + 3 * steps)]):
        x[row, 0, top : top + 6, left : left + 6] = pattern
    outputs = model(x)
    torch.testing.assert_close(outputs, outputs[:1].expand_as(outputs))


def test_cnn_of_a_series_says_what_to_use_instead():
    with pytest.raises(ConfigError, match="use model=lstm, model=tcn or model=transformer for series"):
        cnn((7, 3))
