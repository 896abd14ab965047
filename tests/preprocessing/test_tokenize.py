"""Tokens of texts against counting by hand, and what a trained tokenizer must keep."""

import collections
import hashlib
import os
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import PADDING, UNKNOWN, TaskSpec
from dlx.preprocessing.tokenize import restored

NAMES = ["tokenize_char", "tokenize_word", "tokenize_bpe", "tokenize_wordpiece"]
SPEC = TaskSpec("classification", "text", (), 2, ("a", "b"))
NEXT = TaskSpec("sequence", "text", (), 0, next_token=True)
TRAIN = ["the cat sat on the mat, the mat lay still!", "a dog lay on a mat\n(the dog's mat)", "cats and dogs: Ärger"]
NEW = "the [PAD] cat 漢 lay"
every_part = pytest.mark.parametrize("name", NAMES)


def tokens(name, train, texts, spec=SPEC, **changes):
    part = make("preprocessing", name, **{"length": 60, **changes})
    statistics = part.fit(Ragged.of_texts(train), np.zeros(len(train)), spec)
    return part.apply(Ragged.of_texts(texts), statistics), part, statistics


def fitted_bytes(name):
    return tokens(name, TRAIN, TRAIN)[2]["tokenizer"].tobytes()


def test_tokenize_char_numbers_characters_by_frequency():
    (row,), _, _ = tokens("tokenize_char", TRAIN, ["tea zz"])
    counts = collections.Counter("".join(TRAIN))
    order = sorted(counts, key=lambda character: (-counts[character], character))
    assert row[:6].tolist() == [order.index(own) + 2 if own in counts else UNKNOWN for own in "tea zz"]
    assert not row[6:].any()


def test_tokenize_word_numbers_words_and_signs_by_frequency():
    (row,), _, _ = tokens("tokenize_word", TRAIN, ["The cat, unseen!"])
    words = [word for text in TRAIN for word in re.findall(r"\w+|[^\w\s]+", text.lower())]
    counts = collections.Counter(words)
    order = sorted(counts, key=lambda word: (-counts[word], word))
    expected = [order.index("the") + 2, order.index("cat") + 2, order.index(",") + 2, UNKNOWN, order.index("!") + 2]
    assert row[:5].tolist() == expected
    assert not row[5:].any()


def test_tokenize_word_keeps_no_more_than_its_vocabulary():
    rows, part, statistics = tokens("tokenize_word", TRAIN, TRAIN, vocabulary_size=8)
    assert part.spec_after(SPEC, statistics).vocabulary_size == 8
    assert rows.max() == 7


def test_tokenize_bpe_merges_the_most_frequent_pairs_first():
    # Padding, unknown and five characters: a vocabulary of eight leaves one merge, of "lo", which occurs most.
    (row,), _, _ = tokens("tokenize_bpe", ["low low lot"], ["low"], vocabulary_size=8)
    assert (row > 0).sum() == 2
    assert row[0] == 7


def test_tokenize_bpe_loses_nothing_of_a_text():
    _, _, statistics = tokens("tokenize_bpe", TRAIN, TRAIN, length=200, vocabulary_size=40)
    tokenizer = restored(statistics["tokenizer"])
    assert ["".join(token for token in tokenizer.encode(text).tokens if token != "[PAD]") for text in TRAIN] == TRAIN


def test_tokenize_wordpiece_takes_the_longest_known_pieces():
    _, _, statistics = tokens("tokenize_wordpiece", ["unhappy unhappy unhappy happy"], [""], vocabulary_size=40)
    found = restored(statistics["tokenizer"]).encode("unhappy unhappyu xa").tokens
    assert [token for token in found if token != "[PAD]"] == ["unhappy", "unhappy", "##u", "[UNK]"]


@every_part
def test_tokenize_of_new_texts_uses_known_numbers_unknown_and_padding(name):
    rows, part, statistics = tokens(name, TRAIN, [NEW, "", " "])
    size = part.spec_after(SPEC, statistics).vocabulary_size
    assert rows.dtype == np.int64
    assert rows.shape == (3, 60)
    assert 0 <= rows.min() <= rows.max() < size
    assert UNKNOWN in rows[0]
    length = np.flatnonzero(rows[0])[-1] + 1
    # "[PAD]" in a text is no padding.
    assert (rows[0, :length] != PADDING).all()
    assert not rows[1].any()


