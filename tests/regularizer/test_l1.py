"""L1: gradient strength · sign(w), biases excepted; against coordinate-wise soft thresholding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import make, parts
from sklearn.linear_model import Lasso
from small_runs import best, session, table, train
from torch import nn


def test_l1_is_the_strength_times_the_sum_of_absolute_weights():
    params = [torch.tensor([[[1.0, -2.0], [-3.0, 4.0]]]), torch.tensor([[5.0, -6.0]]),
              torch.full((1, 1, 1, 2, 2), -2.0)]
    assert make("regularizer", "l1", strength=0.1).penalty(params).item() == pytest.approx(0.1 * (10 + 4 * 2))


def test_l1_gradient_is_the_strength_times_the_sign_and_nothing_at_zero_and_for_biases():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    with torch.no_grad():
        model[3].weight[0] = 0.0
    params = list(model.parameters())
    make("regularizer", "l1", strength=0.3).penalty([param[None] for param in params]).sum().backward()
    weights = {id(model[0].weight), id(model[3].weight)}
    for param in params:
        if id(param) in weights:
            torch.testing.assert_close(param.grad, 0.3 * param.detach().sign())
        else:
            assert param.grad is None or not param.grad.any()
    assert not model[3].weight.grad[0].any()


def test_l1_linear_regression_converges_to_the_lasso(tmp_path):
    data = table("regression", num_rows=200, num_features=4, own_test=True)
    strength = 0.85
    made = replace(parts("dataset=diabetes", "model=linear", "loss=mse", "metric=[rmse]", "regularizer=[l1]",
                         "preprocessing=[standardize,scale_target]", f"regularizer.l1.strength={strength}",
                         "optimizer=sgd", "optimizer.lr=0.02", "optimizer.momentum=0", "schedule=cosine",
                         "batch_size=1000", "epochs=500", "selection=last", "device.precision=float64"), dataset=data)
    built = session(made)
    rows = built.data.splits["train"]
    weights = best(train(made, tmp_path / "run")).tensors
    # scikit-learn halves the squares.
    twin = Lasso(alpha=strength / 2, tol=1e-12).fit(rows.inputs.numpy(), rows.targets.numpy())
    assert (twin.coef_ == 0).any()
    np.testing.assert_allclose(weights["model/head.weight"][0].numpy(), twin.coef_, atol=2e-3)
