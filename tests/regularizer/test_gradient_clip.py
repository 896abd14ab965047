"""Gradient clipping: g · min(1, max_norm / |g|), in place."""

import pytest
import torch
from torch import nn

from dlx.core.draws import Draws
from dlx.core.types import Moment
from dlx.regularizer.gradient_clip import GradientClip

MOMENT = Moment(0, [0.1], Draws([0], "gradient_clip", 0))


def clipped(gradients, max_norm):
    params = [nn.Parameter(torch.zeros_like(gradient[None])) for gradient in gradients]
    for param, gradient in zip(params, gradients, strict=True):
        param.grad = gradient[None].clone()
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()[None]
    GradientClip(max_norm).on_gradient(params, norm, MOMENT)
    return [param.grad[0] for param in params]


def gradients_of_norm(norm, dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    gradients = [torch.randn(shape, dtype=dtype, generator=draw) for shape in ((3, 4), (3,))]
    return [norm * gradient / torch.cat([gradient.flatten() for gradient in gradients]).norm()
            for gradient in gradients]


def total_norm(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients]).norm().item()


@pytest.mark.parametrize("max_norm", [1e-6, 1e-3, 1.0, 50.0])
@pytest.mark.parametrize("ratio", [1.01, 2.0, 1e6])
def test_gradient_clip_above_the_bound_scales_to_it_and_keeps_the_direction(max_norm, ratio):
    before = gradients_of_norm(max_norm * ratio)
    after = clipped(before, max_norm)
    assert total_norm(after) == pytest.approx(max_norm, rel=1e-4)
    assert total_norm(after) <= max_norm * (1 + 1e-12)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(other, one / ratio, rtol=1e-4, atol=0)


@pytest.mark.parametrize("max_norm", [1e-6, 1e-3, 1.0, 50.0])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.99])
def test_gradient_clip_within_the_bound_keeps_the_bits(max_norm, ratio):
    before = gradients_of_norm(max_norm * ratio)
    assert all(torch.equal(*pair) for pair in zip(before, clipped(before, max_norm), strict=True))


def test_gradient_clip_at_the_bound_keeps_the_bits():
    before = [torch.tensor([0.6, 0.8], dtype=torch.float64)]
    assert torch.equal(clipped(before, 1.0)[0], before[0])


def test_gradient_clip_bound_is_for_all_parameters_together():
    before = [torch.tensor([3.0]), torch.tensor([4.0])]
    assert [gradient.item() for gradient in clipped(before, 2.5)] == pytest.approx([1.5, 2.0], rel=1e-5)


def test_gradient_clip_of_members_is_that_of_each_bit_for_bit():
    bounds, draw = (0.1, 0.3, 50.0, 0.7), torch.Generator().manual_seed(1)
    gradient = torch.randn(4, 6, 5, generator=draw)
    norms = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    together = nn.Parameter(torch.zeros_like(gradient))
    together.grad = gradient.clone()
    clip = GradientClip(1.0)
    clip.max_norm = torch.tensor(bounds)
    clip.on_gradient([together], norms, MOMENT)
    for member, bound in enumerate(bounds):
        alone = nn.Parameter(torch.zeros(1, 6, 5))
        alone.grad = gradient[member : member + 1].clone()
        GradientClip(bound).on_gradient([alone], norms[member : member + 1], MOMENT)
        assert torch.equal(together.grad[member], alone.grad[0])
