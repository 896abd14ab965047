"""L-BFGS: minima in closed form, a state of tensors, the engine's closure, and why it is for one run."""

import pytest
import torch
from member_runs import fitted, one
from part_files import make, parts, saved
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.types import Batch
from dlx.engine.param_groups import ParamGroups
from dlx.engine.start import start
from dlx.sweep.groups import make_groups

ALL = ("optimizer=lbfgs", "model=linear", "batch_size=1000", "epochs=3")


def minimised(weight, loss_of, steps, **changes):
    optimizer = make("optimizer", "lbfgs", **changes)([weight])

    def closure():
        optimizer.zero_grad()
        loss = loss_of(weight)
        loss.backward()
        return loss

    return optimizer, [optimizer.step(closure).item() for _ in range(steps)]


def rosenbrock(point):
    x, y = point.view(-1)
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize("line_search", ["none", "strong_wolfe"])
def test_lbfgs_finds_the_minimum_of_a_quadratic(line_search):
    curvature = torch.tensor([1.0, 0.3, 10.0, 0.03], dtype=torch.float64)
    target = torch.tensor([1.0, -2.0, 3.0, -4.0], dtype=torch.float64)
    weight = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    minimised(weight, lambda w: (curvature * (w - target).square()).sum() / 2, 3, line_search=line_search)
    torch.testing.assert_close(weight.detach(), target, rtol=1e-4, atol=1e-4)


def test_lbfgs_finds_the_minimum_of_rosenbrock():
    weight = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    minimised(weight, rosenbrock, 5)
    torch.testing.assert_close(weight.detach(), torch.ones(2, dtype=torch.float64), rtol=1e-5, atol=1e-5)


def test_lbfgs_remembers_no_more_steps_than_its_history():
    weight = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer, _ = minimised(weight, rosenbrock, 2, history_size=3, max_iterations=6)
    state = optimizer.state[weight]
    assert {name for name in state if name.startswith("curvature")} == {f"curvature_{number}" for number in range(3)}
    assert all(torch.is_tensor(value) and value.shape in (weight.shape, ()) for value in state.values())


def test_lbfgs_at_a_minimum_stays_and_keeps_its_state():
    weight = nn.Parameter(torch.zeros(3))
    optimizer, losses = minimised(weight, lambda w: w.square().sum(), 2)
    assert losses == [0.0, 0.0]
    assert dict(optimizer.state[weight]) == {}


def test_lbfgs_fits_a_linear_model_to_its_train_examples():
    (kept,) = fitted([one(*ALL)], fused=False)
    losses = [row["train_eval_loss"] for row in kept.rows]
    assert losses[0] >= losses[1] >= losses[2]
    assert losses[2] < 1e-4


def test_lbfgs_in_the_engine_equals_a_loop_with_torch():
    state = start([one(*ALL, "model=mlp", "model.width=4", "model.norm=none")], "", [None], fused=False)
    twin = start([one(*ALL, "model=mlp", "model.width=4", "model.norm=none")], "", [None], fused=False)
    split = state.group.feeds["train"]
    model, optimizer = twin.group.model, torch.optim.LBFGS(twin.group.model.parameters(), history_size=10,
                                                           line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(split.inputs), split.targets)
        loss.backward()
        return loss

    for step in range(3):
        losses, norms = state.group.step(Batch(split.inputs, split.targets, split.ids.flatten()), step, [1.0])
        expected = optimizer.step(closure)
        torch.testing.assert_close(losses[0], expected.detach(), rtol=1e-9, atol=1e-12)
        assert norms.shape == (1,)
    for ours, theirs in zip(state.group.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_lbfgs_moves_batch_statistics_once_a_step():
    state = start([one(*ALL, "model=mlp", "model.norm=batch")], "", [None], fused=False)
    split = state.group.feeds["train"]
    state.group.step(Batch(split.inputs, split.targets, split.ids.flatten()), 0, [1.0])
    counts = [buffer.item() for name, buffer in state.group.model.named_buffers() if "num_batches" in name]
    assert set(counts) == {1}


def test_lbfgs_is_no_member():
    with pytest.raises(ConfigError, match="cannot train together: optimizer=lbfgs searches along one line"):
        start([one(*ALL), one(*ALL, "seed=1")], "", [None, None], fused=True)


def test_lbfgs_runs_of_a_sweep_train_alone_and_the_plan_says_why():
    runs = [saved(*ALL, f"seed={seed}") for seed in range(3)]
    grouping = make_groups(runs, workers=1, members=64)
    assert grouping.groups == ((0,), (1,), (2,))
    assert set(grouping.plain.values()) == {"optimizer=lbfgs searches along one line for the weights of one run"}


@pytest.mark.parametrize("name", ["gradient_clip", "sam", "weight_decay"])
def test_lbfgs_refuses_what_changes_the_gradient(name):
    with pytest.raises(ConfigError, match=f"regularizer={name} changes the gradient, and optimizer=lbfgs needs that"):
        parts("optimizer=lbfgs", f"regularizer=[{name}]")


def test_lbfgs_refuses_parameters_that_stay():
    with pytest.raises(ConfigError, match=r"^model.freeze: optimizer=lbfgs searches along one line for the"):
        parts("optimizer=lbfgs", "model=mlp", "model.freeze=[layers.0.*]")


def test_lbfgs_has_one_group_of_parameters():
    with pytest.raises(ConfigError) as refused:
        ParamGroups(False, {"*": 0.5}).check(nn.Linear(2, 2), make("optimizer", "lbfgs"))
    assert len(refused.value.problems) == 2
