"""Gradient clipping: by the norm of all, by value, and by the norms of units beside their weights; in place."""

import pytest
import torch
from part_files import parts
from torch import nn

from dlx.core.draws import Draws
from dlx.core.errors import ConfigError
from dlx.core.hooks import Moment
from dlx.regularizer.gradient_clip import GradientClip

MOMENT = Moment(0, [0.1], [1.0], Draws([0], "gradient_clip", 0))


def clipped(gradients, limit, mode="norm", weights=None):
    weights = [torch.zeros_like(gradient) for gradient in gradients] if weights is None else weights
    params = [nn.Parameter(weight[None].clone()) for weight in weights]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = gradient[None].clone()
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()[None]
    with torch.no_grad():
        GradientClip(mode, limit).on_gradient(params, norm, MOMENT)
    return [param.grad[0] for param in params]


def gradients_of_norm(norm, dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    gradients = [torch.randn(shape, dtype=dtype, generator=draw) for shape in ((3, 4), (3,))]
    return [norm * gradient / torch.cat([gradient.flatten() for gradient in gradients]).norm()
            for gradient in gradients]


def total_norm(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients]).norm().item()


@pytest.mark.parametrize("limit", [1e-6, 1e-3, 1.0, 50.0])
@pytest.mark.parametrize("ratio", [1.01, 2.0, 1e6])
def test_gradient_clip_above_the_bound_scales_to_it_and_keeps_the_direction(limit, ratio):
    before = gradients_of_norm(limit * ratio)
    after = clipped(before, limit)
    assert total_norm(after) == pytest.approx(limit, rel=1e-4)
    assert total_norm(after) <= limit * (1 + 1e-12)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other, one / ratio, rtol=1e-4, atol=0)


@pytest.mark.parametrize("limit", [1e-6, 1e-3, 1.0, 50.0])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.99])
def test_gradient_clip_within_the_bound_keeps_the_bits(limit, ratio):
    before = gradients_of_norm(limit * ratio)
    assert all(torch.equal(*pair) for pair in zip(before, clipped(before, limit), strict=True))


def test_gradient_clip_at_the_bound_keeps_the_bits():
    before = [torch.tensor([0.6, 0.8], dtype=torch.float64)]
    assert torch.equal(clipped(before, 1.0)[0], before[0])


def test_gradient_clip_bound_is_for_all_parameters_together():
    before = [torch.tensor([3.0]), torch.tensor([4.0])]
    assert [gradient.item() for gradient in clipped(before, 2.5)] == pytest.approx([1.5, 2.0], rel=1e-5)


def test_gradient_clip_by_value_is_torchs():
    before = gradients_of_norm(3.0)
    twins = [nn.Parameter(torch.zeros_like(gradient)) for gradient in before]
    for twin, gradient in zip(twins, before, strict=True):
        twin.grad = gradient.clone()
    nn.utils.clip_grad_value_(twins, 0.5)
    found = clipped(before, 0.5, "value")
    assert all(torch.equal(one, twin.grad) for one, twin in zip(found, twins, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(found, before, strict=True))


def clipped_unit_by_unit(weight, gradient, limit):
    """Equation 3 of Brock et al., one row or filter at a time; a vector is one unit."""
    units = gradient.clone() if gradient.ndim > 1 else gradient.clone()[None]
    for unit, own in zip(units, weight if gradient.ndim > 1 else weight[None], strict=True):
        most = limit * max(own.norm().item(), 1e-3)
        if unit.norm() > most:
            unit.mul_(most / unit.norm())
    return units.view_as(gradient)


@pytest.mark.parametrize("limit", [0.01, 0.3])
def test_gradient_clip_adaptive_is_the_papers_for_every_unit(limit):
    draw = torch.Generator().manual_seed(2)
    shapes = ((3, 4), (3,), (5, 2, 3, 3), ())
    weights, before = ([torch.randn(shape, dtype=torch.float64, generator=draw) for shape in shapes] for _ in range(2))
    before = [0.3 * gradient for gradient in before]
    weights[0][1] = 0.0
    before[0][2] = 0.0
    before[2][4] *= 1e-4
    found = clipped(before, limit, "adaptive", weights)
    expected = [clipped_unit_by_unit(*pair, limit) for pair in zip(weights[:3], before[:3], strict=True)]
    expected.append(clipped_unit_by_unit(weights[3][None], before[3][None], limit)[0])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0)
    assert torch.equal(found[2][4], before[2][4])


@pytest.mark.parametrize("limit", ["1.0", "7"])
def test_gradient_clip_adaptive_wants_a_share(limit):
    with pytest.raises(ConfigError) as refused:
        parts("regularizer=[gradient_clip]", "regularizer.gradient_clip.mode=adaptive",
              f"regularizer.gradient_clip.limit={limit}")
    assert str(refused.value) == ("regularizer.gradient_clip.limit must be in (0, 1) with mode=adaptive, where it is a "
                                  f"share of the weights' norm, got {limit}; use 0.01")


@pytest.mark.parametrize("mode", ["norm", "value", "adaptive"])
def test_gradient_clip_of_members_is_that_of_each_bit_for_bit(mode):
    limits, draw = (0.01, 0.03, 0.9, 0.1), torch.Generator().manual_seed(1)
    shapes = ((4, 6, 5), (4, 6), (4, 2, 3, 2, 2), (4,))
    weights, gradients = ([torch.randn(shape, generator=draw) for shape in shapes] for _ in range(2))
    norms = torch.cat([gradient.reshape(4, -1) for gradient in gradients], dim=1).norm(dim=1)
    clip = GradientClip(mode, 0.5)
    clip.limit = torch.tensor(limits)
    together = with_gradients(weights, gradients)
    with torch.no_grad():
        clip.on_gradient(together, norms, MOMENT)
        for member, limit in enumerate(limits):
            own = slice(member, member + 1)
            alone = with_gradients([weight[own] for weight in weights], [gradient[own] for gradient in gradients])
            GradientClip(mode, limit).on_gradient(alone, norms[own], MOMENT)
            assert all(torch.equal(one.grad[own], other.grad) for one, other in zip(together, alone, strict=True))


def with_gradients(weights, gradients):
    params = [nn.Parameter(weight.clone()) for weight in weights]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = gradient.clone()
    return params
