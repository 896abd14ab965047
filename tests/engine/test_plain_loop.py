"""The engine against a training loop written here in plain PyTorch: weights, and every column of metrics.csv.

The loop shares with the engine the initial weights and the order of examples, and nothing else: its optimizers are the
unfused ones of torch over separate parameters, its metrics are Python loops over examples.
"""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import parts
from small_runs import best, digits, metrics, session, table, train
from torch import nn

from dlx.core.random import torch_generator

EPOCHS = 3


def adam(params):
    return torch.optim.Adam(params, lr=0.003, fused=False, foreach=False)


def sgd(params):
    return torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, fused=False, foreach=False)


def adamw(params):
    return torch.optim.AdamW(params, lr=0.002, betas=(0.8, 0.95), weight_decay=0.1, fused=False, foreach=False)


def warm_cosine(step, num_steps):
    warmup = num_steps // EPOCHS
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup))) / 2


def constant(step, num_steps):
    return 1.0


# Overrides, data, optimizer, schedule, strength of the penalty.
CASES = {
    "mlp_adam": (("optimizer.lr=0.003", "model.depth=2", "model.width=24", "batch_size=16"),
                 digits(160, own_test=True), adam, constant, 0.0),
    "mlp_batch_norm_l2": (("optimizer.lr=0.003", "model.norm=batch", "model.width=24", "batch_size=50",
                           "regularizer=[l2]", "regularizer.l2.strength=0.02"),
                          digits(160, own_test=True), adam, constant, 0.02),
    "cnn_adamw_cosine": (("model=cnn", "model.width=4", "optimizer=adamw", "optimizer.lr=0.002",
                          "optimizer.betas=[0.8,0.95]", "optimizer.weight_decay=0.1", "schedule=cosine",
                          "schedule.warmup_epochs=1", "batch_size=16"),
                         digits(160, own_test=True), adamw, warm_cosine, 0.0),
    "table_sgd": (("dataset=breast_cancer", "metric=[accuracy,nll]", "model.width=16", "optimizer=sgd",
                   "optimizer.nesterov=true", "optimizer.weight_decay=0.01", "batch_size=13"),
                  table("classification", own_test=True), sgd, constant, 0.0),
    "linear": (("model=linear", "optimizer.lr=0.003", "batch_size=95"), digits(160, own_test=True), adam, constant,
               0.0),
    "regression": (("dataset=diabetes", "model.width=16", "model.activation=tanh", "optimizer.lr=0.003",
                    "batch_size=13"), table("regression", own_test=True), adam, constant, 0.0),
}


# In float32 Adam turns the rounding noise of a bias before batch normalization, whose gradient is 0, into steps.
EVERY = [(case, "float64", 1e-7) for case in CASES] + [(case, "float32", 1e-5) for case in CASES
                                                       if "cnn" not in case and "batch_norm" not in case]
every_case = pytest.mark.parametrize(("case", "precision", "tolerance"), EVERY)


def scaled_inputs(arrays, train_rows, dtype):
    """Each channel or column of train to mean 0 and deviation 1, in NumPy."""
    inputs = arrays.inputs.astype(np.float64)
    axes = (0, 2, 3) if inputs.ndim == 4 else (0,)
    mean, deviation = (getattr(inputs[train_rows], name)(axis=axes, keepdims=True) for name in ("mean", "std"))
    return torch.tensor((inputs - mean) / deviation, dtype=torch.float32).to(dtype)


