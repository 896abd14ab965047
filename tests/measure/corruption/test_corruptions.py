"""What every corruption promises, whatever it is of."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from dlx.core.ragged import Ragged
from dlx.core.types import Column
from dlx.measure.corruption.audio import audio_corruptions
from dlx.measure.corruption.images import image_corruptions
from dlx.measure.corruption.kind import SEVERITIES
from dlx.measure.corruption.series import series_corruptions, series_statistics
from dlx.measure.corruption.tables import table_corruptions, table_statistics
from dlx.measure.corruption.texts import text_corruptions, token_corruptions

DRAW = np.random.default_rng(0)
N = 120
IDS = 7 * np.arange(N) + 3
DIGITS = (load_digits().images[:N, None] / 16).astype(np.float32).repeat(3, axis=2).repeat(3, axis=3)
CLIPS = Ragged.of([(0.3 * np.sin(np.arange(length) * 0.05 * (1 + length % 9))).astype(np.float32)
                   for length in DRAW.integers(2000, 4000, N)])
TEXTS = Ragged.of_texts(["The quick brown fox jumps over the lazy dog, naïvely – and läuft 🦊 on. " * 3] * N)
TOKENS = np.where(np.arange(40) < DRAW.integers(20, 40, N)[:, None], DRAW.integers(1, 50, (N, 40)), 0)
WINE = load_wine().data[:N]
MIXED = np.column_stack([WINE[:, :4], DRAW.integers(0, 5, N), DRAW.integers(0, 2, N)])
MIXED_COLUMNS = (*(Column(f"x{at}") for at in range(4)), Column("kind", tuple("abcde")), Column("flag", ("no", "yes")))
STEPS = np.concatenate([DRAW.normal(size=(N, 30, 2)).cumsum(axis=1), np.ones((N, 30, 1))], axis=2).astype(np.float32)
STEPS[:40, 20:] = 0

CASES = {
    "grey": (DIGITS, image_corruptions(1)),
    "colour": (DIGITS.repeat(3, axis=1), image_corruptions(3)),
    "bytes": ((255 * DIGITS).astype(np.uint8), image_corruptions(1)),
    "scaled": ((4 * DIGITS - 1).astype(np.float32), image_corruptions(1, (-1.0, 3.0))),
    "audio": (CLIPS, audio_corruptions(8000)),
    "series": (STEPS, series_corruptions(series_statistics(STEPS))),
    "table": (MIXED, table_corruptions(table_statistics(MIXED, MIXED_COLUMNS))),
    "texts": (TEXTS, text_corruptions()),
    "tokens": (TOKENS, token_corruptions(50)),
}
EVERY = [pytest.param(rows, corruption, id=f"{name}-{corruption.name}")
         for name, (rows, corruptions) in CASES.items() for corruption in corruptions]
# Fewer and fewer pixels are also differently placed ones; a shrunk digit leaves its place, and what is turned or moved
# further may cover as much again.
ROUGHLY = ("scale", "rotate", "shear", "translate", "gaussian_blur")

every = pytest.mark.parametrize(("rows", "corruption"), EVERY)


def flat(rows):
    return rows.values if isinstance(rows, Ragged) else rows


def copied(rows):
    return Ragged(rows.values.copy(), rows.offsets.copy()) if isinstance(rows, Ragged) else rows.copy()


def same(one, other):
    if isinstance(one, Ragged):
        return np.array_equal(one.offsets, other.offsets) and np.array_equal(one.values, other.values)
    return np.array_equal(one, other, equal_nan=True)


def distance(before, after):
    """Mean squared difference of rows of one length; of texts the share of bytes that differ, or are gone or added."""
    if isinstance(before, Ragged) and before.values.dtype == np.uint8:
        pairs = zip(before.items(), after.items(), strict=True)
        return np.mean([np.mean(a[: min(len(a), len(b))] != b[: min(len(a), len(b))]) + abs(len(a) - len(b)) / len(a)
                        for a, b in pairs])
    before, after = (flat(own).astype(float) for own in (before, after))
    scale = before.std(axis=0) if before.ndim == 2 else 1.0
    return np.mean(((after - before) / np.where(scale > 0, scale, 1)) ** 2)


@every
def test_corruption_keeps_type_and_shape_and_leaves_its_rows_alone(rows, corruption):
    own = copied(rows)
    for severity in SEVERITIES:
        made = corruption(own, IDS, severity)
        assert same(own, rows)
        assert flat(made).dtype == flat(rows).dtype
        assert len(made) == len(rows)
        if not isinstance(rows, Ragged):
            assert made.shape == rows.shape
        elif rows.values.dtype == np.float32:
            assert np.array_equal(made.offsets, rows.offsets)
        else:
            assert all(len(item) for item in made.items())
            made.texts()


@every
def test_corruption_keeps_the_range(rows, corruption):
    made = flat(corruption(rows, IDS, 5))
    if flat(rows).dtype == np.float32 and rows is not STEPS:
        low, high = (-1, 3) if np.min(flat(rows)) == -1 and np.max(flat(rows)) == 3 else (-1, 1)
        low = 0 if rows is DIGITS else low
        assert made.min() >= low - 1e-6
        assert made.max() <= high + 1e-6


@every
def test_corruption_grows_with_severity(rows, corruption):
    distances = [distance(rows, corruption(rows, IDS, severity)) for severity in SEVERITIES]
    assert distances[0] > 0
    if corruption.name == "pixelate":
        return
    if corruption.name in ROUGHLY:
        assert max(distances[1:]) > distances[0]
    else:
        assert all(later > earlier for earlier, later in pairwise(distances)), distances


@every
def test_corruption_of_an_example_depends_on_its_id_alone(rows, corruption):
    order = np.random.default_rng(1).permutation(N)[:17]
    whole, some = corruption(rows, IDS, 4), corruption(rows[order], IDS[order], 4)
    if isinstance(whole, Ragged) or whole.dtype.kind != "f":
        assert same(whole[order], some)
    else:
        np.testing.assert_allclose(whole[order], some, rtol=0, atol=1e-6, equal_nan=True)


@every
def test_corruption_is_the_same_again(rows, corruption):
    assert same(corruption(rows, IDS, 3), corruption(rows, IDS, 3))


DRAWN = [case for case in EVERY if case.values[1].name in (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "translate", "background_noise", "time_mask",
    "packet_loss", "noise", "step_loss", "feature_noise", "feature_dropout", "random_category", "character_swap",
    "typo", "token_replace")]


@pytest.mark.parametrize(("rows", "corruption"), DRAWN)
def test_corruption_draws_anew_for_each_example_and_severity(rows, corruption):
    """Of equal examples with other ids, and of equal levels."""
    alike = rows[np.zeros(N, np.int64)]
    made = corruption(alike, IDS, 5)
    distinct = {item.tobytes() for item in (made.items() if isinstance(made, Ragged) else made)}
    assert len(distinct) > 3
    flattened = replace(corruption, levels=(corruption.levels[4],) * 5)
    assert not same(flattened(alike, IDS, 1), flattened(alike, IDS, 2))


def test_severities_of_images_are_those_of_mnist_c_and_cifar_10_c():
    grey, colour = ({own.name: own.levels for own in image_corruptions(channels)} for channels in (1, 3))
    assert grey["gaussian_noise"] == (0.08, 0.12, 0.18, 0.26, 0.38)
    assert colour["gaussian_noise"] == (0.04, 0.06, 0.08, 0.09, 0.1)
    assert grey["rotate"] == colour["rotate"] == (0.2, 0.4, 0.6, 0.8, 1.0)
    assert all(len(own.levels) == 5 for _, own in [case.values for case in EVERY])
