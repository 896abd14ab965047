"""Values that lie in, on the edge of, and outside what an annotation of an argument allows."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from dlx.core.ranges import Length, Range

STRANGERS: list[Any] = [True, False, None, "", "0.5", "no such option", [], [[]], {}, 0.5, 1.5, -1, -1.5, 0, 1, 2, 3.0,
                        math.nan, math.inf, -math.inf]


def accepts(annotation: Any, value: Any) -> bool:
    """Say whether a value fits an annotation: what `dlx.core.ranges.problem` must agree with."""
    inner, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        return accepts(inner[0], value) and all(_within(limit, value) for limit in inner[1:])
    if origin is Literal:
        return any(type(option) is type(value) and option == value for option in inner)
    if origin in (Union, types.UnionType):
        return any(accepts(option, value) for option in inner)
    if origin is dict:
        return type(value) is dict and all(accepts(inner[1], item) for item in value.values())
    if origin is list:
        return type(value) is list and all(accepts(inner[0], item) for item in value)
    if annotation is float:
        return type(value) in (int, float) and math.isfinite(value)
    return annotation is Any or type(value) is (type(None) if annotation is None else annotation)


def _within(limit: Any, value: Any) -> bool:
    if isinstance(limit, Length):
        return len(value) == limit.count
    opening, low, high, closing = limit.text[0], *map(float, limit.text[1:-1].split(",")), limit.text[-1]
    return (low < value or (opening == "[" and low == value)) and (value < high or (closing == "]" and value == high))


def ranges(annotation: Any) -> list[Range]:
    """Return every range inside an annotation."""
    found = [limit for limit in get_args(annotation)[1:] if isinstance(limit, Range)]
    nested = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return found + [limit for inner in nested if not isinstance(inner, str | int | float) for limit in ranges(inner)]


def unbounded_numbers(annotation: Any) -> bool:
    """Say whether a number in the annotation has no range."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        return True
    if origin is Literal or (origin is Annotated and any(isinstance(limit, Range) for limit in inner)):
        return False
    return any(unbounded_numbers(item) for item in (inner[:1] if origin is Annotated else inner))


def candidates(annotation: Any, default: Any) -> list[Any]:
    """Return values to try an annotation with: strangers, the ends of its ranges, and their nearest neighbours."""
    numbers: list[Any] = []
    for limit in ranges(annotation):
        for end in limit.bounds():
            near = [end, math.nextafter(end, -math.inf), math.nextafter(end, math.inf), end - 1, end + 1]
            numbers += near + [int(number) for number in near if math.isfinite(number)]
    items = [*STRANGERS, *numbers, *({"a": option} for option in (*STRANGERS, *_options(annotation))),
             *({"a": option, "b": 1} for option in _options(annotation))]
    if isinstance(default, list):
        items += [default, default[:-1], [*default, *default], *([item] for item in STRANGERS)]
        items += [[*default[:index], item, *default[index + 1 :]] for index in range(len(default))
                  for item in (*STRANGERS, *numbers)]
    return items


def _options(annotation: Any) -> list[Any]:
    """Return every option of the literals inside an annotation."""
    inner = get_args(annotation)
    return list(inner) if get_origin(annotation) is Literal else [
        option for item in inner if not isinstance(item, Range | Length) for option in _options(item)]


def alternatives(annotation: Any, default: Any) -> Iterator[Any]:
    """Yield other values that an annotation allows, those likely to change a result first."""
    options: list[Any] = [not default] if isinstance(default, bool) else []
    if isinstance(default, int | float) and not isinstance(default, bool):
        near = [limit.bounds()[0] + 0.1 for limit in ranges(annotation)]
        options += [default * 2, default / 2, default + 1, default + 0.1, (1 + default) / 2, *near]
        options += [round(number) for number in options]
    if default is None:
        options += [round(low) + more for limit in ranges(annotation) for low in limit.bounds()[:1] for more in (1, 2)]
    if isinstance(default, list):
        options += [[*default[:index], item, *default[index + 1 :]] for index, old in enumerate(default)
                    for item in alternatives(get_args(_list_of(annotation))[0], old)]
    options += [option for inner in _literals(annotation) for option in inner]
    yield from (option for option in options if accepts(annotation, option) and option != default)


def _list_of(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _literals(annotation: Any) -> Iterator[tuple[Any, ...]]:
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    elif get_origin(annotation) in (Union, types.UnionType, Annotated):
        for inner in get_args(annotation):
            yield from _literals(inner)
