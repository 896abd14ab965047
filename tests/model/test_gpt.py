"""Causal language model: it never looks ahead, and its last real token answers for a text."""

import pytest
import torch
from part_files import make
from torch.nn import functional as f

from dlx.core.errors import ConfigError
from dlx.core.types import PADDING

FACTS = {"input_shape": (9,), "num_outputs": 9, "layout": "tokens", "vocabulary_size": 9, "width": 8, "num_heads": 2}
POSITIONS = ("learned", "sinusoidal", "rotary", "none")
TOKENS = torch.randint(1, 9, (3, 6), generator=torch.Generator().manual_seed(0))


def gpt(kind, **changes):
    torch.manual_seed(0)
    return make("model", "gpt", **{**FACTS, "kind": kind, **changes}).double().eval()


@pytest.mark.parametrize("positions", POSITIONS)
def test_gpt_never_looks_ahead(positions):
    model = gpt("sequence", positions=positions)
    for place in range(6):
        other = TOKENS.clone()
        other[:, place] = TOKENS[:, place] % 8 + 1
        changed = (model(other) != model(TOKENS)).any(dim=2)
        assert not changed[:, :place].any()
        assert changed[:, place:].all()


@pytest.mark.parametrize("positions", POSITIONS)
def test_gpt_of_a_text_is_the_same_whatever_follows_it(positions):
    every, last = gpt("sequence", positions=positions), gpt("classification", positions=positions)
    for length in range(1, 7):
        torch.testing.assert_close(every(TOKENS[:, :length]), every(TOKENS)[:, :length])
        padded = f.pad(TOKENS[:, :length], (0, 9 - length), value=PADDING)
        torch.testing.assert_close(every(padded)[:, :length], every(TOKENS)[:, :length])
        torch.testing.assert_close(last(padded), every(TOKENS)[:, length - 1])


def test_gpt_of_an_empty_text_answers_at_its_first_padding():
    empty = torch.full((1, 9), PADDING)
    torch.testing.assert_close(gpt("classification")(empty), gpt("sequence")(empty)[:, 0])


def test_gpt_with_tied_weights_has_one_table():
    model, plain = gpt("sequence", tie_weights=True, init="he", init_scale=3.0), gpt("sequence")
    assert model.head.weight is model.embeddings.weight
    counts = [sum(param.numel() for param in one.parameters()) for one in (plain, model)]
    assert counts[0] - counts[1] == 9 * 8 + 9
    # What initializes heads leaves embeddings alone.
    assert torch.equal(model.embeddings.weight, plain.embeddings.weight)
    before = model.embeddings.weight.clone()
    model(TOKENS).logsumexp(dim=2).sum().backward()
    with torch.no_grad():
        model.embeddings.weight -= 0.1 * model.embeddings.weight.grad
    assert not torch.equal(model.head.weight, before)


def test_gpt_has_the_parameters_of_its_formula():
    width, depth, ratio = 8, 2, 4
    block = (4 + 2 * ratio) * width**2 + (4 + ratio + 1) * width + 4 * width
    expected = 9 * width + 9 * width + depth * block + 2 * width + 9 * (width + 1)
    assert sum(param.numel() for param in gpt("sequence").parameters()) == expected


@pytest.mark.parametrize(("changes", "message"), [
    ({"tie_weights": True, "num_outputs": 4}, r"there are 4 of 9 tokens; set model\.tie_weights=false$"),
    ({"layout": "series", "input_shape": (9, 3)}, "^model=gpt takes tokens, not series; use model=transformer")])
def test_gpt_says_what_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        gpt("sequence", **changes)
