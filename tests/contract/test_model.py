"""What every model of conf/model promises. B batch, K outputs."""

import contextlib
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from argument_values import alternatives
from part_files import annotations, code_and_arguments, make, option_names, parts
from small_runs import InMemory, session
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout
from dlx.core.random import keyed_global
from dlx.core.types import Arrays, Batch, TaskSpec
from dlx.engine.build import build_model, flops_per_step, meta_model
from dlx.engine.evaluate import dead_units, eval_mode
from dlx.engine.step import bind_noise, dropout_rates
from dlx.record.checkpoint import Checkpoint, decode, encode

SHAPES = [(10,), (30,), (1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 101)]
NAMES = option_names("model")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LOSSES = option_names("loss")


def spec_of(shape, num_outputs=10):
    return TaskSpec("classification", "image" if len(shape) == 3 else "table", shape, num_outputs,
                    tuple(map(str, range(num_outputs))))


def accepts(option, shape):
    try:
        with torch.device("meta"):
            make("model", option, input_shape=shape, num_outputs=3)
    except ConfigError:
        return False
    return True


ACCEPTED = [(option, shape) for option in NAMES for shape in SHAPES if accepts(option, shape)]
SMALLEST = {option: min((shape for name, shape in ACCEPTED if name == option), key=math.prod, default=None)
            for option in NAMES}
every_model = pytest.mark.parametrize("option", NAMES)
every_shape = pytest.mark.parametrize(("option", "shape"), ACCEPTED, ids=str)


def build(option, shape=None, seed=0, num_outputs=10, **changes):
    """A model with weights that follow from the seed, its dropout layers bound to a generator."""
    shape = SMALLEST[option] if shape is None else shape
    with keyed_global(seed, "init"):
        model = make("model", option, input_shape=shape, num_outputs=num_outputs, **changes)
    for noise in bind_noise(model, [dropout_rates(model)], torch.device("cpu")):
        noise.manual_seed(0)
    return model


def inputs(shape, num_rows=5, dtype=torch.float32, seed=0):
    return torch.randn(num_rows, *shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def parts_with(option, shape, *overrides):
    """Parts whose dataset has the shape."""
    targets = np.arange(60) % 10
    arrays = Arrays(inputs(shape, 60).numpy(), targets, np.arange(50, 60))
    made = replace(parts(*overrides), dataset=InMemory(spec_of(shape), arrays))
    code, arguments = code_and_arguments("model", option)
    return replace(made, model=partial(code, **arguments))


@pytest.mark.parametrize("option", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_model_maps_inputs_to_outputs_or_says_what_to_use_instead(option, shape):
    if not accepts(option, shape):
        with pytest.raises(ConfigError, match=rf"^model={option} .*use model=\w+"):
            build(option, shape)
        return
    model = build(option, shape)
    assert model(inputs(shape)).shape == (5, 10)
    assert model.eval()(inputs(shape, 1)).shape == (1, 10)
    assert build(option, shape, num_outputs=1).eval()(inputs(shape, 1)).shape == (1, 1)


def test_model_accepts_one_of_the_shapes_at_least():
    assert [option for option, shape in SMALLEST.items() if shape is None] == []


@every_shape
def test_model_on_the_meta_device_allocates_nothing_and_has_the_same_shapes(option, shape):
    made = parts_with(option, shape)
    before = torch.get_rng_state()
    meta = meta_model(made, made.dataset.spec())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in meta.state_dict().values())
    real = build(option, shape)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in meta.state_dict().items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in real.state_dict().items()}
    assert meta(torch.empty(5, *shape, device="meta")).shape == (5, 10)


