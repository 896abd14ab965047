"""dlx data inspect."""

import json

import numpy as np
import pytest

from dlx.cli.data_inspect import keep


def test_inspect_shows_sizes_classes_ranges_baselines_and_draws_examples(dlx, workdir):
    result = dlx("data", "inspect", "dataset=digits")
    assert (result.code, result.err) == (0, "")
    for text in ("1,797 rows, image [1, 8, 8] of float32", "Targets", "1,078", "brightness", "Rows that occur twice",
                 "logistic regression", "digits-examples.png"):
        assert text in result.out
    assert (workdir / "digits-examples.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in workdir.iterdir()] == ["digits-examples.png"]


def test_json_holds_profile_findings_and_where_the_picture_is(dlx):
    found = json.loads(dlx("data", "inspect", "dataset=diabetes", "--json").out)
    assert found["profile"]["num_rows"] == 442
    assert [column["name"] for column in found["profile"]["columns"]][:2] == ["age", "sex"]
    assert {item["name"] for item in found["hygiene"]["made"]} == {"majority", "stratified", "nearest", "linear"}
    assert found["picture"] == "diabetes-examples.png"


def test_classes_are_counted_in_every_split(dlx):
    targets = json.loads(dlx("data", "inspect", "dataset=iris", "--json").out)["profile"]["targets"]
    assert targets["all"]["classes"] == [50, 50, 50]
    assert np.sum([targets[split]["classes"] for split in ("train", "val", "test")], axis=0).tolist() == [50, 50, 50]


def test_split_and_preprocessing_are_those_typed(dlx):
    found = json.loads(dlx("data", "inspect", "dataset=iris", "split.test_fraction=0.4", "preprocessing=minmax",
                           "--json").out)
    assert found["profile"]["targets"]["test"]["num_rows"] == 60


def test_a_picture_is_never_written_over_another_and_never_twice(tmp_path):
    path = tmp_path / "digits-examples.png"
    assert keep(b"one", path) == path
    assert keep(b"one", path) == path
    assert keep(b"two", path).name == "digits-examples-2.png"
    assert keep(b"two", path).name == "digits-examples-2.png"
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize(("arguments", "text"), [(["dataset=digit"], "did you mean digits"),
                                                 (["dataset=digits", "split.val_fraction=2"], "split.val_fraction")])
def test_a_mistake_is_explained_and_nothing_written(dlx, workdir, arguments, text):
    result = dlx("data", "inspect", *arguments)
    assert result.code == 2
    assert text in result.err
    assert list(workdir.iterdir()) == []
