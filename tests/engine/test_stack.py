"""Any model of a user's in a fused run: lowered, mapped, or refused with a reason. R members, B batch, L tokens."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from member_runs import assert_close, assert_equals_solo, assert_same_folder, fitted, one, trained
from part_files import make
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout
from dlx.core.random import keyed_global
from dlx.engine.stack import problem, stack
from dlx.engine.start import start

INPUTS = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class RawParameters(nn.Module):
    """Weights of its own, used in forward, around a layer, a ReLU and dropout."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.first = nn.Parameter(torch.randn(64, 9) / 8)
        self.gain = nn.Parameter(torch.rand(()))
        self.relu = nn.ReLU()
        self.dropout = Dropout(0.3)
        self.head = nn.Linear(9, num_outputs)

    def forward(self, x):
        return self.head(self.dropout(self.relu(x.flatten(1) @ self.first) * self.gain))


class ClassToken(nn.Module):
    """A small transformer over rows of the image, with a class token."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 9, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, num_outputs)

    def forward(self, x):
        tokens = torch.cat([self.token.expand(len(x), 1, 8), x[:, 0]], dim=1) + self.place
        tokens = self.norm(tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0])
        return self.head(tokens[:, 0])


class Attention(nn.Module):
    """Attention as a layer among others, which is mapped by itself."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.dropout = Dropout(0.2)
        self.head = nn.Linear(8, num_outputs)

    def forward(self, x):
        rows = x[:, 0]
        return self.head(self.dropout(self.attention(rows, rows, rows, need_weights=False)[0]).mean(dim=1))


class Tied(nn.Module):
    """One weight, twice: down and up again."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.down = nn.Linear(64, 6)
        self.up = nn.Linear(6, 64)
        self.down.weight = nn.Parameter(torch.randn(6, 64) / 8)
        self.middle = nn.Linear(64, 64)
        self.again = nn.Linear(64, 64)
        self.again.weight = self.middle.weight
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        return self.head(self.again(self.middle(self.up(self.down(x.flatten(1))).tanh()).tanh()))


class Embedded(nn.Module):
    """Pixels as words."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.head = nn.Linear(256, num_outputs)

    def forward(self, x):
        return self.head(self.words(x.flatten(1).round().clamp(-2, 2).long() + 2).flatten(1))


class Frozen(nn.Module):
    """A layer that is not trained, before one that is."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.fixed = nn.Linear(64, 7).requires_grad_(False)
        self.norm = nn.BatchNorm1d(7)
        self.head = nn.Linear(7, num_outputs)

    def forward(self, x):
        return self.head(self.norm(self.fixed(x.flatten(1)).relu()))


class RandomFeatures(nn.Module):
    """Features that are drawn and not saved: a buffer that is no part of the weights."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.register_buffer("features", torch.randn(64, 12) / 8, persistent=False)
        self.head = nn.Linear(12, num_outputs)

    def forward(self, x):
        return self.head(torch.cos(x.flatten(1) @ self._features(x)))

    def _features(self, x):
        return self.features


class RandomLayer(nn.Module):
    """The same, as a layer."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), _Projection(), nn.ReLU(), nn.Linear(12, num_outputs))

    def forward(self, x):
        return self.body(x)


class _Projection(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("features", torch.randn(64, 12) / 8, persistent=False)

    def forward(self, x):
        return x @ self.features


class OwnNorm(nn.BatchNorm1d):
    """A batch normalization of another type: it is mapped, and its statistics move in place."""


class WithOwnNorm(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), OwnNorm(6), nn.ReLU(), nn.Linear(6, num_outputs))

    def forward(self, x):
        return self.body(x)


class Convolutions(nn.Module):
    """Strides, groups, dilation, no bias, one axis; normalizations of each kind."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.GroupNorm(2, 4), nn.ReLU(),
            nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2, bias=False), nn.BatchNorm2d(8), nn.GELU(),
            nn.Flatten(2), nn.Conv1d(8, 5, 3), nn.LayerNorm(14), nn.Flatten(), Dropout(0.2))
        self.head = nn.Linear(70, num_outputs)

    def forward(self, x):
        return self.head(self.body(x))


