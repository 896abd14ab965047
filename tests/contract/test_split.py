"""What every split of conf/split promises. N rows, C classes.

Rows have notes that a split may need: the group of each, a date, and which split it is said to be in.
"""

import numpy as np
import pytest
import torch
from part_files import annotations, code_and_arguments, make, option_names, saved

from dlx.core.errors import ConfigError
from dlx.core.types import Rows

NAMES = option_names("split")
SEEDED = [name for name in NAMES if "seed" in annotations(code_and_arguments("split", name)[0])]
every_split = pytest.mark.parametrize("option", NAMES)
TARGETS = {
    "balanced": ("classification", np.arange(200) % 10),
    "sorted": ("classification", np.sort(np.arange(200) % 10)),
    "rare": ("classification", np.array([0] * 120 + [1] * 79 + [2])),
    "two": ("classification", (np.arange(57) % 3 == 0).astype(np.int64)),
    "real": ("regression", np.linspace(-1, 1, 101, dtype=np.float32)),
}


@pytest.fixture(params=TARGETS)
def kind_and_targets(request):
    kind, targets = TARGETS[request.param]
    targets = targets.copy()
    targets.setflags(write=False)
    return kind, targets


def own_test(targets):
    return np.arange(len(targets))[::-3].copy()


def rows_of(targets, kind, test_ids=None):
    number = np.arange(len(targets))
    notes = {"group": (number // 4).astype(str), "date": np.datetime64("2026-01-01") + number % 31,
             "said": np.where(number % 4 == 1, "test", "train")}
    return Rows(targets, kind, test_ids, notes)


def divided(option, targets, kind, test_ids=None, **changes):
    """Divide rows with an option of conf/split; where nothing else says which are test, a column does."""
    if option == "predefined" and test_ids is None:
        changes["column"] = "said"
    return make("split", option, **changes)(rows_of(targets, kind, test_ids))


@every_split
@pytest.mark.parametrize("given", [None, own_test], ids=["no_test_set", "own_test_set"])
def test_split_divides_all_rows_once_in_ascending_order(option, kind_and_targets, given):
    kind, targets = kind_and_targets
    ids = divided(option, targets, kind, None if given is None else given(targets))
    assert all(part.dtype == np.int64 and len(part) > 0 and (np.diff(part) > 0).all() for part in ids)
    assert np.sort(np.concatenate(ids)).tolist() == list(range(len(targets)))


@every_split
def test_split_keeps_the_test_set_of_the_dataset(option, kind_and_targets):
    kind, targets = kind_and_targets
    ids = divided(option, targets, kind, own_test(targets))
    assert ids.test.tolist() == sorted(own_test(targets))


@every_split
def test_split_is_a_function_of_its_arguments_alone(option, kind_and_targets):
    kind, targets = kind_and_targets
    before = torch.get_rng_state(), str(np.random.get_state())
    first = divided(option, targets, kind)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())
    np.random.seed(99)
    second = divided(option, targets, kind)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("option", SEEDED)
def test_split_differs_by_seed(option, kind_and_targets):
    kind, targets = kind_and_targets
    one, other = (divided(option, targets, kind, seed=seed) for seed in (0, 1))
    assert one.val.tolist() != other.val.tolist()
    # What the data says is test stays test.
    assert (one.test.tolist() != other.test.tolist()) == (option != "predefined")


@pytest.mark.parametrize("option", SEEDED)
def test_split_takes_its_seed_from_the_run_unless_set(option):
    assert saved(f"split={option}", "seed=5")["split"]["seed"] == 5
    assert saved(f"split={option}", "seed=5", "split.seed=7")["split"]["seed"] == 7


@every_split
def test_split_of_regression_ignores_the_values(option):
    targets = TARGETS["real"][1]
    one, other = (divided(option, values, "regression") for values in (targets, targets**2))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@every_split
@pytest.mark.parametrize("num_rows", [1, 2])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_split_of_too_few_rows_is_refused(option, num_rows, kind):
    with pytest.raises(ConfigError, match=r"split.*empty"):
        divided(option, np.zeros(num_rows, np.int64), kind)


@every_split
def test_split_with_a_test_set_of_all_rows_is_refused(option):
    with pytest.raises(ConfigError, match="split"):
        divided(option, np.zeros(30, np.int64), "classification", np.arange(30))


@pytest.mark.parametrize(("option", "argument"), [
    (option, name) for option in NAMES for name in annotations(code_and_arguments("split", option)[0])
    if name.endswith("column")])
def test_split_by_a_column_that_is_not_there_names_those_that_are(option, argument):
    split = make("split", option, **{argument: "grup"})
    with pytest.raises(ConfigError) as raised:
        split(rows_of(*reversed(TARGETS["balanced"])))
    assert str(raised.value) == (f"split.{argument}=grup: no such column to split by; there are group, date, said; did "
                                 f"you mean group?")
    with pytest.raises(ConfigError, match=r"dataset=csv dataset\.notes=\[patient\]"):
        split(Rows(TARGETS["balanced"][1], "classification"))


@pytest.mark.parametrize(("option", "argument"), [
    (option, name) for option in NAMES for name in annotations(code_and_arguments("split", option)[0])
    if name.endswith("column")])
@pytest.mark.parametrize("values", [[1.0, np.nan, 3.0], ["a", "", "c"], ["a", None, "c"], ["a", np.nan, "c"],
                                    np.array(["2026-01-01", "NaT", "2026-01-03"], "datetime64[D]")],
                         ids=["nan", "no_text", "none", "nan_among_texts", "nat"])
def test_split_by_a_column_with_a_row_without_a_value_names_the_row(option, argument, values):
    column = np.asarray(values) if not isinstance(values, list) or None not in values else np.array(values, object)
    column = np.array(values, object) if isinstance(values, list) and "a" in values else column
    with pytest.raises(ConfigError, match=f"split.{argument}=group: 1 of 3 rows have no value there, row 1"):
        make("split", option, **{argument: "group"})(Rows(np.zeros(3, np.int64), "classification", None,
                                                          {"group": column}))