def sizes_of_batches(num_examples, batch_size):
    sizes = [batch_size] * (num_examples // batch_size)
    rest = num_examples - sum(sizes)
    if rest == 1:
        sizes[-1] += 1
    elif rest > 1:
        sizes.append(rest)
    return sizes


def loss_of(outputs, targets):
    if targets.is_floating_point():
        return ((outputs[:, 0] - targets) ** 2).mean()
    return nn.functional.cross_entropy(outputs, targets)


def measured(outputs, targets, shift, scale, names):
    """Loss and metrics of a split, example by example."""
    sums = dict.fromkeys(names, 0.0)
    for output, target in zip(outputs.double().tolist(), targets.tolist(), strict=True):
        if targets.is_floating_point():
            error = output[0] - target
            values = {"loss": error**2, "rmse": (scale * error) ** 2, "mae": abs(scale * error)}
        else:
            top = max(output)
            nll = math.log(sum(math.exp(logit - top) for logit in output)) + top - output[target]
            rank = sum(logit > output[target] for logit in output)
            values = {"loss": nll, "nll": nll, "accuracy": float(rank == 0), "top_k": float(rank < 5)}
        sums = {name: sums[name] + values[name] for name in names}
    means = {name: total / len(targets) for name, total in sums.items()}
    return means | ({"rmse": math.sqrt(means["rmse"])} if "rmse" in means else {})


def dead_share(model, inputs):
    """The share of ReLU units, or channels, that are zero on every input."""
    outputs, handles = [], []
    handles += [layer.register_forward_hook(lambda _, __, output: outputs.append(output))
                for layer in model.modules() if isinstance(layer, nn.ReLU)]
    model(inputs)
    for handle in handles:
        handle.remove()
    alive = [bool((layer[:, unit] > 0).any()) for layer in outputs for unit in range(layer.shape[1])]
    return None if not alive else 1 - sum(alive) / len(alive)


def made_parts(case, precision, *overrides):
    return replace(parts(*CASES[case][0], f"epochs={EPOCHS}", f"device.precision={precision}", *overrides),
                   dataset=CASES[case][1])


def plain_training(case, precision):
    """Train by hand; return the rows and the weights after each epoch."""
    _, data, make_optimizer, factor, strength = CASES[case]
    built, dtype = session(made_parts(case, precision)), getattr(torch, precision)
    model, seed = copy.deepcopy(built.model), 0
    rows_of = {name: split.ids.numpy() for name, split in built.data.splits.items()}
    inputs, targets = scaled_inputs(data.arrays, rows_of["train"], dtype), torch.from_numpy(data.arrays.targets)
    shift, scale = 0.0, 1.0
    if targets.is_floating_point():
        shift, scale = targets[rows_of["train"]].double().mean(), targets[rows_of["train"]].double().std(correction=0)
        targets = ((targets.double() - shift) / scale).to(dtype)
        shift, scale = shift.item(), scale.item()
    names = ["loss", *built.evaluator.streamed]
    x, y = inputs[rows_of["train"]], targets[rows_of["train"]]
    optimizer = make_optimizer(model.parameters())
    sizes = sizes_of_batches(len(y), built.parts.settings.batch_size)
    base_lr, num_steps, rows, weights = optimizer.param_groups[0]["lr"], EPOCHS * len(sizes), [], []
    for epoch in range(EPOCHS):
        order = torch.randperm(len(y), generator=torch_generator(seed, "order", epoch)).split(sizes)
        model.train()
        minimised, norms = 0.0, []
        for number, chosen in enumerate(order):
            step = epoch * len(sizes) + number
            optimizer.param_groups[0]["lr"] = base_lr * factor(step, num_steps)
            optimizer.zero_grad()
            loss = loss_of(model(x[chosen]), y[chosen])
            loss = loss + strength / 2 * sum((param**2).sum() for param in model.parameters() if param.ndim > 1)
            loss.backward()
            minimised += loss.item() * len(chosen) / len(y)
            norms.append(math.sqrt(sum((param.grad.double() ** 2).sum().item() for param in model.parameters())))
            grads = [param.grad.norm().item() for param in model.parameters() if param.ndim > 1]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            train_eval = measured(model(x), y, shift, scale, names)
            val = measured(model(inputs[rows_of["val"]]), targets[rows_of["val"]], shift, scale, names)
            dead = dead_share(model, x)
        rows.append({
            "epoch": epoch + 1, "step": step + 1, "lr": optimizer.param_groups[0]["lr"], "train_loss": minimised,
            **{f"train_eval_{name}": train_eval[name] for name in names},
            **{f"val_{name}": val[name] for name in names},
            **{f"gap_{name}": val[name] - train_eval[name] for name in names},
            "grad_norm_mean": sum(norms) / len(norms), "grad_norm_max": max(norms),
            "grad_ratio": grads[0] / grads[-1] if len(grads) > 1 else None,
            "weight_norm": math.sqrt(sum((param.double() ** 2).sum().item() for param in model.parameters())),
            "dead_fraction": dead})
        weights.append(copy.deepcopy(model.state_dict()))
    return rows, weights


@every_case
def test_engine_equals_a_plain_loop_in_weights_and_in_every_column(case, precision, tolerance, tmp_path):
    rows, weights = plain_training(case, precision)
    path = train(made_parts(case, precision, "selection=last"), tmp_path / "run")
    found = metrics(path)
    assert list(found.columns) == list(rows[0])
    for row, expected in zip(found.to_dict("records"), rows, strict=True):
        for name, value in expected.items():
            if value is None:
                assert math.isnan(row[name]), name
            else:
                assert row[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name
    trained = best(path).tensors
    for name, value in weights[-1].items():
        torch.testing.assert_close(trained[f"model/{name}"], value, rtol=tolerance, atol=tolerance)