class Reflected(nn.Module):
    """A padding that is not zeros, which is mapped."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(192, num_outputs)

    def forward(self, x):
        return self.head(self.body(x))


class OtherNorms(nn.Module):
    """Normalization with a growing average, without weights, and over the root of the mean square."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6, momentum=None),
                                  nn.BatchNorm1d(6, affine=False), nn.LayerNorm(6, elementwise_affine=False),
                                  nn.RMSNorm(6), nn.PReLU(), nn.Linear(6, num_outputs))

    def forward(self, x):
        return self.body(x)


class Recurrent(nn.Module):
    """Rows of pixels, one after the other."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, num_outputs)

    def forward(self, x):
        return self.head(self.lstm(x[:, 0])[0][:, -1])


class Packed(nn.Module):
    """Rows of pixels up to the first that is empty, packed, in both directions, from a first state that is learnt."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.gru = nn.GRU(8, 6, num_layers=2, bidirectional=True)
        self.start = nn.Linear(8, 24)
        self.head = nn.Linear(24, num_outputs)

    def forward(self, x):
        rows = x[:, 0]
        lengths = (rows.abs().sum(dim=2) > 0).sum(dim=1).clamp(min=1)
        packed = pack_padded_sequence(rows.transpose(0, 1), lengths.cpu(), enforce_sorted=False)
        state = self.start(rows[:, 0]).unflatten(1, (4, 6)).transpose(0, 1)
        outputs, last = self.gru(packed, state.contiguous())
        mean = pad_packed_sequence(outputs, total_length=8)[0].mean(dim=0)
        return self.head(torch.cat([mean, last[0], last[3]], dim=1))


ALLOWED = [RawParameters, ClassToken, Attention, Tied, Embedded, Frozen, RandomFeatures, RandomLayer, WithOwnNorm,
           Convolutions, Reflected, OtherNorms, Recurrent, Packed]


class TorchDropout(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, num_outputs))

    def forward(self, x):
        return self.body(x)


