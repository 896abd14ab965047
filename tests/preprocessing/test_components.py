"""pca, whiten and zca against scikit-learn and what whitening means."""

import numpy as np
import pytest
from part_files import make
from sklearn.decomposition import PCA
from small_runs import digits

from dlx.core.errors import ConfigError
from dlx.core.types import Column, TaskSpec

DRAW = np.random.default_rng(0)
ROWS = (DRAW.normal(size=(300, 6)) @ DRAW.normal(size=(6, 6)) + 5).astype(np.float32)
TRAIN, OTHER = ROWS[:200], ROWS[200:] * 3
SPEC = TaskSpec("regression", "table", (6,), 1)
IMAGES = digits(500)


def fitted(name, rows=TRAIN, spec=SPEC, **changes):
    part = make("preprocessing", name, **changes)
    return part, part.fit(rows, np.zeros(len(rows)), spec)


@pytest.mark.parametrize("num_components", [1, 4, 6, 0.5, 0.9, 0.999])
def test_pca_equals_scikit_learn_on_train_and_on_unseen_rows(num_components):
    part, statistics = fitted("pca", num_components=num_components)
    twin = PCA(num_components, svd_solver="full").fit(TRAIN.astype(np.float64))
    for rows in (TRAIN, OTHER):
        np.testing.assert_allclose(part.apply(rows, statistics), twin.transform(rows.astype(np.float64)), rtol=1e-4,
                                   atol=1e-5)


def test_pca_of_images_is_a_table_of_their_flattened_pixels():
    inputs, spec = IMAGES.arrays.inputs, IMAGES.task
    part, statistics = fitted("pca", inputs, spec, num_components=5)
    out = part.apply(inputs, statistics)
    twin = PCA(5, svd_solver="full").fit_transform(inputs.reshape(500, 64).astype(np.float64))
    np.testing.assert_allclose(out, twin, atol=1e-5)
    assert part.spec_after(spec, None) == part.spec_after(spec, statistics)
    after = part.spec_after(spec, None)
    assert (after.layout, after.input_shape, after.columns[4]) == ("table", (5,), Column("pc5"))


def test_pca_sign_is_that_of_the_largest_entry_whatever_the_order_of_rows():
    for rows in (TRAIN, TRAIN[::-1]):
        components = fitted("pca", rows, num_components=6)[1]["components"]
        assert (components[np.arange(6), np.abs(components).argmax(axis=1)] > 0).all()


def test_pca_by_the_covariance_equals_pca_by_singular_values():
    rows = (DRAW.normal(size=(400, 160)) * np.linspace(1, 9, 160)).astype(np.float32)
    spec = TaskSpec("regression", "table", (160,), 1)
    part, statistics = fitted("pca", rows, spec, num_components=20)
    twin = PCA(20, svd_solver="full").fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(part.apply(rows, statistics), twin, atol=1e-4)


def test_whiten_gives_components_unit_variance_as_scikit_learn_does():
    part, statistics = fitted("whiten", num_components=4)
    out = part.apply(TRAIN, statistics).astype(np.float64)
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(4), atol=1e-5)
    # scikit-learn divides by N - 1.
    twin = PCA(4, svd_solver="full", whiten=True).fit(TRAIN.astype(np.float64))
    np.testing.assert_allclose(part.apply(OTHER, statistics), twin.transform(OTHER.astype(np.float64)) *
                               np.sqrt(200 / 199), rtol=1e-4, atol=1e-5)


def test_whiten_leaves_directions_without_variance_at_zero():
    flat = np.concatenate([TRAIN, TRAIN[:, :2], np.full((200, 1), 7)], axis=1).astype(np.float32)
    spec = TaskSpec("regression", "table", (9,), 1)
    part, statistics = fitted("whiten", flat, spec, num_components=9)
    out = part.apply(flat, statistics)
    assert out.std(axis=0).round(3).tolist() == [1, 1, 1, 1, 1, 1, 0, 0, 0]
    wild = flat * DRAW.normal(size=flat.shape).astype(np.float32)
    assert np.abs(part.apply(wild, statistics)[:, 6:]).max() == 0


def test_zca_removes_correlation_and_stays_close_to_the_inputs():
    part, statistics = fitted("zca", epsilon=1e-9)
    out = part.apply(TRAIN, statistics).astype(np.float64)
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(6), atol=1e-4)
    matrix = statistics["matrix"]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > 0
    centred = TRAIN - TRAIN.mean(axis=0, dtype=np.float64)
    rotation = np.linalg.qr(DRAW.normal(size=(6, 6)))[0]
    assert ((out - centred) ** 2).sum() < ((out @ rotation - centred) ** 2).sum()


def test_zca_epsilon_is_a_share_of_the_mean_variance():
    _, statistics = fitted("zca", epsilon=0.5)
    covariance = np.cov(TRAIN.T.astype(np.float64), bias=True)
    values, vectors = np.linalg.eigh(covariance)
    expected = vectors @ np.diag(1 / np.sqrt(values + 0.5 * values.mean())) @ vectors.T
    np.testing.assert_allclose(statistics["matrix"], expected, rtol=1e-6, atol=1e-9)


def test_zca_keeps_images_and_takes_bytes():
    inputs = (IMAGES.arrays.inputs / IMAGES.arrays.inputs.max() * 255).astype(np.uint8)
    part, statistics = fitted("zca", inputs, IMAGES.task)
    out = part.apply(inputs, statistics)
    assert (out.shape, out.dtype) == (inputs.shape, np.float32)
    as_floats = inputs.astype(np.float32) / 255
    again = part.apply(as_floats, part.fit(as_floats, np.zeros(500), IMAGES.task))
    np.testing.assert_allclose(out, again, atol=1e-5)


@pytest.mark.parametrize(("name", "changes", "rows", "said"), [
    ("pca", {"num_components": 7}, TRAIN, "pca.num_components must be at most 6, the smaller of train rows and "
                                          "features, got 7"),
    ("whiten", {"num_components": 5}, TRAIN[:3], "whiten.num_components must be at most 3"),
    ("pca", {}, np.where(TRAIN > 8, np.nan, TRAIN), "pca takes no missing values and column"),
    ("zca", {}, np.where(TRAIN > 8, np.nan, TRAIN), "put impute before zca")])
def test_components_refuse_what_they_cannot_be_fitted_to(name, changes, rows, said):
    with pytest.raises(ConfigError) as error:
        fitted(name, rows, **changes)
    assert said in str(error.value)


def test_zca_refuses_more_features_than_a_square_of_them_fits():
    with pytest.raises(ConfigError, match=r"at most 4096 features.*and these are 12288: put resize or grayscale"):
        make("preprocessing", "zca").spec_after(TaskSpec("regression", "image", (3, 64, 64), 1), None)


@pytest.mark.parametrize("name", ["pca", "whiten", "zca"])
def test_components_refuse_statistics_that_do_not_belong_together(name):
    part, statistics = fitted(name)
    with pytest.raises(ValueError, match="mean"):
        part.apply(TRAIN, {**statistics, "mean": statistics["mean"][:1]})
