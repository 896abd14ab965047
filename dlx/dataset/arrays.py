"""Arrays of the user's, as numpy saves them. N examples, H × W pixels, L positions, D features, C labels, U targets."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.layouts import Axes, Named, as_layout
from dlx.core.own_data.own_file import OwnFile, RowNumbers, find, found
from dlx.core.own_data.target import Target, Task, read_target
from dlx.core.types import IGNORED, Arrays, Layout, TaskSpec
from dlx.core.wording import near, reason

ArrayTask = Task | Literal["multilabel", "transcription"]
MAGIC = b"\x93NUMPY"


class Pair(NamedTuple):
    """Inputs and targets of the same rows, as they were saved."""

    inputs: Named
    targets: Named


class ArrayFiles(OwnFile):
    """Inputs and targets in an .npz file, or in two .npy files; no pickled objects.

    Inputs of 2 axes are a table [N, D], of 4 axes images, of 3 axes of bytes images of one channel; a series [N, L, D]
    or tokens [N, L] have to be said. An .npy file of inputs is not read into memory where its numbers can stay as they
    are: bytes of images, and floats.

    Args:
        path: of the .npz file, or of the .npy file of inputs: absolute, or under the current folder or data_dir.
        inputs: name of the array in an .npz file.
        targets: name of the array in an .npz file; beside an .npy file, the path of another. Classes [N] (whole numbers
            or text), numbers [N], or for tokens classes of every position [N, L]; whether each label holds, 0 or 1,
            [N, C]; or what is transcribed, classes from 1 on, [N, U], -100 after the last.
        test_inputs: name of the array in an .npz file that holds the dataset's own test set; null where it has none.
        test_targets: name of its targets.
        layout: table, image, series or tokens; auto tells by the number of axes.
        channels: axis of an image's channels; auto is the last where that has 1, 3 or 4 and the second has not.
        task: classification, regression, or auto: text is classes, and whole numbers where at most 20 different ones
            stand for 2 rows or more each on average; all else is a regression. Targets [N, C] and [N, U] have to be
            said: multilabel, transcription.

    Raises:
        ConfigError: one of test_inputs and test_targets without the other.
    """

    def __init__(self, path: str, inputs: str, targets: str, test_inputs: str | None, test_targets: str | None,
                 layout: Literal["auto", "table", "image", "series", "tokens"],
                 channels: Literal["auto", "first", "last"], task: ArrayTask) -> None:
        if (test_inputs is None) != (test_targets is None):
            raise ConfigError("dataset.test_inputs and dataset.test_targets belong together: name both or none")
        super().__init__(path)
        self.inputs, self.targets = inputs, targets
        self.test = None if test_inputs is None or test_targets is None else (test_inputs, test_targets)
        self.axes = Axes(layout, channels)
        self.task: ArrayTask = task

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[np.ndarray, np.ndarray]:
        """Read inputs without targets, from an .npz or .npy file.

        Returns:
            inputs [N, ...], and ids [N], the rows.

        Raises:
            StorageError: there is no such file, or it may not be read.
            ConfigError: it is none, or its rows are not as those of the spec.
        """
        with found(path, data_dir) as where:
            named = self._inputs(where)
        layout, inputs = as_layout(named, self.axes)
        if (layout, inputs.shape[1:]) != (spec.layout, spec.input_shape):
            raise ConfigError(f"{named.name} has rows of layout {layout} and shape {inputs.shape[1:]}, and the run's "
                              f"are {spec.layout} of {spec.input_shape}")
        if spec.layout == "tokens" and inputs.max() >= spec.vocabulary_size:
            row = int(inputs.max(axis=1).argmax())
            raise ConfigError(f"{named.name} has token {inputs.max()} in row {row} (from 0), and the run's are below "
                              f"{spec.vocabulary_size}")
        return inputs, np.arange(len(inputs))

    def _inputs(self, path: Path) -> Named:
        if is_npy(path):
            return Named(str(path), read_npy(path))
        return read_npz(path, [self.inputs], f"save the inputs as {self.inputs}, as the run's were")[0]

    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Return inputs [N, ...], targets and the spec that their shapes make."""
        pairs = list(self._pairs(path, data_dir))
        layouts = [as_layout(pair.inputs, self.axes) for pair in pairs]
        for pair, (_, inputs) in zip(pairs, layouts, strict=True):
            _refuse_lengths(pair, inputs)
        layout = layouts[0][0]
        inputs, targets, test_ids = layouts[0][1], pairs[0].targets, None
        if len(pairs) == 2:
            inputs, targets, test_ids = _joined(pairs, [inputs for _, inputs in layouts])
        return _arrays(layout, inputs, targets, test_ids, self.task)

    def _pairs(self, path: Path, data_dir: str) -> Iterator[Pair]:
        if is_npy(path):
            if self.test is not None:
                raise ConfigError("dataset.test_inputs names an array of an .npz file, and "
                                  f"{path} is an .npy file; save all four arrays with np.savez")
            yield Pair(Named(str(path), read_npy(path)), _beside(self.targets, path, data_dir))
        else:
            held = read_npz(path, [self.inputs, self.targets, *(self.test or ())])
            yield Pair(held[0], held[1])
            if self.test is not None:
                yield Pair(held[2], held[3])


