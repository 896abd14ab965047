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
from dlx.core.head import head_tensors
from dlx.core.layers import Dropout
from dlx.core.random import keyed_global
from dlx.core.types import PADDING, Arrays, Batch, TaskSpec
from dlx.engine.build import build_model, flops_per_step, made_for, meta_model
from dlx.engine.evaluate import dead_units
from dlx.engine.modes import eval_mode
from dlx.engine.step import bind_noise, dropout_rates
from dlx.record.checkpoint import Checkpoint, decode, encode

NAMES = option_names("model")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CLASSES = tuple(map(str, range(10)))
# Values of arguments that are any text.
WORDS = {"architecture": ["shufflenet_v2_x0_5"]}


def spec_of(shape, num_outputs=10):
    layout = {1: "table", 2: "series", 3: "image"}[len(shape)]
    return TaskSpec("classification", layout, shape, num_outputs, CLASSES[:num_outputs])


SPECS = [
    *map(spec_of, [(10,), (30,), (7, 3), (1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 101)]),
    TaskSpec("classification", "tokens", (6,), 10, CLASSES, vocabulary_size=30),
    TaskSpec("classification", "tokens", (200,), 10, CLASSES, vocabulary_size=1000),
    TaskSpec("sequence", "tokens", (6,), 10, vocabulary_size=30),
    TaskSpec("sequence", "series", (7, 3), 10)]


def called(spec):
    return f"{spec.kind} {spec.layout} {spec.input_shape}"


def accepts(option, spec):
    try:
        with torch.device("meta"):
            made_for(with_defaults(option), spec)
    except ConfigError:
        return False
    return True


def with_defaults(option, **changes):
    code, arguments = code_and_arguments("model", option)
    return partial(code, **{**arguments, **changes})


ACCEPTED = [(option, spec) for option in NAMES for spec in SPECS if accepts(option, spec)]
SMALLEST = {option: min((spec for name, spec in ACCEPTED if name == option and spec.kind == "classification"),
                        key=lambda spec: math.prod(spec.input_shape), default=None) for option in NAMES}
# Arguments that matter for other inputs than the smallest that the model takes.
SHOWN_ON = {("transformer", "patch_size"): spec_of((1, 8, 8)),
            ("gpt", "tie_weights"): TaskSpec("sequence", "tokens", (6,), 10, vocabulary_size=10)}
every_model = pytest.mark.parametrize("option", NAMES)
every_spec = pytest.mark.parametrize(("option", "spec"), ACCEPTED,
                                     ids=lambda value: value if isinstance(value, str) else called(value))


def build(option, spec=None, seed=0, num_outputs=10, **changes):
    """A model with weights that follow from the seed, its dropout layers bound to a generator."""
    spec = replace(spec or SMALLEST[option], num_outputs=num_outputs)
    with keyed_global(seed, "init"):
        model = made_for(with_defaults(option, **changes), spec)
    for noise in bind_noise(model, [dropout_rates(model)], torch.device("cpu")):
        noise.manual_seed(0)
    return model


def inputs(spec, num_rows=5, dtype=torch.float32, seed=0, scale=1):
    """Random inputs; texts of tokens end early."""
    draw = torch.Generator().manual_seed(seed)
    if spec.layout != "tokens":
        return torch.randn(num_rows, *spec.input_shape, dtype=dtype, generator=draw) * scale
    tokens = torch.randint(1, spec.vocabulary_size, (num_rows, *spec.input_shape), generator=draw)
    ends = torch.randint(1, spec.input_shape[0], (num_rows, 1), generator=draw)
    return tokens.masked_fill(torch.arange(spec.input_shape[0]) > ends, PADDING)


def shape_of(spec, num_rows=5, num_outputs=10):
    return (num_rows, *(spec.input_shape[:1] if spec.kind == "sequence" else ()), num_outputs)


