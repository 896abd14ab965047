"""Images of the user's own, in a folder per class. C channels, H height, W width, N images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.archive import Files
from dlx.core.own_data.array_file import ArrayFile
from dlx.core.own_data.class_folders import ClassFolders
from dlx.core.own_data.decode import decoded
from dlx.core.own_data.image_file import SUFFIXES, Mode, decode_image, strict_pillow
from dlx.core.ranges import Length, Width
from dlx.core.types import Arrays, TaskSpec


class ImageFolder(ClassFolders):
    """Images in one folder per class: cat/1.jpg, dog/2.png, in a folder or in a tar, tar.gz or zip archive.

    There may be folders train, val and test around those of the classes: test is the dataset's own test set, and the
    note "part" tells the three apart, for split=predefined. Images are decoded once, into the prepared cache.

    Args:
        path: the folder or archive; relative to the current folder, else to data_dir.
        test_path: another one, with the same classes, that is the dataset's own test set; null for none.
        size: [H, W] to scale all images to, whatever their ratio of sides; null where all have one size.
        mode: rgb or grey, what images are turned into.
        pattern: of names of files, such as "{label}.{number}", that tells the class instead of folders; null for
            folders. Its other fields become notes of rows.
    """

    OPTION = "image_folder"
    what = "image"
    suffixes = SUFFIXES

    def __init__(self, path: str, test_path: str | None, size: Annotated[list[Width], Length(2)] | None,
                 mode: Mode, pattern: str | None) -> None:
        super().__init__(path, test_path, pattern)
        self.size = None if size is None else (size[0], size[1])
        self.mode = mode

    def load(self, data_dir: str) -> Arrays:
        """Return inputs uint8 [N, C, H, W], memory-mapped, and targets [N]; rows are in the order of names.

        Raises:
            ConfigError: files that are damaged, dangerous, no images or of several sizes; says which.
            StorageError: files cannot be read, or the prepared cache cannot be written.
        """
        copy, found = self.labelled(data_dir, {"mode": self.mode, "size": self.size, "pillow": version("pillow")})
        inputs = copy.arrays["inputs"]
        spec = TaskSpec("classification", "image", inputs.shape[1:], len(found.class_names), found.class_names)
        return Arrays(inputs, found.targets, found.test_ids, found.notes, spec)

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[np.ndarray, list[str]]:
        """Read images without labels, a file or all of a folder or archive, as those of the spec.

        Returns:
            inputs uint8 [N, C, H, W] and names [N].

        Raises:
            ConfigError, StorageError: see `load`.
        """
        with self.unlabelled(path, data_dir) as (where, files):
            names, images = zip(*self._images(where, files, spec.input_shape), strict=True)
        return np.stack(images), list(names)

    def decode(self, paths: Sequence[Path], files: Sequence[Files], folder: Path) -> dict[str, Any]:
        """Write inputs, uint8 [N, C, H, W]."""
        images = self._images(paths, files, None)
        _, first = next(images)
        with ArrayFile(folder / "inputs.npy", np.uint8, first.shape) as file:
            file.append(first[None])
            for _, image in images:
                file.append(image[None])
        return {}

    def _images(self, paths: Sequence[Path], files: Sequence[Files], shape: tuple[int, ...] | None
                ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield names and images, all of one shape: the one given, else that of the first."""
        known, first = shape, ""
        with strict_pillow():
            for name, image in decoded(paths, files, lambda data: decode_image(data, self.mode, self.size)):
                if shape is None:
                    shape, first = image.shape, name
                if image.shape != shape:
                    high, wide = shape[1:]
                    why = (f"the model takes {high}×{wide}; scale it to that" if known is not None else
                           f"{first!r} is {high}×{wide}; scale all to one size: dataset.size=[{high},{wide}]")
                    raise ConfigError(f"{name!r} is {image.shape[1]}×{image.shape[2]} (height × width), {why}")
                yield name, image
