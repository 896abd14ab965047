"""Inputs as sequences: rows of images, series as they are, embeddings; where each ends, and each from its end."""

import pytest
import torch

from dlx.core.errors import ConfigError
from dlx.core.sequences import Sequences, at, backwards

DRAW = torch.Generator().manual_seed(0)
STATES = torch.randn(4, 6, 3, generator=DRAW)
LAST = torch.tensor([5, 0, 2, 4])


def test_sequences_read_images_row_by_row_with_all_channels_of_a_row():
    images = torch.randn(2, 3, 5, 7, generator=DRAW)
    sequences = Sequences("lstm", (3, 5, 7), "image", 0, 4)
    found = sequences(images)
    assert found.shape == (2, 5, sequences.num_features) == (2, 5, 21)
    for row in range(5):
        assert torch.equal(found[:, row], images[:, :, row].flatten(1))
    assert sequences.last(images).tolist() == [4, 4]


def test_sequences_give_tokens_their_embeddings_and_end_before_padding():
    sequences = Sequences("lstm", (4,), "tokens", 9, 5)
    tokens = torch.tensor([[3, 8, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]])
    assert torch.equal(sequences(tokens), sequences.embeddings.weight[tokens])
    assert sequences.last(tokens).tolist() == [1, 3, 0]


def test_sequences_embeddings_start_with_variance_one_over_their_width():
    torch.manual_seed(0)
    weight = Sequences("lstm", (4,), "tokens", 1000, 25).embeddings.weight
    assert weight.var().item() == pytest.approx(1 / 25, rel=5 * (2 / weight.numel()) ** 0.5)


def test_sequences_leave_series_as_they_are_and_end_with_their_mask():
    series = torch.randn(3, 4, 2, generator=DRAW)
    series[..., -1] = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    sequences = Sequences("lstm", (4, 2), "series", 0, 5)
    assert torch.equal(sequences(series), series)
    assert sequences.last(series).tolist() == [1, 3, 0]


def test_sequences_refuse_tables():
    with pytest.raises(ConfigError, match="model=gru reads tokens, series, or images row by row, and the columns of a "
                                          "table have no order; use model=mlp or model=linear"):
        Sequences("gru", (4,), "table", 0, 5)


def test_at_takes_the_state_at_one_position_of_each():
    expected = torch.stack([states[place] for states, place in zip(STATES, LAST, strict=True)])
    assert torch.equal(at(STATES, LAST), expected)


def test_backwards_mirrors_what_is_real_and_is_its_own_inverse():
    found = backwards(STATES, LAST)
    for states, own, last in zip(STATES, found, LAST.tolist(), strict=True):
        assert torch.equal(own[: last + 1], states[: last + 1].flip(0))
        assert torch.equal(own[last + 1 :], states[last + 1 :])
    assert torch.equal(backwards(found, LAST), STATES)
