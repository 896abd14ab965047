"""Tables of the user's own: what is told by their values, against pandas and scikit-learn."""

import os

import numpy as np
import pandas as pd
import pytest
from part_files import make
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder

from dlx.core.errors import ConfigError
from dlx.core.types import Column
from dlx.dataset.csv import CSV
from dlx.dataset.parquet import Parquet


def mixed(num_rows=80):
    """Numbers, categories, true and false, with missing values, names of rows and dates."""
    draw = np.random.default_rng(5)
    frame = pd.DataFrame({
        "id": [f"p{number}" for number in range(num_rows)],
        "age": draw.integers(18, 80, num_rows).astype(float),
        "income": draw.normal(50, 10, num_rows).round(3),
        "city": draw.choice(["Rome", "Bern", "Oslo, north"], num_rows),
        "member": draw.random(num_rows) > 0.5,
        "day": pd.date_range("2024-01-01", periods=num_rows).strftime("%Y-%m-%d"),
        "bought": draw.choice(["yes", "no"], num_rows),
    })
    frame.loc[::7, "age"] = np.nan
    frame.loc[::9, "city"] = None
    return frame


@pytest.fixture(params=["csv", "parquet"])
def written(request, tmp_path):
    """A function that writes a table and makes the dataset that reads it."""
    def write(frame, target, **settings):
        path = tmp_path / f"table.{request.param}"
        frame.to_csv(path, index=False) if request.param == "csv" else frame.to_parquet(path)
        return make("dataset", request.param, path=str(path), target=target, **settings)

    return write


def of_text(tmp_path, text, **settings):
    (tmp_path / "t.csv").write_text(text)
    return make("dataset", "csv", **{"path": str(tmp_path / "t.csv"), "target": "y", **settings})


IGNORED = {"id": "ignore", "day": "ignore"}


def test_table_numbers_are_those_of_scikit_learn(written):
    twin = load_breast_cancer(as_frame=True)
    arrays = written(twin.frame, "target").load("")
    assert np.array_equal(arrays.inputs, twin.data.to_numpy())
    assert arrays.inputs.flags.c_contiguous
    assert np.array_equal(arrays.targets, twin.target)
    assert arrays.spec.class_names == ("0", "1")
    assert arrays.spec.columns == tuple(map(Column, twin.data.columns))


def test_table_of_a_real_target_is_a_regression(written):
    twin = load_diabetes(as_frame=True, scaled=False)
    arrays = written(twin.frame, "target").load("")
    assert (arrays.spec.kind, arrays.spec.num_outputs, arrays.spec.class_names) == ("regression", 1, ())
    assert np.array_equal(arrays.targets, twin.target.astype(np.float32))
    assert np.array_equal(arrays.inputs, twin.data.to_numpy())


def test_table_categories_are_those_of_scikit_learns_encoders(written):
    frame = mixed()
    arrays = written(frame, "bought", types=IGNORED).load("")
    assert arrays.spec.columns == (Column("age"), Column("income"), Column("city", ("Bern", "Oslo, north", "Rome")),
                                   Column("member", ("False", "True")))
    twin = OrdinalEncoder(encoded_missing_value=np.nan).fit_transform(frame[["city", "member"]])
    assert np.array_equal(arrays.inputs[:, 2:], twin, equal_nan=True)
    assert np.array_equal(arrays.inputs[:, :2], frame[["age", "income"]], equal_nan=True)
    assert np.array_equal(arrays.targets, LabelEncoder().fit_transform(frame["bought"]))
    assert arrays.spec.class_names == ("no", "yes")


def test_table_notes_are_kept_beside_the_inputs(written):
    frame = mixed()
    arrays = written(frame, "bought", types={"id": "note", "day": "ignore"}, notes=["city", "age"]).load("")
    assert [column.name for column in arrays.spec.columns] == ["income", "member"]
    assert list(arrays.notes) == ["id", "age", "city"]
    assert arrays.notes["id"].tolist() == frame["id"].tolist()
    assert arrays.notes["city"].tolist() == frame["city"].fillna("").tolist()
    assert np.array_equal(arrays.notes["age"], frame["age"], equal_nan=True)


def test_table_note_that_types_calls_an_input_is_both(written):
    arrays = written(mixed(), "bought", types={**IGNORED, "city": "category"}, notes=["city", "day"]).load("")
    assert [column.name for column in arrays.spec.columns] == ["age", "income", "city", "member"]
    assert list(arrays.notes) == ["city", "day"]


