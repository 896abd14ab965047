"""What every model, optimizer, regularizer and loss promises in a fused run: each member is the run alone.

R members, B batch, N examples.
"""

import itertools
from dataclasses import dataclass, field, replace
from inspect import signature

import numpy as np
import pytest
import torch
from member_runs import (
    DIGITS,
    EVERY_VALUE,
    EXACT,
    VALUES,
    as_regression,
    as_typed,
    assert_close,
    assert_equals_solo,
    fitted,
    one,
    several,
    unlike,
    varying,
)
from part_files import annotations, choice, code_and_arguments, make, option_names
from small_runs import digits, table
from suited import acts_on, compatible, takes, texts

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout
from dlx.core.ranges import problem
from dlx.core.types import SearchesLoss
from dlx.engine.fit import batches
from dlx.engine.start import start

# Five epochs of eleven steps.
STEPS = ("epochs=5", "batch_size=8", "model.width=5")
# Models of torchvision take minutes here.
MODELS = [model for model in option_names("model") if model != "torchvision"]
# Those that are for one run alone are refused, see tests/optimizer.
OPTIMIZERS = [option for option in option_names("optimizer") if not isinstance(make("optimizer", option), SearchesLoss)]
REGULARIZERS = option_names("regularizer")
# Every regularizer is tried with these models in the quick tests, and these regularizers with every model.
QUICK = ("mlp", "cnn", "bag")
FEW = ("dropout", "l2", "gradient_clip")
HAS_WIDTH = [model for model in MODELS if "width" in code_and_arguments("model", model)[1]]
HAS_NORM = [model for model in MODELS if {"norm", "depth"} <= code_and_arguments("model", model)[1].keys()]
HAS_HEADS = [model for model in MODELS if "num_heads" in code_and_arguments("model", model)[1]]
# Rounding grows with every step, and faster the deeper the model.
EPOCHS = {"resnet": 2, "resnet9": 1}
# Models that take tokens alone, or take them too.
OF_TOKENS = [model for model in MODELS
             if "vocabulary_size" in signature(code_and_arguments("model", model)[0]).parameters]


def steps(model):
    if model in HAS_HEADS:
        # The width of all heads of attention together is a multiple of their number.
        return (*STEPS[:2], "model.width=8")
    return STEPS if model in HAS_WIDTH else STEPS[:2]


TEXTS = texts()
KINDS = {"image": (DIGITS, []), "table": (table("classification", 140, own_test=True), ["dataset=breast_cancer"]),
         "tokens": (TEXTS, ["dataset=modular_addition"])}


def layout_of(model, regularizers=()):
    """A layout that a model takes and all these regularizers act on, or None."""
    layouts = ("tokens",) if model in OF_TOKENS else ("image", "table")
    if not regularizers:
        return layouts[0]
    return next((layout for layout in layouts if takes(model, layout) and all(
        acts_on(name, model, layout) for name in regularizers)), None)


def of_kind(model, regularizers=()):
    """The data that a model takes and regularizers act on, and the override with which its configuration is one."""
    return KINDS[layout_of(model, regularizers)]


def combination(model, optimizer, regularizers, overrides=(), data=None):
    """Four runs that differ in all that their parts let members vary."""
    own_data, dataset = of_kind(model, regularizers)
    common = [*dataset, *steps(model), f"model={model}", f"optimizer={optimizer}",
              choice("regularizer", *regularizers or ("none",)), *overrides]
    # Labels may be smoothed once.
    losses = [] if "label_smoothing" in regularizers else [("loss", "cross_entropy")]
    names = [*losses, ("model", model), ("optimizer", optimizer),
             *(("regularizer", name) for name in regularizers)]
    return [one(*common, *own, data=data or own_data) for own in unlike(*names)]


def suited(model, regularizers=REGULARIZERS):
    """Those of the regularizers that act on a model, and on what it takes first; of two in conflict the first."""
    return compatible(name for name in regularizers if acts_on(name, model, layout_of(model)))


def of_values(model, described):
    """The same run on data with values."""
    values = TEXTS.with_arrays(targets=TEXTS.arrays.targets.astype(np.float32))
    values = replace(values, task=replace(TEXTS.task, kind="regression", num_outputs=1, class_names=()))
    return as_regression(described, values if model in OF_TOKENS else VALUES)


# To optimizers parameters are rows, whatever the model; muon alone knows their shapes.
OPTIMIZED = [(model, optimizer) for model in MODELS for optimizer in OPTIMIZERS
             if model == "mlp" or optimizer in ("sgd", "adam", "adamw")]
