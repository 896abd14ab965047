"""What a search looks for: expressions over logged values, parsed and walked, never run as code."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from dlx.config import options
from dlx.core.errors import ConfigError
from dlx.core.search import Direction

MAX_LENGTH = 500
MAX_DEPTH = 50
# Selection sees these; test is opened once, at the end.
SEEN = ("train_eval", "val", "gap")
_BINARY: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    # Of floats alone: whole numbers would grow without end.
    ast.Pow: math.pow}
_UNARY: dict[type[ast.AST], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "min": (min, 2, 20), "max": (max, 2, 20), "abs": (abs, 1, 1), "log": (math.log, 1, 1), "exp": (math.exp, 1, 1),
    "sqrt": (math.sqrt, 1, 1)}


class Goal(NamedTuple):
    """One objective: an expression, and whether less or more of it is better."""

    expression: str
    direction: Direction

    @property
    def sign(self) -> float:
        """1 where less is better, -1 where more is."""
        return 1.0 if self.direction == "minimize" else -1.0


def parse(expression: str) -> ast.expr:
    """Parse an expression: numbers, logged names, + - * / **, parentheses, min, max, abs, log, exp, sqrt.

    Raises:
        ConfigError: anything else, or a value of test.
    """
    if len(expression) > MAX_LENGTH:
        raise ConfigError(f"search.objective is longer than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            # Python warns of what only looks odd, `1if`; what is not allowed is said below.
            warnings.simplefilter("ignore")
            tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"search.objective={expression} is not an expression: {str(error).split(' (')[0]}") from error
    _refuse(tree, expression, 0)
    return tree


def _refuse(node: ast.expr, expression: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ConfigError(f"search.objective={expression[:40]}… is nested deeper than {MAX_DEPTH}")
    match node:
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            inner = [left, right]
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            inner = [operand]
        case ast.Call(ast.Name(name), arguments, []) if name in _FUNCTIONS:
            _refuse_count(name, len(arguments), expression)
            inner = arguments
        case ast.Constant(value) if type(value) in (int, float) and -1e300 < value < 1e300:  # type: ignore[operator]
            inner = []
        case ast.Name(name) if name.startswith("test_"):
            raise ConfigError(f"search.objective={expression} uses {name}: selection never sees test, or the test of "
                              f"what was chosen would flatter it; use val_{name.removeprefix('test_')}")
        case ast.Name():
            inner = []
        case _:
            raise ConfigError(f"search.objective={expression}: {ast.unparse(node)[:60]} is not allowed; an objective "
                              f"is made of logged names, numbers, + - * / **, {', '.join(_FUNCTIONS)}")
    for child in inner:
        _refuse(child, expression, depth + 1)


def _refuse_count(name: str, count: int, expression: str) -> None:
    _, fewest, most = _FUNCTIONS[name]
    if not fewest <= count <= most:
        wanted = "one value" if most == 1 else "two or more values"
        raise ConfigError(f"search.objective={expression}: {name} takes {wanted}, got {count}")


def names(expression: str) -> list[str]:
    """Return the logged names of an expression."""
    nodes = ast.walk(parse(expression))
    return list(dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and node.id not in _FUNCTIONS))


def evaluate(expression: str, logged: Mapping[str, float | None]) -> float | None:
    """Return the value of an expression, None where a name has no value or the result is not a finite number."""
    try:
        value = _value(parse(expression), logged)
    except (ArithmeticError, ValueError, KeyError):
        return None
    return value if math.isfinite(value) else None


def _value(node: ast.expr, logged: Mapping[str, float | None]) -> float:
    match node:
        case ast.BinOp(left, op, right):
            return _BINARY[type(op)](_value(left, logged), _value(right, logged))
        case ast.UnaryOp(op, operand):
            return _UNARY[type(op)](_value(operand, logged))
        case ast.Call(ast.Name(name), arguments):
            return _FUNCTIONS[name][0](*(_value(argument, logged) for argument in arguments))
        case ast.Constant(value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(name):
            value = logged[name]
            if value is None:
                raise KeyError(name)
            return value
    raise AssertionError(f"refused by parse: {ast.dump(node)}")


def make_goals(objective: Any, direction: Any, saved: Sequence[Mapping[str, Any]], better: Mapping[str, bool]
               ) -> tuple[Goal, ...]:
    """Turn what was typed into goals.

    Args:
        objective: one expression, several, or null: the metric of the selection rule, on val.
        direction: of each; null is that of the metric, where an expression is its name alone.
        saved: configurations that will be searched, one per combination of choices.
        better: by metric, whether greater is better; loss is one.

    Raises:
        ConfigError: see `parse`; a name that some configuration does not log; a direction that is missing.
    """
    expressions = [default_objective(saved)] if objective is None else (
        [objective] if isinstance(objective, str) else list(objective))
    directions = [direction] * len(expressions) if not isinstance(direction, list) else direction
    if not expressions:
        raise ConfigError("search.objective is an empty list")
    if len(directions) != len(expressions):
        raise ConfigError(f"search.direction must be one of {len(expressions)} for as many objectives, got "
                          f"{len(directions)}")
    for expression in expressions:
        _refuse_unknown(expression, saved)
    return tuple(Goal(expression, _direction(expression, given, better))
                 for expression, given in zip(expressions, directions, strict=True))


def default_objective(saved: Sequence[Mapping[str, Any]]) -> str:
    """Return what the leaderboard ranks by. Raises ConfigError where configurations select by different metrics."""
    rules = sorted({str(config["selection"]) for config in saved})
    if len(rules) > 1:
        raise ConfigError(f"selection is {' or '.join(rules)}: state search.objective, one for all points")
    return f"val_{rules[0].removeprefix('best_val_')}" if rules[0].startswith("best_val_") else "val_loss"


def _refuse_unknown(expression: str, saved: Sequence[Mapping[str, Any]]) -> None:
    wanted = names(expression)
    if not wanted:
        raise ConfigError(f"search.objective={expression} names no logged value")
    for config in saved:
        known = logged_names(config["metric"])
        for name in wanted:
            if name not in known:
                raise ConfigError(f"search.objective={expression}: {name} is not logged"
                                  f"{options.near(name, known) or f'; logged are {chr(44).join(known)}'}")


def logged_names(metrics: Collection[str]) -> list[str]:
    """List what an objective may name, given the metrics of a configuration."""
    return [f"{split}_{metric}" for metric in ("loss", *metrics) for split in SEEN]


def _direction(expression: str, given: Any, better: Mapping[str, bool]) -> Direction:
    if given is not None:
        assert given in get_args(Direction), "checked by the annotation of the search"
        chosen: Direction = given
        return chosen
    split = next((split for split in ("train_eval", "val") if expression.startswith(f"{split}_")), None)
    metric = expression.removeprefix(f"{split}_")
    if split is None or metric not in better:
        raise ConfigError(f"search.direction must be minimize or maximize for search.objective={expression}, which is "
                          f"not a metric on val")
    return "maximize" if better[metric] else "minimize"
