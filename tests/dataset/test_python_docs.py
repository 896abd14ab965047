"""Passages of the language reference: each paragraph once, every topic in its chapter."""

import re
from pydoc_data.topics import topics

from part_files import make

from dlx.dataset.python_docs import CHAPTERS, NAMES


def plain(text):
    return " ".join(text.split())


def test_python_docs_has_every_topic_of_this_python_in_one_chapter():
    known = [topic for names in CHAPTERS.values() for topic in names.split()]
    assert len(known) == len(set(known))
    assert len(set(topics) & set(known)) >= 70
    assert all(any(topic in topics for topic in names.split()) for names in CHAPTERS.values())


def test_python_docs_takes_each_paragraph_once():
    arrays = make("dataset", "python_docs").load("")
    paragraphs = [plain(own) for text in arrays.inputs.texts() for own in re.split(r"\n\s*\n", text)]
    assert len(paragraphs) == len(set(paragraphs))
    everything = {plain(own) for names in CHAPTERS.values() for topic in names.split()
                  for own in re.split(r"\n\s*\n", topics.get(topic, ""))} - {""}
    assert set(paragraphs) == everything


def test_python_docs_passages_are_from_the_topic_and_chapter_that_they_say():
    arrays = make("dataset", "python_docs").load("")
    for text, target, topic in zip(arrays.inputs.texts(), arrays.targets, arrays.notes["topic"], strict=True):
        assert topic in CHAPTERS[NAMES[target]].split()
        assert all(plain(own) in plain(topics[topic]) for own in re.split(r"\n\s*\n", text))


def test_python_docs_for_next_tokens_are_the_same_texts():
    chapters, next_token = (make("dataset", name).load("") for name in ("python_docs", "python_docs_lm"))
    assert chapters.inputs.texts() == next_token.inputs.texts()
    assert not next_token.targets.any()


def test_python_docs_passages_grow_with_the_characters_asked_for():
    for characters in (40, 1000):
        arrays = make("dataset", "python_docs", characters=characters).load("")
        texts, names = arrays.inputs.texts(), arrays.notes["topic"].tolist()
        # The last passage of a topic is what is left.
        whole = [text for text, topic, after in zip(texts, names, [*names[1:], None], strict=True) if topic == after]
        assert min(map(len, whole)) >= characters
