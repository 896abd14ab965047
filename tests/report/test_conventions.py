"""The conventions of the report, carried out as they are written, against what dlx does."""

import hashlib

import numpy as np
import pytest
from scipy.stats import bootstrap

from dlx.core import intervals
from dlx.core.subject import apart


def key(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def test_subset_is_that_of_the_smallest_keys():
    ids = np.arange(500)
    smallest = sorted(ids, key=lambda number: key(f"0:subset:{number}"))[:40]
    assert [ids[place] for place in apart(ids, 40)] == sorted(smallest)


@pytest.mark.parametrize(("n", "num_draws", "kind"), [(359, 9999, "BCa"), (2001, 2000, "percentile")])
def test_bootstrap_is_that_of_scipy_with_the_generator_that_is_named(n, num_draws, kind):
    values = np.random.default_rng(7).exponential(size=n)
    generator = np.random.default_rng(key("0:bootstrap"))
    expected = bootstrap((values,), np.mean, n_resamples=num_draws, method=kind, rng=generator, batch=100)
    found = intervals.mean(values, 0.95, 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), rel=1e-9)
    assert found.num_draws == num_draws
