"""Rows made small, and read back."""

import numpy as np
import pytest

from dlx.core.ragged import Ragged
from dlx.core.types import Column, TaskSpec
from dlx.measure.excerpts import excerpts, pixels_of


def spec(layout, shape=(), **more):
    return TaskSpec("classification", layout, shape, 2, ("a", "b"), **more)


def one(rows, layout, notes=None, train=None, **more):
    shape = () if isinstance(rows, Ragged) else rows.shape[1:]
    (found,) = excerpts(rows, np.array([3]), notes or {}, spec(layout, shape, **more), rows if train is None else train
                        ).values()
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_keep_every_byte(channels):
    image = np.random.default_rng(0).integers(0, 256, (1, channels, 5, 7), dtype=np.uint8)
    shown = pixels_of(one(image, "image"))
    assert np.array_equal(shown, np.moveaxis(image[0], 0, -1) if channels == 3 else image[0, 0])


def test_pictures_of_numbers_are_spread_over_their_range():
    image = np.linspace(-2, 6, 64).reshape(1, 1, 8, 8)
    shown = pixels_of(one(image, "image"))
    assert (shown.min(), shown.max()) == (0, 255)
    assert np.abs(shown / 255 * 8 - 2 - image[0, 0]).max() < 8 / 255


def test_large_pictures_are_averaged_to_at_most_64_pixels():
    image = np.random.default_rng(1).integers(0, 256, (1, 1, 130, 90), dtype=np.uint8)
    shown = pixels_of(one(image, "image"))
    assert shown.shape == (44, 30)
    assert shown[0, 0] == pytest.approx(image[0, 0, :3, :3].mean(), abs=1)
    assert shown[-1, 4] == pytest.approx(image[0, 0, 129:, 12:15].mean(), abs=1)


@pytest.mark.parametrize("change", [{"shape": [2, 3]}, {"shape": [4, -4]}, {"shape": [2, 2, 4]}, {"pixels": "?"}])
def test_pixels_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=r"."):
        pixels_of({**one(np.zeros((1, 1, 4, 4), np.uint8), "image"), **change})


def test_texts_are_shortened_and_notes_kept():
    found = one(Ragged.of_texts(["a  b\n" + "x" * 400]), "text", {"author": np.array(list("abcd"))})
    assert found["text"].startswith("a b x")
    assert (len(found["text"]), found["text"][-1], found["length"]) == (300, "…", 405)
    assert found["notes"] == [["author", "d"]]


def test_waves_keep_lowest_and_highest_values_and_their_length():
    sound = np.sin(np.arange(4_000) / 7).astype(np.float32)
    found = one(Ragged.of([sound]), "audio", sample_rate=8_000)
    assert found["length"] == 0.5
    assert len(found["low"]) == len(found["high"]) == 120
    for at in (0, 50, 119):
        part = sound[int(at * 4_000 / 120) : int((at + 1) * 4_000 / 120)]
        assert (found["low"][at], found["high"][at]) == pytest.approx((part.min(), part.max()), abs=1e-4)


def test_series_are_shown_to_their_end():
    series = np.zeros((1, 6, 2), np.float32)
    series[0, :4] = [[1, 1], [5, 1], [2, 1], [0, 1]]
    found = one(series, "series")
    assert (found["low"], found["length"]) == ([1, 5, 2, 0], 4)
    many = np.ones((1, 6, 9), np.float32)
    many[0, 4:, -1] = 0
    assert one(many, "series")["shape"] == [8, 4]


def test_tables_name_the_most_unusual_values_first():
    train = np.random.default_rng(2).normal(size=(500, 3))
    columns = (Column("one"), Column("kind", ("red", "blue")), Column("far"))
    found = one(np.array([[0.5, 1, -9.0]]), "table", train=train, columns=columns)
    assert found["values"] == [["far", "-9"], ["one", "0.5"], ["kind", "blue"]]
    found = one(np.array([[np.nan, np.nan, 2.0]]), "table", train=train, columns=columns)
    assert found["values"] == [["far", "2"], ["one", "missing"], ["kind", "missing"]]


def test_tokens_are_numbers():
    assert one(np.array([[0, 4, 2, 3, 0, 0]]), "tokens")["text"] == "0 4 2 3"
    assert one(np.zeros((1, 3), int), "tokens")["text"] == ""