def parts_with(option, spec, *overrides):
    """Parts whose dataset is of the spec."""
    targets = np.arange(60) % 10
    if spec.kind == "sequence":
        targets = np.repeat(targets[:, None], spec.input_shape[0], axis=1)
    arrays = Arrays(inputs(spec, 60).numpy(), targets, np.arange(50, 60))
    made = replace(parts("preprocessing=[none]", *overrides), dataset=InMemory(spec, arrays))
    return replace(made, model=with_defaults(option))


@pytest.mark.parametrize("option", NAMES)
@pytest.mark.parametrize("spec", SPECS, ids=called)
def test_model_maps_inputs_to_outputs_or_says_what_to_use_instead(option, spec):
    if not accepts(option, spec):
        with pytest.raises(ConfigError, match=rf"^model={option} .*use model=\w+"):
            build(option, spec)
        return
    model = build(option, spec)
    assert model(inputs(spec)).shape == shape_of(spec)
    assert model.eval()(inputs(spec, 1)).shape == shape_of(spec, 1)
    assert build(option, spec, num_outputs=1).eval()(inputs(spec, 1)).shape == shape_of(spec, 1, 1)


def test_model_accepts_one_of_the_shapes_at_least():
    assert [option for option, spec in SMALLEST.items() if spec is None] == []


@every_spec
def test_model_on_the_meta_device_allocates_nothing_and_has_the_same_shapes(option, spec):
    made = parts_with(option, spec)
    before = torch.get_rng_state()
    meta = meta_model(made, made.dataset.spec())
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in meta.state_dict().values())
    real = build(option, spec)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in meta.state_dict().items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in real.state_dict().items()}
    assert meta(inputs(spec).to("meta")).shape == shape_of(spec)


@every_spec
def test_model_head_gives_the_outputs_and_depends_on_their_number_alone(option, spec):
    made = parts_with(option, spec)
    few, many = (meta_model(made, replace(spec, num_outputs=count)) for count in (2, 7))
    shapes = [{name: tensor.shape for name, tensor in model.state_dict().items()} for model in (few, many)]
    assert {name for name, shape in shapes[0].items() if shapes[1][name] != shape} <= head_tensors(few)
    assert {shapes[0][name][0] for name in head_tensors(few)} == {2}
    assert shapes[0].keys() - head_tensors(few) or option == "linear"


@every_spec
def test_model_work_of_a_step_is_counted_and_grows_with_the_batch(option, spec):
    model = build(option, spec)
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
        seeded = replace(made, settings=replace(made.settings, init_seed=seed))
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


@every_spec
def test_model_gradient_reaches_every_parameter(option, spec):
    model = build(option, spec)
    model(inputs(spec)).logsumexp(dim=-1).sum().backward()
    missing = [name for name, param in model.named_parameters() if param.grad is None or not param.grad.any()]
    # The bias before a normalization over the batch is cancelled by it.
    assert [name for name in missing if not name.endswith("bias")] == []
    assert [name for name, param in model.named_parameters() if param.grad is None] == []


@every_spec
def test_model_eval_output_is_deterministic_and_changes_nothing(option, spec):
    model = build(option, spec).eval()
    x, before = inputs(spec), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(1)
    first = model(x)
    torch.manual_seed(2)
    assert torch.equal(model(x), first)
    assert torch.equal(x, inputs(spec))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@every_spec