def test_parquet_dates_are_notes_that_can_be_put_in_order(tmp_path):
    days = pd.date_range("2024-01-01", periods=80, tz="Europe/Berlin")
    frame = mixed().assign(day=days)
    frame.to_parquet(tmp_path / "t.parquet")
    arrays = make("dataset", "parquet", path=str(tmp_path / "t.parquet"), target="bought", types={"id": "ignore"},
                  notes=["day"]).load("")
    assert arrays.notes["day"].dtype == "datetime64[us]"
    assert arrays.notes["day"][0] == np.datetime64("2023-12-31T23:00")


@pytest.mark.parametrize(("values", "kind", "names"), [
    ([0, 1, 2, 1], "classification", ("0", "1", "2")),
    ([3.0, 10.0, 4.0, 4.0], "classification", ("3", "4", "10")),
    ([0.5, 1.0, 1.5, 1.0], "regression", ()),
    (list(range(20)), "classification", tuple(map(str, range(20)))),
    (list(range(21)), "regression", ()),
    (["10", "9", "a"], None, ()),
    (["True", "False"], "classification", ("False", "True")),
    (["b ", "a", " b"], "classification", ("a", "b")),
])
def test_table_task_is_told_by_the_target(values, kind, names, tmp_path):
    rows = [values[number % len(values)] for number in range(60)]
    text = "x,y\n" + "".join(f"{number},{value}\n" for number, value in enumerate(rows))
    dataset = of_text(tmp_path, text)
    if kind is None:
        with pytest.raises(ConfigError, match="holds numbers, and in line 4 text: 'a'"):
            dataset.load("")
        return
    spec = dataset.load("").spec
    assert (spec.kind, spec.class_names, spec.num_outputs) == (kind, names, len(names) or 1)


def test_table_task_that_was_said_holds(tmp_path):
    text = "x,y\n" + "".join(f"{number},{number % 3}\n" for number in range(30))
    assert of_text(tmp_path, text, task="regression").load("").targets.tolist() == [0.0, 1.0, 2.0] * 10
    text = text.replace(",2\n", ",2.5\n")
    assert of_text(tmp_path, text).load("").spec.kind == "regression"
    arrays = of_text(tmp_path, text, task="classification").load("")
    assert arrays.spec.class_names == ("0", "1", "2.5")
    assert arrays.targets.tolist() == [0, 1, 2] * 10


def test_csv_types_say_what_values_would_not(tmp_path):
    text = "zip,size,y\n" + "".join(f"{'0' + str(number % 3 + 8)},{'L' if number % 2 else '38'},{number % 2}\n"
                                    for number in range(30))
    arrays = of_text(tmp_path, text, types={"zip": "category", "size": "category"}).load("")
    assert arrays.spec.columns == (Column("zip", ("08", "09", "010")), Column("size", ("38", "L")))
    assert arrays.inputs[:3].tolist() == [[0, 0], [1, 1], [2, 0]]


def test_csv_in_other_words_is_the_same_table(tmp_path):
    frame = mixed()
    twin = of_text(tmp_path, frame.to_csv(index=False), target="bought", types=IGNORED).load("")
    for separator, character in {"semicolon": ";", "tab": "\t", "pipe": "|"}.items():
        text = frame.to_csv(index=False, sep=character, decimal="," if separator == "semicolon" else ".")
        other = of_text(tmp_path, text, target="bought", types=IGNORED, separator=separator,
                        decimal="comma" if separator == "semicolon" else "point").load("")
        assert np.array_equal(other.inputs, twin.inputs, equal_nan=True)
        assert other.spec == twin.spec
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        frame.to_csv(tmp_path / "e.csv", index=False, encoding=encoding)
        other = of_text(tmp_path, "", path=str(tmp_path / "e.csv"), target="bought", types=IGNORED, encoding=encoding)
        assert other.load("").spec == twin.spec


def test_csv_without_header_line_counts_columns(tmp_path):
    arrays = of_text(tmp_path, "1.5,a,no\n2,b,yes\n3,a,no\n4,?,no\n", target=2, header=False, missing=["?"]).load("")
    assert arrays.spec.columns == (Column("0"), Column("1", ("a", "b")))
    assert np.array_equal(arrays.inputs, [[1.5, 0], [2, 1], [3, 0], [4, np.nan]], equal_nan=True)
    assert arrays.targets.tolist() == [0, 1, 0, 0]


