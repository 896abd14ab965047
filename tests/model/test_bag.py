"""Bag against the mean of embeddings by hand."""

import torch
from part_files import make
from torch.nn import functional as f

from dlx.core.types import PADDING

FACTS = {"input_shape": (5,), "num_outputs": 3, "layout": "tokens", "kind": "classification", "vocabulary_size": 11}
TOKENS = torch.tensor([[4, 5, 4, PADDING, PADDING], [7, PADDING, PADDING, PADDING, PADDING], [1, 2, 3, 4, 5]])


def test_bag_without_hidden_layers_is_a_linear_map_of_the_mean_as_torch_has_it():
    model = make("model", "bag", **FACTS, depth=0)
    flat, ends = TOKENS[TOKENS != PADDING], (TOKENS != PADDING).sum(dim=1).cumsum(dim=0)
    means = f.embedding_bag(flat, model.embeddings.weight, torch.cat([torch.zeros(1, dtype=int), ends[:-1]]))
    torch.testing.assert_close(model(TOKENS), model.layers[-1](means))


def test_bag_ignores_order_and_padding():
    model = make("model", "bag", **FACTS)
    torch.testing.assert_close(model(TOKENS), model(TOKENS.flip(1)))
    longer = f.pad(TOKENS, (0, 4), value=PADDING)
    torch.testing.assert_close(model(longer), model(TOKENS))


def test_bag_of_no_token_is_finite():
    assert make("model", "bag", **FACTS)(torch.full((2, 5), PADDING)).isfinite().all()
