"""What every split of conf/split promises. N rows, C classes."""

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


@every_split
@pytest.mark.parametrize("given", [None, own_test], ids=["no_test_set", "own_test_set"])
def test_split_divides_all_rows_once_in_ascending_order(option, kind_and_targets, given):
    kind, targets = kind_and_targets
    ids = make("split", option)(Rows(targets, kind, None if given is None else given(targets)))
    assert all(part.dtype == np.int64 and len(part) > 0 and (np.diff(part) > 0).all() for part in ids)
    assert np.sort(np.concatenate(ids)).tolist() == list(range(len(targets)))


@every_split
def test_split_keeps_the_test_set_of_the_dataset(option, kind_and_targets):
    kind, targets = kind_and_targets
    ids = make("split", option)(Rows(targets, kind, own_test(targets)))
    assert ids.test.tolist() == sorted(own_test(targets))


@every_split
def test_split_is_a_function_of_its_arguments_alone(option, kind_and_targets):
    kind, targets = kind_and_targets
    before = torch.get_rng_state(), str(np.random.get_state())
    first = make("split", option)(Rows(targets, kind))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())
    np.random.seed(99)
    second = make("split", option)(Rows(targets, kind))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("option", SEEDED)
def test_split_differs_by_seed(option, kind_and_targets):
    kind, targets = kind_and_targets
    one, other = (make("split", option, seed=seed)(Rows(targets, kind)) for seed in (0, 1))
    assert one.val.tolist() != other.val.tolist()
    assert one.test.tolist() != other.test.tolist()


@pytest.mark.parametrize("option", SEEDED)
def test_split_takes_its_seed_from_the_run_unless_set(option):
    assert saved(f"split={option}", "seed=5")["split"]["seed"] == 5
    assert saved(f"split={option}", "seed=5", "split.seed=7")["split"]["seed"] == 7


@every_split
def test_split_of_regression_ignores_the_values(option):
    targets = TARGETS["real"][1]
    one, other = (make("split", option)(Rows(values, "regression")) for values in (targets, targets**2))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@every_split
@pytest.mark.parametrize("num_rows", [1, 2])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_split_of_too_few_rows_is_refused(option, num_rows, kind):
    with pytest.raises(ConfigError, match=r"split.*empty"):
        make("split", option)(Rows(np.zeros(num_rows, np.int64), kind))


@every_split
def test_split_with_a_test_set_of_all_rows_is_refused(option):
    with pytest.raises(ConfigError, match="split"):
        make("split", option)(Rows(np.zeros(30, np.int64), "classification", np.arange(30)))
