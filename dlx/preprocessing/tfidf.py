"""Texts as a table of how often words occur in them. N texts, D words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import require_layout
from dlx.core.ragged import Ragged
from dlx.core.ranges import Range, Width
from dlx.core.types import Column, TaskSpec

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

NgramLength = Annotated[int, Range("[1, 8]")]
# Texts at a time, as a sparse matrix before they are rows of the table.
CHUNK = 4096


class Tfidf:
    """tf · (1 + ln((1 + n) / (1 + df))), then each text at length 1, through scikit-learn.

    tf is how often the text has a word, df how many of the n train texts have it (Salton and Buckley, Term-weighting
    approaches in automatic text retrieval, 1988). A word has two letters at least. The table holds a float32 for each
    text and word: 400 MB for 100,000 texts and 1,000 words.

    Args:
        num_features: D at most: the words that occur most often in train, in [1, 65536].
        ngram_length: words in a row that count as one, from 1 up to this many, in [1, 8].
        lowercase: whether capitals are read as small letters.
        use_idf: weight by df; false leaves tf alone.
    """

    def __init__(self, num_features: Width, ngram_length: NgramLength, lowercase: bool, use_idf: bool) -> None:
        self.num_features = num_features
        self.ngram_length = ngram_length
        self.lowercase = lowercase
        self.use_idf = use_idf

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the words, as a JSON list, and the weight [D] of each.

        Raises:
            ConfigError: inputs are no texts, or no text has a word.
        """
        _check(spec)
        counting = self._vectorizer(use_idf=self.use_idf, max_features=self.num_features)
        try:
            counting.fit(inputs.texts())
        except ValueError as error:
            raise ConfigError(f"preprocessing=tfidf finds no word of two letters in the {len(inputs)} train texts; use "
                              f"tokens: preprocessing=[tokenize_char]") from error
        words = counting.get_feature_names_out().tolist()
        weights = counting.idf_ if self.use_idf else np.ones(len(words))
        return {"words": np.frombuffer(json.dumps(words).encode(), np.uint8).copy(),
                "weights": weights.astype(np.float64)}

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Map N texts to float32 [N, D]; one without a known word becomes zeros."""
        words = _words(statistics)
        fitted = self._vectorizer(use_idf=True, vocabulary={word: place for place, word in enumerate(words)})
        fitted.idf_ = statistics["weights"]
        texts = inputs.texts()
        rows = np.empty((len(texts), len(words)), np.float32)
        for low in range(0, len(texts), CHUNK):
            rows[low : low + CHUNK] = fitted.transform(texts[low : low + CHUNK]).toarray()
        return rows

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Describe a table with a column for each word; None before the words are known."""
        _check(spec)
        if statistics is None:
            return None
        columns = tuple(map(Column, _words(statistics)))
        return replace(spec, layout="table", input_shape=(len(columns),), columns=columns)

    def _vectorizer(self, **settings: Any) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(lowercase=self.lowercase, ngram_range=(1, self.ngram_length), **settings)


def _words(statistics: Mapping[str, np.ndarray]) -> list[str]:
    words: list[str] = json.loads(statistics["words"].tobytes())
    return words


def _check(spec: TaskSpec) -> None:
    require_layout("tfidf", spec, "text")
    if spec.next_token:
        raise ConfigError("preprocessing=tfidf forgets the order of words, which the task is to tell; use "
                          "preprocessing=[tokenize_word]")
