"""What every optimizer of conf/optimizer promises."""

import copy
import inspect

import pytest
import torch
from argument_values import alternatives
from member_runs import WORDS
from paper_optimizers import PAPERS
from part_files import annotations, code_and_arguments, make, option_names
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.hooks import ChangesWithHistory, History
from dlx.core.lean import bare_step
from dlx.core.schedule import Schedule
from dlx.core.types import DividesParams, SearchesLoss
from dlx.engine.flat import flatten
from dlx.engine.optimize import Setting, optimize
from dlx.engine.param_groups import ParamGroups, trained_params
from dlx.engine.state import Position, Progress, restore_training, training_checkpoint
from dlx.record.checkpoint import decode, encode

NAMES = option_names("optimizer")
NUM_STEPS = 20
# A loss that improves once by a little and later stalls, an accuracy that never does better.
HISTORY = History([{"val_loss": loss, "val_accuracy": 0.5} for loss in [2.0, 1.95, *[1.0] * NUM_STEPS]],
                  {"val_loss": False, "val_accuracy": True})
every_optimizer = pytest.mark.parametrize("option", NAMES)
# Those whose step is one update along one gradient; the others are tested by what they find.
DESCENDING = [option for option in NAMES if not isinstance(make("optimizer", option), SearchesLoss)]
every_descending = pytest.mark.parametrize("option", DESCENDING)


