"""Window against embeddings side by side by hand; it never looks ahead."""

import torch
from part_files import make
from torch.nn import functional as f

from dlx.core.types import PADDING

FACTS = {"input_shape": (6,), "num_outputs": 4, "layout": "tokens", "vocabulary_size": 9, "width": 7,
         "embedding_width": 5, "context": 3}
TOKENS = torch.randint(1, 9, (3, 6), generator=torch.Generator().manual_seed(0))


def window(kind):
    torch.manual_seed(0)
    return make("model", "window", **FACTS, kind=kind).double()


def by_hand(model, tokens, place):
    before = [PADDING, PADDING, *tokens.tolist()][place : place + 3]
    return model.layers(model.embeddings.weight[before].T.flatten() if model.every_token
                        else model.embeddings.weight[before].flatten())


def test_window_of_every_token_is_a_perceptron_on_its_last_embeddings():
    model = window("sequence")
    outputs = model(TOKENS)
    assert outputs.shape == (3, 6, 4)
    for row, own in zip(outputs, TOKENS, strict=True):
        for place in range(6):
            torch.testing.assert_close(row[place], by_hand(model, own, place))


def test_window_of_a_whole_text_answers_at_its_last_token():
    model = window("classification")
    padded = f.pad(TOKENS, (0, 3), value=PADDING)
    torch.testing.assert_close(model(padded), model(TOKENS))
    for row, own in zip(model(TOKENS), TOKENS, strict=True):
        torch.testing.assert_close(row, by_hand(model, own, 5))


def test_window_never_looks_ahead_nor_further_back_than_its_context():
    model = window("sequence")
    for place in range(6):
        other = TOKENS.clone()
        other[:, place] = TOKENS[:, place] % 8 + 1
        changed = (model(other) != model(TOKENS)).any(dim=2)
        assert not changed[:, :place].any()
        assert changed[:, place : place + 3].all()
        assert not changed[:, place + 3 :].any()
