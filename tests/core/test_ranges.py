"""Ranges: notation, and every sentence that says what a value should have been."""

import math
from typing import Annotated, Any, Literal

import pytest
from argument_values import STRANGERS, accepts

from dlx.core import ranges
from dlx.core.ranges import Length, Range, problem

ANNOTATIONS = [
    bool, int, float, str, None, Any, list[int], list[ranges.Rate], Literal["a", "b"], Literal["auto", 1],
    ranges.Positive, ranges.NonNegative, ranges.Rate, ranges.Fraction, ranges.Count, ranges.Width, ranges.Seed,
    Literal["auto"] | ranges.Count, int | None, ranges.Positive | None, Annotated[list[ranges.Rate], Length(2)],
    Annotated[list[int], Length(1)], Annotated[int, Range("(-3, 3)")], Annotated[float, Range("[-1, 1]")],
]
VALUES = [*STRANGERS, "auto", "a", "b", [0.5, 0.5], [0.5, 1.0], [1, 2], [True], ["a"], -3, 3, 65536, 65537, 2**53 - 1,
          2**53, math.nextafter(1.0, 0), math.nextafter(1.0, 2), math.nextafter(0.0, -1), 5e-324, -0.0, 1e308, (1, 2)]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_ranges_problem_is_none_exactly_where_the_value_fits(annotation, value):
    assert (problem(annotation, value) is None) == accepts(annotation, value)


@pytest.mark.parametrize(("annotation", "value", "sentence"), [
    (ranges.Positive, 0, "in (0, inf)"),
    (ranges.Positive, "x", "in (0, inf)"),
    (ranges.Count, 0, "a whole number in [1, inf)"),
    (ranges.Count, 1.5, "a whole number in [1, inf)"),
    (ranges.Rate, math.nan, "in [0, 1)"),
    (Literal["auto"] | ranges.Count, 0, "one of auto or a whole number in [1, inf)"),
    (ranges.Positive | None, -1, "in (0, inf) or null"),
    (bool, 1, "true or false"),
    (int, True, "a whole number"),
    (float, math.inf, "a finite number"),
    (str, 1, "text"),
    (Literal["a", "b"], "c", "one of a, b"),
    (list[ranges.Rate], 3, "a list"),
    (list[ranges.Rate], [0.1, 2], "a list whose items are each in [0, 1)"),
    (Annotated[list[ranges.Rate], Length(2)], [0.1], "a list of 2 items"),
    (Annotated[list[ranges.Rate], Length(2)], [0.1, 1], "a list whose items are each in [0, 1)"),
])
def test_ranges_problem_says_what_is_allowed(annotation, value, sentence):
    assert problem(annotation, value) == sentence


@pytest.mark.parametrize(("text", "inside", "outside"), [
    ("(0, 1)", [1e-300, 0.5], [0, 1, -1, 2]), ("[0, 1]", [0, 1, 0.5], [-1e-300, 1.0000001]),
    ("[0, 1)", [0, 0.999], [1]), ("(0, 1]", [1, 1e-300], [0]), ("(0, inf)", [1e308, 10**400], [0, math.inf, math.nan]),
    ("(-inf, inf)", [0, -1e308], [math.inf, -math.inf, math.nan]), ("[1, 65536]", [1, 65536], [0, 65537]),
])
def test_ranges_notation_is_that_of_mathematics(text, inside, outside):
    assert [value for value in inside if value not in Range(text)] == []
    assert [value for value in outside if value in Range(text)] == []


@pytest.mark.parametrize("annotation", [float, ranges.Positive, ranges.Rate, ranges.Seed, ranges.Width])
def test_ranges_whole_number_beyond_every_float_is_a_problem_and_no_crash(annotation):
    # YAML and the command line take whole numbers of any length.
    assert problem(annotation, 10**400) is not None


def test_ranges_whole_number_of_any_size_is_a_count():
    assert problem(ranges.Count, 10**400) is None
