"""Texts of the user's in files: what is read, and what is said of files that cannot be learnt from."""

import pytest
from dataset_files import opinions
from part_files import make

from dlx.core.errors import ConfigError, StorageError
from dlx.dataset.text_lines import pieces

TABLE = {"text": "review", "target": "opinion", "task": "auto", "notes": [], "separator": "comma", "encoding": "utf-8"}
LINES = {"task": "classification", "label": "before", "separator": "tab", "characters": 1000, "encoding": "utf-8"}


def write(folder, content):
    path = folder / "file.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(folder, content, **changes):
    return make("dataset", "text_csv", path=str(write(folder, content)), **{**TABLE, **changes}).load("")


def lines(folder, content, **changes):
    return make("dataset", "text_lines", path=str(write(folder, content)), **{**LINES, **changes}).load("")


def rows(*more, header="review,opinion"):
    return "\n".join([header, *(f"{text},{label}" for text, label in opinions(8)), *more]) + "\n"


def test_text_csv_reads_quoted_texts_of_several_lines_and_keeps_notes(tmp_path):
    content = 'id,review,opinion\n1,"so, ""good""\nreally",good\n\n2,NA,bad\n3,fine,good\n4,ümlaut,bad\n'
    found = table(tmp_path, content, notes=["id"])
    assert found.inputs.texts() == ['so, "good"\nreally', "NA", "fine", "ümlaut"]
    assert found.spec.class_names == ("bad", "good")
    assert found.targets.tolist() == [1, 0, 1, 0]
    assert found.notes["id"].tolist() == [1, 2, 3, 4]


def test_text_csv_reads_numbers_as_a_regression_and_no_target_as_next_tokens(tmp_path):
    content = "review,stars\ngood,4.5\nbad,1.0\nfair,3.25\n"
    found = table(tmp_path, content, target="stars")
    assert (found.spec.kind, found.targets.tolist()) == ("regression", [4.5, 1.0, 3.25])
    found = table(tmp_path, content, target=None)
    assert (found.spec.kind, found.spec.next_token, found.targets.tolist()) == ("sequence", True, [0, 0, 0])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8"])
def test_text_files_are_read_in_the_encoding_that_is_named(encoding, tmp_path):
    content = rows("größer,good", "kürzer,bad").encode(encoding)
    assert table(tmp_path, content, encoding=encoding).inputs.texts()[-2:] == ["größer", "kürzer"]
    content = "good\tgrößer\ngood\tja\nbad\tkürzer\nbad\tnein\n".encode(encoding)
    assert lines(tmp_path, content, encoding=encoding).inputs.texts() == ["größer", "ja", "kürzer", "nein"]


def test_text_lines_divides_at_the_first_separator_or_the_last(tmp_path):
    content = "good\ta\tb\n\nbad\tc\r\ngood\td\nbad\te"
    found = lines(tmp_path, content)
    assert found.inputs.texts() == ["a\tb", "c", "d", "e"]
    assert found.notes["line"].tolist() == [1, 3, 4, 5]
    content = "a, b, good\nc, bad\nd, good\ne, bad\n"
    found = lines(tmp_path, content, label="after", separator="comma")
    assert found.inputs.texts() == ["a, b", "c", "d", "e"]
    assert found.spec.class_names == ("bad", "good")


def test_text_lines_of_next_tokens_is_the_whole_text_in_pieces(tmp_path):
    text = "one two three\nfour fivesixseven " * 40
    found = lines(tmp_path, text, task="next_token", characters=50)
    assert max(map(len, found.inputs.texts())) <= 50
    assert " ".join(found.inputs.texts()).split() == text.split()
    assert found.spec.next_token


@pytest.mark.parametrize("characters", [16, 17, 40, 1000])
def test_pieces_lose_nothing_but_white_space(characters):
    text = " a abcdefghijklmnopqrstuvwxyz\nqr st\t\tu v w and then" * 5
    assert "".join("".join(pieces(text, characters)).split()) == "".join(text.split())
    assert max(map(len, pieces(text, characters))) <= characters


