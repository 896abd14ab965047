"""The checks of the datasets' contract refuse what breaks each promise."""

from dataclasses import replace

import numpy as np
import pytest
from promised_data import check_inputs, check_notes, check_spec, check_targets

from dlx.core.ragged import Ragged
from dlx.core.types import IGNORED, Arrays, Column, TaskSpec

IMAGE = TaskSpec("classification", "image", (1, 2, 2), 2, ("a", "b"))
TABLE = TaskSpec("regression", "table", (2,), 1, (), (Column("size"), Column("kind", ("x", "y"))))
TOKENS = TaskSpec("sequence", "tokens", (3,), 5, vocabulary_size=5)
SERIES = TaskSpec("regression", "series", (3, 2), 1)
TEXT = TaskSpec("classification", "text", (), 2, ("a", "b"))
NEXT = TaskSpec("sequence", "text", (), 0, next_token=True)
AUDIO = TaskSpec("classification", "audio", (), 2, ("a", "b"), sample_rate=8000)
CLASSES, REAL = np.array([0, 1]), np.array([0.5, 2], np.float32)
WHOLE = {
    "image": (IMAGE, np.zeros((2, 1, 2, 2), np.uint8), CLASSES),
    "table": (TABLE, np.array([[1, np.nan], [2, 1]], np.float32), REAL),
    "tokens": (TOKENS, np.array([[1, 0, 0], [4, 2, 3]]), np.array([[1, IGNORED, IGNORED], [0, 4, 3]])),
    "series": (SERIES, np.array([[[5, 1], [0, 0], [0, 0]], [[1, 1], [2, 1], [3, 1]]], np.float32), REAL),
    "text": (TEXT, Ragged.of_texts(["é", ""]), CLASSES),
    "next": (NEXT, Ragged.of_texts(["é", "b"]), np.zeros(2, np.int64)),
    "audio": (AUDIO, Ragged.of([np.ones(3, np.float32), -np.ones(2, np.float32)]), CLASSES),
}
BROKEN_SPECS = [
    replace(IMAGE, input_shape=(2, 2)), replace(IMAGE, input_shape=(1, 0, 2)), replace(IMAGE, num_outputs=3),
    replace(IMAGE, class_names=("a", "a")), replace(IMAGE, class_names=()), replace(IMAGE, vocabulary_size=9),
    replace(IMAGE, sample_rate=8), replace(IMAGE, next_token=True), replace(IMAGE, columns=(Column("x"),)),
    replace(TABLE, columns=(Column("x"),)), replace(TABLE, columns=(Column("x"), Column("x"))),
    replace(TABLE, columns=(Column("x"), Column("y", ("a", "a")))), replace(TABLE, num_outputs=2),
    replace(TABLE, class_names=("a",)), replace(TOKENS, vocabulary_size=0), replace(TOKENS, input_shape=()),
    replace(SERIES, input_shape=(3,)), replace(TEXT, input_shape=(3,)), replace(TEXT, class_names=()),
    replace(NEXT, kind="classification"), replace(NEXT, class_names=("a",)), replace(AUDIO, sample_rate=0)]


def changed(option, index, value):
    """The inputs of an option with one value changed."""
    inputs = WHOLE[option][1].copy()
    inputs[index] = value
    return option, inputs


BROKEN_INPUTS = [
    changed("table", (0, 0), np.inf), changed("table", (0, 1), 2), changed("table", (0, 1), 0.5),
    changed("tokens", (0, 0), 5), changed("tokens", (0, 0), -1), changed("tokens", (0, 2), 1),
    changed("series", (0, 1, 0), 3), changed("series", (0, 2, 1), 1), changed("series", (0, 0, 1), 0.5),
    changed("series", (0, 0, 0), np.nan),
    ("image", np.zeros((2, 1, 2, 2), np.int64)), ("image", np.full((2, 1, 2, 2), np.nan, np.float32)),
    ("image", np.zeros((3, 1, 2, 2), np.uint8)), ("image", np.zeros((2, 2, 2), np.uint8)),
    ("table", np.zeros((2, 2), np.int64)), ("tokens", np.zeros((2, 3), np.int32)),
    ("text", np.zeros((2, 3), np.uint8)), ("text", Ragged(np.array([0xFF, 0xFF], np.uint8), np.array([0, 1, 2]))),
    ("text", Ragged(np.array([65, 65], np.uint8), np.array([0, 1, 1]))),
    ("audio", Ragged.of([np.full(3, 1.5, np.float32), np.ones(2, np.float32)])),
    ("audio", Ragged.of([np.full(3, np.nan, np.float32), np.ones(2, np.float32)])),
    ("audio", Ragged.of([np.ones(3), np.ones(2)]))]
BROKEN_TARGETS = [
    ("image", np.array([0, 0])), ("image", np.array([0, 2])), ("image", REAL), ("table", np.array([1, 1], np.float32)),
    ("table", np.array([1, np.nan], np.float32)), ("table", CLASSES), ("next", CLASSES), ("tokens", CLASSES),
    ("tokens", np.full((2, 3), IGNORED)), ("tokens", np.array([[5, 0, 0], [1, 0, 0]])), ("tokens", np.ones((2, 3)))]


@pytest.mark.parametrize("option", WHOLE)
def test_promises_hold_of_whole_data(option):
    spec, inputs, targets = WHOLE[option]
    check_spec(spec)
    check_inputs(spec, Arrays(inputs, targets), missing=True)
    check_targets(spec, targets)


@pytest.mark.parametrize("spec", BROKEN_SPECS, ids=str)
def test_promises_refuse_a_spec_that_describes_nothing(spec):
    with pytest.raises(AssertionError):
        check_spec(spec)


@pytest.mark.parametrize(("option", "inputs"), BROKEN_INPUTS)
def test_promises_refuse_inputs_that_are_not_what_the_spec_says(option, inputs):
    spec, _, targets = WHOLE[option]
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        check_inputs(spec, Arrays(inputs, targets), missing=True)


def test_promises_refuse_missing_values_of_embedded_data():
    spec, inputs, targets = WHOLE["table"]
    with pytest.raises(AssertionError):
        check_inputs(spec, Arrays(inputs, targets), missing=False)


@pytest.mark.parametrize(("option", "targets"), BROKEN_TARGETS)
def test_promises_refuse_targets_of_another_kind(option, targets):
    with pytest.raises(AssertionError):
        check_targets(WHOLE[option][0], targets)


@pytest.mark.parametrize("note", [np.zeros(3), np.zeros((2, 1)), np.array([None, "a"])])
def test_promises_refuse_notes_that_are_not_one_value_per_row(note):
    with pytest.raises(AssertionError):
        check_notes(Arrays(WHOLE["image"][1], CLASSES, notes={"speaker": note}))
