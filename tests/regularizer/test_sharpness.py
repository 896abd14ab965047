"""SAM and ASAM: the gradient at the point of the paper, weights back to the bit, statistics counted once."""

from dataclasses import replace

import pytest
import torch
from part_files import make, parts
from small_runs import digits, first_batch, session
from torch import nn

DIGITS = digits(100, own_test=True)


def quadratic(name, weight, curvature, **changes):
    """Where the gradient of curvature · w² / 2 is taken, for one member."""
    param = nn.Parameter(weight[None].clone())
    param.grad = (curvature * weight)[None]
    with torch.no_grad():
        make("regularizer", name, **changes).ascend([param], param.grad.flatten(1).norm(dim=1))
    return param.detach()[0]


def test_sam_moves_by_rho_along_the_gradient():
    weight, curvature = torch.tensor([[3.0, 0.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0], [1.0, 4.0]])
    # The gradient is (3, 0, 0, -4), of norm 5.
    expected = torch.tensor([[3.0 + 0.5 * 3 / 5, 0.0], [0.0, -1.0 - 0.5 * 4 / 5]])
    torch.testing.assert_close(quadratic("sam", weight, curvature, rho=0.5), expected)


def test_asam_moves_by_its_formula():
    weight, curvature = torch.tensor([[3.0, 0.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0], [1.0, 4.0]])
    scale, gradient = weight.abs() + 0.1, curvature * weight
    expected = weight + 0.5 * scale**2 * gradient / (scale * gradient).norm()
    torch.testing.assert_close(quadratic("asam", weight, curvature, rho=0.5, eta=0.1), expected)


def test_asam_does_not_change_when_weights_and_gradients_are_rescaled():
    # Kwon et al.: what scales a weight by A and its gradient by 1/A scales the move by A.
    weight, gradient = torch.tensor([[0.5, -2.0]]), torch.tensor([[0.3, 0.7]])
    moves = []
    for scale in (1.0, 10.0):
        param = nn.Parameter(weight[None] * scale)
        param.grad = gradient[None] / scale
        with torch.no_grad():
            make("regularizer", "asam", eta=0.0).ascend([param], torch.ones(1))
        moves.append((param.detach()[0] - weight * scale) / scale)
    torch.testing.assert_close(*moves)


@pytest.mark.parametrize("name", ["sam", "asam"])
def test_sharpness_step_follows_the_gradient_from_the_moved_weights(name):
    made = replace(parts(f"regularizer=[{name}]", "optimizer=sgd", "optimizer.momentum=0", "model=cnn", "model.width=4",
                         "model.dropout_rate=0.3", "device.precision=float64"), dataset=DIGITS)
    built, again = session(made), session(made)
    batch, start = first_batch(built), built.flat.values.clone()
    statistics = [buffer.clone() for buffer in again.model.buffers()]
    plain = replace(again.state.group.step, hooks=again.state.group.step.hooks._replace(ascends=()))
    plain(batch, 0, [0.0])
    gradient_norm = again.flat.gradient_norms()
    after = [buffer.clone() for buffer in again.model.buffers()]
    with torch.no_grad():
        made.regularizers[name].ascend(again.flat.params, gradient_norm)
        for buffer, value in zip(again.model.buffers(), statistics, strict=True):
            buffer.copy_(value)
    plain(batch, 0, [0.0])
    built.step(batch, 0, 0.1)
    torch.testing.assert_close(built.flat.values, start - 0.1 * again.flat.gradient, rtol=1e-12, atol=1e-14)
    for buffer, expected in zip(built.model.buffers(), after, strict=True):
        torch.testing.assert_close(buffer, expected)


@pytest.mark.parametrize("name", ["sam", "asam"])
def test_sharpness_of_rho_zero_is_the_plain_step(name):
    plain, zero = (session(replace(parts(*overrides, "model.width=16"), dataset=DIGITS))
                   for overrides in ((), (f"regularizer=[{name}]", f"regularizer.{name}.rho=0")))
    for number in range(3):
        for built in (plain, zero):
            built.step(first_batch(built), number, 0.01)
    assert torch.equal(plain.flat.values, zero.flat.values)
