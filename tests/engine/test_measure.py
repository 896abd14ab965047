"""The one evaluation: chunks, splits, modes, dead units. N examples."""

import math

import numpy as np
import pytest
import torch
from part_files import make, parts
from small_runs import InMemory, digits, session, table
from torch import nn

from dlx.core.types import Arrays, Split, TaskSpec
from dlx.engine.evaluate import CHUNK_ELEMENTS, dead_units, outputs_of
from dlx.engine.feed import feed
from dlx.engine.history import streamed
from dlx.engine.modes import eval_mode


def large_images(num_rows=26, side=300):
    """Images so large that a few fill a chunk."""
    draw = np.random.default_rng(0)
    spec = TaskSpec("classification", "image", (1, side, side), 3, ("a", "b", "c"))
    inputs = draw.normal(size=(num_rows, 1, side, side)).astype(np.float32)
    return InMemory(spec, Arrays(inputs, np.arange(num_rows) % 3, np.arange(num_rows - 4, num_rows)))


CASES = {
    "classification": (("model.norm=batch", "model.dropout_rate=0.5"), digits(160, own_test=True)),
    "regression": (("dataset=diabetes", "model.norm=layer"), table("regression", own_test=True)),
    "large": (("model=linear", "metric=[accuracy,nll]", "split.val_fraction=0.4"), large_images()),
}


@pytest.fixture(params=CASES)
def built(request):
    overrides, data = CASES[request.param]
    return session(parts(*overrides), data)


def all_at_once(built, split):
    """Loss and metrics of every example in one forward pass and float64 sums."""
    with torch.inference_mode():
        outputs = built.model.eval()(split.inputs)
    built.model.train()
    losses = built.parts.loss(outputs, split.targets)
    own, truth = outputs, split.targets
    if built.data.spec.kind == "regression":
        own, truth = (values * built.data.target_scale + built.data.target_shift for values in (outputs[:, 0], truth))
    values = {"loss": losses.double().mean().item()}
    for name, metric in streamed(built.parts.metrics).items():
        values[name] = metric.from_mean(metric.per_example(own, truth).double().mean().item())
    return values


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_measure_equals_the_mean_over_all_examples(built, name):
    split = built.data.splits[name]
    found = built.measure(split)
    assert list(found) == ["loss", *streamed(built.parts.metrics)]
    assert found == pytest.approx(all_at_once(built, split), rel=1e-6)


def test_measure_of_several_chunks_and_a_short_last_one_weights_every_example_alike():
    overrides, data = CASES["large"]
    built = session(parts(*overrides), data)
    split, per_chunk = built.data.splits["train"], CHUNK_ELEMENTS // 300**2
    chunks = [len(targets) for _, targets, _ in outputs_of(built.evaluator, feed([split]))]
    rest = len(split.targets) % per_chunk
    assert 0 < rest < per_chunk
    assert chunks == [per_chunk] * (len(split.targets) // per_chunk) + [rest]
    assert built.measure(split) == pytest.approx(all_at_once(built, split), rel=1e-6)


def test_measure_of_an_example_larger_than_a_chunk_takes_one_at_a_time():
    data = large_images(10, 1100)
    built = session(parts("model=linear", "metric=[accuracy]", "split.val_fraction=0.4"), data)
    assert CHUNK_ELEMENTS < 1100**2
    assert [len(targets) for _, targets, _ in outputs_of(built.evaluator, feed([built.data.splits["val"]]))] == [1, 1]


def test_measure_of_examples_is_the_weighted_mean_of_measures_of_parts(built):
    split = built.data.splits["train"]
    cut = len(split.ids) // 3
    pieces = [Split(*(tensor[rows] for tensor in split)) for rows in (slice(cut), slice(cut, None))]
    losses = [built.measure(piece)["loss"] * len(piece.ids) for piece in pieces]
    assert built.measure(split)["loss"] == pytest.approx(sum(losses) / len(split.ids), rel=1e-6)


def test_measure_of_train_rows_is_the_same_whichever_split_they_are_called(built):
    train = built.data.splits["train"]
    as_val = Split(*(tensor.clone() for tensor in train))
    assert built.measure(train) == built.measure(as_val)
    one, other = built.predict(train), built.predict(as_val)
    assert one.losses.tobytes() == other.losses.tobytes()
    assert one.outcome.scores.tobytes() == other.outcome.scores.tobytes()


def test_measure_ignores_the_order_of_examples(built):
    split = built.data.splits["train"]
    order = torch.randperm(len(split.ids), generator=torch.Generator().manual_seed(0))
    shuffled = Split(*(tensor[order] for tensor in split))
    assert built.measure(shuffled) == pytest.approx(built.measure(split), rel=1e-6)


def test_measure_and_predict_change_neither_weights_nor_mode_nor_randomness(built):
    before = {name: tensor.clone() for name, tensor in built.model.state_dict().items()}
    state = torch.get_rng_state()
    for training in (True, False):
        built.model.train(training)
        first = built.measure(built.data.splits["val"])
        built.predict(built.data.splits["val"])
        assert built.measure(built.data.splits["val"]) == first
        assert built.model.training is training
        assert all(module.training is training for module in built.model.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in built.model.state_dict().items())


def test_measure_is_in_eval_mode_whatever_the_mode_of_the_model(built):
    split, found = built.data.splits["val"], []
    for training in (True, False):
        built.model.train(training)
        found.append(built.measure(split))
    assert found[0] == found[1]


def test_predict_agrees_with_measure_and_has_probabilities(built):
    split = built.data.splits["val"]
    examples, measured = built.predict(split), built.measure(split)
    assert examples.losses.shape == (len(split.ids),)
    assert examples.losses.dtype == examples.outcome.scores.dtype == np.float64
    assert examples.losses.mean() == pytest.approx(measured["loss"], rel=1e-6)
    for name in streamed(built.parts.metrics):
        assert built.parts.metrics[name].value(examples.outcome) == pytest.approx(measured[name], rel=1e-5)
    if built.data.spec.kind == "classification":
        np.testing.assert_allclose(examples.outcome.scores.sum(axis=1), 1, rtol=1e-12)
        assert examples.outcome.targets.tolist() == split.targets.tolist()
    else:
        assert examples.outcome.scores.shape == (len(split.ids),)


def test_measure_in_bfloat16_is_exact_for_the_outputs_that_the_model_gave():
    built = session(parts("device.precision=bfloat16"), digits(160, own_test=True))
    with torch.no_grad():
        for param in built.model.parameters():
            param.mul_(3)
    split = built.data.splits["train"]
    with torch.inference_mode(), eval_mode(built.model), built.placement.precision():
        outputs = built.model(split.inputs)
    assert outputs.dtype == torch.bfloat16
    expected = nn.functional.cross_entropy(outputs.double(), split.targets).item()
    assert built.measure(split)["loss"] == pytest.approx(expected, rel=1e-5)
    assert built.measure(split)["nll"] == pytest.approx(expected, rel=1e-5)


def test_eval_mode_is_left_after_an_error_and_may_be_nested():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    with pytest.raises(ZeroDivisionError), eval_mode(model):
        raise ZeroDivisionError
    assert all(module.training for module in model.modules())
    with eval_mode(model):
        with eval_mode(model):
            assert not model.training
        assert not any(module.training for module in model.modules())
    assert model.training


def dead_share(model, inputs):
    with dead_units(model, 1) as dead, eval_mode(model), torch.inference_mode():
        for chunk in inputs.split(7):
            model(chunk)
    return None if not dead else dead[0].item()


def hidden_bias(model, values):
    linear = next(module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d))
    with torch.no_grad():
        linear.bias.copy_(torch.tensor(values, dtype=linear.bias.dtype).expand_as(linear.bias))
    return model


