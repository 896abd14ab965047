"""L2: gradient strength · w, biases excepted; equal to SGD's weight decay on weight matrices."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import make, parts
from sklearn.linear_model import LogisticRegression
from small_runs import best, digits, session, table, train
from torch import nn

from dlx.engine.feed import feed
from dlx.engine.fit import batch_bounds, batches


def test_l2_is_half_the_strength_times_the_sum_of_squared_weights():
    params = [torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[5.0, 6.0]]), torch.full((1, 1, 1, 2, 2), 2.0)]
    penalty = make("regularizer", "l2", strength=0.1).penalty(params)
    assert penalty.item() == pytest.approx(0.1 / 2 * (1 + 4 + 9 + 16 + 4 * 4))


def test_l2_of_a_member_is_the_same_bits_whoever_else_there_is():
    draw = torch.Generator().manual_seed(0)
    params = [torch.randn(4, 5, 7, generator=draw) for _ in range(30)]
    regularizer = make("regularizer", "l2", strength=0.1)
    together = regularizer.penalty(params)
    for rows in ([0], [2, 1], [3, 0, 2]):
        assert torch.equal(regularizer.penalty([param[rows] for param in params]), together[rows])


def test_l2_gradient_is_the_strength_times_the_weights_and_nothing_for_biases():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    params = list(model.parameters())
    make("regularizer", "l2", strength=0.3).penalty([param[None] for param in params]).sum().backward()
    weights = {id(model[0].weight), id(model[3].weight)}
    for param in params:
        if id(param) in weights:
            torch.testing.assert_close(param.grad, 0.3 * param.detach())
        else:
            assert param.grad is None or not param.grad.any()


def test_l2_under_sgd_equals_weight_decay_on_weight_matrices(tmp_path):
    strength, epochs = 0.05, 3
    made = replace(parts("regularizer=[l2]", f"regularizer.l2.strength={strength}", "optimizer=sgd", "batch_size=16",
                         f"epochs={epochs}", "selection=last", "model.width=16"), dataset=digits(100, own_test=True))
    built = session(made)
    model, split = copy.deepcopy(built.model), built.data.splits["train"]
    groups = [{"params": [param for param in model.parameters() if param.ndim > 1], "weight_decay": strength},
              {"params": [param for param in model.parameters() if param.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, fused=False, foreach=False)
    for epoch in range(epochs):
        for batch in batches(feed([split]), batch_bounds(len(split.ids), 16), [0], epoch, 0):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch.inputs), batch.targets).backward()
            optimizer.step()
    trained = best(train(made, tmp_path / "run")).tensors
    for name, value in model.state_dict().items():
        torch.testing.assert_close(trained[f"model/{name}"], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("strength", [0.01, 0.3])
def test_l2_linear_classifier_converges_to_logistic_regression(strength, tmp_path):
    data = table("classification", num_rows=200, num_features=3, own_test=True)
    made = replace(parts("dataset=breast_cancer", "model=linear", "metric=[accuracy,nll]", "regularizer=[l2]",
                         f"regularizer.l2.strength={strength}", "optimizer=sgd", "optimizer.lr=1", "batch_size=1000",
                         "epochs=400", "selection=last", "device.precision=float64"), dataset=data)
    rows = session(made).data.splits["train"]
    weights = best(train(made, tmp_path / "run")).tensors
    # Two opposite columns of weights, each penalised, are one difference penalised half as much.
    difference = (weights["model/head.weight"][1] - weights["model/head.weight"][0]).numpy()
    twin = LogisticRegression(C=2 / (strength * len(rows.ids)), tol=1e-10, max_iter=10_000)
    twin.fit(rows.inputs.numpy(), rows.targets.numpy())
    np.testing.assert_allclose(difference, twin.coef_[0], rtol=1e-4)
    bias = weights["model/head.bias"]
    assert (bias[1] - bias[0]).item() == pytest.approx(twin.intercept_[0], abs=1e-4)


def test_l2_of_strength_zero_changes_nothing(tmp_path):
    plain, zero = (replace(parts(*overrides, "epochs=2", "model.width=16"), dataset=digits(100, own_test=True))
                   for overrides in ((), ("regularizer=[l2]", "regularizer.l2.strength=0")))
    one, other = (best(train(made, tmp_path / name)).tensors for name, made in (("plain", plain), ("zero", zero)))
    assert all(torch.equal(one[name], other[name]) for name in one)
