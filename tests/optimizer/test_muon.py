"""Muon: what is orthogonalized, by how much a step moves, and what follows AdamW."""

import pytest
import torch
from paper_optimizers import by_singular_values
from part_files import make
from torch import nn

from dlx.core.optim.muon import orthogonalize
from dlx.core.types import ParamInfo
from dlx.engine.param_groups import trained_params

LR = 0.1
DRAW = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6)])
def test_orthogonalize_changes_singular_values_alone(shape):
    matrix = torch.randn(shape, dtype=torch.float64, generator=DRAW)
    torch.testing.assert_close(orthogonalize(matrix[None], 5)[0], by_singular_values(matrix, 5), rtol=1e-9, atol=1e-9)


def test_orthogonalize_brings_singular_values_near_one():
    matrix = torch.randn(4, 20, 20, dtype=torch.float64, generator=DRAW)
    values = torch.linalg.svdvals(orthogonalize(matrix, 5))
    # The least singular value of a random square matrix is too small for five iterations.
    assert values[:, :-3].min() > 0.6
    assert values.max() < 1.3


def test_orthogonalize_treats_every_member_alone_and_zero_stays_zero():
    matrices = torch.randn(3, 4, 6, dtype=torch.float64, generator=DRAW)
    matrices[1] = 0
    together = orthogonalize(matrices, 5)
    assert together[1].count_nonzero() == 0
    for number in (0, 2):
        torch.testing.assert_close(together[number], orthogonalize(matrices[number : number + 1], 5)[0])


@pytest.mark.parametrize("shape", [(3, 5), (6, 2)])
def test_muon_on_a_quadratic_takes_the_known_first_step(shape):
    # |W - A|² / 2 from W = 0 has the gradient -A; without Nesterov a step is of the momentum, 0.05 · A.
    target = torch.randn(shape, dtype=torch.float64, generator=DRAW)
    weight = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
    optimizer = make("optimizer", "muon", lr=LR, nesterov=False)([weight])
    weight.grad = weight.detach() - target
    optimizer.step()
    scale = LR * max(1, shape[0] / shape[1]) ** 0.5
    torch.testing.assert_close(weight.detach(), scale * by_singular_values(target, 5), rtol=1e-9, atol=1e-9)


def test_muon_walks_to_the_minimum_of_a_quadratic():
    target = torch.randn(4, 6, dtype=torch.float64, generator=DRAW)
    weight = nn.Parameter(torch.zeros(4, 6, dtype=torch.float64))
    optimizer = make("optimizer", "muon", momentum=0.0)([weight])
    for step in range(400):
        weight.grad = weight.detach() - target
        optimizer.param_groups[0]["lr"] = LR * (1 - step / 400)
        optimizer.step()
    assert (weight.detach() - target).norm() < 0.01 * target.norm()


def test_muon_equals_torch_up_to_the_bfloat16_of_torch():
    start = torch.randn(6, 4, generator=DRAW)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = make("optimizer", "muon", lr=LR, weight_decay=0.1)([ours])
    other = torch.optim.Muon([theirs], lr=LR, weight_decay=0.1)
    for _ in range(5):
        ours.grad = torch.randn(6, 4, generator=DRAW)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05)
    assert (ours - start).abs().max() > 0.2


def test_muon_first_step_does_not_depend_on_the_scale_of_the_gradient():
    gradient = torch.randn(3, 5, dtype=torch.float64, generator=DRAW)
    steps = []
    for size in (1.0, 1e-4, 1e6):
        weight = nn.Parameter(torch.zeros(3, 5, dtype=torch.float64))
        weight.grad = size * gradient
        make("optimizer", "muon")([weight]).step()
        steps.append(weight.detach())
    torch.testing.assert_close(steps[1], steps[0])
    torch.testing.assert_close(steps[2], steps[0])


def test_muon_flattens_kernels_of_convolutions():
    kernel = torch.randn(4, 3, 2, 2, dtype=torch.float64, generator=DRAW)
    weights = [nn.Parameter(torch.zeros_like(own)) for own in (kernel, kernel.flatten(1))]
    for weight, gradient in zip(weights, (kernel, kernel.flatten(1)), strict=True):
        weight.grad = gradient
        make("optimizer", "muon")([weight]).step()
    assert torch.equal(weights[0].flatten(1), weights[1])


def roles(*params):
    return make("optimizer", "muon").roles([ParamInfo(*param) for param in params])


def test_muon_orthogonalizes_hidden_matrices_alone():
    assert roles(("embed.weight", (9, 4), True), ("positions", (5, 4)), ("conv.weight", (4, 3, 3, 3)),
                 ("conv.bias", (4,)), ("norm.weight", (4,)), ("rnn.weight_hh_l0", (8, 4)), ("head.weight", (2, 4)),
                 ("head.bias", (2,))) == ["rest", "rest", "hidden", "rest", "rest", "hidden", "rest", "rest"]


def test_muon_of_a_linear_model_is_adamw():
    assert set(make("optimizer", "muon").roles(list(trained_params(nn.Linear(3, 2), False)))) == {"rest"}


def test_muon_moves_the_rest_as_adamw_does():
    ours, theirs = (nn.Parameter(torch.ones(5, dtype=torch.float64)) for _ in range(2))
    one = make("optimizer", "muon", lr=LR, weight_decay=0.3, adamw_lr_factor=0.5)([ours])
    other = torch.optim.AdamW([theirs], lr=LR / 2, betas=(0.9, 0.95), weight_decay=0.3)
    for _ in range(5):
        ours.grad = torch.randn(5, dtype=torch.float64, generator=DRAW)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
