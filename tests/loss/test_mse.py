"""Squared error against torch, scikit-learn and the formula."""

import pytest
import torch
from sklearn.metrics import mean_squared_error
from torch.nn.functional import mse_loss

from dlx.loss.mse import MSE

OUTPUTS, TARGETS = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3


def test_mse_equals_torch_and_scikit_learn_in_the_mean():
    losses = MSE()(OUTPUTS[:, None], TARGETS)
    assert losses.mean().item() == pytest.approx(mse_loss(OUTPUTS, TARGETS, reduction="mean").item(), rel=1e-14)
    assert losses.mean().item() == pytest.approx(mean_squared_error(TARGETS, OUTPUTS), rel=1e-14)


def test_mse_equals_its_formula():
    for output, target, loss in zip(OUTPUTS.tolist(), TARGETS.tolist(), MSE()(OUTPUTS[:, None], TARGETS), strict=True):
        assert loss.item() == pytest.approx((output - target) ** 2, rel=1e-14)


def test_mse_gradient_is_twice_the_error():
    outputs = OUTPUTS[:, None].clone().requires_grad_()
    MSE()(outputs, TARGETS).sum().backward()
    torch.testing.assert_close(outputs.grad[:, 0], 2 * (OUTPUTS - TARGETS))