def test_csv_too_large_for_one_piece_has_one_type_per_column(tmp_path):
    count = 300_000
    codes = ["7"] * count
    codes[-1] = "x7"
    (tmp_path / "t.csv").write_text("code,x,y\n" + "".join(
        f"{code},{number}.123456,{number % 2}\n" for number, code in enumerate(codes)))
    dataset = make("dataset", "csv", path=str(tmp_path / "t.csv"), target="y", notes=["code"])
    assert set(dataset.load("").notes["code"].tolist()) == {"7", "x7"}
    with pytest.raises(ConfigError, match=f"column code holds numbers, and in line {count + 1} text: 'x7'"):
        make("dataset", "csv", path=str(tmp_path / "t.csv"), target="y").load("")


def test_table_is_read_once_as_long_as_the_file_stays(tmp_path):
    dataset = of_text(tmp_path, "x,y\n" + "1,0\n2,1\n" * 5)
    first = dataset.load("")
    assert dataset.load("") is first
    (tmp_path / "t.csv").write_text("x,y\n" + "1,0\n3,1\n" * 6)
    assert dataset.load("").inputs[:2].tolist() == [[1], [3]]


def test_table_is_looked_for_in_the_current_folder_before_data_dir(tmp_path, monkeypatch):
    for folder, value in (("here", 1), ("data", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text("x,y\n" + f"{value},0\n{value},1\n" * 4)
    monkeypatch.chdir(tmp_path / "here")
    dataset = make("dataset", "csv", path="t.csv", target="y")
    assert dataset.load(str(tmp_path / "data")).inputs[0, 0] == 1
    os.remove("t.csv")
    assert dataset.load(str(tmp_path / "data")).inputs[0, 0] == 2


def test_table_more_rows_have_the_columns_and_codes_of_the_first(written, tmp_path):
    frame = mixed()
    dataset = written(frame, "bought", types=IGNORED)
    spec = dataset.load("").spec
    other = frame[["member", "city", "income", "age"]].iloc[:4].copy()
    other["city"] = ["Rome", "Paris", None, "Bern"]
    path = tmp_path / f"more.{'csv' if isinstance(dataset, CSV) else 'parquet'}"
    other.to_csv(path, index=False) if isinstance(dataset, CSV) else other.to_parquet(path)
    inputs, ids = dataset.more(str(path), "", spec)
    assert ids.tolist() == [0, 1, 2, 3]
    assert inputs[:, 2].tolist()[:2] == [2, 3]
    assert np.isnan(inputs[2, 2])
    assert inputs[3, 2] == 0
    assert np.array_equal(inputs[:, [0, 1, 3]], other[["age", "income", "member"]].astype(float), equal_nan=True)


def test_table_more_rows_of_another_form_are_refused(tmp_path):
    dataset = of_text(tmp_path, "age,city,y\n" + "1,a,0\n2,b,1\n" * 5)
    spec = dataset.load("").spec
    (tmp_path / "more.csv").write_text("ages,size\n1,2\n")
    with pytest.raises(ConfigError) as refused:
        dataset.more(str(tmp_path / "more.csv"), "", spec)
    assert refused.value.problems == (f"{tmp_path}/more.csv has no column age; did you mean ages?",
                                      f"{tmp_path}/more.csv has no column city")
    (tmp_path / "more.csv").write_text("age,city\n1,a\nold,b\n")
    with pytest.raises(ConfigError, match=r"more\.csv: column age should hold numbers, and line 3 holds 'old'"):
        dataset.more(str(tmp_path / "more.csv"), "", spec)


def test_parquet_index_with_a_name_is_a_column(tmp_path):
    frame = pd.DataFrame({"x": np.arange(12.0), "y": ["a", "b"] * 6}).set_index("x")
    frame.assign(z=np.arange(12)).to_parquet(tmp_path / "t.parquet")
    spec = Parquet(str(tmp_path / "t.parquet"), "y", "auto", None, []).load("").spec
    assert [column.name for column in spec.columns] == ["x", "z"]


def test_train_on_a_table_from_the_command_line(dlx, workdir):
    frame = load_breast_cancer(as_frame=True).frame
    frame.assign(target=np.where(frame.target == 1, "benign", "malignant")).to_csv(workdir / "bc.csv", index=False)
    result = dlx("train", "dataset=csv", "dataset.path=bc.csv", "dataset.target=target", "epochs=5", "device=cpu",
                 "--json")
    assert result.code == 0, result.err
    run = next((workdir / "runs").glob("*/"))
    predictions = pd.read_csv(run / "predictions.csv")
    assert {"prob_benign", "prob_malignant"} <= set(predictions.columns)
    test = predictions[predictions.split == "test"]
    assert (test.target == test.prediction).mean() > 0.9
