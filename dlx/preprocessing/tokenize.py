"""Texts as numbers of tokens, through Hugging Face tokenizers. N texts, L tokens, V tokens of the vocabulary.

PADDING is number 0, and 1 what train did not know, whatever the kind of token.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import require_layout
from dlx.core.ragged import Ragged
from dlx.core.ranges import Range
from dlx.core.types import PADDING, TaskSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VocabularySize = Annotated[int, Range("[8, 1000000]")]
MaxTokens = Annotated[int, Range("[1, 1000000]")]
# The first two words of a vocabulary: padding, unknown.
SPECIAL = ["[PAD]", "[UNK]"]
# In WordPiece, before the characters that continue a word.
CONTINUED = "##"
STATISTIC = "tokenizer"
THREADS = "TOKENIZERS_PARALLELISM"
# Texts at a time: what the library says of a token is larger than its number.
CHUNK = 512
CHARACTER = r"[\s\S]"
# A word or a run of signs, each with a space before it, or one other white space; together they are the text.
PIECE = r" ?\w+| ?[^\w\s]+|\s"


class _Tokenize:
    """What the four ways have in common: the trained tokenizer is the one statistic, as its JSON.

    A text that is to tell its own next token is cut at one token more: inputs end before its last, targets begin after
    its first.
    """

    name: ClassVar[str]

    def __init__(self, vocabulary_size: VocabularySize, length: MaxTokens, lowercase: bool) -> None:
        self.vocabulary_size = vocabulary_size
        self.length = length
        self.lowercase = lowercase

    def fit(self, inputs: Ragged, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Train the tokenizer on the train texts.

        Raises:
            ConfigError: inputs are no texts, no text has a token, or the library is not installed.
        """
        self._check(spec)
        with without_threads():
            tokenizer = self.untrained()
            tokenizer.normalizer = self._normalizer()
            self.train(tokenizer, inputs.texts())
            if tokenizer.get_vocab_size() <= len(SPECIAL):
                raise ConfigError(f"preprocessing={self.name} finds no token in the {len(inputs)} train texts: all are "
                                  f"empty")
            length = self.length + spec.next_token
            tokenizer.enable_truncation(length)
            tokenizer.enable_padding(length=length, pad_id=PADDING, pad_token=SPECIAL[0])
            saved = json.loads(tokenizer.to_str())
        # As added tokens they would be found in a text that says "[PAD]"; no text has them as words.
        saved["added_tokens"] = []
        return {STATISTIC: np.frombuffer(json.dumps(saved).encode(), np.uint8).copy()}

    def apply(self, inputs: Ragged, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Map N texts to numbers of tokens, int64 [N, L]."""
        tokenizer = restored(statistics[STATISTIC])
        texts = inputs.texts()
        with without_threads():
            rows = [np.array([found.ids for found in tokenizer.encode_batch_fast(texts[low : low + CHUNK])], np.int64)
                    for low in range(0, len(texts), CHUNK)]
        return np.concatenate(rows)

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Describe rows of tokens; None before the vocabulary is known."""
        self._check(spec)
        if statistics is None:
            return None
        size = restored(statistics[STATISTIC]).get_vocab_size()
        return replace(spec, layout="tokens", input_shape=(self.length,), vocabulary_size=size,
                       num_outputs=size if spec.next_token else spec.num_outputs)

    def tokens_of(self, text: str, statistics: Mapping[str, np.ndarray]) -> list[int]:
        """Return all tokens of a text, however long it is."""
        tokenizer = restored(statistics[STATISTIC])
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return list(tokenizer.encode(text).ids)

    def text_of(self, tokens: Sequence[int], statistics: Mapping[str, np.ndarray]) -> str:
        """Return the text of tokens; words are parted by a space."""
        tokenizer = restored(statistics[STATISTIC])
        if (decoder := self.decoder()) is not None:
            tokenizer.decoder = decoder
        return str(tokenizer.decode(list(tokens), skip_special_tokens=False))

    def decoder(self) -> Any:
        """Return what joins tokens to a text, or None for spaces between them."""
        from tokenizers import decoders

        return decoders.Fuse()

    def untrained(self) -> Tokenizer:
        """Return a tokenizer that divides texts and knows no token."""
        raise NotImplementedError

    def train(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Find the tokens of the texts."""
        raise NotImplementedError

    def _normalizer(self) -> Any:
        from tokenizers import normalizers

        return normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] if self.lowercase else [])])

    def _check(self, spec: TaskSpec) -> None:
        require_layout(self.name, spec, "text")
        check_installed()


class TokenizeChar(_Tokenize):
    """A token for each character: the most frequent ones of train. Texts are normalized to NFC.

    Args:
        vocabulary_size: tokens at most, padding and unknown among them, in [8, 1000000].
        length: tokens of a text, in [1, 1000000]; a longer one is cut, a shorter one padded.
        lowercase: whether capitals are read as small letters.
    """

    name = "tokenize_char"

    def untrained(self) -> Tokenizer:
        """Return a tokenizer that divides texts into characters."""
        from tokenizers import models

        return divided(CHARACTER, models.WordLevel(unk_token=SPECIAL[1]))

    def train(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Take the most frequent characters."""
        most_frequent(tokenizer, texts, self.vocabulary_size)


class TokenizeWord(_Tokenize):
    """A token for each word or run of signs, parted by white space: the most frequent ones of train.

    Texts are normalized to NFC.

    Args:
        vocabulary_size: tokens at most, padding and unknown among them, in [8, 1000000].
        length: tokens of a text, in [1, 1000000]; a longer one is cut, a shorter one padded.
        lowercase: whether capitals are read as small letters.
    """

    name = "tokenize_word"

    def untrained(self) -> Tokenizer:
        """Return a tokenizer that divides texts into words."""
        from tokenizers import models

        return in_words(models.WordLevel(unk_token=SPECIAL[1]))

    def train(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Take the most frequent words."""
        most_frequent(tokenizer, texts, self.vocabulary_size)

    def decoder(self) -> None:
        """Return nothing: the library puts spaces between words."""


class TokenizeBpe(_Tokenize):
    """Byte pair encoding: from characters on, the most frequent pair of train becomes a token, again and again.

    Source: Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units, 2016. No token
    reaches over the end of a word; white space is kept. Texts are normalized to NFC.

    Args:
        vocabulary_size: tokens at most, padding and unknown among them, in [8, 1000000].
        length: tokens of a text, in [1, 1000000]; a longer one is cut, a shorter one padded.
        lowercase: whether capitals are read as small letters.
    """

    name = "tokenize_bpe"

    def untrained(self) -> Tokenizer:
        """Return a tokenizer that divides texts into words with the space before them."""
        from tokenizers import models

        return divided(PIECE, models.BPE(unk_token=SPECIAL[1]))

    def train(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Merge pairs until the vocabulary is full or no pair is left."""
        from tokenizers import trainers

        kept = alphabet(tokenizer, texts, self.vocabulary_size - len(SPECIAL))
        tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
            vocab_size=self.vocabulary_size, special_tokens=SPECIAL, initial_alphabet=kept, limit_alphabet=len(kept),
            show_progress=False))


class TokenizeWordpiece(_Tokenize):
    """WordPiece: a word is its longest known beginning, then the longest known continuations, or else unknown.

    Source: Schuster and Nakajima, Japanese and Korean voice search, 2012, in the form of Devlin et al., BERT, 2019;
    as everywhere in the library, the most frequent pair becomes a token. Texts are normalized to NFC.

    Args:
        vocabulary_size: tokens at most, padding and unknown among them, in [8, 1000000].
        length: tokens of a text, in [1, 1000000]; a longer one is cut, a shorter one padded.
        lowercase: whether capitals are read as small letters.
    """

    name = "tokenize_wordpiece"

    def untrained(self) -> Tokenizer:
        """Return a tokenizer that divides texts into words."""
        from tokenizers import models

        return in_words(models.WordPiece(unk_token=SPECIAL[1]))

    def train(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        """Merge pairs until the vocabulary is full or no pair is left."""
        from tokenizers import trainers

        kept = alphabet(tokenizer, texts, (self.vocabulary_size - len(SPECIAL)) // 2)
        # The trainer numbers what continues a word in another order in every process, unless it has a number before.
        special = [*SPECIAL, *(CONTINUED + character for character in kept)]
        tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(
            vocab_size=self.vocabulary_size, special_tokens=special, initial_alphabet=kept, limit_alphabet=len(kept),
            show_progress=False))

    def decoder(self) -> Any:
        """Return what joins words with spaces, and the pieces of a word without."""
        from tokenizers import decoders

        return decoders.WordPiece(prefix=CONTINUED, cleanup=False)


def check_installed() -> None:
    """Raise ConfigError where the library of tokens is absent."""
    try:
        import tokenizers  # noqa: F401
    except ImportError as error:
        raise ConfigError("tokens need the package tokenizers, which is not installed: pip install 'dlx[text]'"
                          ) from error


def divided(pattern: str, model: Any) -> Tokenizer:
    """Return a tokenizer of a model that divides texts into matches of a pattern."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    return tokenizer


def in_words(model: Any) -> Tokenizer:
    """Return a tokenizer of a model that divides texts into words and runs of signs, without white space."""
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def most_frequent(tokenizer: Tokenizer, texts: list[str], vocabulary_size: int) -> None:
    """Give a tokenizer the most frequent words of the texts, of equally frequent ones the first by the alphabet."""
    from tokenizers import trainers

    tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(
        vocab_size=vocabulary_size, special_tokens=SPECIAL, show_progress=False))


def alphabet(tokenizer: Tokenizer, texts: list[str], most: int) -> list[str]:
    """Return the most frequent characters of words, by frequency: a trainer breaks ties anew in every process."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    used = [character for character in counts if tokenizer.pre_tokenizer.pre_tokenize_str(character)]
    return sorted(used, key=lambda character: (-counts[character], character))[:most]


def restored(statistic: np.ndarray) -> Tokenizer:
    """Return the trained tokenizer. Raises ValueError where the statistic is none."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(statistic.tobytes().decode())
    except Exception as error:
        # The library has no exception of its own.
        raise ValueError(f"no tokenizer: {error}") from error


@contextlib.contextmanager
def without_threads() -> Iterator[None]:
    """Keep the library to one thread inside the block, unless the user has set how many it takes.

    What forks after it has used its threads cannot use them again, and it writes about that to the terminal.
    """
    if THREADS in os.environ:
        yield
        return
    os.environ[THREADS] = "false"
    try:
        yield
    finally:
        del os.environ[THREADS]
