"""Elastic net: the sum of its l1 and l2 shares, and scikit-learn's minimum."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import make, parts
from sklearn.linear_model import ElasticNet
from small_runs import best, session, table, train

SHAPES = ((2, 3, 4), (2, 3), (2, 5, 3, 2, 2), (2, 5))


def gradients(option, **changes):
    draw = torch.Generator().manual_seed(0)
    params = [torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_() for shape in SHAPES]
    value = make("regularizer", option, **changes).penalty(params)
    return value, torch.autograd.grad(value.sum(), params, allow_unused=True)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_elastic_is_the_sum_of_its_shares_of_l1_and_l2(ratio):
    value, found = gradients("elastic", strength=0.7, l1_ratio=ratio)
    (absolute, one), (squared, other) = (gradients(option, strength=share * 0.7)
                                         for option, share in (("l1", ratio), ("l2", 1 - ratio)))
    torch.testing.assert_close(value, absolute + squared, rtol=1e-12, atol=0)
    for sum_, first, second in zip(found, one, other, strict=True):
        if first is None:
            assert sum_ is None
        else:
            torch.testing.assert_close(sum_, first + second, rtol=1e-12, atol=0)


def test_elastic_linear_regression_converges_to_the_elastic_net(tmp_path):
    data = table("regression", num_rows=200, num_features=4, own_test=True)
    strength, ratio = 0.4, 0.6
    made = replace(parts("dataset=diabetes", "model=linear", "loss=mse", "metric=[rmse]", "regularizer=[elastic]",
                         "preprocessing=[standardize,scale_target]", f"regularizer.elastic.strength={strength}",
                         f"regularizer.elastic.l1_ratio={ratio}", "optimizer=sgd", "optimizer.lr=0.02",
                         "optimizer.momentum=0", "schedule=cosine", "batch_size=1000", "epochs=500", "selection=last",
                         "device.precision=float64"), dataset=data)
    rows = session(made).data.splits["train"]
    weights = best(train(made, tmp_path / "run")).tensors
    # scikit-learn halves the squares of errors.
    twin = ElasticNet(alpha=strength / 2, l1_ratio=ratio, tol=1e-12).fit(rows.inputs.numpy(), rows.targets.numpy())
    np.testing.assert_allclose(weights["model/head.weight"][0].numpy(), twin.coef_, atol=2e-3)