@every_shape
def test_model_work_of_a_step_is_counted_and_grows_with_the_batch(option, shape):
    model, spec = build(option, shape), spec_of(shape)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one, two = (flops_per_step(model, spec, size) for size in (8, 16))
    assert 0 < one < math.inf
    assert two == 2 * one
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@every_model
def test_model_initial_weights_are_a_function_of_the_seed_alone(option):
    made = parts_with(option, SMALLEST[option])
    weights = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        seeded = replace(made, settings=replace(made.settings, seed=seed))
        weights.append(build_model(seeded, made.dataset.spec()).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    same, other = ([name for name in weights[0] if torch.equal(weights[0][name], later[name])] for later in weights[1:])
    assert same == list(weights[0])
    assert len(other) < len(weights[0])


@every_model
def test_model_initial_weights_are_the_same_bits_in_float64(option):
    made = parts_with(option, SMALLEST[option])
    single, double = (session(replace(made, device=make("device", "cpu", precision=precision))).model
                      for precision in ("float32", "float64"))
    for one, other in zip(single.state_dict().values(), double.state_dict().values(), strict=True):
        assert torch.equal(one.double(), other.double())
        assert other.dtype == (torch.float64 if other.is_floating_point() else other.dtype)


@every_shape
def test_model_gradient_reaches_every_parameter(option, shape):
    model = build(option, shape)
    model(inputs(shape)).logsumexp(dim=1).sum().backward()
    missing = [name for name, param in model.named_parameters() if param.grad is None or not param.grad.any()]
    # The bias before a normalization over the batch is cancelled by it.
    assert [name for name in missing if not name.endswith("bias")] == []
    assert [name for name, param in model.named_parameters() if param.grad is None] == []


@every_shape
def test_model_eval_output_is_deterministic_and_changes_nothing(option, shape):
    model = build(option, shape).eval()
    x, before = inputs(shape), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(1)
    first = model(x)
    torch.manual_seed(2)
    assert torch.equal(model(x), first)
    assert torch.equal(x, inputs(shape))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@every_shape
def test_model_eval_output_of_a_row_does_not_depend_on_the_other_rows(option, shape):
    model = build(option, shape).double().eval()
    x, others = inputs(shape, dtype=torch.float64), inputs(shape, dtype=torch.float64, seed=1) * 100
    others[2] = x[2]
    together = model(x)
    torch.testing.assert_close(model(others)[2], together[2], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(x[2:3])[0], together[2], rtol=1e-12, atol=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(model(x[order]), together[order], rtol=1e-12, atol=1e-12)


@every_model
def test_model_training_mode_differs_by_dropout_and_batch_normalization_alone(option):
    model, shape = build(option), SMALLEST[option]
    expected = model.eval()(inputs(shape))
    model.train()
    for module in model.modules():
        if isinstance(module, (Dropout, *BATCH_NORMS)):
            module.eval()
    assert torch.equal(model(inputs(shape)), expected)


@every_model
def test_model_draws_dropout_from_the_engine_alone(option):
    model = build(option)
    assert [name for name, module in model.named_modules() if isinstance(module, nn.modules.dropout._DropoutNd)] == []
    outputs = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        for noise in bind_noise(model, [dropout_rates(model)], torch.device("cpu")):
            noise.manual_seed(5)
        outputs.append(model(inputs(SMALLEST[option])))
    assert torch.equal(*outputs)


@every_model
def test_model_sees_every_input(option):
    model, shape = build(option).double().eval(), SMALLEST[option]
    x = inputs(shape, 3, torch.float64).requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad.abs().sum(dim=0) > 0).all()


@every_model
def test_model_survives_a_checkpoint_bit_for_bit(option):
    model, shape = build(option), SMALLEST[option]
    model(inputs(shape))
    saved = decode(encode(Checkpoint(model.state_dict(), {})), "memory").tensors
    other = build(option, seed=1)
    assert not torch.equal(other.eval()(inputs(shape)), model.eval()(inputs(shape)))
    other.load_state_dict(saved)
    assert torch.equal(other(inputs(shape)), model(inputs(shape)))
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in other.state_dict().items())


@every_model
def test_model_biases_and_scales_of_norms_have_one_axis(option):
    # Penalties on weights tell them from biases and scales by their axes.
    model = build(option, **({"norm": "batch"} if "norm" in code_and_arguments("model", option)[1] else {}))
    norms = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
    scales = {id(param) for module in model.modules() if isinstance(module, norms) for param in module.parameters()}
    assert [name for name, param in model.named_parameters()
            if param.ndim > 1 and (name.endswith("bias") or id(param) in scales)] == []