@every_part
def test_tokenize_cuts_and_pads_to_its_length(name):
    long, part, statistics = tokens(name, TRAIN, TRAIN)
    short, _, _ = tokens(name, TRAIN, TRAIN, length=4)
    assert np.array_equal(short, long[:, :4])
    assert part.spec_after(SPEC, statistics).input_shape == (60,)


@every_part
def test_tokenize_to_tell_the_next_token_keeps_one_more(name):
    rows, part, statistics = tokens(name, TRAIN, TRAIN, spec=NEXT, length=5)
    spec = part.spec_after(NEXT, statistics)
    assert rows.shape == (3, 6)
    assert (spec.kind, spec.layout, spec.input_shape) == ("sequence", "tokens", (5,))
    assert spec.num_outputs == spec.vocabulary_size > 2
    assert part.spec_after(NEXT, None) is None


@every_part
def test_tokenize_normalizes_case_only_where_asked_and_composes_characters(name):
    apart = unicodedata.normalize("NFD", "Ärger")
    for lowercase in (False, True):
        rows, _, _ = tokens(name, [*TRAIN, "ärger"], ["Ärger", apart, "ärger"], lowercase=lowercase)
        assert np.array_equal(rows[0], rows[1])
        assert np.array_equal(rows[0], rows[2]) == lowercase


@every_part
@pytest.mark.parametrize("threads", ["true", "false"])
def test_tokenize_training_gives_the_same_bytes_in_every_process_and_number_of_threads(name, threads):
    code = f"import test_tokenize as t, hashlib; print(hashlib.sha256(t.fitted_bytes({name!r})).hexdigest())"
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True,
                           env=environment)
    assert found.stdout.strip() == hashlib.sha256(fitted_bytes(name)).hexdigest()


@every_part
def test_tokenize_leaves_the_environment_as_it_was_and_forks_in_silence(name, capfd):
    before = dict(os.environ)
    tokens(name, TRAIN * 50, TRAIN * 50)
    child = os.fork()
    if child == 0:
        tokens(name, TRAIN * 50, TRAIN * 50)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")


@every_part
def test_tokenize_refuses_what_it_cannot_learn_from(name):
    part = make("preprocessing", name)
    with pytest.raises(ConfigError, match=f"preprocessing={name} is for texts, not for tables"):
        part.spec_after(TaskSpec("regression", "table", (3,), 1), None)
    with pytest.raises(ConfigError, match=f"preprocessing={name} finds no token in the 2 train texts"):
        part.fit(Ragged.of_texts(["", ""]), np.zeros(2), SPEC)


@every_part
def test_tokenize_without_the_library_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match=r"pip install 'dlx\[text\]'"):
        make("preprocessing", name).spec_after(SPEC, None)


@every_part
def test_tokenize_refuses_a_statistic_that_is_no_tokenizer(name):
    with pytest.raises(ValueError, match="no tokenizer"):
        make("preprocessing", name).apply(Ragged.of_texts(TRAIN), {"tokenizer": np.frombuffer(b"{}", np.uint8)})


@every_part
def test_tokenize_makes_texts_of_tokens_again_however_long_they_are(name):
    _, part, statistics = tokens(name, TRAIN, TRAIN, length=3)
    found = part.tokens_of("a mat on the dog", statistics)
    assert len(found) >= 5
    assert UNKNOWN not in found
    assert part.text_of(found, statistics) == "a mat on the dog"
    for end in range(len(found)):
        assert part.text_of(found, statistics).startswith(part.text_of(found[:end], statistics))
    row = part.apply(Ragged.of_texts(["a mat on the dog"]), statistics)[0]
    assert row.tolist() == found[:3]


@every_part
def test_tokenize_writes_signs_as_it_reads_them(name):
    _, part, statistics = tokens(name, TRAIN, TRAIN)
    text = part.text_of(part.tokens_of("the cat, a dog!", statistics), statistics)
    keeps_spaces = name in ("tokenize_char", "tokenize_bpe")
    assert text == ("the cat, a dog!" if keeps_spaces else "the cat , a dog !")
