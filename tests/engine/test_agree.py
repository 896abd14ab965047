"""Whether rows of another dataset fit a run, and how they are matched."""

import numpy as np
import pytest

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, Column, TaskSpec
from dlx.engine.agree import agreed

NO = np.zeros(1, np.int64)


def table(columns, kind="regression", names=()):
    return TaskSpec(kind, "table", (len(columns),), max(1, len(names)), names, columns)


def test_columns_are_put_in_the_order_of_the_run():
    own, other = (table(tuple(Column(name) for name in names)) for names in ("abc", "cab"))
    matched = agreed(own, other, NO, "it")
    assert (matched.inputs(np.array([[3.0, 1.0, 2.0]])) == [[1.0, 2.0, 3.0]]).all()


def test_categories_have_the_codes_of_the_run_and_unknown_ones_the_code_after_the_last():
    own = table((Column("x"), Column("k", ("a", "b", "c"))))
    other = table((Column("k", ("c", "d", "a")), Column("x")))
    made = agreed(own, other, NO, "it").inputs(np.array([[0, 5.0], [1, 6.0], [2, 7.0], [np.nan, 8.0]]))
    np.testing.assert_array_equal(made, [[5, 2], [6, 3], [7, 0], [8, np.nan]])


@pytest.mark.parametrize(("columns", "problems"), [
    ((Column("a"),), ["it lacks column k"]),
    ((Column("a"), Column("k", ("x", "y")), Column("more"), Column("much")),
     ["it has, which the run does not know, columns more, much"]),
    ((Column("a", ("p", "q")), Column("k", ("x", "y"))),
     ["column a of it holds categories, and that of the run numbers"]),
])
def test_columns_that_differ_are_named(columns, problems):
    with pytest.raises(ConfigError) as caught:
        agreed(table((Column("a"), Column("k", ("x", "y")))), table(columns), NO, "it")
    assert list(caught.value.problems) == problems


def test_classes_are_numbered_as_the_run_does_by_name():
    own = TaskSpec("classification", "image", (1, 8, 8), 3, ("cat", "dog", "owl"))
    other = TaskSpec("classification", "image", (1, 8, 8), 3, ("bee", "owl", "cat"))
    assert agreed(own, other, np.array([1, 2, 2, 1]), "it").targets.tolist() == [2, 0, 0, 2]
    with pytest.raises(ConfigError, match="it has class bee, which the run does not know: its 3 classes are cat, dog"):
        agreed(own, other, np.array([1, 0]), "it")


def test_classes_without_names_keep_their_numbers():
    own = TaskSpec("sequence", "tokens", (4,), 5, vocabulary_size=6)
    other = TaskSpec("sequence", "tokens", (4,), 9, vocabulary_size=6)
    targets = np.array([[0, 4, IGNORED, 2]])
    assert (agreed(own, other, targets, "it").targets == targets).all()
    with pytest.raises(ConfigError, match="it has class 7, which the run does not know"):
        agreed(own, other, np.array([[7, 0, 0, 0]]), "it")


def test_labels_are_put_in_the_order_of_the_run():
    own = TaskSpec("multilabel", "table", (2,), 3, ("r", "g", "b"))
    other = TaskSpec("multilabel", "table", (2,), 3, ("b", "r", "g"))
    assert agreed(own, other, np.array([[1, 0, 0]]), "it").targets.tolist() == [[0, 0, 1]]
    with pytest.raises(ConfigError, match="it has the labels b, r, x, and the run r, g, b"):
        agreed(own, TaskSpec("multilabel", "table", (2,), 3, ("b", "r", "x")), np.array([[1, 0, 0]]), "it")


@pytest.mark.parametrize(("facts", "message"), [
    ({"input_shape": (5,)}, "its input shape is (5,), and the run's is (4,)"),
    ({"vocabulary_size": 9}, "it has 9 tokens, and the run knows 6"),
    ({"kind": "sequence"}, "its kind of task is sequence, and the run's is classification"),
])
def test_differences_are_named(facts, message):
    known = {"kind": "classification", "layout": "tokens", "input_shape": (4,), "num_outputs": 2, "vocabulary_size": 6}
    with pytest.raises(ConfigError) as caught:
        agreed(TaskSpec(**known), TaskSpec(**{**known, **facts}), NO, "it")
    assert message in str(caught.value)
