"""tcn by hand; how far back it sees, that it never looks ahead, and that padding changes nothing.

B batch, L positions, D features, W channels, C outputs.
"""

from itertools import product

import pytest
import torch
from part_files import make
from torch import nn
from torch.nn import functional as f

from dlx.core.types import PADDING

# Three channels to each group of a group normalization.
VOCABULARY, WIDTH, EMBEDDING, CLASSES = 9, 24, 5, 3
TOKENS = {"layout": "tokens", "vocabulary_size": VOCABULARY}
SERIES = {"layout": "series", "vocabulary_size": 0}
LENGTHS = (40, 3, 4, 33, 2)
every_norm = pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])
every_kind = pytest.mark.parametrize("kind", ["classification", "sequence"])


def network(data=TOKENS, kind="classification", length=40, **changes):
    torch.manual_seed(0)
    shape = (length,) if data is TOKENS else (length, 3)
    return make("model", "tcn", **{**data, "input_shape": shape, "num_outputs": CLASSES, "kind": kind,
                                   "embedding_width": EMBEDDING, "width": WIDTH, **changes}).double()


def examples(data=TOKENS, lengths=LENGTHS, length=40):
    """Sequences that end early, and are then as padding is."""
    draw = torch.Generator().manual_seed(1)
    is_real = torch.arange(length) < torch.tensor(lengths)[:, None]
    if data is TOKENS:
        return torch.randint(1, VOCABULARY, (len(lengths), length), generator=draw).masked_fill(~is_real, PADDING)
    values = torch.randn(len(lengths), length, 2, generator=draw, dtype=torch.float64)
    return torch.cat([values, torch.ones_like(values[..., :1])], dim=2) * is_real[..., None]


def causal(convolution, rows, dilation):
    """A causal convolution of one sequence [L, D], tap by tap: the last tap is on the position itself."""
    taps = convolution.weight.shape[2]
    outputs = []
    for place in range(len(rows)):
        total = convolution.bias.clone()
        for tap in range(taps):
            before = place - (taps - 1 - tap) * dilation
            if before >= 0:
                total = total + convolution.weight[:, :, tap] @ rows[before]
        outputs.append(total)
    return torch.stack(outputs)


def by_hand(model, tokens):
    rows = model.sequences.embeddings.weight[tokens]
    for number, block in enumerate(model.blocks):
        first, second = (layer for layer in block.residual if isinstance(layer, nn.Conv1d))
        inner = causal(second, causal(first, rows, 2**number).relu(), 2**number).relu()
        is_same = isinstance(block.shortcut, nn.Identity)
        rows = ((rows if is_same else causal(block.shortcut, rows, 1)) + inner).relu()
    return model.head(rows)


@pytest.mark.parametrize(("kernel", "depth"), [(2, 1), (3, 2), (2, 4)])
def test_tcn_is_residual_blocks_of_causal_convolutions_with_doubled_dilations(kernel, depth):
    whole, steps = (network(kind=kind, kernel=kernel, depth=depth) for kind in ("classification", "sequence"))
    tokens = examples(lengths=(40, 17))
    for own, answer, answers, length in zip(tokens, whole(tokens), steps(tokens), (40, 17), strict=True):
        expected = by_hand(whole, own[:length])
        torch.testing.assert_close(answers[:length], expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(answer, expected[-1], rtol=1e-12, atol=1e-12)


@every_norm
@pytest.mark.parametrize(("kernel", "depth"), [(2, 1), (2, 3), (3, 2), (5, 2), (3, 3)])
def test_tcn_sees_as_far_back_as_its_formula_says_and_never_ahead(kernel, depth, norm):
    model = network(SERIES, "sequence", kernel=kernel, depth=depth, norm=norm, activation="tanh").eval()
    x = examples(SERIES, (40,)).requires_grad_()
    field = 1 + 2 * (kernel - 1) * (2**depth - 1)
    for place in (0, 3, 39):
        (gradient,) = torch.autograd.grad(model(x)[0, place].sum(), x)
        seen = (gradient[0] != 0).any(dim=1).nonzero().flatten().tolist()
        assert seen == list(range(max(0, place - field + 1), place + 1))


@every_norm
@every_kind
@pytest.mark.parametrize("data", [TOKENS, SERIES], ids=lambda data: data["layout"])
def test_tcn_says_the_same_whatever_padding_follows(data, kind, norm):
    model, x = network(data, kind, norm=norm).eval(), examples(data)
    outputs = model(x)
    longer = model(f.pad(x, (0, 9) if x.ndim == 2 else (0, 0, 0, 9)))
    for row, (length, own) in enumerate(zip(LENGTHS, x, strict=True)):
        alone = model(own[None, :length])[0]
        real = slice(length) if kind == "sequence" else slice(None)
        for found in (outputs[row][real], longer[row][real]):
            torch.testing.assert_close(found, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_tcn_normalizes_every_position_by_itself_in_training_too(norm):
    model, x = network(SERIES, "sequence", norm=norm), examples(SERIES, (40, 40))
    for length in (2, 7):
        torch.testing.assert_close(model(x[:, :length]), model(x)[:, :length], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel", "depth"), list(product((2, 3), (1, 2, 4))))
def test_tcn_has_as_many_parameters_as_its_formula(kernel, depth):
    model = network(kernel=kernel, depth=depth)
    shortcut = (EMBEDDING + 1) * WIDTH
    first = (kernel * EMBEDDING + 1) * WIDTH + shortcut
    others = (2 * depth - 1) * (kernel * WIDTH + 1) * WIDTH
    head = (WIDTH + 1) * CLASSES
    assert sum(param.numel() for param in model.parameters()) == VOCABULARY * EMBEDDING + first + others + head


@every_kind
@pytest.mark.parametrize("norm", ["none", "layer", "group"])
def test_tcn_has_the_gradient_of_what_it_computes(norm, kind):
    model = network(SERIES, kind, 5, depth=2, norm=norm, activation="tanh")
    x = examples(SERIES, (5, 5), 5)[..., :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda values: model(f.pad(values, (0, 1), value=1.0)), x)