class RecurrentDropout(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(6, num_outputs)

    def forward(self, x):
        return self.head(self.lstm(x[:, 0])[0][:, -1])


class FunctionalDropout(nn.Module):
    """Draws from the global generator, in training alone."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        return self.head(nn.functional.dropout(x.flatten(1), 0.5, self.training))


class Mixing(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        rows = x.flatten(1)
        return self.head(rows - rows.mean(dim=0))


class MixingInTraining(Mixing):
    def forward(self, x):
        return super().forward(x) if self.training else self.head(x.flatten(1))


class TokensFirst(nn.Module):
    """Dropout where the first axis is not that of examples."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.dropout = Dropout(0.5)
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        return self.head(self.dropout(x[:, 0].transpose(0, 1)).transpose(0, 1).flatten(1))


class Assigning(nn.Module):
    """Assigns its statistic anew instead of changing it in place, so that mapping would lose it."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.register_buffer("average", torch.zeros(64))
        self.gain = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        rows = x.flatten(1)
        if self.training:
            self.average = 0.9 * self.average + 0.1 * rows.mean(dim=0)
        return self.head(self.gain * (rows - self.average))


class Branching(nn.Module):
    """Control flow that depends on values."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        return self.head(x.flatten(1)) * (self.gain if self.gain.sum() > 0 else 1.0)


class Demanding(nn.Module):
    """Says what it wants of its inputs."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        assert len(x) <= 7, "at most 7 at once"
        return self.head(x.flatten(1))


REFUSED = {TorchDropout: "Dropout of torch draws from the global generator; dlx.core.layers.Dropout is keyed",
           FunctionalDropout: "does it mix examples", Mixing: "does it mix examples", MixingInTraining: "does it mix",
           TokensFirst: "TokensFirst", Assigning: "Assigning computes something else",
           RecurrentDropout: "LSTM of torch draws", Branching: "Branching cannot be stacked",
           Demanding: "Demanding cannot be stacked: at most 7 at once"}


def runs_of(model, count=3, *overrides, **changes):
    """Runs of a user's model that differ in seed and lr."""
    runs = [one("epochs=3", f"seed={seed}", f"optimizer.lr={0.01 / (seed + 1)}", *overrides) for seed in range(count)]
    return [(replace(parts, model=model, **changes), config) for parts, config in runs]


def made(model, count=2):
    models = []
    for seed in range(count):
        with keyed_global(seed, "init"):
            models.append(model(input_shape=(1, 8, 8), num_outputs=10))
    return models


@pytest.mark.parametrize("model", ALLOWED)
def test_stack_of_a_users_model_trains_each_member_as_alone(model):
    assert problem(made(model), INPUTS) is None
    assert_equals_solo(runs_of(model))


@pytest.mark.parametrize("model", ALLOWED)
def test_stack_of_a_users_model_goes_on_as_members_leave(model):
    overrides = ("regularizer=[early_stopping]", "regularizer.early_stopping.min_delta=9")
    runs = [described for patience in (9, 1) for described in runs_of(
        model, 1, *overrides, f"regularizer.early_stopping.patience={patience}", f"split.seed={patience}")]
    kept = assert_equals_solo(runs)
    assert [len(own.rows) for own in kept] == [3, 2]


@pytest.mark.parametrize("model", ALLOWED)
def test_stack_changes_no_model(model):
    models = made(model, 3)
    before = [{name: tensor.clone() for name, tensor in own.state_dict().items()} for own in models]
    stacked = stack(models)
    for name, tensor in stacked.state_dict().items():
        assert torch.equal(tensor, torch.stack([own[name] for own in before]))
    assert problem(models, INPUTS) is None
    for own, state in zip(models, before, strict=True):
        assert_close(own.state_dict(), state, 0.0, "model")
        assert own.training


@pytest.mark.parametrize("model", REFUSED, ids=lambda model: model.__name__)
def test_stack_that_would_compute_something_else_is_refused_with_a_reason(model):
    found = problem(made(model, 3), INPUTS)
    assert found is not None
    assert REFUSED[model] in found
    with pytest.raises(ConfigError, match="these runs cannot train together: "):
        start(runs_of(model), "", [None] * 3, fused=True)


@pytest.mark.parametrize("model", [RandomFeatures, RandomLayer, Frozen, WithOwnNorm])
def test_stack_is_measured_at_the_end_as_alone(model, tmp_path):
    for number, path in enumerate(trained(runs_of(model), tmp_path / "together")):
        (alone,) = trained(runs_of(model)[number : number + 1], tmp_path / str(number))
        assert_same_folder(path, alone)


def test_stack_of_models_that_differ_in_what_is_no_tensor_is_refused():
    class Tempered(nn.Module):
        def __init__(self, temperature):
            super().__init__()
            self.temperature = temperature
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            return self.head(x.flatten(1)) / self.temperature

    assert problem([Tempered(2.0), Tempered(2.0), Tempered(2.0)], INPUTS) is None
    assert problem([Tempered(2.0), Tempered(1.0), Tempered(2.0)], INPUTS) is not None


def test_problem_leaves_global_randomness_alone():
    state = torch.get_rng_state()
    for model in (*ALLOWED, *REFUSED):
        problem(made(model), INPUTS)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("form", ["loop", "grouped"])
@pytest.mark.parametrize("model", [Convolutions, partial(make, "model", "cnn", width=4, depth=2)])
@pytest.mark.parametrize("training", [True, False])
def test_stack_convolves_in_both_forms_as_alone(form, model, training):
    models = [own.double().train(training) for own in made(model, 3)]
    for module in (module for own in models for module in own.modules() if isinstance(module, Dropout)):
        module.rate = 0.0
    inputs = torch.randn(15, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    stacked = stack(models, form)
    outputs = stacked(inputs)
    outputs.square().sum().backward()
    for number, (own, batch) in enumerate(zip(models, inputs.chunk(3), strict=True)):
        expected = own(batch)
        expected.square().sum().backward()
        torch.testing.assert_close(outputs.chunk(3)[number], expected, rtol=1e-10, atol=1e-10)
        together = dict(stacked.named_parameters())
        for name, param in own.named_parameters():
            torch.testing.assert_close(together[name].grad[number], param.grad, rtol=1e-9, atol=1e-9)
        for name, buffer in own.named_buffers():
            torch.testing.assert_close(dict(stacked.named_buffers())[name][number], buffer)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 0}, {"scale_grad_by_freq": True}], ids=str)