BAD_TABLES = {
    "empty": (b"", {}, "is empty (0 bytes); name a file with text"),
    "white space": (b" \n\n", {}, "is empty (3 bytes)"),
    "utf-16": (rows().encode("utf-16"), {}, "is UTF-16 text: dataset.encoding=utf-16 reads it"),
    "a null byte": (b"review,opinion\na\0,b\n", {}, "is no text: byte 16 is 0"),
    "latin-1": (rows("größer,good").encode("latin-1"), {}, "line 10 is not utf-8 text (byte 0xf6); "
                                                             "dataset.encoding=latin-1 or cp1252 reads most others"),
    "misspelled text": (rows(), {"text": "reviews"}, "dataset.text names reviews, and "),
    "misspelled target": (rows(), {"target": "opinon"}, "has no such column; did you mean opinion?"),
    "unknown note": (rows(), {"notes": ["writer"]}, "has no such column; there are review, opinion"),
    "text as target": (rows(), {"target": "review"}, "dataset.target names review, which is the text"),
    "an empty text": (rows(",good"), {}, "column review has no text in line 10"),
    "empty texts": (rows(",good", " ,bad"), {}, "column review has no text in lines 10 and 11"),
    "no label": (rows("what,"), {}, "target column opinion has no value in line 10"),
    "one class": ("review,opinion\na,good\nb,good\nc,good\nd,good\n", {}, "holds one class, 'good', in all 4 rows"),
    "no rows": ("review,opinion\n", {}, "has column names and no rows"),
    "too many cells": (rows("well, good,good"), {}, "line 10 has 3 cells, the table has 2 columns; quote cells"),
    "an open quotation": (rows('"never closed,good'), {}, "line 10 cannot be read: "),
    "another separator": (rows().replace(",", ";"), {}, "dataset.text names review, and "),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_text_csv_that_cannot_be_learnt_from_is_refused_with_its_place(case, tmp_path):
    content, changes, said = BAD_TABLES[case]
    with pytest.raises(ConfigError) as refused:
        table(tmp_path, content, **changes)
    assert said in str(refused.value)
    assert str(tmp_path / "file.txt") in str(refused.value) or "which is the text" in said


BAD_LINES = {
    "empty": ("", {}, "is empty (0 bytes)"),
    "utf-16": ("good\ta\n".encode("utf-16"), {}, "is UTF-16 text"),
    "undecodable": (b"good\ta\nbad\t\xff\n", {}, "line 2 is not utf-8 text (byte 0xff)"),
    "no separator": ("good\ta\nbad b\n\ngood\tc\nbad d\n", {}, "has no tab between label and text in lines 2 and 5; "
                                                              "say which sign it is: dataset.separator"),
    "no text": ("good\ta\nbad\t \n", {}, "has no text in line 2"),
    "no label": ("good\ta\n\tb\nbad\tc\n", {}, "has no value in line 2"),
    "one class": ("good\ta\ngood\tb\ngood\tc\n", {}, "holds one class, 'good', in all 3 rows"),
    "words for numbers": ("1\ta\ntwo\tb\n3\tc\n", {"task": "regression"}, "two"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_text_lines_that_cannot_be_learnt_from_are_refused_with_their_place(case, tmp_path):
    content, changes, said = BAD_LINES[case]
    with pytest.raises(ConfigError) as refused:
        lines(tmp_path, content, **changes)
    assert said in str(refused.value)
    assert str(tmp_path / "file.txt") in str(refused.value)


@pytest.mark.parametrize(("option", "values"), [("text_csv", TABLE), ("text_lines", LINES)])
def test_text_files_that_are_not_there_or_folders_are_named(option, values, tmp_path):
    with pytest.raises(StorageError, match="is not there: looked for"):
        make("dataset", option, path=str(tmp_path / "none"), **values).load("")
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        make("dataset", option, path=str(tmp_path), **values).load("")
    with pytest.raises(ConfigError, match=r"dataset\.encoding=utf-99 is no encoding of text"):
        make("dataset", option, path=str(tmp_path), **{**values, "encoding": "utf-99"})