def test_model_eval_output_of_a_row_does_not_depend_on_the_other_rows(option, spec):
    model = build(option, spec).double().eval()
    x, others = inputs(spec, dtype=torch.float64), inputs(spec, dtype=torch.float64, seed=1, scale=100)
    others[2] = x[2]
    together = model(x)
    torch.testing.assert_close(model(others)[2], together[2], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(x[2:3])[0], together[2], rtol=1e-12, atol=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(model(x[order]), together[order], rtol=1e-12, atol=1e-12)


@every_model
def test_model_training_mode_differs_by_dropout_and_batch_normalization_alone(option):
    model, spec = build(option), SMALLEST[option]
    expected = model.eval()(inputs(spec))
    model.train()
    for module in model.modules():
        if isinstance(module, (Dropout, *BATCH_NORMS)):
            module.eval()
    assert torch.equal(model(inputs(spec)), expected)


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
    model, spec = build(option).double().eval(), SMALLEST[option]
    x = inputs(spec, 3, torch.float64)
    if spec.layout == "tokens":
        x = inputs(spec, 3).clamp(min=1)
        for place in range(spec.input_shape[0]):
            other = x.clone()
            other[:, place] = x[:, place] % (spec.vocabulary_size - 1) + 1
            assert (model(other) != model(x)).any(dim=1).all()
        return
    x.requires_grad_()
    model(x).square().sum().backward()
    assert (x.grad.abs().sum(dim=0) > 0).all()


@every_model
def test_model_survives_a_checkpoint_bit_for_bit(option):
    model, spec = build(option), SMALLEST[option]
    model(inputs(spec))
    saved = decode(encode(Checkpoint(model.state_dict(), {})), "memory").tensors
    other = build(option, seed=1)
    assert not torch.equal(other.eval()(inputs(spec)), model.eval()(inputs(spec)))
    other.load_state_dict(saved)
    assert torch.equal(other(inputs(spec)), model(inputs(spec)))
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
    model, spec = build(option), SMALLEST[option]
    with dead_units(model, 1) as dead, eval_mode(model), torch.inference_mode():
        model(inputs(spec, 64))
    if any(isinstance(module, nn.ReLU) for module in model.modules()):
        assert 0 <= dead[0].item() < 1
    else:
        assert dead == []


@every_model
def test_model_in_float64_agrees_with_float32(option):
    single, spec = build(option).eval(), SMALLEST[option]
    double = build(option).double().eval()
    x = inputs(spec, dtype=torch.float64)
    out = double(x)
    assert out.dtype == torch.float64
    torch.testing.assert_close(single(x.float() if x.is_floating_point() else x).double(), out, rtol=1e-4, atol=1e-5)


def variants(option, name, spec):
    """Models that differ from the default in one argument: every choice of a list of words, two of numbers."""
    code, arguments = code_and_arguments("model", option)
    found = []
    for value in dict.fromkeys([*WORDS.get(name, ()), *alternatives(annotations(code)[name], arguments[name])]):
        if isinstance(value, int) and value > 300:
            continue
        # Some values need another argument to change too.
        with contextlib.suppress(ConfigError):
            found.append((value, build(option, spec, **{name: value})))
    return found if isinstance(arguments[name], str) else found[:2]


@pytest.mark.parametrize(("option", "name"), [(option, name) for option in NAMES
                                              for name in code_and_arguments("model", option)[1]])
def test_model_argument_has_an_effect_and_trains(option, name):
    spec = SHOWN_ON.get((option, name), SMALLEST[option])
    default, x = build(option, spec), inputs(spec, 8)
    changed_models = variants(option, name, spec)
    assert changed_models
    for value, changed in changed_models:
        structures = [[(key, tensor.shape) for key, tensor in model.state_dict().items()]
                      for model in (default, changed)]
        if structures[0] == structures[1]:
            assert not torch.equal(default.train()(x), changed.train()(x)), value
        optimizer = torch.optim.SGD(changed.parameters(), lr=0.01)
        outputs = changed(x).flatten(0, -2)
        loss = nn.functional.cross_entropy(outputs, torch.arange(len(outputs)) % 10)
        loss.backward()
        optimizer.step()
        assert loss.isfinite(), value
        assert all(param.isfinite().all() for param in changed.parameters()), value
        assert any(param.grad.any() for param in changed.parameters()), value


@every_model
def test_model_trains_in_the_engine_step(option):
    built = session(parts_with(option, SMALLEST[option], "optimizer=sgd", "optimizer.lr=0.05"))
    before = {name: param.clone() for name, param in built.model.named_parameters()}
    batch = Batch(inputs(SMALLEST[option], 8), torch.arange(8) % 10, torch.arange(8))
    losses = [built.step(batch, number, 0.05)[0].item() for number in range(20)]
    assert losses[-1] < losses[0]
    assert [name for name, param in built.model.named_parameters()
            if torch.equal(param, before[name]) and not name.endswith("bias")] == []
