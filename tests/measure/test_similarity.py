"""CKA of many against CKA of two."""

import numpy as np
import pytest

from dlx.measure import features
from dlx.measure.similarity import debiased_cka, from_upper, plain_cka


def grams(num=4, n=20, seed=0):
    generator = np.random.default_rng(seed)
    base = generator.normal(size=(n, 3))
    return np.stack([features.gram(base @ generator.normal(size=(3, 8)) + generator.normal(size=(n, 8)))
                     for _ in range(num)])


def test_cka_of_every_two_is_that_of_two():
    found = grams()
    for many, two in ((debiased_cka(found), features.debiased_cka), (plain_cka(found), features.linear_cka)):
        for i, one in enumerate(found):
            for j, other in enumerate(found):
                assert many[i, j] == pytest.approx(two(one, other), abs=1e-10)


def test_debiased_cka_needs_no_centring():
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(2, 15, 4)) + 3.0
    np.testing.assert_allclose(debiased_cka(raw @ raw.transpose(0, 2, 1)),
                               debiased_cka(np.stack([features.gram(own) for own in raw])), atol=1e-10)


def test_debiased_cka_of_unrelated_features_is_near_zero_where_the_plain_one_is_not():
    generator = np.random.default_rng(0)
    found = np.stack([features.gram(generator.normal(size=(60, 100))) for _ in range(12)])
    apart = ~np.eye(12, dtype=bool)
    assert abs(debiased_cka(found)[apart].mean()) < 0.02
    assert plain_cka(found)[apart].mean() > 0.5


def test_cka_of_features_without_variation_is_nan():
    found = grams(3)
    found[1] = 0.0
    for many in (debiased_cka(found), plain_cka(found)):
        assert np.isnan(many[1]).all()
        assert np.isfinite(many[0, 2])


def test_from_upper_gives_the_matrix_back():
    whole = grams(1)[0]
    np.testing.assert_array_equal(from_upper(whole[np.triu_indices(20)]), (whole + whole.T) / 2)
    with pytest.raises(ValueError, match="5 numbers are no upper triangle"):
        from_upper(np.zeros(5))
