"""rnn, lstm and gru against torch's own multi-layer networks on packed sequences; padding, causality, counts.

B batch, L positions, D features, H units, C outputs.
"""

from itertools import product

import pytest
import torch
from part_files import make, parts
from torch import nn
from torch.nn import functional as f
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dlx.core.errors import ConfigError
from dlx.core.types import PADDING, TaskSpec
from dlx.engine.build import flops_per_step, made_for
from dlx.engine.outline import outline
from dlx.engine.stack import stack

TWINS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
LENGTHS = (6, 1, 4, 6, 2)
VOCABULARY, WIDTH, EMBEDDING, CLASSES = 9, 7, 5, 4
TOKENS = {"input_shape": (6,), "layout": "tokens", "vocabulary_size": VOCABULARY}
SERIES = {"input_shape": (6, 3), "layout": "series", "vocabulary_size": 0}
every_network = pytest.mark.parametrize("option", TWINS)
every_form = pytest.mark.parametrize(("depth", "bidirectional"), list(product((1, 2, 3), (False, True))))


def network(option, data=TOKENS, kind="classification", seed=0, **changes):
    torch.manual_seed(seed)
    return make("model", option, **{**data, "num_outputs": CLASSES, "kind": kind, "next_token": False,
                                    "embedding_width": EMBEDDING, "width": WIDTH, **changes}).double()


def examples(data=TOKENS, length=6, lengths=LENGTHS):
    """Sequences that end early, and are then as padding is."""
    draw = torch.Generator().manual_seed(1)
    is_real = torch.arange(length) < torch.tensor(lengths)[:, None]
    if data["layout"] == "tokens":
        return torch.randint(1, VOCABULARY, (len(lengths), length), generator=draw).masked_fill(~is_real, PADDING)
    values = torch.randn(len(lengths), length, 2, generator=draw, dtype=torch.float64)
    return torch.cat([values, torch.ones_like(values[..., :1])], dim=2) * is_real[..., None]


def twin(option, model, depth, bidirectional):
    """torch's own network of several layers, with the weights of ours."""
    own = TWINS[option](EMBEDDING, WIDTH, depth, batch_first=True, bidirectional=bidirectional).double()
    weights = {}
    for suffix, layers in (("", model.ahead), ("_reverse", model.back)):
        for number, layer in enumerate(layers):
            weights |= {f"{name[:-1]}{number}{suffix}": param for name, param in layer.state_dict().items()}
    own.load_state_dict(weights)
    return own


@every_form
@every_network
def test_recurrent_network_equals_torchs_own_on_packed_sequences(option, depth, bidirectional):
    whole = network(option, depth=depth, bidirectional=bidirectional)
    steps = network(option, kind="sequence", depth=depth, bidirectional=bidirectional)
    own, tokens = twin(option, whole, depth, bidirectional), examples()
    packed = pack_padded_sequence(whole.sequences(tokens), torch.tensor(LENGTHS), batch_first=True,
                                  enforce_sorted=False)
    states, last = own(packed)
    hidden = last[0] if option == "lstm" else last
    final = torch.cat(list(hidden[-2:] if bidirectional else hidden[-1:]), dim=1)
    torch.testing.assert_close(whole(tokens), whole.head(final), rtol=1e-12, atol=1e-12)
    expected = steps.head(pad_packed_sequence(states, batch_first=True)[0])
    is_real = tokens != PADDING
    torch.testing.assert_close(steps(tokens)[is_real], expected[is_real], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["classification", "sequence"])
