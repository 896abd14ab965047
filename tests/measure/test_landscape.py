import numpy as np
import pytest
import torch

from dlx.measure.landscape import barrier, filter_normalized, steps


def test_filters_of_a_direction_have_the_norms_of_those_of_the_weights():
    torch.manual_seed(0)
    parts = [torch.randn(4, 3, 2, 2).double(), torch.randn(4).double(), torch.randn(5, 7).double()]
    draws = [torch.randn_like(part) for part in parts]
    kernel, bias, matrix = (part.view(like.shape) for part, like in
                            zip(torch.split(filter_normalized(parts, draws), [48, 4, 35]), parts, strict=True))
    assert torch.allclose(kernel.flatten(1).norm(dim=1), parts[0].flatten(1).norm(dim=1))
    assert torch.allclose(matrix.norm(dim=1), parts[2].norm(dim=1))
    assert not bias.any()
    cosines = torch.cosine_similarity(kernel.flatten(1), draws[0].flatten(1))
    assert torch.allclose(cosines, torch.ones(4).double()), "the direction of a filter is that of its draw"


def test_a_filter_of_zeros_stays():
    assert not filter_normalized([torch.zeros(2, 3)], [torch.randn(2, 3)]).any()


def test_steps_are_even_and_have_a_middle():
    assert steps(4, 1.0).tolist() == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize(("losses", "height"), [([1, 2, 3], 0), ([1, 4, 3], 2), ([3, 1, 0], 0), ([0, 0, 0], 0)])
def test_barrier_is_the_rise_above_the_line_between_the_ends(losses, height):
    assert barrier(np.array([0, 0.5, 1]), np.array(losses, dtype=float)) == height
