"""Expressions over logged values: what they come to, and what is refused."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.core.errors import ConfigError
from dlx.sweep.objective import Goal, evaluate, logged_names, make_goals, names, parse

LOGGED = {"val_nll": 0.5, "val_accuracy": 0.9, "gap_accuracy": -0.04, "train_eval_nll": 0.25, "gap_nll": 0.25,
          "val_loss": None}
PYTHON = {"min": min, "max": max, "abs": abs, "log": math.log, "exp": math.exp, "sqrt": math.sqrt}
SAVED = [{"selection": "best_val_nll", "metric": {"accuracy": {}, "nll": {}}},
         {"selection": "best_val_nll", "metric": {"nll": {}, "accuracy": {}}}]
BETTER = {"loss": False, "nll": False, "accuracy": True}


@pytest.mark.parametrize("expression", [
    "val_nll", "val_accuracy - 0.5*gap_accuracy", "-val_accuracy", "+val_nll", "(val_nll + gap_nll) / 2",
    "val_nll ** 2 ** 0.5", "max(val_nll, gap_nll, 0.3)", "min(1, val_nll)", "abs(gap_accuracy)", "log(val_nll)",
    "exp(-val_nll)", "sqrt(val_nll) * 2", "1e-3 * val_nll", "2 - -3 * val_nll", " val_nll "])
def test_evaluate_is_what_python_says(expression):
    assert evaluate(expression, LOGGED) == pytest.approx(eval(expression.strip(), {}, {**LOGGED, **PYTHON}), abs=1e-15)


@pytest.mark.parametrize("expression", [
    "val_loss", "val_loss + 1", "log(gap_accuracy)", "sqrt(-1 * val_nll)", "1 / (val_nll - val_nll)",
    "exp(1e5*val_nll)", "(val_nll * 1e200) * 1e200", "gap_accuracy ** 0.5", "missing_name", "(10 * val_nll) ** 1e9",
    "0 * val_nll * 1e299 * 1e299 + val_loss"])
def test_evaluate_of_what_has_no_finite_value_is_none(expression):
    assert evaluate(expression, LOGGED) is None


@pytest.mark.parametrize(("expression", "message"), [
    ("test_nll", "uses test_nll: selection never sees test, or the test of what was chosen would flatter it; "
                 "use val_nll"),
    ("val_nll + min(1, test_accuracy)", "uses test_accuracy: selection never sees test"),
    ("val_nll +", "is not an expression: invalid syntax"),
    ("", "is not an expression"),
    ("val_nll; val_nll", "is not an expression"),
    ("__import__('os').system('x')", "is not allowed"),
    ("open('x')", "is not allowed"),
    ("val_nll.real", "val_nll.real is not allowed"),
    ("val_nll[0]", "is not allowed"),
    ("[val_nll for x in y]", "is not allowed"),
    ("lambda: val_nll", "is not allowed"),
    ("val_nll if 1 else 2", "is not allowed"),
    ("val_nll < 1", "is not allowed"),
    ("val_nll and 1", "is not allowed"),
    ("val_nll // 2", "is not allowed"),
    ("val_nll % 2", "is not allowed"),
    ("~val_nll", "is not allowed"),
    ("'text'", "'text' is not allowed"),
    ("True", "True is not allowed"),
    ("1j * val_nll", "1j is not allowed"),
    ("(val_nll := 3)", "is not allowed"),
    ("f'{val_nll}'", "is not allowed"),
    ("pow(val_nll, 2)", "is not allowed; an objective is made of logged names, numbers, + - * / **, "
                        "min, max, abs, log, exp, sqrt"),
    ("max(1, *val_nll)", "*val_nll is not allowed"),
    ("max(val_nll, key=abs)", "is not allowed"),
    ("log(val_nll, 2)", "log takes one value, got 2"),
    ("min(val_nll)", "min takes two or more values, got 1"),
    ("abs()", "abs takes one value, got 0"),
    ("-" * 100 + "val_nll", "is nested deeper than 50"),
    ("(" * 230 + "val_nll" + ")" * 230, "not an expression: too many nested parentheses"),
    ("val_nll" + " + 1" * 200, "search.objective is longer than 500 characters"),
    ("1" * 400, "is not allowed"),
])
def test_parse_refuses(expression, message):
    with pytest.raises(ConfigError) as caught:
        parse(expression)
    assert message in str(caught.value)


@given(st.recursive(st.sampled_from(["val_nll", "gap_nll", "2", "0.5"]), lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    inner.map(lambda text: f"abs({text})")), max_leaves=8))
def test_evaluate_agrees_with_python_on_any_arithmetic(expression):
    if len(expression) > 500:
        return
    try:
        expected = eval(expression, {}, {**LOGGED, "abs": abs})
    except ZeroDivisionError:
        expected = None
    found = evaluate(expression, LOGGED)
    assert found is None if expected is None else found == pytest.approx(expected)


@given(st.text(max_size=60))
def test_parse_of_any_text_answers_with_an_expression_or_a_problem(text):
    with contextlib.suppress(ConfigError):
        parse(text)


def test_names_are_those_of_values_alone():
    assert sorted(names("max(val_nll, gap_nll) + log(val_nll)")) == ["gap_nll", "val_nll"]
    assert logged_names(["nll"]) == ["train_eval_loss", "val_loss", "gap_loss", "train_eval_nll", "val_nll", "gap_nll"]


@pytest.mark.parametrize(("objective", "direction", "goals"), [
    (None, None, [Goal("val_nll", "minimize")]),
    (None, "maximize", [Goal("val_nll", "maximize")]),
    ("val_accuracy", None, [Goal("val_accuracy", "maximize")]),
    ("train_eval_loss", None, [Goal("train_eval_loss", "minimize")]),
    ("val_nll + gap_nll", "minimize", [Goal("val_nll + gap_nll", "minimize")]),
    (["val_nll", "val_accuracy"], None, [Goal("val_nll", "minimize"), Goal("val_accuracy", "maximize")]),
    (["val_nll", "abs(gap_nll)"], "minimize", [Goal("val_nll", "minimize"), Goal("abs(gap_nll)", "minimize")]),
    (["val_nll", "gap_accuracy"], ["minimize", "maximize"],
     [Goal("val_nll", "minimize"), Goal("gap_accuracy", "maximize")]),
])
def test_make_goals_takes_the_direction_of_a_metric(objective, direction, goals):
    assert make_goals(objective, direction, SAVED, BETTER) == tuple(goals)


@pytest.mark.parametrize(("objective", "direction", "message"), [
    ("val_accuracy - 0.5*gap_accuracy", None, "search.direction must be minimize or maximize for "
     "search.objective=val_accuracy - 0.5*gap_accuracy, which is not a metric on val"),
    ("gap_nll", None, "search.direction must be minimize or maximize for search.objective=gap_nll"),
    ("val_ncl", None, "search.objective=val_ncl: val_ncl is not logged; did you mean val_nll?"),
    ("val_f1 + 1", "minimize", "val_f1 is not logged"),
    ("1 + 1", "minimize", "search.objective=1 + 1 names no logged value"),
    ([], None, "search.objective is an empty list"),
    (["val_nll"], ["minimize", "maximize"], "search.direction must be one of 1 for as many objectives, got 2"),
    (["val_nll", "test_nll"], None, "selection never sees test"),
])
def test_make_goals_refuses(objective, direction, message):
    with pytest.raises(ConfigError) as caught:
        make_goals(objective, direction, SAVED, BETTER)
    assert message in str(caught.value)


def test_make_goals_needs_a_name_that_every_configuration_logs():
    with pytest.raises(ConfigError, match=r"^search\.objective=val_accuracy: val_accuracy is not logged"):
        make_goals("val_accuracy", None, [*SAVED, {"selection": "last", "metric": {"nll": {}}}], BETTER)
    with pytest.raises(ConfigError, match=r"selection is best_val_nll or last: state search\.objective"):
        make_goals(None, None, [*SAVED, {"selection": "last", "metric": {"nll": {}}}], BETTER)