@every_model
def test_model_dead_units_are_watched(option):
    model, shape = build(option), SMALLEST[option]
    with dead_units(model, 1) as dead, eval_mode(model), torch.inference_mode():
        model(inputs(shape, 64))
    if any(isinstance(module, nn.ReLU) for module in model.modules()):
        assert 0 <= dead[0].item() < 1
    else:
        assert dead == []


@every_model
def test_model_in_float64_agrees_with_float32(option):
    single, shape = build(option).eval(), SMALLEST[option]
    double = build(option).double().eval()
    out = double(inputs(shape, dtype=torch.float64))
    assert out.dtype == torch.float64
    torch.testing.assert_close(single(inputs(shape, dtype=torch.float64).float()).double(), out, rtol=1e-4, atol=1e-5)


def variants(option, name):
    """Models that differ from the default in one argument: every choice of a list of words, two of numbers."""
    code, arguments = code_and_arguments("model", option)
    found = []
    for value in dict.fromkeys(alternatives(annotations(code)[name], arguments[name])):
        if isinstance(value, int) and value > 300:
            continue
        # Some values need another argument to change too.
        with contextlib.suppress(ConfigError):
            found.append((value, build(option, **{name: value})))
    return found if isinstance(arguments[name], str) else found[:2]


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in NAMES
                                              for name in code_and_arguments("model", option)[1]])
def test_model_argument_has_an_effect_and_trains(option, name):
    default, x, targets = build(option), inputs(SMALLEST[option], 8), torch.arange(8) % 10
    changed_models = variants(option, name)
    assert changed_models
    for value, changed in changed_models:
        structures = [[(key, tensor.shape) for key, tensor in model.state_dict().items()]
                      for model in (default, changed)]
        if structures[0] == structures[1]:
            assert not torch.equal(default.train()(x), changed.train()(x)), value
        optimizer = torch.optim.SGD(changed.parameters(), lr=0.01)
        loss = nn.functional.cross_entropy(changed(x), targets)
        loss.backward()
        optimizer.step()
        assert loss.isfinite(), value
        assert all(param.isfinite().all() for param in changed.parameters()), value
        assert any(param.grad.any() for param in changed.parameters()), value


def floor_of(loss, targets, num_outputs):
    """The least mean loss that any outputs at all reach on the targets."""
    outputs = torch.zeros(len(targets), num_outputs, requires_grad=True)
    optimizer = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        value = loss(outputs, targets).mean()
        value.backward()
        optimizer.step()
    return value.item()


@pytest.mark.parametrize("loss_name", LOSSES)
@every_model
def test_model_overfits_one_batch(option, loss_name):
    loss, num_rows = make("loss", loss_name), 8
    classes = "classification" in loss.kinds
    num_outputs = 4 if classes else 1
    targets = torch.arange(num_rows) % 4 if classes else torch.linspace(-1, 1, num_rows)
    model, x = build(option, num_outputs=num_outputs), inputs(SMALLEST[option], num_rows)
    goal = floor_of(loss, targets, num_outputs) + 0.01
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(600):
        optimizer.zero_grad()
        value = loss(model(x), targets).mean()
        value.backward()
        optimizer.step()
        if value.item() < goal:
            break
    assert value.item() < goal


@every_model
def test_model_trains_in_the_engine_step(option):
    built = session(parts_with(option, SMALLEST[option], "optimizer=sgd", "optimizer.lr=0.05"))
    before = {name: param.clone() for name, param in built.model.named_parameters()}
    batch = Batch(inputs(SMALLEST[option], 8), torch.arange(8) % 10, torch.arange(8))
    losses = [built.step(batch, number, 0.05)[0].item() for number in range(20)]
    assert losses[-1] < losses[0]
    assert [name for name, param in built.model.named_parameters()
            if torch.equal(param, before[name]) and not name.endswith("bias")] == []