# Each regularizer with every model, all of them together with every optimizer, too.
TOGETHER = [(model, optimizer, ()) for model, optimizer in OPTIMIZED]
TOGETHER += [("mlp", optimizer, suited("mlp") if optimizer == "adam" else FEW) for optimizer in OPTIMIZERS]
TOGETHER += [pytest.param(model, "adam", suited(model), marks=() if model in QUICK else pytest.mark.slow)
             for model in MODELS if model != "mlp"]
# The iterations of muon amplify rounding, the more the deeper the model.
TOGETHER += [(model, "muon", ()) for model in MODELS if model not in ("mlp", "resnet9")]
TOGETHER += [pytest.param(model, "adam", (name,), marks=() if model in QUICK else pytest.mark.slow)
             for model in MODELS for name in REGULARIZERS if layout_of(model, [name])]


@pytest.mark.parametrize(("model", "optimizer", "regularizers"), TOGETHER,
                         ids=lambda value: value if isinstance(value, str) else "+".join(value) or "none")
def test_member_equals_the_run_alone_after_many_steps(model, optimizer, regularizers):
    # The gradient of a bias before batch normalization is nothing but rounding, which Adam makes large.
    epochs = min(EPOCHS.get(model, 5), 2 if len(regularizers) > 1 else 5)
    runs = combination(model, optimizer, regularizers, (f"epochs={epochs}",))
    kept = assert_equals_solo(runs, EXACT * (1 if len(regularizers) < 2 else 10))
    assert [len(own.rows) for own in kept] == [epochs] * 4
    assert len({own.rows[-1]["val_loss"] for own in kept}) == 4


LAYERED = list(itertools.product(HAS_NORM, ("none", "batch", "layer", "group"), (1, 2)))


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize(("model", "norm", "depth"), LAYERED)
def test_member_equals_the_run_alone_whatever_the_layers(model, norm, depth, kind):
    # What early stopping may monitor depends on the task, and values have no labels.
    names = [name for name in (suited(model) if model == "mlp" else FEW) if kind == "classification" or
             name not in ("early_stopping", "label_smoothing")]
    runs = combination(model, "adam", names, (f"model.norm={norm}", f"model.depth={depth}", "epochs=2"))
    assert_equals_solo(runs if kind == "classification" else [of_values(model, described) for described in runs])


@pytest.mark.parametrize(("model", "optimizer"), OPTIMIZED)
def test_member_of_a_regression_equals_the_run_alone(model, optimizer):
    runs = combination(model, optimizer, ["l2", "gradient_clip"], (f"epochs={EPOCHS.get(model, 5)}",))
    assert_equals_solo([of_values(model, described) for described in runs])


def of_loss(option):
    """The data that a loss is for, and the overrides with which its configuration is."""
    if "classification" in make("loss", option).kinds:
        return DIGITS, []
    return VALUES, ["dataset=diabetes", "metric=[rmse,mae]", "preprocessing=[standardize]"]


@pytest.mark.parametrize("option", [name for name in option_names("loss")
                                    if {"classification", "regression"} & {*make("loss", name).kinds}])
def test_member_of_every_loss_equals_the_run_alone(option):
    data, overrides = of_loss(option)
    kept = assert_equals_solo([one(*STEPS, "epochs=2", *overrides, f"loss={option}", f"seed={seed}", data=data)
                               for seed in range(3)])
    assert len({own.rows[-1]["val_loss"] for own in kept}) == 3


