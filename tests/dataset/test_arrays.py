"""Arrays as numpy saves them: layouts, memory maps, and what is refused."""

import zipfile

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError, StorageError
from dlx.core.types import IGNORED

DRAW = np.random.default_rng(2)
TABLE = DRAW.normal(size=(24, 3))
CLASSES = np.arange(24) % 3
BYTES = DRAW.integers(0, 256, (24, 5, 4), np.uint8)


def npz(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return {"path": str(folder / "a.npz")}


def npy(folder, inputs, targets=CLASSES):
    np.save(folder / "x.npy", inputs)
    np.save(folder / "y.npy", targets)
    return {"path": str(folder / "x.npy"), "targets": "y.npy"}


def load(settings, **more):
    return make("dataset", "arrays", **settings, **more).load("")


def test_arrays_of_a_table_are_what_was_saved(tmp_path):
    arrays = load(npz(tmp_path, inputs=TABLE, targets=CLASSES))
    assert arrays.inputs.dtype == np.float64
    assert np.array_equal(arrays.inputs, TABLE)
    assert np.array_equal(arrays.targets, CLASSES)
    assert (arrays.spec.layout, arrays.spec.input_shape, arrays.spec.class_names) == ("table", (3,), ("0", "1", "2"))


def test_arrays_of_npy_are_mapped_and_not_read(tmp_path):
    for inputs in (TABLE, TABLE.astype(np.float32), BYTES, BYTES[:, None]):
        arrays = load(npy(tmp_path, inputs))
        assert isinstance(arrays.inputs, np.memmap)
        assert np.array_equal(arrays.inputs.reshape(inputs.shape), inputs)
        assert arrays.inputs.dtype == inputs.dtype


def test_arrays_with_channels_last_are_mapped_with_channels_first(tmp_path):
    images = DRAW.integers(0, 256, (24, 6, 5, 3), np.uint8)
    arrays = load(npy(tmp_path, images))
    assert isinstance(arrays.inputs, np.memmap)
    assert np.array_equal(arrays.inputs, images.transpose(0, 3, 1, 2))
    assert arrays.spec.input_shape == (3, 6, 5)
    assert load(npy(tmp_path, images), channels="first").spec.input_shape == (6, 5, 3)
    assert load(npy(tmp_path, images[:, :3])).spec.input_shape == (3, 5, 3)
    assert load(npy(tmp_path, images[:, :3]), channels="last").spec.input_shape == (3, 3, 5)


@pytest.mark.parametrize(("inputs", "settings", "layout", "shape", "dtype"), [
    (BYTES, {}, "image", (1, 5, 4), np.uint8),
    (BYTES.astype(np.int64), {"layout": "image"}, "image", (1, 5, 4), np.uint8),
    (BYTES.astype(np.float16), {"layout": "image"}, "image", (1, 5, 4), np.float32),
    (BYTES > 99, {"layout": "image"}, "image", (1, 5, 4), np.float32),
    (TABLE.astype(">f8"), {}, "table", (3,), np.float64),
    (BYTES[:, 0], {}, "table", (4,), np.float64),
    (TABLE, {"layout": "series"}, "series", (3, 2), np.float32),
    (BYTES / 2, {"layout": "series"}, "series", (5, 5), np.float32),
    (np.tile([3, 1, 0], (24, 1)), {"layout": "tokens"}, "tokens", (3,), np.int64),
])
def test_arrays_take_the_form_of_their_layout(inputs, settings, layout, shape, dtype, tmp_path):
    arrays = load(npz(tmp_path, inputs=inputs, targets=CLASSES), **settings)
    assert (arrays.spec.layout, arrays.spec.input_shape) == (layout, shape)
    assert arrays.inputs.shape == (24, *shape)
    assert arrays.inputs.dtype == dtype
    assert arrays.inputs.dtype.isnative
    if layout == "series":
        assert (arrays.inputs[..., -1] == 1).all()
        assert np.array_equal(arrays.inputs[..., :-1].reshape(inputs.shape), inputs.astype(np.float32))
    else:
        assert np.array_equal(arrays.inputs.reshape(inputs.shape), inputs)


def test_arrays_of_tokens_with_a_class_at_every_position_are_a_sequence(tmp_path):
    tokens = DRAW.integers(1, 9, (24, 6))
    classes = np.where(tokens > 4, tokens, IGNORED)
    arrays = load(npz(tmp_path, inputs=tokens, targets=classes), layout="tokens")
    assert (arrays.spec.kind, arrays.spec.vocabulary_size, arrays.spec.num_outputs) == (
        "sequence", tokens.max() + 1, classes.max() + 1)
    assert np.array_equal(arrays.targets, classes)


def test_arrays_own_test_set_comes_last(tmp_path):
    held = npz(tmp_path, x_train=BYTES, y_train=CLASSES, x_test=BYTES[:6], y_test=CLASSES[:6])
    arrays = load(held, inputs="x_train", targets="y_train", test_inputs="x_test", test_targets="y_test")
    assert arrays.test_ids.tolist() == list(range(24, 30))
    assert np.array_equal(arrays.inputs[24:, 0], BYTES[:6])
    assert np.array_equal(arrays.targets, [*CLASSES, *CLASSES[:6]])


@pytest.mark.parametrize(("targets", "kind", "names"), [
    (CLASSES[:, None], "classification", ("0", "1", "2")),
    (np.array(["b", "a"] * 12), "classification", ("a", "b")),
    (CLASSES > 0, "classification", ("False", "True")),
    (TABLE[:, 0], "regression", ()),
])
def test_arrays_task_is_told_by_targets(targets, kind, names, tmp_path):
    arrays = load(npz(tmp_path, inputs=TABLE, targets=targets))
    assert (arrays.spec.kind, arrays.spec.class_names) == (kind, names)
    if kind == "regression":
        assert np.array_equal(arrays.targets, targets.astype(np.float32))


def with_value(array, place, value):
    changed = array.astype(np.float64)
    changed[place] = value
    return changed


BAD = {
    "other length": ({"inputs": TABLE, "targets": CLASSES[:-1]}, {},
                     "a.npz, array inputs has 24 rows and a.npz, array targets 23: each row of inputs needs one"),
    "no such array": ({"x": TABLE, "targets": CLASSES}, {},
                      "a.npz has no array inputs; it has x, targets: dataset.inputs=NAME dataset.targets=NAME choose "
                      "among them"),
    "pickled": ({"inputs": TABLE, "targets": np.array([{}] * 24, object)}, {},
                "a.npz holds pickled Python objects, which can run code and are not read; save arrays of numbers or "
                "text, such as np.array(values, dtype=float)"),
    "one-hot": ({"inputs": TABLE, "targets": np.eye(3)[CLASSES]}, {},
                "a.npz, array targets must have one target per row, shape [N], got (24, 3); of one-hot rows save the "
                "classes, targets.argmax(axis=1)"),
    "a scalar": ({"inputs": TABLE, "targets": np.array(3)}, {}, "a.npz, array inputs has 24 rows and a.npz, array "
                                                                "targets 1: each row"),
    "dates": ({"inputs": TABLE, "targets": CLASSES.astype("M8[D]")}, {}, "a.npz, array targets must hold numbers or "
                                                                         "text, got datetime64[D]"),
    "complex": ({"inputs": TABLE * 1j, "targets": CLASSES}, {}, "a.npz, array inputs must hold numbers, got complex"),
    "text": ({"inputs": TABLE.astype(str), "targets": CLASSES}, {}, "a.npz, array inputs must hold numbers, got <U"),
    "one axis": ({"inputs": TABLE[:, 0], "targets": CLASSES}, {}, "a.npz, array inputs has shape (24,) of float64, "
                                                                  "which tells no layout; rows of 1, 2 or 3 axes"),
    "three axes": ({"inputs": BYTES / 2, "targets": CLASSES}, {}, "a.npz, array inputs has shape (24, 5, 4) of "
                                                                  "float64, which tells no layout; say which: "
                                                                  "dataset.layout=image or series"),
    "other axes": ({"inputs": TABLE, "targets": CLASSES}, {"layout": "image"}, "a.npz, array inputs has shape (24, 3); "
                                                                               "layout image needs 3 or 4 axes"),
    "no rows": ({"inputs": TABLE[:0], "targets": CLASSES[:0]}, {}, "a.npz, array inputs has shape (0, 3): there is "
                                                                   "nothing in it"),
    "infinite": ({"inputs": with_value(TABLE, (17, 2), np.inf), "targets": CLASSES}, {},
                 "a.npz, array inputs is infinite in row 17, at [2] (both from 0); write a number, or leave the row "
                 "out"),
    "NaN pixel": ({"inputs": with_value(BYTES, (9, 1, 3), np.nan), "targets": CLASSES}, {"layout": "image"},
                  "a.npz, array inputs is NaN in row 9, at [1, 3]"),
    "NaN target": ({"inputs": TABLE, "targets": with_value(CLASSES, (4,), np.nan)}, {},
                   "a.npz, array targets: target column targets has no value in row 4 (from 0);"),
    "pixels beyond a byte": ({"inputs": BYTES.astype(np.int64) * 2, "targets": CLASSES}, {"layout": "image"},
                             "a.npz, array inputs has pixels from "),
    "negative token": ({"inputs": CLASSES[:, None] - 1, "targets": CLASSES}, {"layout": "tokens"},
                       "a.npz, array inputs has a negative token in row 0"),
    "token 0 inside": ({"inputs": np.tile([1, 0, 2], (24, 1)), "targets": CLASSES}, {"layout": "tokens"},
                       "a.npz, array inputs has token 0 before the end of row 0"),
    "tokens that are not whole": ({"inputs": TABLE, "targets": CLASSES}, {"layout": "tokens"},
                                  "a.npz, array inputs must hold whole numbers, got float64"),
    "other test shape": ({"inputs": TABLE, "targets": CLASSES, "x": TABLE[:, :2], "y": CLASSES},
                         {"test_inputs": "x", "test_targets": "y"},
                         "a.npz, array inputs has rows of shape (3,) and a.npz, array x (2,): they must be the same"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_are_refused_with_place_and_advice(case, tmp_path):
    arrays, settings, message = BAD[case]
    with pytest.raises(ConfigError) as refused:
        load(npz(tmp_path, **arrays), **settings)
    assert str(refused.value).replace(f"{tmp_path}/", "").startswith(message)


def test_arrays_infinite_beyond_the_first_block_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("dlx.core.own_data.layouts.BLOCK_BYTES", 100)
    with pytest.raises(ConfigError, match=r"x\.npy is infinite in row 23, at \[0\]"):
        load(npy(tmp_path, with_value(TABLE, (23, 0), -np.inf)))


@pytest.mark.parametrize(("content", "message"), [
    (b"", "a.npz is empty; save arrays with np.savez(path, inputs=..., targets=...)"),
    (b"1,2\n", "a.npz is neither an .npz nor an .npy file; save arrays"),
    (b"PK\x03\x04" + bytes(40), "a.npz is damaged (File is not a zip file); save it again"),
    (b"\x93NUMPY\x01\x00\x05\x00abc", "a.npz is damaged ("),
])
def test_arrays_in_a_damaged_file_are_refused(content, message, tmp_path):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load({"path": str(tmp_path / "a.npz")}, targets="y.npy")
    assert str(refused.value).replace(f"{tmp_path}/", "").startswith(message)


def test_arrays_with_a_flipped_bit_are_refused(tmp_path):
    settings = npz(tmp_path, inputs=TABLE, targets=CLASSES)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[300] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ConfigError, match="is damaged \\(Bad CRC-32"):
        load(settings)


def test_arrays_that_unpack_to_more_than_memory_are_refused_before_they_are_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inputs.npy", b"0")
        packed.filelist[0].file_size = 2**50
    with pytest.raises(ConfigError, match=r"a\.npz unpacks to 1,048,576 GiB, more than the memory of"):
        load({"path": str(tmp_path / "a.npz")})


def test_arrays_of_inputs_alone_ask_for_the_file_of_targets(tmp_path):
    np.save(tmp_path / "x.npy", TABLE)
    with pytest.raises(ConfigError, match=r"dataset\.targets must be the path of an \.npy file of targets, got"):
        load({"path": str(tmp_path / "x.npy")})
    with pytest.raises(StorageError, match=r"dataset\.targets=y\.npy is not there"):
        load({"path": str(tmp_path / "x.npy")}, targets="y.npy")


def test_arrays_half_of_a_test_set_is_refused():
    with pytest.raises(ConfigError, match=r"dataset\.test_inputs and dataset\.test_targets belong together"):
        make("dataset", "arrays", test_inputs="x_test")
