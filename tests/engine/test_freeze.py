"""Parameters that are not trained, for ever or for some epochs."""

import math
from dataclasses import replace

import pytest
import torch
from member_runs import Keeping, assert_equals_solo, left_by, one, several, trained
from part_files import option_names, parts, saved
from small_runs import interrupted_after
from torch import nn

from dlx.core.errors import ConfigError, InterruptedRunError
from dlx.core.head import head_tensors
from dlx.engine.fit import batches, fit
from dlx.engine.freeze import Freeze
from dlx.engine.start import start

CNN = ("model=cnn", "model.width=4", "model.depth=2", "epochs=4")
# Without those that move all parameters alike.
OPTIMIZERS = [name for name in option_names("optimizer") if name != "lbfgs"]


class Following(Keeping):
    """Keeps the weights and the optimizer's state of the first member before every step."""

    def __init__(self):
        super().__init__()
        self.weights, self.states = [], []

    def before_step(self, fit, step):
        self.weights.append(fit.group.weights(0))
        self.states.append(fit.group.optimization.state(0))


def followed(*overrides):
    """Train a run in memory; return what was before every step, what was at the end, and the steps of an epoch."""
    begun, witness = start([one(*overrides)], "", [None], fused=False), Following()
    steps = begun.steps_per_epoch
    fit(begun, witness, 10**6)
    return witness, witness.kept[0], steps


def constant(witness, name, first, last):
    return all(torch.equal(weights[name], witness.weights[first][name]) for weights in witness.weights[first:last])


def small():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


@pytest.mark.parametrize(("freeze", "expected"), [
    (None, {}), ([], {}),
    ("0.*", {"0.weight": math.inf, "0.bias": math.inf}),
    (["*.bias"], {"0.bias": math.inf, "1.bias": math.inf, "2.bias": math.inf}),
    ("backbone", dict.fromkeys(("0.weight", "0.bias", "1.weight", "1.bias"), math.inf)),
    ({"0.*": 2, "*.bias": 5}, {"0.weight": 2, "0.bias": 5, "1.bias": 5, "2.bias": 5}),
    ({"backbone": 3}, dict.fromkeys(("0.weight", "0.bias", "1.weight", "1.bias"), 3)),
])
def test_freeze_epochs_of_parameters_are_those_of_the_longest_pattern_that_matches(freeze, expected):
    found = Freeze(freeze).epochs(small())
    assert {name: epochs for name, epochs in found.items() if epochs} == expected


def test_freeze_of_nothing_or_of_everything_is_refused_before_training():
    with pytest.raises(ConfigError, match=r"no parameter is called '9\.\*'; there are 0\.weight, 0\.bias, 1\.weight"):
        Freeze(["9.*"]).epochs(small())
    for everything in ("*", ["backbone", "2.*"], {"*": 1}):
        with pytest.raises(ConfigError, match="nothing is trained"):
            Freeze(everything).epochs(small())
    with pytest.raises(ConfigError, match=r"no parameter is called 'bloks\.\*'"):
        parts("model=cnn", "model.freeze=bloks.*")
    with pytest.raises(ConfigError, match=r"model\.freeze must be .* a whole number in \[1, inf\)"):
        parts("model=cnn", "model.freeze={head.*: 0.5}")


def test_freeze_is_refused_by_an_optimizer_that_moves_all_parameters_alike():
    with pytest.raises(ConfigError, match=r"model\.freeze: .*which move alike; leave it out, or choose another"):
        parts("model=cnn", "optimizer=lbfgs", "model.freeze=backbone")
    parts("model=cnn", "optimizer=lbfgs")


@pytest.mark.parametrize("typed", ["model.freeze=backbone", "model.freeze=[blocks.*,head.bias]",
                                   "model.freeze={blocks.*: 5}"])
