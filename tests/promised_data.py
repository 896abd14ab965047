"""What core/types.py promises of a TaskSpec and of Arrays, as assertions. N examples, L positions, D columns."""

from __future__ import annotations

import numpy as np

from dlx.core.ragged import Ragged
from dlx.core.types import IGNORED, PADDING, Arrays, TaskSpec

AXES = {"image": 3, "table": 1, "tokens": 1, "series": 2, "text": 0, "audio": 0}


def check_spec(spec: TaskSpec) -> None:
    """Fail where a spec does not describe data."""
    assert len(spec.input_shape) == AXES[spec.layout]
    assert all(type(size) is int and size > 0 for size in spec.input_shape)
    check_outputs(spec)
    assert (spec.vocabulary_size > 1) == (spec.layout == "tokens")
    assert (spec.sample_rate > 0) == (spec.layout == "audio")
    assert not spec.next_token or (spec.layout, spec.kind) == ("text", "sequence")
    names = [column.name for column in spec.columns]
    assert names == [] or (spec.layout, len(names)) == ("table", spec.input_shape[0])
    assert len(set(names)) == len(names)
    assert all(len(set(column.categories)) == len(column.categories) for column in spec.columns)


def check_outputs(spec: TaskSpec) -> None:
    """Fail where outputs and their names disagree."""
    assert spec.kind in ("classification", "regression", "sequence", "multilabel", "transcription")
    if spec.kind == "regression":
        assert (spec.num_outputs, spec.class_names) == (1, ())
    elif not spec.next_token:
        assert spec.num_outputs > 1
        unnamed = spec.class_names == () and spec.layout == "tokens"
        assert unnamed or len(set(spec.class_names)) == len(spec.class_names) == spec.num_outputs
    else:
        assert spec.class_names == ()


def check_inputs(spec: TaskSpec, arrays: Arrays, missing: bool) -> None:
    """Fail where inputs are not what the spec says.

    Args:
        missing: values of a table may be.
    """
    assert len(arrays.inputs) == len(arrays.targets) > 0
    if spec.layout in ("text", "audio"):
        assert isinstance(arrays.inputs, Ragged)
        check_ragged(spec, arrays.inputs)
        return
    assert isinstance(arrays.inputs, np.ndarray)
    assert arrays.inputs.shape == (len(arrays.targets), *spec.input_shape)
    {"image": check_images, "table": check_table, "tokens": check_tokens, "series": check_series}[spec.layout](
        spec, arrays.inputs)
    assert (spec.layout == "table" and missing) or np.isfinite(arrays.inputs).all()


def check_ragged(spec: TaskSpec, inputs: Ragged) -> None:
    """Fail where texts are no UTF-8 or waveforms leave [-1, 1]."""
    assert inputs.offsets.dtype == np.int64
    assert (inputs.offsets[0], inputs.offsets[-1]) == (0, len(inputs.values))
    assert (inputs.lengths >= 0).all()
    if spec.layout == "text":
        assert inputs.values.dtype == np.uint8
        assert len(inputs.texts()) == len(inputs)
    else:
        assert inputs.values.dtype == np.float32
        assert (np.abs(inputs.values) <= 1).all()


def check_images(spec: TaskSpec, inputs: np.ndarray) -> None:
    """Fail where images are neither bytes nor numbers."""
    assert inputs.dtype in (np.uint8, np.float32)


def check_table(spec: TaskSpec, inputs: np.ndarray) -> None:
    """Fail where a code has no category or a number is infinite."""
    assert inputs.dtype in (np.float32, np.float64)
    assert not np.isinf(inputs).any()
    for values, column in zip(inputs.T, spec.columns, strict=False):
        codes = values[~np.isnan(values)]
        assert not column.categories or np.isin(codes, np.arange(len(column.categories))).all()


def check_tokens(spec: TaskSpec, inputs: np.ndarray) -> None:
    """Fail where a token is unknown, or stands after the end."""
    assert inputs.dtype == np.int64
    assert ((inputs >= 0) & (inputs < spec.vocabulary_size)).all()
    assert ((inputs[:, :-1] != PADDING) | (inputs[:, 1:] == PADDING)).all()


def check_series(spec: TaskSpec, inputs: np.ndarray) -> None:
    """Fail where the last channel is no mask, or something stands after the end."""
    assert inputs.dtype == np.float32
    mask = inputs[..., -1]
    assert np.isin(mask, (0, 1)).all()
    assert (np.diff(mask, axis=1) <= 0).all()
    assert (inputs[mask == 0] == 0).all()


def check_targets(spec: TaskSpec, targets: np.ndarray) -> None:
    """Fail where targets are not of the spec's kind, or hold nothing to learn."""
    assert targets.dtype == (np.float32 if spec.kind == "regression" else np.int64)
    if spec.kind == "regression":
        assert targets.ndim == 1
        assert np.isfinite(targets).all()
        assert targets.std() > 0
    elif spec.kind == "classification":
        assert targets.ndim == 1
        assert np.unique(targets).tolist() == list(range(spec.num_outputs))
    elif spec.kind == "multilabel":
        assert targets.shape[1:] == (spec.num_outputs,)
        assert set(np.unique(targets)) == {0, 1}
        assert (targets.min(axis=0) < targets.max(axis=0)).all()
    elif spec.next_token:
        assert targets.ndim == 1
        assert not targets.any()
    else:
        asked = targets != IGNORED
        assert targets.ndim == 2
        assert asked.any(axis=1).all()
        assert ((targets[asked] >= 0) & (targets[asked] < spec.num_outputs)).all()
        assert len(np.unique(targets[asked])) > 1
        if spec.kind == "transcription":
            assert (asked[:, :-1] >= asked[:, 1:]).all()
            assert (targets[asked] > 0).all()


def check_notes(arrays: Arrays) -> None:
    """Fail where a note is not one plain value per row."""
    assert all(note.shape == (len(arrays.targets),) and note.dtype != object for note in arrays.notes.values())
