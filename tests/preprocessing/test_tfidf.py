"""Tfidf against scikit-learn's own pipeline and the formula."""

import math

import numpy as np
import pytest
from part_files import make
from sklearn.feature_extraction.text import TfidfVectorizer

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec

SPEC = TaskSpec("classification", "text", (), 2, ("a", "b"))
TRAIN = ["the cat sat on the mat", "a dog lay on a mat", "cats and dogs", "Über dem Berg"]
NEW = ["the dog sat with unknown cats", "nothing known", ""]


@pytest.mark.parametrize("changes", [{}, {"ngram_length": 2}, {"lowercase": False}, {"use_idf": False},
                                     {"num_features": 3}], ids=str)
def test_tfidf_equals_scikit_learn(changes):
    part = make("preprocessing", "tfidf", **changes)
    statistics = part.fit(Ragged.of_texts(TRAIN), np.zeros(4), SPEC)
    twin = TfidfVectorizer(lowercase=part.lowercase, ngram_range=(1, part.ngram_length), use_idf=part.use_idf,
                           max_features=part.num_features).fit(TRAIN)
    np.testing.assert_allclose(part.apply(Ragged.of_texts(NEW), statistics), twin.transform(NEW).toarray(), rtol=1e-6)
    spec = part.spec_after(SPEC, statistics)
    assert [column.name for column in spec.columns] == twin.get_feature_names_out().tolist()
    assert (spec.layout, spec.input_shape) == ("table", (len(spec.columns),))


def test_tfidf_of_two_words_equals_the_formula():
    part = make("preprocessing", "tfidf")
    statistics = part.fit(Ragged.of_texts(["red red blue", "blue"]), np.zeros(2), SPEC)
    raw = np.array([1.0, 2 * (1 + math.log(3 / 2))])  # blue, red
    np.testing.assert_allclose(part.apply(Ragged.of_texts(["red red blue"]), statistics)[0],
                               raw / np.linalg.norm(raw), rtol=1e-6)


def test_tfidf_refuses_texts_without_words_numbers_and_order():
    part = make("preprocessing", "tfidf")
    with pytest.raises(ConfigError, match="finds no word of two letters in the 2 train texts"):
        part.fit(Ragged.of_texts(["", "?"]), np.zeros(2), SPEC)
    with pytest.raises(ConfigError, match="is for texts, not for tables"):
        part.spec_after(TaskSpec("regression", "table", (3,), 1), None)
    with pytest.raises(ConfigError, match="forgets the order of words"):
        part.spec_after(TaskSpec("sequence", "text", (), 0, next_token=True), None)
