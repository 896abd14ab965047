"""Augmentations of spectrograms, waveforms, texts and tables beside loops over examples."""

import numpy as np
import pytest
import torch
from scipy import stats

from dlx.core.augment import audio, noise, table, text
from dlx.core.types import PADDING, UNKNOWN
from dlx.preprocessing.tokenize import SPECIAL

B = 12
IDS = torch.arange(100, 100 + B)
MANY = torch.arange(20_000)
SPECTROGRAMS = torch.randn(B, 1, 40, 61, generator=torch.Generator().manual_seed(0))
WAVES = torch.randn(B, 50, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("axis", "size"), [("frequency", 40), ("time", 61)])
@pytest.mark.parametrize("num_masks", [1, 3])
def test_masks_cover_the_spans_and_nothing_else(axis, size, num_masks):
    spans = audio.draw_spans(1, IDS, size, num_masks, 15)
    expected = SPECTROGRAMS.clone()
    for image, own in zip(expected, spans.tolist(), strict=True):
        for first, length in own:
            window = slice(first, first + length)
            image[(0, window) if axis == "frequency" else (0, slice(None), window)] = -7.0
    assert not torch.equal(expected, SPECTROGRAMS)
    assert torch.equal(audio.mask(SPECTROGRAMS, spans, axis, -7.0), expected)


def test_mask_spans_are_drawn_as_specaugment_says():
    spans = audio.draw_spans(1, MANY, 61, 2, 15)
    assert spans.shape == (len(MANY), 2, 2)
    first, lengths = spans.flatten(0, 1).numpy().T
    assert stats.chisquare(np.bincount(lengths, minlength=16)).pvalue > 1e-4
    for length in (0, 7, 15):
        assert stats.chisquare(np.bincount(first[lengths == length], minlength=61 - length)).pvalue > 1e-4
    between_masks = np.corrcoef(spans.flatten(1).numpy().T)[:2, 2:]
    assert np.abs(between_masks).max() * np.sqrt(len(MANY)) < 4.5


def test_mask_of_a_whole_axis_starts_at_its_beginning():
    spans = audio.draw_spans(1, MANY, 4, 1, 4)[:, 0]
    assert (spans.sum(dim=1) <= 4).all()
    assert set(spans[spans[:, 1] == 4, 0].tolist()) == {0}


@pytest.mark.parametrize("inputs", [WAVES, SPECTROGRAMS], ids=["waves", "spectrograms"])
def test_shift_that_wraps_is_numpys_roll(inputs):
    shifts = audio.draw_shift(2, IDS, 20)
    expected = [np.roll(own.numpy(), by, axis=-1) for own, by in zip(inputs, shifts.tolist(), strict=True)]
    assert np.array_equal(audio.shift(inputs, shifts, None).numpy(), np.stack(expected))


@pytest.mark.parametrize("inputs", [WAVES, SPECTROGRAMS], ids=["waves", "spectrograms"])
def test_shift_fills_what_nothing_moves_to(inputs):
    shifts = torch.tensor([0, 1, -1, 49, -49, 50, -50, 1000, -1000, 20, -20, 5])
    expected = torch.full_like(inputs, -7.0)
    for target, source, by in zip(expected, inputs, shifts.tolist(), strict=True):
        size = source.shape[-1]
        if abs(by) < size:
            target[..., max(by, 0) : size + min(by, 0)] = source[..., max(-by, 0) : size - max(by, 0)]
    assert torch.equal(audio.shift(inputs, shifts, -7.0), expected)


def test_shifts_are_equally_likely_either_way():
    shifts = audio.draw_shift(2, MANY, 8).numpy()
    assert stats.chisquare(np.bincount(shifts + 8, minlength=17)).pvalue > 1e-4


def padded_texts():
    tokens = torch.randint(2, 100, (2000, 30), generator=torch.Generator().manual_seed(0))
    lengths = torch.randint(0, 31, (2000, 1), generator=torch.Generator().manual_seed(1))
    return torch.where(torch.arange(30) < lengths, tokens, PADDING)


def test_token_dropout_replaces_the_dropped_and_never_padding():
    tokens = padded_texts()
    dropped = text.draw_dropped(3, torch.arange(len(tokens)), 30, 0.2)
    found = text.drop_tokens(tokens, dropped, unknown=1)
    expected = [[1 if drop and token != PADDING else token for token, drop in zip(*row, strict=True)]
                for row in zip(tokens.tolist(), dropped.tolist(), strict=True)]
    assert found.tolist() == expected
    assert found.dtype == torch.int64
    assert torch.equal(found == PADDING, tokens == PADDING)


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_token_dropout_happens_at_its_rate_in_every_place(rate):
    dropped = text.draw_dropped(3, MANY, 30, rate).sum(dim=0)
    expected = rate * len(MANY)
    spread = np.sqrt(len(MANY) * rate * (1 - rate))
    assert ((dropped - expected).abs() <= 4.5 * spread).all()


def test_replaced_tokens_are_those_that_the_draws_say_and_never_padding():
    tokens = padded_texts()[:50]
    replaced = text.draw_dropped(3, torch.arange(50), 30, 0.3)
    uniform = torch.rand(50, 30, generator=torch.Generator().manual_seed(2))
    known = [token for row in tokens.tolist() for token in row if token != PADDING]
    expected = [[known[int(draw * len(known))] if one and token != PADDING else token
                 for token, one, draw in zip(*row, strict=True)]
                for row in zip(tokens.tolist(), replaced.tolist(), uniform.tolist(), strict=True)]
    assert text.replace_tokens(tokens, replaced, uniform).tolist() == expected
    nothing = torch.full((3, 4), PADDING)
    assert torch.equal(text.replace_tokens(nothing, nothing == PADDING, torch.zeros(3, 4)), nothing)


def test_the_unknown_token_is_that_of_every_tokenizer():
    assert SPECIAL.index("[UNK]") == UNKNOWN
    assert SPECIAL.index("[PAD]") == PADDING


def test_replaced_values_are_of_the_same_column():
    rows = torch.arange(40.0).view(8, 5)
    uniform = torch.rand(8, 5, generator=torch.Generator().manual_seed(3))
    replaced = torch.rand(8, 5, generator=torch.Generator().manual_seed(4)) < 0.5
    found = table.replace_values(rows, replaced, uniform)
    assert (found % 5 == rows % 5).all()
    for row in range(8):
        for column in range(5):
            source = int(uniform[row, column] * 8) if replaced[row, column] else row
            assert found[row, column] == rows[source, column]


def test_feature_noise_is_in_units_of_each_column_and_spares_codes_and_gaps():
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, float("nan"), 6.0]]).repeat(5000, 1)
    scale = torch.tensor([0.5, 10.0, 0.0])
    found = noise.add_noise(rows, noise.draw_noise(4, torch.arange(10_000), (3,)), scale)
    moved = (found - rows).double().numpy()
    assert stats.kstest(moved[:, 0] / 0.5, "norm").pvalue > 1e-4
    assert stats.kstest(moved[::2, 1] / 10, "norm").pvalue > 1e-4
    assert torch.equal(found[:, 2], rows[:, 2])
    assert torch.equal(found.isnan(), rows.isnan())