def network(dtype=torch.float32):
    """A small network whose parameters need padding in one row."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)


def batch(step, dtype=torch.float32):
    draw = torch.Generator().manual_seed(step)
    return torch.randn(16, 6, dtype=dtype, generator=draw), torch.randint(3, (16,), generator=draw)


def take(model, optimizer, steps, lr_at=None, set_to_none=True):
    """Take steps; yield the parameters after each."""
    dtype = next(model.parameters()).dtype
    for step in steps:
        inputs, targets = batch(step, dtype)

        def closure(inputs=inputs, targets=targets):
            for param in model.parameters():
                param.grad = None if set_to_none or param.grad is None else param.grad.zero_()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        for group in optimizer.param_groups:
            group["lr"] = group["lr"] if lr_at is None else lr_at(step)
        advance(optimizer, closure)
        yield [param.detach().clone() for param in model.parameters()]


def advance(optimizer, closure, update=None):
    """Take a step by `update`, or that of the optimizer."""
    update = update or optimizer.step
    if isinstance(optimizer, torch.optim.LBFGS):
        update(torch.enable_grad()(closure))
    else:
        closure()
        update()


def over_rows(part, model):
    """The optimizer as the engine makes it, over rows, and those rows."""
    trained = trained_params(model, stacked=False)
    flat = flatten(list(trained.values()), None, ParamGroups(True, None).kinds(list(trained), part))
    return optimize([Setting("any", part, Schedule(0.0))], flat), flat


def with_roles(part, model):
    """Parameters as they are, each with its role to the optimizer."""
    if not isinstance(part, DividesParams):
        return list(model.parameters())
    params = trained_params(model, stacked=False)
    return [{"params": [param], "role": role}
            for param, role in zip(params.values(), part.roles(list(params)), strict=True)]


def twin_of(optimizer, params):
    """The same algorithm: of torch.optim, unfused and one parameter at a time; of ours, as its paper says it."""
    if type(optimizer) in PAPERS:
        return PAPERS[type(optimizer)](params, **optimizer.defaults)
    known = inspect.signature(type(optimizer)).parameters
    plain = {"fused": False, "foreach": False}
    settings = {name: plain.get(name, value) for name, value in optimizer.defaults.items() if name in known}
    return type(optimizer)(params, **settings)


def trajectory(option, steps=NUM_STEPS, lr_at=None, **changes):
    """The parameters after each step; each is an epoch to optimizers that follow the history."""
    model, part = network(), make("optimizer", option, **changes)
    optimizer = part(list(model.parameters()))
    path = []
    for step in range(steps):
        if isinstance(part, ChangesWithHistory):
            optimizer.param_groups[0].update(part.values_after(HISTORY._replace(rows=HISTORY.rows[:step])))
        path += [torch.cat([param.flatten() for param in params]) for params in take(model, optimizer, [step], lr_at)]
    return path


def schedule(lr):
    return lambda step: lr * (1 - step / (2 * NUM_STEPS))


@every_optimizer
def test_optimizer_equals_the_unfused_algorithm_step_by_step(option):
    # Formulas of papers round otherwise; kernels of torch are compared where they run.
    own = type(make("optimizer", option)([nn.Parameter(torch.ones(2))])) in PAPERS
    models = [network(torch.float64 if own else torch.float32) for _ in range(2)]
    ours = make("optimizer", option)(list(models[0].parameters()))
    twin = twin_of(ours, list(models[1].parameters()))
    lr_at = schedule(ours.param_groups[0]["lr"])
    steps = zip(take(models[0], ours, range(NUM_STEPS), lr_at), take(models[1], twin, range(NUM_STEPS), lr_at),
                strict=True)
    for one, other in steps:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@every_optimizer
def test_optimizer_over_the_row_equals_the_optimizer_over_the_parameters(option):
    # A search takes other turns where sums round otherwise.
    dtype, steps = (torch.float32, range(NUM_STEPS)) if option in DESCENDING else (torch.float64, range(1))
    separate, joined = network(dtype), network(dtype)
    part = make("optimizer", option)
    over_params = part(with_roles(part, separate))
    made, flat = over_rows(part, joined)
    over_row = made.optimizer
    lr_at = schedule(over_params.param_groups[0]["lr"])
    for one, other in zip(take(separate, over_params, steps, lr_at),
                          take(joined, over_row, steps, lr_at, set_to_none=False), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-6)
    used = sum(param.numel() for param in joined.parameters())
    assert flat.values.numel() > used
    assert flat.values.count_nonzero() <= used
    assert torch.linalg.vector_norm(flat.values).item() == pytest.approx(
        torch.cat([param.flatten() for param in joined.parameters()]).norm().item(), rel=1e-6)


@every_optimizer
def test_optimizer_bare_step_of_the_engine_is_its_step(option):
    wrapped, bare = network(), network()
    ours, engines = (make("optimizer", option)(list(model.parameters())) for model in (wrapped, bare))
    update = bare_step(engines)
    list(take(wrapped, ours, range(NUM_STEPS)))
    for step in range(NUM_STEPS):
        inputs, targets = batch(step)

        def closure(inputs=inputs, targets=targets):
            bare.zero_grad()
            loss = nn.functional.cross_entropy(bare(inputs), targets)
            loss.backward()
            return loss

        advance(engines, closure, torch.no_grad()(update))
    assert all(torch.equal(*pair) for pair in zip(wrapped.parameters(), bare.parameters(), strict=True))


@every_optimizer
def test_optimizer_is_fused_where_torch_can(option):
    optimizer = make("optimizer", option)([nn.Parameter(torch.ones(2))])
    can = "fused" in inspect.signature(type(optimizer)).parameters
    assert optimizer.defaults.get("fused", False) is can


@every_optimizer
def test_optimizer_begins_at_the_lr_of_its_configuration(option):
    _, arguments = code_and_arguments("optimizer", option)
    optimizer = make("optimizer", option)([nn.Parameter(torch.ones(2))])
    assert [group["lr"] for group in optimizer.param_groups] == [arguments["lr"]]


@every_optimizer
def test_optimizer_is_deterministic_and_draws_nothing(option):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = trajectory(option)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert all(torch.equal(*pair) for pair in zip(first, trajectory(option), strict=True))


@every_descending
def test_optimizer_reduces_a_convex_quadratic(option):
    curvature = torch.tensor([1.0, 0.3, 0.1, 0.03])
    weight = nn.Parameter(torch.ones(4))
    optimizer = make("optimizer", option)([weight])
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (curvature * weight.square()).sum() / 2
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    first, middle, last = (sum(losses[start : start + 100]) for start in (0, 100, 200))
    assert first > middle > last


@every_descending
def test_optimizer_at_lr_zero_changes_nothing(option):
    model = network()
    before = [param.detach().clone() for param in model.parameters()]
    optimizer = make("optimizer", option)(list(model.parameters()))
    for after in take(model, optimizer, range(5), lambda _: 0.0):
        assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


@every_descending
def test_optimizer_step_follows_the_lr_of_its_groups(option):
    lr = code_and_arguments("optimizer", option)[1]["lr"]
    start = torch.cat([param.detach().flatten() for param in network().parameters()])
    whole, half = (trajectory(option, 1, lambda _, rate=rate: rate)[0] - start for rate in (lr, lr / 2))
    torch.testing.assert_close(half, whole / 2, rtol=1e-3, atol=1e-7)
    by_constructor = trajectory(option, 1, lr=lr / 2)[0] - start
    assert torch.equal(by_constructor, half)


@every_descending
def test_optimizer_leaves_parameters_without_gradient_alone(option):
    weights = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = make("optimizer", option)(list(weights))
    weights[0].grad = torch.ones(3)
    optimizer.step()
    assert weights[1].tolist() == [1.0, 1.0, 1.0]
    assert weights[0].tolist() != [1.0, 1.0, 1.0]


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_optimizer_goes_on_from_a_checkpoint_bit_for_bit(option, dtype):
    undisturbed, stopped, resumed = network(dtype), network(dtype), network(dtype)
    first, second, third = (over_rows(make("optimizer", option), model)[0] for model in (undisturbed, stopped, resumed))
    lr_at = schedule(first.optimizer.param_groups[0]["lr"])
    expected = list(take(undisturbed, first.optimizer, range(NUM_STEPS), lr_at, set_to_none=False))
    list(take(stopped, second.optimizer, range(7), lr_at, set_to_none=False))
    made = training_checkpoint(stopped.state_dict(), second.state(0), Progress(), Position(), {}, {})
    found = restore_training(resumed, decode(encode(made), "memory"), NUM_STEPS)
    third.restore([found.optimizer])
    rest = list(take(resumed, third.optimizer, range(7, NUM_STEPS), lr_at, set_to_none=False))
    for one, other in zip(expected[7:], rest, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@every_descending
def test_optimizer_state_is_made_of_finite_tensors(option):
    weight = nn.Parameter(torch.ones(100))
    optimizer = make("optimizer", option)([weight])
    for size in (0.0, 1e-20, 1.0, 1e15):
        weight.grad = torch.full((100,), size)
        optimizer.step()
        state = [value for values in optimizer.state.values() for value in values.values() if value is not None]
        assert all(torch.is_tensor(value) and value.isfinite().all() for value in state)
        assert weight.isfinite().all()


def variants(option):
    code, arguments = code_and_arguments("optimizer", option)
    hints = annotations(code)
    return [(name, value) for name, default in arguments.items() for value in alternatives(hints[name], default)]


def settings_with(option, name):
    """The default configuration, then those that differ in one other argument: some arguments need another."""
    yield {}
    for other, value in variants(option):
        if other != name:
            yield {other: value}


def has_effect(option, name, value):
    for settings in settings_with(option, name):
        try:
            one, other = (trajectory(option, **settings, **change) for change in ({}, {name: value}))
        except ConfigError:
            continue
        if not torch.equal(one[-1], other[-1]):
            return True
    return False


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in NAMES
                                              for name in code_and_arguments("optimizer", option)[1]])
def test_optimizer_argument_has_an_effect(option, name):
    values = [*WORDS.get(name, ()), *(value for changed, value in variants(option) if changed == name)]
    assert values
    assert any(has_effect(option, name, value) for value in values[:4])


@every_optimizer
def test_optimizer_part_can_be_used_twice(option):
    part = make("optimizer", option)
    before = copy.deepcopy(vars(part))
    first, second = (part([nn.Parameter(torch.ones(2))]) for _ in range(2))
    assert first is not second
    assert vars(part) == before
