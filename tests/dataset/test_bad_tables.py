"""Tables that cannot be read or learnt from: each message names file, line or column, and what to do."""

import gzip
import os
import re

import numpy as np
import pandas as pd
import pytest
from part_files import make, parts

from dlx.core.errors import ConfigError, StorageError
from dlx.core.types import Column

ROWS = "a,b,y\n" + "".join(f"{number / 4},{number * 3},{'no' if number % 3 else 'yes'}\n" for number in range(12))
MANY = 60


def refused(tmp_path, content, target="y", name="t.csv", option="csv", **settings):
    """Write a file, load it and return what is said, without the folder."""
    path = tmp_path / name
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    dataset = make("dataset", option, path=str(path), target=target, **settings)
    with pytest.raises(ConfigError) as error:
        dataset.load("")
    assert error.value.exit_code == 2
    return str(error.value).replace(f"{tmp_path}/", "")


def with_line(line, at=7):
    """The good table with one line, counted from 1, replaced."""
    lines = ROWS.splitlines()
    lines[at - 1] = line
    return "\n".join(lines) + "\n"


def column(values, name="c"):
    """The good table's rows, repeated, with one more column."""
    own = [values[number % len(values)] for number in range(MANY)]
    return f"{name},b,y\n" + "".join(f"{value},{number},{'no' if number % 3 else 'yes'}\n"
                                     for number, value in enumerate(own))


