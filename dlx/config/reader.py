"""What reads further rows of a data set that is not the user's own: the option for files of its layout."""

from __future__ import annotations

from typing import Any

from dlx.config import options
from dlx.config.build import make_dataset
from dlx.config.saved import PART
from dlx.core.errors import ConfigError
from dlx.core.types import Dataset, ReadsMore, TaskSpec

ARRAYS = (".npy", ".npz")
MODES = {1: "grey", 3: "rgb"}


def reader_of(dataset: Dataset, spec: TaskSpec, path: str) -> ReadsMore:
    """Return the data set itself where it reads further rows, else what reads the file.

    Rows of an .npy or .npz file stand as in the data set; images are turned into its channels and must have its size;
    tables have its columns by name; texts are one per line.

    Args:
        spec: of the data set, before preprocessing.
        path: of the rows to read.

    Raises:
        ConfigError: nothing reads such a file for such data.
    """
    if isinstance(dataset, ReadsMore):
        return dataset
    if path.endswith(ARRAYS) and spec.layout not in ("text", "audio"):
        return _made("arrays", layout=spec.layout)
    if spec.layout == "image" and spec.input_shape[0] in MODES:
        return _made("image_folder", mode=MODES[spec.input_shape[0]])
    if spec.layout == "table" and spec.columns:
        return _made("csv", target="")
    if spec.layout == "text":
        return _made("text_lines")
    raise ConfigError(f"{path} cannot be read as rows of this run's data, {spec.layout} of shape "
                      f"{list(spec.input_shape)}: save them with np.save as an .npy file, [N, "
                      f"{', '.join(map(str, spec.input_shape))}]")


def _made(option: str, **values: Any) -> ReadsMore:
    path = options.find_option("dataset", option, [options.conf_dir()])
    assert path is not None, option
    given = options.read_option(path)
    own = {key: value for key, value in given.get("dataset", given).items() if key not in ("_target_", "defaults")}
    made = make_dataset({PART: option, **own, "path": "", **values}, ())
    assert isinstance(made, ReadsMore), option
    return made