# Folds and groups of equal size, so that whatever a split varies, members have splits of one size.
THREES = digits(150).with_arrays(notes={"group": np.arange(150) // 3})


def fitting(regularizer):
    """The data that a regularizer is for, and the overrides that give it a model."""
    model = next((model for model in ("mlp", *MODELS) if layout_of(model, [regularizer])), None)
    if model is None:
        pytest.skip(f"no model has what {regularizer} acts on")
    data, dataset = of_kind(model, [regularizer])
    return data, [*dataset, f"model={model}", *steps(model)]


# What matters after more epochs than two.
LATER = [("adam_then_sgd", name) for name in ("sgd_lr", "momentum", "monitor", "patience", "min_delta")]


@pytest.mark.parametrize(("group", "option", "key"), EVERY_VALUE)
def test_member_has_its_own_value_of_everything_declared(group, option, key):
    common = [*(steps(option) if group == "model" else STEPS), "epochs=2", choice(group, option)]
    values = dict(varying(group, option))[key]
    texts = [as_typed(value) for value in values]
    # One seed: what differs between members is this value alone.
    data = THREES if group == "split" and option != "predefined" else DIGITS
    if group in ("model", "regularizer"):
        data, own = of_kind(option) if group == "model" else fitting(option)
        common = [*common, *own]
    if group == "loss":
        data, own = of_loss(option)
        common = [*common, *own]
    if key == "regularizer.early_stopping.monitor":
        common.append("regularizer.early_stopping.restore=false")
    runs = [one(*common, "seed=3", f"{key}={text}", data=data) for text in texts]
    kept = assert_equals_solo(runs)
    rows = [own.rows for own in kept]
    assert rows[0] == rows[3]
    if "early_stopping" not in key and not key.endswith(".eps") and (option, key.split(".")[-1]) not in LATER:
        assert rows[0] != rows[1]


def test_members_may_have_schedules_of_their_own():
    schedules = [(f"schedule={option}", *own) for option in option_names("schedule")
                 for own in ([()] if option == "one_cycle" else [(), ("schedule.warmup_epochs=1.5",)])]
    kept = assert_equals_solo([one(*STEPS, f"seed={seed}", *own) for seed, own in enumerate(schedules)])
    assert len({tuple(row["lr"] for row in own.rows) for own in kept}) > len(schedules) / 2


def test_member_whose_dropout_is_off_is_beside_those_whose_is_on():
    rates = (0.0, 0.5, 0.0, 0.25)
    kept = assert_equals_solo([one(*STEPS, "model.depth=2", "regularizer=[dropout]", f"regularizer.dropout.rate={rate}",
                                   "seed=1") for rate in rates])
    plain = fitted([one(*STEPS, "model.depth=2", "seed=1")], fused=False)[0]
    assert kept[0].rows == kept[2].rows
    assert kept[0].rows[-1]["val_loss"] == pytest.approx(plain.rows[-1]["val_loss"], rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_members_begin_at_the_weights_of_the_runs_alone_bit_for_bit(model):
    data, dataset = of_kind(model)
    runs = several(4, *dataset, *steps(model), f"model={model}", "device.precision=float32", data=data)
    together = start(runs, "", [None] * 4, fused=True).group
    for number, described in enumerate(runs):
        alone = start([described], "", [None], fused=False).group
        own = next(index for index, member in enumerate(together.members) if member.number == number)
        found, expected = together.weights(own), alone.weights(0)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def epoch_of(state, epoch):
    seeds = [member.parts.settings.seed for member in state.group.members]
    return list(batches(state.group.feeds["train"], state.bounds, seeds, epoch, 0))


@pytest.mark.parametrize("same_data", [True, False])
def test_members_meet_the_examples_of_the_runs_alone(same_data):
    runs = several(4, *(["split.seed=0"] if same_data else []))
    together = start(runs, "", [None] * 4, fused=True)
    for number, described in enumerate(runs):
        alone = start([described], "", [None], fused=False)
        for epoch in (0, 1, 7):
            for batch, expected in zip(epoch_of(together, epoch), epoch_of(alone, epoch), strict=True):
                for found, own in zip(batch[:3], expected[:3], strict=True):
                    assert torch.equal(found.chunk(4)[number], own)


def taken(runs, fused, num_steps, lr=0.1):
    """Take steps; return the dropout masks of each, and at the end the gradient by parameter."""
    state = start(runs, "", [None] * len(runs), fused)
    group, masks = state.group, []
    for layer in group.model.modules():
        if isinstance(layer, Dropout):
            layer.register_forward_hook(lambda _, __, output: masks.append(output == 0))
    for step, batch in enumerate(epoch_of(state, 0)[:num_steps]):
        group.step(batch, step, [lr] * len(group.optimization.rows))
    return masks, {name: param.grad for name, param in group.model.named_parameters()}


def nonzero(model):
    """The override under which hidden units of a model are never exactly zero, where there is one."""
    code, arguments = code_and_arguments("model", model)
    allowed = "activation" in arguments and problem(annotations(code)["activation"], "identity") is None
    return ["model.activation=identity"] if allowed else []


@pytest.mark.parametrize("model", [model for model in HAS_WIDTH if "depth" in code_and_arguments("model", model)[1]])
def test_members_draw_the_dropout_masks_of_the_runs_alone(model):
    data, dataset = of_kind(model)
    overrides = (*dataset, f"model={model}", "model.depth=2", "regularizer=[dropout]", *nonzero(model))
    runs = [one(*overrides, f"seed={seed}", f"regularizer.dropout.rate={rate}", data=data)
            for seed, rate in enumerate((0.5, 0.2, 0.0, 0.8))]
    together, _ = taken(runs, True, 3)
    for number, described in enumerate(runs):
        alone, _ = taken([described], False, 3)
        assert len(alone) == len(together) > 0
        assert all(torch.equal(mask.chunk(4)[number], own) for mask, own in zip(together, alone, strict=True))


@pytest.mark.parametrize(("model", "norm"), [*itertools.product(HAS_NORM, [["model.norm=none"], ["model.norm=batch"],
                                                                           ["model.norm=layer"]]),
                                             *((model, []) for model in HAS_WIDTH if model not in HAS_NORM)], ids=str)
def test_members_have_the_gradients_of_the_runs_alone_in_float32(model, norm):
    data, dataset = of_kind(model)
    runs = several(4, *dataset, f"model={model}", *norm, "model.width=16", "device.precision=float32",
                   "regularizer=[l2,dropout]", data=data)
    _, together = taken(runs, True, 1)
    for number, described in enumerate(runs):
        _, alone = taken([described], False, 1)
        scale = torch.cat([gradient.flatten() for gradient in alone.values()]).abs().max()
        for name, gradient in alone.items():
            # Relative to the largest: a bias before batch normalization has a gradient of rounding noise.
            torch.testing.assert_close(together[name][number], gradient, rtol=1e-5, atol=1e-5 * scale.item())


@dataclass(frozen=True)
class Noise:
    """A regularizer that draws noise on every batch."""

    scale: float
    seen: list = field(default_factory=list)

    def on_batch(self, batch, generator):
        self.seen.append(batch.ids.tolist())
        noise = torch.randn(batch.inputs.shape, generator=generator, dtype=batch.inputs.dtype)
        return batch._replace(inputs=batch.inputs + self.scale * noise)


def test_members_have_their_batches_changed_one_by_one():
    made = [one(*STEPS, f"seed={seed}") for seed in range(4)]
    runs = [(replace(own, regularizers={"noise": Noise(0.1 * number)}), config)
            for number, (own, config) in enumerate(made)]
    assert_equals_solo(runs)
    # Once together, once alone: the same examples both times.
    for own, _ in runs:
        seen = own.regularizers["noise"].seen
        assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


class Huber:
    """A loss of a user's with a value that members may vary, which evaluation uses too."""

    kinds = ("regression",)
    MEMBER_VALUES = ("delta",)

    def __init__(self, delta):
        self.delta = delta

    def __call__(self, outputs, targets):
        delta = self.delta
        if isinstance(delta, torch.Tensor):
            delta = delta.repeat_interleave(len(targets) // len(delta)).to(outputs)
        errors = (outputs[:, 0] - targets).abs()
        return torch.where(errors < delta, errors.square() / 2, delta * (errors - delta / 2))


def test_members_are_evaluated_with_their_own_values_of_the_loss():
    runs = [as_regression(described) for described in several(4, *STEPS)]
    runs = [(replace(own, loss=Huber(delta)), config)
            for delta, (own, config) in zip((0.5, 0.1, 2.0, 0.5), runs, strict=True)]
    assert_equals_solo(runs)


@pytest.mark.parametrize(("group", "option"), sorted({(group, option) for group, option, _ in EVERY_VALUE}))
def test_member_values_are_arguments_and_attributes(group, option):
    keys = [key.rsplit(".", 1)[1] for key, _ in varying(group, option)]
    if group == "model":
        assert set(keys) <= {"dropout_rate", "stochastic_depth_rate"}
        return
    made = make(group, option)
    assert all(hasattr(made, name) for name in keys)


def test_members_of_one_size_of_split_are_asked_for():
    with pytest.raises(ConfigError, match="splits of different sizes cannot train together"):
        start([one(), one("split.val_fraction=0.3")], "", [None, None], fused=True)


def test_members_with_other_labels_equal_the_runs_alone_and_share_their_inputs():
    runs = [one(f"dataset.label_noise={rate}", f"dataset.shuffle_labels={shuffle}", "split.seed=0",
                f"dataset.train_seed={seed}", f"seed={seed}")
            for rate, shuffle, seed in ((0.0, "false", 0), (0.5, "false", 0), (0.5, "false", 1), (0.0, "true", 1))]
    assert_equals_solo(runs)
    built = start(runs, "", [None] * 4, fused=True)
    train, val = built.group.feeds["train"], built.group.feeds["val"]
    assert (train.sources, train.target_sources) == ((0, 0, 0, 0), (0, 1, 2, 3))
    assert len(val.inputs) == val.ids.shape[1]


@pytest.mark.parametrize("override", ["dataset.train_fraction=0.5", "dataset.imbalance=4"])
def test_members_may_keep_other_train_rows_of_the_same_number(override):
    runs = [one(override, "split.seed=0", f"dataset.train_seed={seed}", f"seed={seed}") for seed in range(3)]
    rows = [set(kept.data.splits["train"].ids.tolist())
            for kept in start(runs, "", [None] * 3, fused=True).group.members]
    assert rows[0] != rows[1] != rows[2]
    assert_equals_solo(runs)


def test_data_in_common_is_kept_once():
    state = start(several(4, "split.seed=0"), "", [None] * 4, fused=True)
    assert len(state.group.feeds["train"].inputs) == len(DIGITS.arrays.targets) * 4 // 5 - len(
        state.group.members[0].data.splits["val"].ids)
    different = start(several(4), "", [None] * 4, fused=True)
    assert len(different.group.feeds["train"].inputs) == 4 * len(state.group.feeds["train"].inputs)


GROUPS = {"2+2": [[0, 1], [2, 3]], "3+1": [[0, 1, 3], [2]], "alone": [[0], [1], [3]], "other order": [[3, 0, 2, 1]],
          "among others": [[4, 2, 5, 0, 6], [1, 7, 3]]}
EVEN = digits(150, own_test=True)
EVEN_TEXTS = texts(150).with_arrays(test_ids=np.arange(120, 150))
EVERY_FORM = [(model, norm, "loop", precision) for model, norm, depth in [*LAYERED, ("linear", "", 1)] if depth == 1
              for precision in ("float32", "float64")]
# In float32 oneDNN chooses how to compute grouped convolutions by the number of groups.
EVERY_FORM += [("cnn", "batch", "grouped", "float64")]


@pytest.mark.parametrize(("model", "norm", "form", "precision"), EVERY_FORM)
def test_member_bits_do_not_depend_on_who_else_trains(model, norm, form, precision):
    # Matrix products of MKL depend on where their operands begin: 96 train examples in batches of 8, and a width of 16,
    # begin at multiples of 64 bytes. Which form convolves faster is found by trying; here it is stated.
    overrides = (f"device.precision={precision}", *([f"model.norm={norm}", "model.width=16"] if norm else []),
                 "epochs=2")
    names = suited(model) if model == "mlp" else () if model == "linear" else FEW
    data = EVEN if layout_of(model) == "image" else EVEN_TEXTS
    runs = combination(model, "adam", names, overrides, data)
    common = (*of_kind(model, names)[1], *steps(model), f"model={model}", choice("regularizer", *names), *overrides)
    others = [one(*common, f"seed={seed}", data=data) for seed in range(4, 8)]
    expected = fitted(runs, convolution=form)
    for groups in GROUPS.values():
        for group in groups:
            found = fitted([[*runs, *others][index] for index in group], convolution=form)
            for index, kept in zip(group, found, strict=True):
                if index < 4:
                    assert kept.rows == expected[index].rows, (group, index)
                    assert_close(kept.weights, expected[index].weights, 0.0, f"{group} {index}")
                    assert_close(kept.optimizer, expected[index].optimizer, 0.0, f"{group} {index}")


def gradients(precision, overrides, fused):
    """Return the first gradients of four members, from what one step of SGD at lr 1 makes of their weights."""
    runs = several(4, "epochs=1", "batch_size=1000", "optimizer=sgd", "optimizer.lr=1", "optimizer.momentum=0",
                   f"device.precision={precision}", *overrides)
    before = start(runs, "", [None] * 4, fused=True).group
    names = [name for name, _ in before.plain.named_parameters()]
    after = fitted(runs) if fused else [fitted([alone], fused=False)[0] for alone in runs]
    assert {kept.weights[name].dtype for kept in after for name in names} == {torch.float32}
    return [torch.cat([(before.weights(number)[name] - kept.weights[name]).double().flatten() for name in names])
            for number, kept in enumerate(after)]


def distance(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("overrides", [
    *([f"model={model}"] for model in MODELS if model not in (*OF_TOKENS, "resnet9")),
    ["model=mlp", "model.norm=batch"], ["model=cnn", "model.norm=none"],
    ["model=mlp", "model.norm=layer"]], ids=" ".join)
def test_member_in_bfloat16_has_the_gradient_of_the_run_alone_and_of_float32_within_its_rounding(overrides):
    # Of one layer; it adds up over the eight of a residual network.
    rounding = torch.finfo(torch.bfloat16).eps * (2 if "model=resnet" in overrides else 1)
    fused, alone, exact = (gradients(precision, overrides, together) for precision, together in
                           (("bfloat16", True), ("bfloat16", False), ("float32", False)))
    for found, solo, right in zip(fused, alone, exact, strict=True):
        assert distance(found, solo) < rounding
        # It is rounded as the run alone is, no less and no more.
        assert rounding / 10 < distance(found, right) < 1.25 * distance(solo, right)
