"""A dataset of the user's as the `datasets` library of Hugging Face saves it. N rows, C channels, H × W pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.decode import UnreadableError
from dlx.core.own_data.frame import Role, Table, Wishes, arrays_of, input_names, inputs_of, note, noted, target_of
from dlx.core.own_data.image_file import converted
from dlx.core.own_data.own_file import OwnFile, Place, RowNumbers, found
from dlx.core.own_data.target import Task
from dlx.core.ragged import Ragged
from dlx.core.types import Arrays, TaskSpec
from dlx.core.wording import near, reason

if TYPE_CHECKING:
    import pandas as pd

# The split whose rows are the dataset's own test set.
TEST = "test"
SPLIT = "split"


class HuggingFace(OwnFile):
    """A folder that `save_to_disk` of the `datasets` library wrote: a table, images, or texts.

    One column of images, or one of text alone beside the target, is the input, and what else there is is kept as notes;
    other columns are a table, told as for csv. Classes are put in alphabetical order. The rows of a split named test
    are the dataset's own test set; the note split names the split of every row.

    Args:
        path: of the folder: absolute, or under the current folder or data_dir.
        target: the column to predict.
        task: classification, regression, or auto: text, true and false are classes, and whole numbers where at most 20
            different ones stand for 2 rows or more each on average; all else is a regression.
        types: by name of a column what it is, where its values would tell otherwise: number, category, ignore, or note.
        notes: columns to keep beside the inputs, to split by (group, date). They are no inputs, unless types says what
            they are as inputs.
        splits: of the folder, those to read; null is all.
    """

    def __init__(self, path: str, target: str, task: Task, types: dict[str, Role] | None, notes: list[str],
                 splits: list[str] | None) -> None:
        super().__init__(path)
        self.wishes = Wishes((target,), task, types or {}, tuple(notes))
        self.splits = splits

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[np.ndarray | Ragged, np.ndarray]:
        """Read all rows of another folder, without need of a target.

        Returns:
            inputs [N, ...], and ids [N], the rows.

        Raises:
            StorageError, ConfigError: see `load`.
        """
        with found(path, data_dir) as where:
            place = RowNumbers(str(where), 0)
            whole = _whole(read_folder(where, None), place).with_format(None)
        return _inputs(whole, self.wishes, spec, place), np.arange(len(whole))

    def arrays(self, path: Path, data_dir: str) -> Arrays:
        """Return inputs, targets, the rows of the test split, notes, and the spec that the columns make."""
        parts = read_folder(path, self.splits)
        place = RowNumbers(str(path), 0)
        whole = _whole(parts, place)
        sizes = [len(part) for part in parts.values()]
        of_row = np.repeat(np.array(list(parts)), sizes)
        arrays = _arrays(whole, self.wishes, place)
        test_ids = np.flatnonzero(of_row == TEST) if TEST in parts and len(parts) > 1 else None
        return arrays._replace(test_ids=test_ids, notes={SPLIT: of_row, **arrays.notes})


def read_folder(path: Path, wanted: list[str] | None) -> dict[str, Any]:
    """Read the splits of a folder by name; what has no splits is one.

    Raises:
        ConfigError: the library is absent, the folder is none of its own or damaged, or lacks a split.
    """
    try:
        import datasets
        from pyarrow import ArrowException
    except ImportError as error:
        raise ConfigError("dataset=huggingface needs datasets: pip install 'dlx[huggingface]'") from error
    try:
        found = datasets.load_from_disk(str(path))
    except (ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"dataset.path={path} is no folder that save_to_disk of datasets wrote, or is damaged "
                          f"({reason(error)}); load the data with datasets and save it with save_to_disk") from error
    parts = dict(found) if isinstance(found, datasets.DatasetDict) else {"all": found}
    lacking = [name for name in wanted or () if name not in parts]
    if lacking:
        raise ConfigError(*(f"dataset.splits names {name}, and {path} has {', '.join(parts)}{near(name, parts)}"
                            for name in lacking))
    return parts if wanted is None else {name: parts[name] for name in wanted}


def _whole(parts: dict[str, Any], place: Place) -> Any:
    import datasets

    if len(parts) == 1:
        return next(iter(parts.values()))
    try:
        return datasets.concatenate_datasets(list(parts.values()))
    except ValueError as error:
        raise ConfigError(f"{place.name}: splits {', '.join(parts)} have not the same columns; choose those that do: "
                          f"dataset.splits=[…]") from error


def _arrays(data: Any, wishes: Wishes, place: Place) -> Arrays:
    import datasets

    data = data.with_format(None)
    images = [name for name, feature in data.features.items() if isinstance(feature, datasets.Image)]
    table = Table(named(data.remove_columns(images)), place)
    names = input_names(data.column_names, wishes, place)
    shown = [name for name in names if name in images]
    if len(shown) > 1:
        raise ConfigError(f"{place.name} has images in columns {', '.join(shown)}; one is the input, leave out the "
                          f"others: dataset.types={{{shown[1]}: ignore}}")
    if shown:
        return _beside(_pixels(data, shown[0], place), "image", table, wishes)
    texts = [name for name in names if _is_text(data.features[name]) and wishes.types.get(name) is None]
    if len(names) == 1 and texts:
        return _beside(_texts(table.frame[texts[0]], texts[0], place), "text", table, wishes, texts[0])
    return arrays_of(table, wishes)


def _inputs(data: Any, wishes: Wishes, spec: TaskSpec, place: Place) -> np.ndarray | Ragged:
    """Return what of a folder is the input of a run whose data had this spec."""
    import datasets

    images = [name for name, feature in data.features.items() if isinstance(feature, datasets.Image)]
    if spec.layout == "table":
        return inputs_of(Table(named(data.remove_columns(images)), place), spec.columns)
    left = [name for name in data.column_names if name not in wishes.targets and name not in noted(wishes)
            and wishes.types.get(name) != "ignore"]
    is_image = spec.layout == "image"
    shown = [name for name in left if (name in images if is_image else _is_text(data.features[name]))]
    if len(shown) != 1:
        raise ConfigError(f"{place.name} must have one column of {'images' if is_image else 'texts'} as the run's data "
                          f"had, beside notes and what is left out; it has {', '.join(shown) or 'none'}")
    if not is_image:
        return _texts(data.to_pandas()[shown[0]], shown[0], place)
    pixels = _pixels(data, shown[0], place)
    if pixels.shape[1:] != spec.input_shape:
        raise ConfigError(f"{place.name}: column {shown[0]} has images of {_size(pixels[0])}, and the run's are "
                          f"{spec.input_shape[2]}×{spec.input_shape[1]} in "
                          f"{'colour' if spec.input_shape[0] > 1 else 'grey'}")
    return pixels


def named(data: Any) -> pd.DataFrame:
    """Return columns in memory, classes by their names."""
    import datasets
    import pandas as pd

    frame: pd.DataFrame = data.to_pandas()
    for name, feature in data.features.items():
        if isinstance(feature, datasets.ClassLabel):
            classes = np.array([*feature.names, ""], dtype=object)
            codes = frame[name].fillna(-1).to_numpy(np.int64)
            frame[name] = pd.Series(classes[codes], dtype=object).where(codes >= 0)
    return frame


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in ("string", "large_string")


def _beside(inputs: np.ndarray | Ragged, layout: Any, table: Table, wishes: Wishes, text: str = "") -> Arrays:
    target = target_of(table, wishes)
    shape = () if isinstance(inputs, Ragged) else inputs.shape[1:]
    spec = TaskSpec(target.kind, layout, shape, target.num_outputs, target.class_names)
    kept = [name for name in table.frame.columns if name not in (*wishes.targets, text)
            and (name in noted(wishes) or wishes.types.get(name) != "ignore")]
    return Arrays(inputs, target.values, notes={name: note(table.frame[name]) for name in kept}, spec=spec)


def _texts(values: pd.Series, name: str, place: Place) -> Ragged:
    missing = np.flatnonzero(values.isna().to_numpy())
    if len(missing):
        raise ConfigError(f"{place.name}: column {name} has no text in {place.rows(missing.tolist())}; fill it in, or "
                          f"leave the rows out")
    return Ragged.of_texts(values.tolist())


def _pixels(data: Any, name: str, place: Place) -> np.ndarray:
    data = data.select_columns([name])
    first: np.ndarray | None = None
    result = np.empty(0, np.uint8)
    for row in range(len(data)):
        pixels = _image(data, row, name, place)
        if first is None:
            first, result = pixels, np.empty((len(data), *pixels.shape), np.uint8)
        if pixels.shape != first.shape:
            raise ConfigError(f"{place.name}: column {name} has an image of {_size(first)} in {place.rows([0])} and of "
                              f"{_size(pixels)} in {place.rows([row])}; bring them to one size and mode, and save them "
                              f"again")
        result[row] = pixels
    return result


def _image(data: Any, row: int, name: str, place: Place) -> np.ndarray:
    try:
        image = data[row][name]
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{place.name}: the image of column {name} in {place.rows([row])} cannot be decoded "
                          f"({error})") from error
    if image is None:
        raise ConfigError(f"{place.name}: column {name} has no image in {place.rows([row])}; leave the row out")
    try:
        pixels = np.asarray(converted(image, "grey" if image.mode.startswith(("1", "L", "I")) else "rgb"))
    except UnreadableError as error:
        raise ConfigError(f"{place.name}: the image of column {name} in {place.rows([row])} cannot be used: {error}"
                          ) from error
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _size(pixels: np.ndarray) -> str:
    channels, height, width = pixels.shape
    return f"{height}×{width} (height × width) in {'colour' if channels > 1 else 'grey'}"
