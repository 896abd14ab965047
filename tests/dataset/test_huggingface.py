"""Folders of the datasets library: tables, images, texts, their own test split, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import Column

datasets = pytest.importorskip("datasets")
datasets.disable_progress_bars()

TEXTS = ["a good film", "bad", "góod", "the worst of all films", "fine", "poor"] * 4
LABELS = [1, 0] * 12


def saved(folder, data, target="label", **settings):
    data.save_to_disk(folder / "data")
    return make("dataset", "huggingface", path=str(folder / "data"), target=target, **settings)


def features(**own):
    return datasets.Features({**own, "label": datasets.ClassLabel(names=["neg", "pos"])})


def texts():
    return datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS},
                                      features=features(text=datasets.Value("string")))


def images(size=(4, 3), mode="RGB", odd=None):
    from PIL import Image

    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (24, size[1], size[0], 3), np.uint8)
    shown = [Image.fromarray(own).convert(mode) for own in pixels]
    if odd is not None:
        shown[7] = odd
    data = datasets.Dataset.from_dict({"image": shown, "label": LABELS, "who": [number // 2 for number in range(24)]},
                                      features=features(image=datasets.Image(), who=datasets.Value("int64")))
    return data, shown


def test_huggingface_texts_are_those_of_the_folder(tmp_path):
    arrays = saved(tmp_path, texts()).load("")
    assert arrays.inputs.texts() == TEXTS
    assert (arrays.spec.layout, arrays.spec.input_shape, arrays.spec.class_names) == ("text", (), ("neg", "pos"))
    assert arrays.targets.tolist() == LABELS


def test_huggingface_images_are_those_of_the_folder_and_other_columns_are_notes(tmp_path):
    data, shown = images()
    arrays = saved(tmp_path, data).load("")
    assert arrays.inputs.dtype == np.uint8
    assert np.array_equal(arrays.inputs, np.stack([np.asarray(image).transpose(2, 0, 1) for image in shown]))
    assert (arrays.spec.layout, arrays.spec.input_shape) == ("image", (3, 3, 4))
    assert arrays.notes["who"].tolist() == [number // 2 for number in range(24)]


def test_huggingface_grey_images_have_one_channel(tmp_path):
    data, shown = images(mode="L")
    arrays = saved(tmp_path, data).load("")
    assert np.array_equal(arrays.inputs[:, 0], np.stack([np.asarray(image) for image in shown]))


def test_huggingface_table_is_that_of_pandas(tmp_path):
    frame = pd.DataFrame({"x": np.arange(24) / 3, "city": ["Bern", "Oslo", None] * 8, "person": np.arange(24) // 2,
                          "y": np.arange(24) * 1.5})
    arrays = saved(tmp_path, datasets.Dataset.from_pandas(frame), "y", notes=["person"]).load("")
    assert arrays.spec.kind == "regression"
    assert arrays.spec.columns == (Column("x"), Column("city", ("Bern", "Oslo")))
    assert np.array_equal(arrays.inputs, np.stack([frame["x"], np.tile([0, 1, np.nan], 8)], 1), equal_nan=True)
    assert arrays.notes["person"].tolist() == frame["person"].tolist()


def test_huggingface_classes_that_are_inputs_are_categories_by_name(tmp_path):
    data = datasets.Dataset.from_dict({"x": [1.0, 2.0, 3.0] * 8, "label": LABELS, "y": ["a", "b"] * 12}).cast_column(
        "label", datasets.ClassLabel(names=["zero", "one"]))
    arrays = saved(tmp_path, data, "y").load("")
    assert arrays.spec.columns == (Column("x"), Column("label", ("one", "zero")))
    assert arrays.inputs[:2, 1].tolist() == [0, 1]


def test_huggingface_test_split_is_its_own_test_set(tmp_path):
    whole = texts()
    parts = datasets.DatasetDict({"train": whole.select(range(12)), "test": whole.select(range(12, 18)),
                                  "validation": whole.select(range(18, 24))})
    dataset = saved(tmp_path, parts)
    arrays = dataset.load("")
    assert arrays.test_ids.tolist() == list(range(12, 18))
    assert arrays.inputs.texts() == TEXTS
    assert arrays.notes["split"].tolist() == ["train"] * 12 + ["test"] * 6 + ["validation"] * 6
    chosen = make("dataset", "huggingface", path=dataset.path, target="label", splits=["validation", "train"]).load("")
    assert chosen.test_ids is None
    assert chosen.inputs.texts() == TEXTS[18:] + TEXTS[:12]
    with pytest.raises(ConfigError, match=r"dataset\.splits names valid, and .* has train, test, validation; did you"):
        make("dataset", "huggingface", path=dataset.path, target="label", splits=["valid"]).load("")


def refusal(dataset, tmp_path):
    with pytest.raises(ConfigError) as refused:
        dataset.load("")
    return str(refused.value).replace(f"{tmp_path}/", "")


def test_huggingface_without_label_or_text_names_the_rows(tmp_path):
    hidden = texts().to_dict()
    hidden["label"][3] = -1
    data = datasets.Dataset.from_dict(hidden, features=texts().features)
    assert refusal(saved(tmp_path / "label", data), tmp_path).startswith(
        "label/data: target column label has no value in row 3 (from 0); ")
    hidden = texts().to_dict()
    hidden["text"][5] = None
    data = datasets.Dataset.from_dict(hidden, features=texts().features)
    assert refusal(saved(tmp_path / "text", data), tmp_path) == (
        "text/data: column text has no text in row 5 (from 0); fill it in, or leave the rows out")


def test_huggingface_images_of_different_form_name_the_row(tmp_path):
    from PIL import Image

    data, _ = images(odd=Image.new("RGB", (5, 3)))
    assert refusal(saved(tmp_path / "size", data), tmp_path) == (
        "size/data: column image has an image of 3×4 (height × width) in colour in row 0 (from 0) and of 3×5 (height × "
        "width) in colour in row 7 (from 0); bring them to one size and mode, and save them again")
    data, _ = images(odd=Image.new("L", (4, 3)))
    assert "of 3×4 (height × width) in grey in row 7" in refusal(saved(tmp_path / "mode", data), tmp_path)
    data, _ = images(odd=Image.new("F", (4, 3)))
    assert refusal(saved(tmp_path / "deep", data), tmp_path) == (
        "deep/data: the image of column image in row 7 (from 0) cannot be used: its pixels are numbers of 32 bits "
        "without a known range; save it with 8 or 16 bits")
    data, _ = images(odd=Image.new("RGBA", (4, 3)))
    said = refusal(saved(tmp_path / "clear", data), tmp_path)
    assert "in row 7 (from 0) cannot be used: it has transparent pixels" in said


def test_huggingface_images_that_cannot_be_decoded_name_the_row(tmp_path):
    data, _ = images()
    rows = data.cast_column("image", datasets.Image(decode=False)).to_dict()
    rows["image"][4]["bytes"] = rows["image"][4]["bytes"][:40]
    data = datasets.Dataset.from_dict(rows, features=data.features)
    assert refusal(saved(tmp_path, data), tmp_path).startswith(
        "data: the image of column image in row 4 (from 0) cannot be decoded (")


def test_huggingface_folder_of_another_kind_or_damaged_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    dataset = make("dataset", "huggingface", path=str(tmp_path / "empty"), target="label")
    assert refusal(dataset, tmp_path).startswith("dataset.path=empty is no folder that save_to_disk of datasets wrote")
    dataset = saved(tmp_path, texts())
    (tmp_path / "data" / "data-00000-of-00001.arrow").write_bytes(b"gone")
    assert "or is damaged (" in refusal(dataset, tmp_path)
    dataset = saved(tmp_path / "state", texts())
    (tmp_path / "state" / "data" / "state.json").write_text(json.dumps({}))
    assert "or is damaged (" in refusal(dataset, tmp_path)


def test_huggingface_target_that_does_not_exist_is_refused(tmp_path):
    assert refusal(saved(tmp_path, texts(), "labels"), tmp_path) == (
        "dataset.target names labels, and data has no such column; did you mean label?")
