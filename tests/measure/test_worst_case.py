import numpy as np
import pytest
import torch
from torch import nn

from dlx.core.types import Split
from dlx.measure.sharpness import adaptive_scale, ascend, scaled
from dlx.measure.weight_space import WeightSpace

CURVES = torch.tensor([4.0, 1.0, 0.5, 0.0], dtype=torch.float64)
SLOPES = torch.tensor([0.3, -2.0, 0.7, 0.1], dtype=torch.float64)
ZERO = torch.zeros(4, dtype=torch.float64)


def quadratic(point):
    return float(0.5 * CURVES @ point**2 + SLOPES @ point), CURVES * point + SLOPES


def highest_on_the_ball(radius):
    """By Lagrange: d = (ν − H)⁻¹ g with ‖d‖ = radius, ν above the largest curvature."""
    from scipy.optimize import brentq

    def excess(multiplier):
        return float((SLOPES / (multiplier - CURVES)).norm()) - radius

    point = SLOPES / (brentq(excess, 4 + 1e-9, 1e6) - CURVES)
    return quadratic(point)[0]


@pytest.mark.parametrize("radius", [0.05, 1.0, 10.0])
def test_one_step_on_a_quadratic_is_the_closed_form(radius):
    found = ascend(quadratic, ZERO, "l2", radius, 5)
    unit = SLOPES / SLOPES.norm()
    assert found.start == 0
    assert found.one_step == pytest.approx(float(radius * SLOPES.norm() + 0.5 * radius**2 * CURVES @ unit**2))


@pytest.mark.parametrize("radius", [0.05, 1.0, 10.0])
def test_many_steps_on_a_quadratic_find_nearly_the_highest(radius):
    found, true = ascend(quadratic, ZERO, "l2", radius, 20), highest_on_the_ball(radius)
    assert 0.999 * true <= found.best <= true * (1 + 1e-9)
    assert found.best >= found.one_step


def test_on_a_box_the_corner_is_found():
    found = ascend(quadratic, ZERO, "linf", 0.1, 20)
    assert found.best == pytest.approx(float(0.5 * 0.01 * CURVES.sum() + 0.1 * SLOPES.abs().sum()))


def test_nowhere_to_go_without_a_slope():
    found = ascend(lambda point: (1.0, torch.zeros_like(point)), ZERO, "l2", 1.0, 20)
    assert found == (1.0, 1.0, 1.0)


def test_scale_turns_the_ball_into_an_ellipsoid():
    scale, weights = torch.tensor([1.0, 2.0, 0.0, 3.0], dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    found = ascend(scaled(lambda point: (float(SLOPES @ point), SLOPES), weights, scale), ZERO, "l2", 0.5, 10)
    assert found.best - found.start == pytest.approx(0.5 * float((scale * SLOPES).norm()))


def test_adaptive_scale_leaves_biases_where_they_are():
    scale = adaptive_scale([torch.tensor([[-2.0, 0.5]]), torch.tensor([7.0])], 0.01)
    assert scale.tolist() == pytest.approx([2.01, 0.51, 0.0])


def two_layers(alpha):
    """A net of ReLU whose first layer is alpha times and whose second 1/alpha times what it was: it says the same."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    with torch.no_grad():
        net[0].weight *= alpha
        net[0].bias *= alpha
        net[2].weight /= alpha
    return net


def sharpness(alpha, is_adaptive, norm="l2"):
    net = two_layers(alpha)
    space = WeightSpace(net, lambda outputs, targets, ids: nn.functional.cross_entropy(outputs, targets,
                                                                                       reduction="none"), None,
                        torch.float64)
    draw = np.random.default_rng(0)
    examples = Split(torch.from_numpy(draw.normal(size=(64, 5))), torch.from_numpy(draw.integers(3, size=64)),
                     torch.arange(64))
    scale = adaptive_scale(space.parts(space.weights), 0.0) if is_adaptive else 1.0
    found = ascend(scaled(lambda weights: space.gradient(weights, examples), space.weights, scale),
                   torch.zeros_like(space.weights), norm, 0.05, 20)
    return found.one_step - found.start, found.best - found.start


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_adaptive_sharpness_does_not_change_when_the_net_is_scaled(norm):
    assert sharpness(8.0, True, norm) == pytest.approx(sharpness(1.0, True, norm), rel=1e-9)


def test_plain_sharpness_does():
    assert sharpness(8.0, False)[1] > 2 * sharpness(1.0, False)[1]