@pytest.mark.parametrize("option", ["mlp", "cnn"])
def test_dead_units_are_those_with_a_bias_that_nothing_overcomes(option):
    inputs = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    changes = {"norm": "none"} if option == "cnn" else {}
    model = make("model", option, input_shape=(1, 8, 8), num_outputs=3, width=8, depth=1, **changes)
    assert dead_share(hidden_bias(model, -1e6), inputs) == 1
    assert dead_share(hidden_bias(model, 1e6), inputs) == 0
    assert dead_share(hidden_bias(model, [-1e6, -1e6, -1e6, 1e6, 1e6, 1e6, 1e6, 1e6]), inputs) == 3 / 8


def test_dead_units_of_all_layers_are_counted_together():
    model = make("model", "mlp", input_shape=(64,), num_outputs=3, width=8, depth=3)
    for number, layer in enumerate(module for module in model.modules() if isinstance(module, nn.Linear)):
        with torch.no_grad():
            layer.weight.fill_(0)
            layer.bias.copy_(torch.ones_like(layer.bias))
            layer.bias[:number] = -1
    # None of the first, one of the second and two of the third layer.
    assert dead_share(model, torch.rand(20, 64)) == 3 / 24


def test_dead_units_are_alive_where_one_example_of_any_chunk_reaches_them():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [0.0]]))
        model[0].bias.copy_(torch.tensor([-10.0, 0.0]))
    inputs = torch.zeros(30, 1)
    assert dead_share(model, inputs) == 1
    inputs[17] = 10.5
    assert dead_share(model, inputs) == 1 / 2


def test_dead_units_of_a_model_without_relu_are_none_and_hooks_are_gone():
    model = make("model", "mlp", input_shape=(4,), num_outputs=3, activation="tanh")
    assert dead_share(model, torch.rand(9, 4)) is None
    with_relu = make("model", "mlp", input_shape=(4,), num_outputs=3)
    dead_share(with_relu, torch.rand(9, 4))
    assert not any(module._forward_hooks for module in with_relu.modules())


def test_measure_of_undefined_numbers_says_so_and_does_not_raise():
    built = session(parts(), digits(100, own_test=True))
    with torch.no_grad():
        next(built.model.parameters()).fill_(math.nan)
    assert math.isnan(built.measure(built.data.splits["val"])["loss"])


def test_measure_does_not_depend_on_batch_size():
    sessions = [session(parts(f"batch_size={size}"), digits(100)) for size in (1, 7, 64)]
    values = [built.measure(built.data.splits["val"]) for built in sessions]
    assert values[0] == values[1] == values[2]