def is_npy(path: Path) -> bool:
    """Say whether a file is an .npy file; else it is an .npz file. Raises ConfigError where it is neither."""
    with open(path, "rb") as file:
        begin = file.read(len(MAGIC))
    if begin == MAGIC:
        return True
    if not begin.startswith(b"PK"):
        what = "is empty" if not begin else "is neither an .npz nor an .npy file"
        raise ConfigError(f"{path} {what}; save arrays with np.savez(path, inputs=..., targets=...)")
    return False


def _beside(targets: str, path: Path, data_dir: str) -> Named:
    if not targets.endswith(".npy"):
        raise ConfigError(f"{path} holds inputs alone: dataset.targets must be the path of an .npy file of targets, "
                          f"got {targets}")
    beside = path.parent / targets
    place = beside if beside.exists() else find(targets, data_dir, "dataset.targets")
    return Named(str(place), np.asarray(read_npy(place)))


def read_npy(path: Path) -> np.ndarray:
    """Open an .npy file as a np.memmap. Raises ConfigError where it is damaged or holds objects."""
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ConfigError(_unreadable(str(path), error)) from error
    return found


def read_npz(path: Path, names: list[str], advice: str = "dataset.inputs=NAME dataset.targets=NAME choose among them"
             ) -> list[Named]:
    """Read arrays of an .npz file.

    Args:
        advice: where one is lacking.

    Raises:
        ConfigError: it lacks one, is damaged, holds objects, or unpacks to more than the machine's memory.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if size > memory:
            raise ConfigError(f"{path} unpacks to {size / 2**30:,.0f} GiB, more than the memory of "
                              f"{memory / 2**30:,.0f} GiB; save inputs and targets as .npy files, which are not "
                              f"read into memory")
        with np.load(path, allow_pickle=False) as held:
            lacking = [name for name in names if name not in held.files]
            if lacking:
                raise ConfigError(*(f"{path} has no array {name}{near(name, held.files)}; it has "
                                    f"{', '.join(held.files)}: {advice}" for name in lacking))
            return [Named(f"{path}, array {name}", held[name]) for name in names]
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError) as error:
        raise ConfigError(_unreadable(str(path), error)) from error


def _unreadable(name: str, error: Exception) -> str:
    if "allow_pickle" in str(error):
        return (f"{name} holds pickled Python objects, which can run code and are not read; save arrays of numbers or "
                f"text, such as np.array(values, dtype=float)")
    return f"{name} is damaged ({reason(error)}); save it again"


def _refuse_lengths(pair: Pair, inputs: np.ndarray) -> None:
    if pair.targets.array.ndim == 0 or len(pair.targets.array) != len(inputs):
        raise ConfigError(f"{pair.inputs.name} has {len(inputs)} rows and {pair.targets.name} "
                          f"{pair.targets.array.size if pair.targets.array.ndim == 0 else len(pair.targets.array)}: "
                          f"each row of inputs needs one target")


def _joined(pairs: list[Pair], inputs: list[np.ndarray]) -> tuple[np.ndarray, Named, np.ndarray]:
    shapes = [array.shape[1:] for array in inputs]
    if shapes[0] != shapes[1]:
        raise ConfigError(f"{pairs[0].inputs.name} has rows of shape {shapes[0]} and {pairs[1].inputs.name} "
                          f"{shapes[1]}: they must be the same")
    count = len(inputs[0])
    targets = np.concatenate([pair.targets.array for pair in pairs])
    return (np.concatenate(inputs), Named(pairs[0].targets.name, targets),
            np.arange(count, count + len(inputs[1]), dtype=np.int64))


def _arrays(layout: Layout, inputs: np.ndarray, targets: Named, test_ids: np.ndarray | None, task: ArrayTask
            ) -> Arrays:
    vocabulary_size = int(inputs.max()) + 1 if layout == "tokens" else 0
    if layout == "tokens" and targets.array.shape == inputs.shape and task not in ("multilabel", "transcription"):
        classes = _positions(targets)
        spec = TaskSpec("sequence", layout, inputs.shape[1:], int(classes.max()) + 1, vocabulary_size=vocabulary_size)
        return Arrays(inputs, classes, test_ids, spec=spec)
    target = _target(targets, task)
    spec = TaskSpec(target.kind, layout, inputs.shape[1:], target.num_outputs, target.class_names,
                    vocabulary_size=vocabulary_size)
    return Arrays(inputs, target.values, test_ids, spec=spec)


def _positions(targets: Named) -> np.ndarray:
    classes = targets.whole()
    wrong = np.argwhere((classes < 0) & (classes != IGNORED))
    if len(wrong):
        raise ConfigError(f"{targets.name} is {classes[tuple(wrong[0])]} in row {wrong[0][0]} (from 0); classes are 0, "
                          f"1 …, and {IGNORED} where nothing is asked")
    return classes


def _labels(targets: Named) -> Target:
    labels = _axes(targets, "C", "whether each label holds").whole()
    wrong = np.argwhere((labels != 0) & (labels != 1))
    if len(wrong):
        raise ConfigError(f"{targets.name} is {labels[tuple(wrong[0])]} in row {wrong[0][0]} (from 0); of labels it "
                          f"is 1 where one holds, and else 0")
    return Target("multilabel", labels, tuple(map(str, range(labels.shape[1]))))


def _transcription(targets: Named) -> Target:
    classes = _axes(targets, "U", f"classes from 1 on, {IGNORED} after the last").whole()
    ended = np.cumsum(classes == IGNORED, axis=1) > 0
    wrong = np.argwhere(np.where(ended, classes != IGNORED, classes < 1))
    if len(wrong):
        raise ConfigError(f"{targets.name} is {classes[tuple(wrong[0])]} in row {wrong[0][0]} (from 0), place "
                          f"{wrong[0][1]}; classes are 1, 2 …, 0 being the blank, and {IGNORED} after the last")
    return Target("transcription", classes, ("blank", *map(str, range(1, int(classes.max()) + 1))))


def _axes(targets: Named, axis: str, what: str) -> Named:
    if targets.array.ndim != 2:
        raise ConfigError(f"{targets.name} must be {what}, shape [N, {axis}], got {targets.array.shape}")
    return targets


def _target(targets: Named, task: ArrayTask) -> Target:
    import pandas as pd

    if task == "multilabel":
        return _labels(targets)
    if task == "transcription":
        return _transcription(targets)
    array = targets.array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        advice = ("; of one-hot rows save the classes, targets.argmax(axis=1), of labels say dataset.task=multilabel, "
                  "of what is transcribed dataset.task=transcription") if array.ndim == 2 else ""
        raise ConfigError(f"{targets.name} must have one target per row, shape [N], got {array.shape}{advice}")
    if array.dtype.kind not in "biufU":
        raise ConfigError(f"{targets.name} must hold numbers or text, got {array.dtype}")
    return read_target(pd.Series(array), "targets", task, RowNumbers(targets.name, 0))