@pytest.mark.parametrize("data", [TOKENS, SERIES], ids=lambda data: data["layout"])
@every_form
@every_network
def test_recurrent_network_says_the_same_whatever_padding_follows(option, depth, bidirectional, data, kind):
    model = network(option, data, kind, depth=depth, bidirectional=bidirectional)
    x = examples(data)
    outputs = model(x)
    longer = model(f.pad(x, (0, 9) if x.ndim == 2 else (0, 0, 0, 9)))
    for row, (length, own) in enumerate(zip(LENGTHS, x, strict=True)):
        alone = model(own[None, :length])[0]
        real = slice(length) if kind == "sequence" else slice(None)
        for found in (outputs[row][real], longer[row][real]):
            torch.testing.assert_close(found, alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("bidirectional", [False, True])
@every_network
def test_recurrent_network_gives_padding_no_gradient(option, bidirectional):
    x = examples(SERIES).requires_grad_()
    network(option, SERIES, depth=2, bidirectional=bidirectional)(x).square().sum().backward()
    is_real = x[..., -1] != 0
    assert not x.grad[~is_real].any()
    assert x.grad[is_real].all()


@every_network
def test_recurrent_network_of_one_direction_never_looks_ahead_and_of_two_sees_all(option):
    tokens = examples(lengths=(6, 6, 6))
    for bidirectional in (False, True):
        model = network(option, kind="sequence", depth=2, bidirectional=bidirectional)
        for place in range(6):
            other = tokens.clone()
            other[:, place] = tokens[:, place] % (VOCABULARY - 1) + 1
            changed = (model(other) != model(tokens)).any(dim=2)
            assert changed[:, place:].all()
            assert bidirectional == bool(changed[:, :place].any()) or place == 0


@pytest.mark.parametrize("option", [*TWINS, "tcn"])
def test_sequence_model_reads_a_digit_as_eight_rows(option):
    facts = {"input_shape": (1, 8, 8), "layout": "image", "vocabulary_size": 0}
    facts |= {} if option == "tcn" else {"next_token": False}
    torch.manual_seed(0)
    model = make("model", option, **facts, num_outputs=CLASSES, kind="classification").double()
    draw = torch.Generator().manual_seed(1)
    digits = torch.randn(3, 1, 8, 8, generator=draw, dtype=torch.float64)
    as_series = make("model", option, **{**facts, "input_shape": (8, 9), "layout": "series"}, num_outputs=CLASSES,
                     kind="classification").double()
    # The series has its mask beside the pixels, which these weights do not see.
    weights = {name: f.pad(param, (0, 1)) if name == "ahead.0.weight_ih_l0" else param
               for name, param in model.state_dict().items()}
    if option == "tcn":
        weights |= {name: f.pad(param, (0, 0, 0, 1)) for name, param in weights.items() if param.shape[1:2] == (8,)}
    as_series.load_state_dict(weights)
    rows = torch.cat([digits[:, 0], torch.ones(3, 8, 1, dtype=torch.float64)], dim=2)
    torch.testing.assert_close(model(digits), as_series(rows), rtol=1e-12, atol=1e-12)


@every_form
@every_network
def test_recurrent_network_has_as_many_parameters_as_its_formula(option, depth, bidirectional):
    model = network(option, depth=depth, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    inputs = [EMBEDDING] + [directions * WIDTH] * (depth - 1)
    layers = sum(directions * GATES[option] * WIDTH * (size + WIDTH + 2) for size in inputs)
    head = (directions * WIDTH + 1) * CLASSES
    assert sum(param.numel() for param in model.parameters()) == VOCABULARY * EMBEDDING + layers + head


@every_form
@every_network
def test_recurrent_network_counts_two_operations_per_weight_and_position(option, depth, bidirectional):
    spec = TaskSpec("classification", "tokens", (6,), CLASSES, tuple("abcd"), vocabulary_size=VOCABULARY)
    model = network(option, depth=depth, bidirectional=bidirectional).float()
    recurrent = sum(param.numel() for layer in (*model.ahead, *model.back) for param in layer.parameters()
                    if param.ndim == 2)
    assert flops_per_step(model, spec, 10) == 3 * 2 * 10 * (6 * recurrent + model.head.weight.numel())


@pytest.mark.parametrize("kind", ["classification", "sequence"])
@every_network
def test_recurrent_network_has_the_gradient_of_what_it_computes(option, kind):
    model = network(option, SERIES, kind, depth=2, bidirectional=True, width=3)
    x = examples(SERIES, 4, (4, 1, 3))
    is_real = x[..., -1] != 0

    def outputs(values):
        return model(torch.cat([x[..., :2].masked_scatter(is_real[..., None], values), x[..., 2:]], dim=2))

    assert torch.autograd.gradcheck(outputs, x[is_real][:, :2].clone().requires_grad_())


@every_form
@every_network
def test_recurrent_network_has_the_gradients_of_torchs_own(option, depth, bidirectional):
    model, tokens = network(option, depth=depth, bidirectional=bidirectional), examples()
    own = twin(option, model, depth, bidirectional)
    embeddings = model.sequences(tokens).detach()
    packed = pack_padded_sequence(embeddings, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    last = own(packed)[1]
    hidden = last[0] if option == "lstm" else last
    model.head(torch.cat(list(hidden[-2:] if bidirectional else hidden[-1:]), dim=1)).square().sum().backward()
    model(tokens).square().sum().backward()
    for suffix, layers in (("", model.ahead), ("_reverse", model.back)):
        for number, layer in enumerate(layers):
            for name, param in layer.named_parameters():
                expected = getattr(own, f"{name[:-1]}{number}{suffix}").grad
                torch.testing.assert_close(param.grad, expected, rtol=1e-10, atol=1e-10)


@every_network
def test_recurrent_layers_are_outlined_with_their_outputs_and_parameters(option):
    made = parts(f"model={option}", "model.width=5", "model.depth=2", "dataset=digits")
    rows = outline(made, made.dataset.spec())
    count = 5 * GATES[option]
    assert [(layer.kind, layer.output_shape, layer.num_parameters) for layer in rows if layer.num_parameters] == [
        (option.upper(), (8, 5), count * (8 + 5 + 2)), (option.upper(), (8, 5), count * (5 + 5 + 2)),
        ("Linear", (10,), 60)]


@every_network
def test_recurrent_network_in_bfloat16_is_rounded_and_a_member_as_alone(option):
    models = [network(option, SERIES, depth=2, bidirectional=True, seed=seed).float() for seed in range(2)]
    x, together = examples(SERIES).float(), stack(models)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        joined = together(x.repeat(2, 1, 1))
        alone = [model(x) for model in models]
    joined.float().square().sum().backward()
    assert all(param.grad.isfinite().all() for param in together.parameters())
    for model, own, found in zip(models, alone, joined.chunk(2), strict=True):
        assert torch.equal(own, found)
        expected = model(x).detach()
        error = (found.detach().float() - expected).norm() / expected.norm()
        assert 0 < error.item() < 4 * torch.finfo(torch.bfloat16).eps


def gates(weight):
    return weight.detach().split(WIDTH)


@every_network
def test_recurrent_network_starts_with_orthogonal_gates_times_the_scale(option):
    model = network(option, depth=2, init="orthogonal", init_scale=0.5)
    for layer in model.ahead:
        for name in ("weight_ih_l0", "weight_hh_l0"):
            for gate in gates(getattr(layer, name)):
                short = gate if gate.shape[0] <= gate.shape[1] else gate.T
                torch.testing.assert_close(short @ short.T, 0.25 * torch.eye(len(short)).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("init", ["torch", "xavier"])
def test_lstm_forget_bias_is_added_to_the_forget_gate_alone(init):
    plain, raised = (network("lstm", depth=2, bidirectional=True, init=init, forget_bias=bias) for bias in (0.0, 2.5))
    for one, other in zip((*plain.ahead, *plain.back), (*raised.ahead, *raised.back), strict=True):
        for (name, before), after in zip(one.named_parameters(), other.parameters(), strict=True):
            moved = gates(after - before)
            expected = [2.5 if name == "bias_ih_l0" and number == 1 else 0.0 for number in range(4)]
            for gate, shift in zip(moved, expected, strict=True):
                torch.testing.assert_close(gate, torch.full_like(gate, shift), rtol=1e-6, atol=1e-6)


def test_rnn_with_relu_is_its_formula():
    model, tokens = network("rnn", activation="relu"), examples(lengths=(6, 6))
    layer, state = model.ahead[0], torch.zeros(2, WIDTH, dtype=torch.float64)
    for x in model.sequences(tokens).unbind(1):
        state = (x @ layer.weight_ih_l0.T + layer.bias_ih_l0 + state @ layer.weight_hh_l0.T + layer.bias_hh_l0).relu()
    torch.testing.assert_close(model(tokens), model.head(state), rtol=1e-12, atol=1e-12)


@every_network
def test_recurrent_language_model_that_reads_backwards_is_refused(option):
    spec = TaskSpec("sequence", "tokens", (6,), VOCABULARY, vocabulary_size=VOCABULARY, next_token=True)
    part = parts(f"model={option}", "model.bidirectional=true").model
    with pytest.raises(ConfigError, match=r"use model\.bidirectional=false"):
        made_for(part, spec)
    assert made_for(parts(f"model={option}").model, spec)(examples()).shape == (5, 6, VOCABULARY)
