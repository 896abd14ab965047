"""Ranges of arguments, written in the annotations of constructors and read by validation.

`lr: Annotated[float, Range("(0, inf)")]` is at once the documentation, the check and the source of the test that
invalid values are refused.
"""

from __future__ import annotations

import json
import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True)
class Range:
    """An interval of numbers in mathematical notation: "(0, inf)", "[0, 1)", "[1, 65536]"."""

    text: str

    def __contains__(self, value: float) -> bool:
        low, high = self.bounds()
        above = value >= low if self.text[0] == "[" else value > low
        below = value <= high if self.text[-1] == "]" else value < high
        return above and below

    def bounds(self) -> tuple[float, float]:
        """Return (low, high)."""
        low, high = self.text[1:-1].split(",")
        return float(low), float(high)


@dataclass(frozen=True)
class Length:
    """The number of items of a list."""

    count: int


Positive = Annotated[float, Range("(0, inf)")]
NonNegative = Annotated[float, Range("[0, inf)")]
Rate = Annotated[float, Range("[0, 1)")]
Fraction = Annotated[float, Range("(0, 1)")]
Probability = Annotated[float, Range("[0, 1]")]
# What is put where inputs have no value of their own.
Fill = Annotated[float, Range("[-1000, 1000]")]
Count = Annotated[int, Range("[1, inf)")]
Width = Annotated[int, Range("[1, 65536]")]
Depth = Annotated[int, Range("[1, 256]")]
Seed = Annotated[int, Range("[0, 9007199254740991]")]


def shown(value: Any) -> str:
    """Write a value as it is typed: null, true, 'text'."""
    return repr(value) if isinstance(value, str | float) else json.dumps(value, default=repr)


def problem(annotation: Any, value: Any) -> str | None:
    """Say what a value should have been, or None where it fits the annotation.

    Args:
        annotation: a type hint made of bool, int, float, str, Literal, Annotated with Range or Length, list, dict with
            names as keys, unions.
        value: what was given.

    Returns:
        The end of the sentence "optimizer.lr must be …", or None.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return _problem_annotated(annotation, value)
    if origin is Literal:
        options = get_args(annotation)
        fits = value in options and type(value) in map(type, options)
        return None if fits else "one of " + ", ".join(map(str, options))
    if origin in (Union, types.UnionType):
        problems = [problem(option, value) for option in get_args(annotation)]
        return None if None in problems else " or ".join(text for text in problems if text is not None)
    if origin is list:
        if not isinstance(value, list):
            return "a list"
        wrong = [text for text in (problem(get_args(annotation)[0], item) for item in value) if text is not None]
        return f"a list whose items are each {wrong[0]}" if wrong else None
    if origin is dict:
        return _problem_mapping(get_args(annotation)[1], value)
    return None if annotation is Any else _problem_plain(annotation, value)


def _problem_mapping(annotation: Any, value: Any) -> str | None:
    if not isinstance(value, dict):
        return "a mapping"
    wrong = next((text for text in (problem(annotation, item) for item in value.values()) if text is not None), None)
    return f"a mapping whose values are each {wrong}" if wrong else None


def _problem_annotated(annotation: Any, value: Any) -> str | None:
    inner, *limits = get_args(annotation)
    wrong = problem(inner, value)
    for limit in limits:
        if isinstance(limit, Range) and (wrong is not None or value not in limit):
            return ("a whole number in " if inner is int else "in ") + limit.text
        if isinstance(limit, Length) and (wrong is not None or len(value) != limit.count):
            return wrong or f"a list of {limit.count} items"
    return wrong


def _problem_plain(annotation: Any, value: Any) -> str | None:
    if annotation is None or annotation is type(None):
        return None if value is None else "null"
    if annotation is bool:
        return None if isinstance(value, bool) else "true or false"
    if annotation is int:
        return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if annotation is float:
        return None if _is_finite_number(value) else "a finite number"
    assert annotation is str, f"ranges cannot check {annotation}"
    return None if isinstance(value, str) else "text"


def _is_finite_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
