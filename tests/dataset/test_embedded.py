"""Data sets embedded in scikit-learn, against scikit-learn and their known facts."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from dlx.dataset.breast_cancer import BreastCancer
from dlx.dataset.diabetes import Diabetes
from dlx.dataset.digits import Digits
from dlx.dataset.iris import Iris
from dlx.dataset.wine import Wine


def test_digits_are_those_of_scikit_learn_divided_by_sixteen():
    arrays = Digits().load("")
    assert arrays.inputs.shape == (1797, 1, 8, 8)
    assert np.array_equal(arrays.inputs[:, 0] * 16, load_digits().images)
    assert np.array_equal(arrays.targets, load_digits().target)
    assert np.bincount(arrays.targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (arrays.inputs.min(), arrays.inputs.max()) == (0.0, 1.0)
    assert arrays.test_ids is None


def test_breast_cancer_is_that_of_scikit_learn():
    arrays, twin = BreastCancer().load(""), load_breast_cancer()
    assert np.array_equal(arrays.inputs, twin.data.astype(np.float32))
    assert np.array_equal(arrays.targets, twin.target)
    assert np.bincount(arrays.targets).tolist() == [212, 357]
    assert BreastCancer().spec().class_names == tuple(twin.target_names)


def test_diabetes_is_that_of_scikit_learn_in_its_own_units():
    arrays, twin = Diabetes().load(""), load_diabetes(scaled=False)
    assert np.array_equal(arrays.inputs, twin.data.astype(np.float32))
    assert np.array_equal(arrays.targets, twin.target)
    assert (arrays.targets.min(), arrays.targets.max()) == (25.0, 346.0)


@pytest.mark.parametrize(("dataset", "twin", "counts"), [(Iris(), load_iris, [50, 50, 50]),
                                                         (Wine(), load_wine, [59, 71, 48])])
def test_flowers_and_wines_are_those_of_scikit_learn(dataset, twin, counts):
    arrays, twin = dataset.load(""), twin()
    assert np.array_equal(arrays.inputs, twin.data.astype(np.float32))
    assert np.array_equal(arrays.targets, twin.target)
    assert np.bincount(arrays.targets).tolist() == counts
    assert dataset.spec().class_names == tuple(twin.target_names)


@pytest.mark.parametrize(("dataset", "twin"), [(Iris(), load_iris), (Wine(), load_wine), (Diabetes(), load_diabetes),
                                               (BreastCancer(), load_breast_cancer)])
def test_tables_name_their_columns_as_scikit_learn_does(dataset, twin):
    assert [column.name for column in dataset.spec().columns] == list(twin().feature_names)
    assert all(column.categories == () for column in dataset.spec().columns)