def test_freeze_is_typed_as_a_word_a_list_or_a_mapping(typed):
    assert saved("model=cnn", typed)["model"]["freeze"] in ("backbone", ["blocks.*", "head.bias"], {"blocks.*": 5})
    parts("model=cnn", typed)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_parameters_and_statistics_stay_bit_for_bit_and_have_no_state(optimizer):
    decay = ["optimizer.weight_decay=0.1"] if "weight_decay" in saved(f"optimizer={optimizer}")["optimizer"] else []
    witness, end, steps = followed(*CNN, f"optimizer={optimizer}", *decay, "regularizer=[l2,gradient_clip]",
                                   "model.freeze={blocks.*: 2}", "model.norm=batch", "epochs=3")
    blocks = [name for name in end.weights if name.startswith("blocks.")]
    assert any("running_mean" in name for name in blocks)
    assert all(constant(witness, name, 0, 2 * steps + 1) for name in blocks)
    assert not constant(witness, "head.weight", 0, 2)
    moved = [name for name in blocks if not torch.equal(end.weights[name], witness.weights[0][name])]
    assert moved == blocks
    sizes = {tuple(value.shape) for state in witness.states[: 2 * steps] for value in state.values()}
    head = sum(-(-end.weights[f"head.{name}"].numel() // 16) * 16 for name in ("weight", "bias"))
    assert sizes <= {(), (head,)} or optimizer == "adagrad"


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_thawed_parameters_begin_as_at_a_first_step(optimizer):
    # Adam's first step moves a weight by the learning rate, whatever its gradient: moments and their count begin there.
    witness, _, steps = followed(*CNN, f"optimizer={optimizer}", "model.freeze={blocks.*: 1}", "model.norm=none",
                                 "epochs=2")
    before, after = witness.weights[steps], witness.weights[steps + 1]
    step = (after["blocks.0.weight"] - before["blocks.0.weight"]).abs()
    assert step.max() == pytest.approx(saved(f"optimizer={optimizer}")["optimizer"]["lr"], rel=1e-2)
    assert witness.states[steps].keys() < witness.states[steps + 1].keys()


def test_linear_probe_trains_the_head_alone_as_logistic_regression_on_fixed_features():
    witness, end, steps = followed(*CNN, "model.freeze=backbone", "optimizer=sgd", "optimizer.lr=0.1", "epochs=1",
                                   "optimizer.momentum=0")
    begun = start([one(*CNN, "model.freeze=backbone", "epochs=1")], "", [None], fused=False)
    model = begun.group.model.eval()
    head = nn.Linear(*reversed(model.head.weight.shape)).double()
    head.load_state_dict(model.head.state_dict())
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for batch in batches(begun.group.feeds["train"], begun.bounds, [0], 0, 0):
        with torch.no_grad():
            features = model.blocks(batch.inputs).mean(dim=(2, 3))
        loss = nn.functional.cross_entropy(head(features), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(end.weights["head.weight"], head.weight.detach(), rtol=1e-9, atol=1e-9)
    assert steps == len(witness.weights)


@pytest.mark.parametrize("freeze", ["model.freeze={blocks.*: 2}", "model.freeze=[blocks.0.*,blocks.1.*]"])
@pytest.mark.parametrize("step", [5, 9, 17])
def test_frozen_run_that_was_interrupted_goes_on_bit_for_bit(freeze, step, tmp_path):
    described = one(*CNN, freeze, "optimizer=adamw", "model.norm=batch", "checkpoint_seconds=1000")
    (whole,) = trained([described], tmp_path / "whole")
    made, stop = interrupted_after(described[0], step)
    with pytest.raises(InterruptedRunError):
        trained([(made, described[1])], tmp_path / "halves", stop)
    (halves,) = trained([described], tmp_path / "halves")
    assert left_by(halves) == left_by(whole)


@pytest.mark.parametrize("freeze", ["model.freeze={blocks.*: 2}", "model.freeze=backbone"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_frozen_members_are_the_runs_alone(freeze, norm):
    runs = [one(*CNN, freeze, f"model.norm={norm}", "optimizer=adamw", f"optimizer.lr={lr}", f"seed={seed}")
            for seed, lr in enumerate((0.01, 0.001, 0.01))]
    assert_equals_solo(runs)


def test_frozen_members_go_on_when_one_leaves():
    stopping = ("regularizer=[early_stopping]", "regularizer.early_stopping.patience=1", "epochs=6",
                "optimizer.lr=0.05", "regularizer.early_stopping.monitor=val_loss")
    kept = assert_equals_solo(several(4, *CNN, *stopping, "model.freeze={blocks.*: 3}"))
    assert len({len(own.rows) for own in kept}) > 1


def test_gradient_ratio_is_of_weights_that_are_trained():
    _, end, _ = followed(*CNN, "model.freeze={blocks.*: 2}")
    assert [row["grad_ratio"] is None for row in end.rows] == [True, True, False, False]
    assert all(row["grad_norm_mean"] > 0 for row in end.rows)


class Meddling:
    """Regularizers that pass inputs through the model in eval mode, and move weights after the update."""

    def on_inputs(self, inputs, losses_of, moment):
        return inputs + 0.01 * torch.autograd.grad(losses_of(inputs.requires_grad_()).sum(), inputs)[0].sign()

    def on_gradient(self, params, norm, moment):
        for param in params:
            param.grad.add_(1.0)

    def after_update(self, params):
        for param in params:
            param.mul_(0.9)


def test_frozen_parameters_and_statistics_stay_whatever_regularizers_do():
    described = one(*CNN, "model.freeze=backbone", "model.norm=batch", "epochs=1")
    begun = start([(replace(described[0], regularizers={"meddling": Meddling()}), described[1])], "", [None], False)
    before = begun.group.weights(0)
    witness = Keeping()
    fit(begun, witness, 10**6)
    moved = {name for name, value in witness.kept[0].weights.items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}


def test_frozen_layers_train_as_all_others_once_training_is_over():
    begun = start([one(*CNN, "model.freeze=backbone", "model.norm=batch", "epochs=1")], "", [None], fused=False)
    fit(begun, Keeping(), 10**6)
    assert all(layer.training for layer in begun.group.model.modules())
    assert all(leaf.requires_grad for leaf in begun.group.flat.leaves)


@pytest.mark.parametrize("regularizer", option_names("regularizer"))
def test_frozen_weights_stay_bit_for_bit_with_every_regularizer(regularizer):
    overrides = (*CNN, "model.freeze=backbone", "model.norm=none", f"regularizer=[{regularizer}]", "epochs=1")
    try:
        one(*overrides)
    except ConfigError:
        pytest.skip(f"{regularizer} is for other data")
    begun, witness = start([one(*overrides)], "", [None], fused=False), Keeping()
    before = {name: param.detach().clone() for name, param in begun.group.model.named_parameters()}
    fit(begun, witness, 10**6)
    after = dict(begun.group.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == head_tensors(begun.group.model) & before.keys()
