"""Parameters that are optimized unlike: without weight decay, or with a learning rate of their own."""

import pytest
import torch
from member_runs import DIGITS, assert_equals_solo, fitted, one
from part_files import make
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.schedule import Schedule
from dlx.core.types import ParamInfo
from dlx.engine.flat import flatten
from dlx.engine.optimize import Setting, optimize
from dlx.engine.param_groups import ParamGroups, ParamKind, trained_params
from dlx.engine.problems import task_problems
from dlx.engine.start import start

SGD = make("optimizer", "sgd")
QUICK = ("epochs=2", "batch_size=8", "model.width=5", "model.norm=layer", "model.depth=2")
UNLIKE = ("optimizer.decay_norm_and_bias=false", "optimizer.lr_multipliers={layers.0.*:0.1,*.bias:2,layers.8.*:0}")


def info(*shapes):
    return [ParamInfo(f"layer.{number}", shape) for number, shape in enumerate(shapes)]


def test_param_groups_by_default_are_one():
    params = info((3, 4), (4,), (2, 3, 3, 3), ())
    assert set(ParamGroups(True, None).kinds(params, SGD)) == {ParamKind()}


def test_weight_decay_leaves_out_parameters_with_fewer_than_two_axes():
    kinds = ParamGroups(False, None).kinds(info((3, 4), (4,), (1, 1), (2, 3, 3, 3), ()), SGD)
    assert [kind.decays for kind in kinds] == [True, False, True, True, False]


def test_lr_multipliers_of_patterns_that_match_are_multiplied():
    groups = ParamGroups(True, {"layer.*": 0.5, "*.1": 4.0, "layer.[2-9]": 0.0})
    assert [kind.lr_multiplier for kind in groups.kinds(info((1,), (1,), (1,)), SGD)] == [0.5, 2.0, 0.0]


def test_embeddings_are_known_to_optimizers():
    model = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4))
    model[1].bias.requires_grad_(False)
    assert list(trained_params(model, False)) == [ParamInfo("0.weight", (3, 4), True), ParamInfo("1.weight", (4, 4))]


def test_lr_multiplier_of_an_unknown_parameter_is_refused_by_its_names():
    with pytest.raises(ConfigError) as refused:
        one("model=linear", "optimizer.lr_multipliers={haed.*:2}")
    assert str(refused.value) == ("optimizer.lr_multipliers: no parameter is called 'haed.*'; there are head.weight, "
                                  "head.bias")


@pytest.mark.parametrize("values", ["{head.*:-1}", "{head.*:fast}", "3"])
def test_lr_multipliers_are_numbers_from_zero(values):
    with pytest.raises(ConfigError, match=r"optimizer.lr_multipliers must be a mapping"):
        one("model=linear", f"optimizer.lr_multipliers={values}")


def test_decay_norm_and_bias_is_for_optimizers_with_weight_decay():
    parts, _ = one()
    lacking = type("Bare", (), {"lr": 0.1, "__call__": SGD.__call__})()
    problems = ParamGroups(False, None)
    with pytest.raises(ConfigError, match="decay_norm_and_bias=false is for optimizers with a weight_decay"):
        problems.check(nn.Linear(2, 2), lacking)
    assert not task_problems(parts, DIGITS.task)


def network(dtype=torch.float64):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)


def losses(model, optimizer, lrs, clear):
    """Take steps and return the parameters after them."""
    draw = torch.Generator().manual_seed(0)
    for step in range(12):
        clear()
        inputs = torch.randn(16, 6, dtype=torch.float64, generator=draw)
        nn.functional.cross_entropy(model(inputs), torch.randint(3, (16,), generator=draw)).backward()
        lrs(step)
        optimizer.step()
    return [param.detach().clone() for param in model.parameters()]


@pytest.mark.parametrize("option", ["sgd", "adam", "adamw"])
def test_param_groups_equal_those_of_torch(option):
    """The same four groups, given to torch as lists of separate parameters."""
    ours, twin = network(), network()
    part = make("optimizer", option, weight_decay=0.1)
    trained = trained_params(ours, False)
    groups = ParamGroups(False, {"0.*": 0.1, "3.bias": 3.0})
    flat = flatten(list(trained.values()), None, groups.kinds(list(trained), part))
    assert len(flat.blocks) == 5
    made = optimize([Setting("any", part, Schedule(0.0))], flat)

    def lr_at(step):
        return part.lr / (1 + step)

    def set_ours(step):
        for group in made.optimizer.param_groups:
            group["lr"] = lr_at(step) * group["lr_multiplier"]

    factors = {"0.weight": 0.1, "0.bias": 0.1, "3.bias": 3.0}
    own = part([{"params": [param], "weight_decay": 0.1 if param.ndim > 1 else 0.0, "factor": factors.get(name, 1.0)}
                for name, param in twin.named_parameters()])

    def set_twin(step):
        for group in own.param_groups:
            group["lr"] = lr_at(step) * group["factor"]

    found = losses(ours, made.optimizer, set_ours, flat.gradient.zero_)
    expected = losses(twin, own, set_twin, twin.zero_grad)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("option", ["sgd", "adam", "adamw"])
def test_param_groups_of_members_equal_the_runs_alone(option):
    runs = [one(*QUICK, f"optimizer={option}", *UNLIKE, f"seed={seed}", f"optimizer.weight_decay={decay}",
                "regularizer=[gradient_clip]", "regularizer.gradient_clip.limit=0.1")
            for seed, decay in enumerate((0.1, 0.1, 0.0, 0.3))]
    kept = assert_equals_solo(runs)
    assert {key.split("/")[0] for key in kept[0].optimizer} == set("0123456")


def test_params_at_multiplier_zero_stay_and_the_others_move():
    before = start([one(*QUICK)], "", [None], fused=False).group.weights(0)
    after = fitted([one(*QUICK, "optimizer=adamw", *UNLIKE)], fused=False)[0].weights
    still = [name for name, value in after.items() if torch.equal(value, before[name])]
    assert still == ["layers.8.weight", "layers.8.bias"]


def test_lr_column_is_the_base_lr():
    (kept,) = fitted([one(*QUICK, *UNLIKE, "optimizer.lr=0.25")], fused=False)
    assert {row["lr"] for row in kept.rows} == {0.25}


def test_norms_are_over_all_groups():
    apart, joined = (start([one(*QUICK, *more, "seed=1")], "", [None], fused=False).group.flat for more in (UNLIKE, ()))
    assert (len(apart.blocks), len(joined.blocks)) == (7, 1)
    torch.testing.assert_close(apart.weight_norms(), joined.weight_norms())
    for flat in (apart, joined):
        for param in flat.params:
            param.grad.copy_(param.detach())
    torch.testing.assert_close(apart.gradient_norms(), joined.weight_norms())