TEXTS = {
    "0 bytes": ("", "t.csv is empty (0 bytes); name a file with rows"),
    "blank lines": ("\n \n\n", "t.csv is empty (4 bytes); name a file with rows"),
    "header only": ("a,b,y\n", "t.csv has column names and no rows"),
    "two rows": ("a,b,y\n1,2,no\n3,4,yes\n",
                 "t.csv has 2 rows: at least 3 are needed, one to train, one to select and one to test"),
    "utf-16": (ROWS.encode("utf-16"), "t.csv is UTF-16 text: dataset.encoding=utf-16 reads it; or save it as UTF-8"),
    "latin-1": (with_line("1,2,né").encode("latin-1"),
                "t.csv, line 7 is not utf-8 text (byte 0xe9); dataset.encoding=latin-1 or cp1252 reads most others, or "
                "save the file as UTF-8"),
    "binary": (b"\x01\x02\x00\x07" * 9, "t.csv is no text: byte 2 is 0; name a text file, or save it as UTF-8 text"),
    "gzip": (gzip.compress(ROWS.encode()), "t.csv is compressed (gzip): unpack it with gunzip"),
    "Excel": (b"PK\x03\x04 and more", "t.csv is a zip or Excel file: unpack it, or save the sheet as csv"),
    "parquet": (b"PAR1 and more", "t.csv is a parquet file: dataset=parquet reads it"),
    "semicolons": (ROWS.replace(",", ";"), "t.csv has one column where dataset.separator is comma: 'a;b;y'; try "
                                           "dataset.separator=semicolon"),
    "tabs": (ROWS.replace(",", "\t"), "t.csv has one column where dataset.separator is comma: 'a\\tb\\ty'; try "
                                      "dataset.separator=tab"),
    "one column": ("y\n1\n2\n3\n", "t.csv has one column where dataset.separator is comma: 'y'; a target and an input "
                                   "are needed"),
    "unnamed column": (",b,y\n0,1,2\n", "t.csv: column 1 of 3 has no name in line 1; name it there (row numbers that "
                                        "pandas wrote are left out by to_csv(index=False))"),
    "one name twice": ("a,b,a,y\n0,1,2,3\n",
                       "t.csv: columns 1 and 3 are all called a in line 1; give each a name of its own"),
    "a long row": (with_line("1,2,3,no"), "t.csv, line 7 has 4 cells, the table has 3 columns; quote cells that hold "
                                          "the separator, or mend the line"),
    "a long first row": (with_line("1,2,3,no", at=2), "t.csv, line 2 has 4 cells, the table has 3 columns; quote cells "
                                                      "that hold the separator, or mend the line"),
    "a short row": (with_line("1,2", at=13), "t.csv, line 13 has 2 cells, the table has 3 columns; quote cells that "
                                             "hold the separator, or mend the line"),
    "open quotation": (with_line('1,"2,no'), "t.csv: a quotation mark in the row that begins in line 7 is never "
                                             "closed; close it, or double it"),
    "missing target": (with_line("1,2,"), "t.csv: target column y has no value in line 7; fill it in, or take the rows "
                                          "out of the file: nothing can be learnt from them"),
    "NaN target": (ROWS.replace("no", "1.5").replace("yes", "2.5").replace("1.5\n", "nan\n", 2),
                   "t.csv: target column y has no value in lines 3 and 4; fill it in, or take the rows out of the "
                   "file: nothing can be learnt from them"),
    "empty target": ("a,b,y\n1,2,\n3,4,\n5,6,\n", "t.csv: target column y has no value in any row; choose another "
                                                  "column as dataset.target"),
    "infinite target": ("a,b,y\n1,2,0.5\n3,4,inf\n5,6,-inf\n",
                        "t.csv: target column y is infinite in lines 3 and 4; write a number, or nothing where it is "
                        "missing"),
    "one class": ("a,b,y\n" + "1,2,no\n" * 9,
                  "t.csv: target column y holds one class, 'no', in all 9 rows: there is nothing to tell apart; choose "
                  "another column as dataset.target, or add rows of other classes"),
    "constant number": ("a,b,y\n" + "1,2,0.25\n" * 9,
                        "t.csv: target column y is 0.25 in all 9 rows: there is nothing to predict"),
    "names as target": ("a,b,y\n" + "".join(f"1,{number},p{number}\n" for number in range(9)),
                        "t.csv: target column y has 9 classes in 9 rows, too few rows of each to learn from: names of "
                        "rows? Choose another column as dataset.target, or dataset.task=regression for numbers"),
    "dates as target": ("a,b,y\n" + "".join(f"1,{number},2024-01-0{number % 2 + 1}\n" for number in range(9)),
                        "t.csv: target column y holds dates, which are no target; choose another column as "
                        "dataset.target"),
    "mixed target": ("a,b,y\n" + "".join(f"1,{number},{number % 5}\n" for number in range(9)) + "1,2,unknown\n",
                     "t.csv: target column y holds numbers, and in line 11 text: 'unknown', one of 1 such row; mend "
                     "it, write dataset.missing=[unknown] where that means a missing value, or dataset.task="
                     "classification where each is a category"),
    "infinite input": (with_line("-inf,2,no"), "t.csv: column a is infinite in line 7; write a number, or nothing "
                                               "where it is missing"),
    "mixed input": (with_line("?,2,no"), "t.csv: column a holds numbers, and in line 7 text: '?', one of 1 such row; "
                                         "mend it, write dataset.missing=['?'] where that means a missing value, or "
                                         "dataset.types={a: category} where each is a category"),
    "numbers among words": (column(["red", "green", "7"]),
                            "t.csv: column c holds text, and in line 4 a number: '7', one of 20 such rows; mend these "
                            "20 rows, write dataset.missing=[7] where that means a missing value, or dataset.types={c: "
                            "category} where each is a category"),
    "decimal commas": (column(['"1,5"', '"2,25"', "3"]),
                       "t.csv: column c holds numbers with a comma, such as '1,5': dataset.decimal=comma reads them "
                       "where the comma is the decimal point, with dataset.separator=semicolon or tab"),
    "empty input": (column([""]), "t.csv: column c has no value in any row; leave it out: dataset.types={c: ignore}"),
    "dates": (column(["2024-01-31", "2024-02-01T10:00"]),
              "t.csv: column c holds dates, which are no inputs; keep it to split by: dataset.notes=[c], leave it out: "
              "dataset.types={c: ignore}, or write numbers in its place, such as the day of the year"),
    "names of rows": (column([f"id{number}" for number in range(MANY)]),
                      "t.csv: column c has 60 different texts in 60 rows: names of rows or free text; leave it out: "
                      "dataset.types={c: ignore}, keep it to split by: dataset.notes=[c], or dataset.types={c: "
                      "category} if it is one"),
    "huge numbers": (column([2**53 + 1, 12]), "t.csv: column c holds whole numbers of 9,007,199,254,740,992 and "
                                              "beyond, which float64 cannot tell apart: names of rows? Leave it out"),
    "huger numbers": (column([10**30, 12]), "t.csv: column c holds whole numbers of 9,007,199,254,740,992 and"),
    "too large a target": ("a,b,y\n1,2,1e300\n3,4,-1\n5,6,0.5\n",
                           "t.csv: target column y reaches 1e+300, beyond what float32 holds; write it in a larger "
                           "unit, or its logarithm"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_table_of_text_is_refused_with_place_and_advice(case, tmp_path):
    content, message = TEXTS[case]
    assert refused(tmp_path, content).startswith(message)


SETTINGS = {
    "target with a typing error": ({"target": "Yy"}, "dataset.target names Yy, and t.csv has no such column; did you "
                                                     "mean y?"),
    "no such target": ({"target": "price"}, "dataset.target names price, and t.csv has no such column; there are a, b, "
                                            "y"),
    "unknown note": ({"notes": ["aa"]}, "dataset.notes names aa, and t.csv has no such column; did you mean a?"),
    "unknown type": ({"types": {"q": "ignore"}}, "dataset.types names q, and t.csv has no such column; there are a, b, "
                                                 "y"),
    "target is a note": ({"notes": ["y"]}, "dataset.notes names y, which is the target"),
    "target is ignored": ({"types": {"y": "ignore"}}, "dataset.types names y, which is the target"),
    "no input": ({"notes": ["a"], "types": {"b": "ignore"}}, "t.csv: no column is left as an input; beside the target "
                                                             "y there are a, b, y"),
    "regression of words": ({"task": "regression"}, "t.csv: target column y should hold numbers, and line 2 holds "
                                                    "'yes'; mend these 12 rows or leave the cells empty"),
    "classes of numbers": ({"target": "a", "task": "classification"}, "t.csv: target column a has 12 classes in 12 "
                                                                      "rows, too few"),
    "words as numbers": ({"types": {"y": "number"}, "target": "a"}, "t.csv: column y should hold numbers, and line 2 "
                                                                    "holds 'yes'"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_table_that_is_not_what_was_said_is_refused(case, tmp_path):
    settings, message = SETTINGS[case]
    assert refused(tmp_path, ROWS, **settings).startswith(message)


def test_table_says_what_is_wrong_with_all_columns_at_once(tmp_path):
    text = "when,id,b,y\n" + "".join(f"2024-01-{number + 1:02},id{number},{number},{number % 2}\n"
                                     for number in range(30))
    problems = refused(tmp_path, text).splitlines()
    assert [problem[:22] for problem in problems] == ["t.csv: column when hol", "t.csv: column id has 3"]


def test_table_without_header_line_says_that_names_look_like_data(tmp_path):
    text = "".join(f"{number}.5,3.5,1.4,{'yes' if number % 2 else 'no'}\n" for number in range(9))
    assert refused(tmp_path, text).endswith("there are 0.5, 3.5, 1.4, no; if its first line is data, "
                                            "dataset.header=false")


def test_table_line_counts_blank_lines_and_lines_inside_cells(tmp_path):
    text = '\na,b,y\n"1\n2",x,0\n\n"3",x,1\n"4",inf,1\n'
    frame = 'c,b,y\n"u\nv",1,0\n\n"u\nw",2,1\n"u\nv",inf,1\n"u\nw",2,1\n'
    assert refused(tmp_path, frame).startswith("t.csv: column b is infinite in line 7;")
    assert "line 6" in refused(tmp_path, text.replace("4", "x,x"), target="y")


def test_table_with_a_constant_target_of_a_regression_is_refused(tmp_path):
    assert refused(tmp_path, "a,b,y\n" + "1,2,0.25\n" * 9, task="regression") == (
        "t.csv: target column y is 0.25 in all 9 rows: there is nothing to predict; choose another column as "
        "dataset.target")


def test_table_that_is_absent_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as error:
        make("dataset", "csv", path="no.csv", target="y").load("data")
    assert str(error.value) == (
        f"dataset.path=no.csv is not there: looked for {tmp_path}/no.csv and {tmp_path}/data/no.csv; write a path from "
        "the current folder or an absolute one, or set data_dir or DLX_DATA_DIR to the folder that holds it")
    with pytest.raises(StorageError, match=r"^dataset.path=/no/no.csv is not there: looked for /no/no.csv$"):
        make("dataset", "csv", path="/no/no.csv", target="y").load("data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_table_that_may_not_be_read_says_so(tmp_path):
    (tmp_path / "t.csv").write_text(ROWS)
    (tmp_path / "t.csv").chmod(0)
    with pytest.raises(StorageError, match=r"cannot read .*t\.csv: Permission denied"):
        make("dataset", "csv", path=str(tmp_path / "t.csv"), target="y").load("")


@pytest.mark.parametrize("option", ["csv", "parquet"])
def test_table_that_is_a_folder_is_refused(option, tmp_path):
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        make("dataset", option, path=str(tmp_path), target="y").load("")


def good_frame():
    return pd.DataFrame({"a": np.arange(12.0), "y": ["no", "yes"] * 6})


@pytest.mark.parametrize(("content", "message"), [
    (b"", "t.parquet is empty; dataset=csv reads text"),
    (b"a,y\n1,2\n", "t.parquet is no parquet file: it does not begin with PAR1; dataset=csv reads text"),
    (b"PAR1 cut off", "t.parquet is damaged: its end is missing (12 bytes are there); copy it again"),
    (b"PAR1" + b"\x07" * 50 + b"PAR1", "t.parquet is damaged ("),
    (good_frame().assign(a=[[1, 2]] * 12), "t.parquet: column a holds neither numbers nor text; leave it out"),
    (good_frame().assign(a=pd.date_range("2024-01-01", periods=12)), "t.parquet: column a holds dates, which are no"),
    (good_frame().assign(a=[str(number) for number in range(12)]),
     "t.parquet: column a holds numbers as text, such as '0'; say what they are: dataset.types={a: category}, or "
     "write them as numbers"),
    (good_frame().assign(a=[1.0] * 3 + [np.inf] * 9),
     "t.parquet: column a is infinite in rows 4, 5, 6, 7, 8 and 4 more;"),
    (good_frame().assign(y=[*["no", "yes"] * 5, None, "no"]), "t.parquet: target column y has no value in row 11;"),
], ids=lambda value: value[:30] if isinstance(value, str) else "")
def test_parquet_is_refused_with_place_and_advice(content, message, tmp_path):
    assert refused(tmp_path, content, name="t.parquet", option="parquet").startswith(message)


def test_csv_of_an_unknown_encoding_is_refused():
    with pytest.raises(ConfigError, match=r"dataset\.encoding=klingon is no encoding of text; use utf-8, utf-16"):
        make("dataset", "csv", encoding="klingon")


def test_csv_of_commas_for_two_things_is_refused():
    with pytest.raises(ConfigError, match=r"dataset\.separator and dataset.decimal cannot both be comma"):
        make("dataset", "csv", decimal="comma")


@pytest.mark.parametrize(("content", "arguments", "message"), [
    ("", (), "is empty (0 bytes)"),
    (ROWS, ("dataset.target=z",), "dataset.target names z, and"),
    (with_line("1,2,"), (), "has no value in line 7"),
    (ROWS.encode("utf-16"), (), "is UTF-16 text"),
    (ROWS.replace("yes", "2.5").replace("no", "1.25"), ("dataset.task=regression",), "use loss=mse"),
    (None, (), "dataset.path is missing: dlx train dataset=csv dataset.target=y dataset.path=PATH"),
], ids=["empty", "target", "missing", "utf-16", "regression", "no path"])
def test_train_on_a_table_that_is_refused_leaves_nothing(content, arguments, message, dlx, workdir):
    given = []
    if content is not None:
        (workdir / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        given = ["dataset.path=t.csv"]
    target = [] if any("target" in argument for argument in arguments) else ["dataset.target=y"]
    result = dlx("train", "dataset=csv", *given, *target, *arguments, "epochs=1", "device=cpu")
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (workdir / "runs").exists() or not list((workdir / "runs").iterdir())


@pytest.mark.parametrize("name", ["length (cm)", "a:b", "x[0]", "a,b", "mean radius", "a=b", "{x}"])
def test_table_advice_can_be_typed_whatever_the_name_of_the_column(name, tmp_path):
    said = refused(tmp_path, column(["2024-01-31"], f'"{name}"'))
    ignore = re.search(r"dataset\.types=\{.*: ignore\}", said)[0]
    keep = re.search(r"dataset\.notes=\[.*?\](?=,)", said)[0]
    path = ["dataset=csv", f"dataset.path={tmp_path}/t.csv", "dataset.target=y"]
    assert parts(*path, ignore).dataset.load("").spec.columns == (Column("b"),)
    assert list(parts(*path, keep).dataset.load("").notes) == [name]