@pytest.mark.parametrize("shape", [(4,), (4, 6), (4, 2, 3)])
def test_stack_looks_tokens_up_in_the_table_of_each_member(shape, options):
    draw = torch.Generator().manual_seed(0)
    tables = [nn.Embedding(7, 5, **options).double() for _ in range(3)]
    tokens = torch.randint(7, (3 * shape[0], *shape[1:]), generator=draw)
    scale = torch.randn(3 * shape[0], *shape[1:], 5, generator=draw, dtype=torch.float64)
    stacked = stack(tables)
    (stacked(tokens) * scale).sum().backward()
    for number, (own, own_tokens, own_scale) in enumerate(zip(tables, tokens.chunk(3), scale.chunk(3), strict=True)):
        expected = own(own_tokens)
        assert torch.equal(stacked(tokens).chunk(3)[number], expected)
        (expected * own_scale).sum().backward()
        torch.testing.assert_close(stacked.weight.grad[number], own.weight.grad, rtol=1e-12, atol=1e-12)


LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU, "relu": partial(nn.RNN, nonlinearity="relu"),
          "projected": partial(nn.LSTM, proj_size=2)}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_stack_computes_recurrent_layers_as_alone(name, options, packed):
    draw = torch.Generator().manual_seed(0)
    layers = [LAYERS[name](3, 4, **options).double() for _ in range(3)]
    stacked = stack(layers)
    rows = [torch.randn(length, 3, dtype=torch.float64, generator=draw) for length in (5, 2, 5, 1, 3, 5)]
    # A sequence that is one of equals is found again in its place.
    joined = (lambda some: pack_sequence(some, enforce_sorted=False)) if packed else (
        lambda some: torch.stack([row[:1] for row in some], dim=1))
    together, states = stacked(joined(rows))
    flat = together.data if packed else together
    flat.square().sum().backward()
    outputs = pad_packed_sequence(together, total_length=5)[0] if packed else together
    for number, layer in enumerate(layers):
        given = joined(rows[2 * number : 2 * number + 2])
        found, expected_states = layer(given)
        (found.data if packed else found).square().sum().backward()
        expected = pad_packed_sequence(found, total_length=5)[0] if packed else found
        assert torch.equal(outputs.chunk(3, 1)[number], expected)
        for own, whole in zip(*(values if isinstance(values, tuple) else [values]
                                for values in (expected_states, states)), strict=True):
            assert torch.equal(whole.chunk(3, 1)[number], own)
        for param_name, param in layer.named_parameters():
            torch.testing.assert_close(getattr(stacked, param_name).grad[number], param.grad, rtol=1e-12, atol=1e-12)
    if packed:
        # Whoever goes on with the data of a packed sequence finds each step where it was.
        inputs = joined(rows)
        assert torch.equal(together.batch_sizes, inputs.batch_sizes)
        assert torch.equal(together.sorted_indices, inputs.sorted_indices)


@pytest.mark.parametrize("model", [RawParameters, WithOwnNorm])
def test_stack_counts_dead_units_of_each_member(model):
    kept = fitted(runs_of(model))
    alone = [fitted([described], fused=False)[0] for described in runs_of(model)]
    assert [own.rows[-1]["dead_fraction"] for own in kept] == [own.rows[-1]["dead_fraction"] for own in alone]
    assert kept[0].rows[-1]["dead_fraction"] is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(16, 6), (5, 3), (64, 33), (64, 32), (16, 3, 1, 1), (7, 5, 3, 3)])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_stack_normalizes_to_bits_that_do_not_depend_on_the_number_of_members(count, shape, dtype):
    layers = [(nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1]).to(dtype) for _ in range(count)]
    draw = torch.Generator().manual_seed(0)
    inputs, gradient = (torch.randn(count * shape[0], *shape[1:], dtype=dtype, generator=draw) for _ in range(2))

    def results(members, x, upstream):
        stacked, x = stack(members), x.clone().requires_grad_()
        stacked(x).backward(upstream)
        return [x.grad.unflatten(0, (len(members), -1)), stacked.weight.grad, stacked.bias.grad, stacked.running_mean,
                stacked.running_var]

    together = results(layers, inputs, gradient)
    for number, (layer, x, upstream) in enumerate(zip(layers, inputs.chunk(count), gradient.chunk(count), strict=True)):
        for found, expected in zip(together, results([layer], x, upstream), strict=True):
            assert torch.equal(found[number], expected[0])
