"""Files of the user's with a class each: by folders, or by a pattern of their names. N files, C classes."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.archive import Files
from dlx.core.own_data.file_tree import Listing, opened
from dlx.core.own_data.own_file import find
from dlx.core.own_data.prepared import Prepared, Recipe, prepared
from dlx.core.types import TaskSpec

PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LABEL = "label"
TAKEN = ("file", "part")
FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")


class Labelled(NamedTuple):
    """Targets [N] of files, class names, the rows of a test set, what else is known of each row."""

    targets: np.ndarray
    class_names: tuple[str, ...]
    test_ids: np.ndarray | None
    notes: dict[str, np.ndarray]


class ClassFolders(ABC):
    """A dataset of files that are decoded once, into the prepared cache.

    OPTION: as typed; what: a file is; suffixes: of their names.

    Raises:
        ConfigError: a pattern of names that is none.
    """

    OPTION: ClassVar[str]
    what: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]

    def __init__(self, path: str, test_path: str | None, pattern: str | None) -> None:
        check_pattern(pattern)
        self.path = path
        self.test_path = test_path
        self.pattern = pattern

    def spec(self) -> TaskSpec | None:
        """Say nothing: only the files tell."""
        return None

    @abstractmethod
    def decode(self, paths: Sequence[Path], files: Sequence[Files], folder: Path) -> dict[str, Any]:
        """Decode files into .npy files of a folder, and return facts."""

    def labelled(self, data_dir: str, transform: Mapping[str, Any]) -> tuple[Prepared, Labelled]:
        """Return what files hold and what their names say, in the order of names.

        Args:
            transform: all that what they hold depends on, besides the files.

        Raises:
            ConfigError: files that are damaged, dangerous, or no such files, or names without a class; says which.
            StorageError: files cannot be read, or the prepared cache cannot be written.
        """
        paths = [find(self.path, data_dir)]
        if self.test_path is not None:
            paths.append(find(self.test_path, data_dir, "dataset.test_path"))
        copy = prepared(paths, Recipe(self.OPTION, transform, partial(self._check, paths), partial(self.decode, paths)))
        return copy, label(paths, copy.listings, self.pattern)

    @contextlib.contextmanager
    def unlabelled(self, path: str, data_dir: str) -> Iterator[tuple[list[Path], list[Files]]]:
        """Open a file, or all of a folder or archive, of which no class is known."""
        where = find(path, data_dir, None)
        with opened(where, None, self.suffixes) as files:
            self._refuse_others(where, Listing.of(files))
            yield [where], [files]

    def _check(self, paths: Sequence[Path], listings: Sequence[Listing]) -> None:
        for path, listing in zip(paths, listings, strict=True):
            self._refuse_others(path, listing)
        label(paths, listings, self.pattern)

    def _refuse_others(self, path: Path, listing: Listing) -> None:
        if not listing.files:
            raise ConfigError(f"{path} holds no {self.what}: it is empty")
        for name in listing.files:
            suffix = name[name.rfind("."):].lower() if "." in name else ""
            if suffix not in self.suffixes:
                raise ConfigError(f"{path} holds {name!r}, which is no {self.what} "
                                  f"({' '.join(sorted(self.suffixes))}); move it elsewhere")


def label(paths: Sequence[object], listings: Sequence[Listing], pattern: str | None) -> Labelled:
    """Find the class of each file, all files of the first listing and then those of the second, a test set.

    Class folders may lie in folders train, val and test, and all that in one folder around it; class names are in
    ascending order.

    Args:
        paths: where the listings are from, for messages.
        pattern: of names without suffix, such as "{label}_{speaker}_{index}", instead of class folders.

    Raises:
        ConfigError: the class of a file cannot be told, a class folder is empty, or there are fewer than two classes.
    """
    found = [_of_one(path, listing, pattern) for path, listing in zip(paths, listings, strict=True)]
    parts = np.array([part for one in found[:1] for part in one.parts] + ["test" for one in found[1:]
                                                                         for _ in one.parts])
    labels = [one.labels for one in found]
    flat = [item for one in labels for item in one]
    class_names, targets = np.unique(np.array(flat), return_inverse=True)
    files = [name for listing in listings for name in listing.files]
    is_test = parts == "test"
    _check_classes(paths[0], class_names.tolist(), targets, is_test, files, pattern)
    notes = {"file": np.array(files)}
    if len(set(parts.tolist())) > 1:
        notes["part"] = parts
    shared = [name for name in found[0].fields if all(name in one.fields for one in found)]
    notes |= {name: np.array([value for one in found for value in one.fields[name]]) for name in shared}
    test_ids = np.flatnonzero(is_test) if is_test.any() else None
    return Labelled(targets.astype(np.int64), tuple(class_names.tolist()), test_ids, notes)


class _Found(NamedTuple):
    labels: list[str]
    parts: list[str]
    fields: dict[str, list[str]]


def _of_one(path: object, listing: Listing, pattern: str | None) -> _Found:
    least = 2 if pattern is None else 1
    inner, depth = _inside(listing, least)
    tops = [name.split("/", 1)[0] for name in inner]
    in_parts = "train" in tops and {*tops} <= PARTS.keys() and all(name.count("/") >= least for name in inner)
    parts = [PARTS[top] for top in tops] if in_parts else ["train"] * len(tops)
    if pattern is None:
        _refuse_empty(path, listing, depth + in_parts)
        return _Found([_class_folder(path, name, full, in_parts) for name, full in zip(inner, listing.files,
                                                                                     strict=True)], parts, {})
    matched = [_match(path, pattern, name) for name in listing.files]
    fields = {field: [values[field] for values in matched] for field in matched[0]}
    return _Found(fields.pop(LABEL), parts, fields)


def _inside(listing: Listing, least: int) -> tuple[list[str], int]:
    """Return names without the folders that lie around all files, and how many those are."""
    names, depth = list(listing.files), 0
    while len({name.split("/", 1)[0] for name in names}) == 1 and all(name.count("/") >= least for name in names):
        names, depth = [name.split("/", 1)[1] for name in names], depth + 1
    return names, depth


def _class_folder(path: object, inner: str, full: str, in_parts: bool) -> str:
    parts = inner.split("/")[1 if in_parts else 0 :]
    if len(parts) < 2:
        raise ConfigError(f"{path} has {full!r} in no class folder; give it a folder with one folder per class")
    return parts[0]


def _refuse_empty(path: object, listing: Listing, depth: int) -> None:
    """Refuse a folder at the depth of classes without files."""
    filled = {tuple(name.split("/")[: depth + 1]) for name in listing.files}
    for folder in listing.folders:
        parts = tuple(folder.split("/"))
        if len(parts) == depth + 1 and parts not in filled:
            raise ConfigError(f"the class folder {folder!r} of {path} is empty; fill it or remove it")


def _check_classes(path: object, names: list[str], targets: np.ndarray, is_test: np.ndarray, files: list[str],
                   pattern: str | None) -> None:
    if is_test.all():
        raise ConfigError(f"{path} holds a test set alone; training needs a folder train beside it")
    if len(names) < 2:
        how = "one folder per class" if pattern is None else f"{{{LABEL}}} of dataset.pattern={pattern}"
        raise ConfigError(f"{path} has a single class, {names[0]!r}; at least two are needed, by {how}")
    unseen = np.flatnonzero(~np.isin(targets, targets[~is_test]))
    if len(unseen):
        first = unseen[0]
        raise ConfigError(f"the class {names[targets[first]]!r} is in the test set of {path} alone (the first is "
                          f"{files[first]!r}); nothing could learn it")


def check_pattern(pattern: str | None) -> None:
    """Raise ConfigError where a pattern of names is none."""
    fields = [] if pattern is None else FIELD.findall(pattern)
    wrong = [name for name, count in Counter(fields).items() if count > 1 or name in TAKEN]
    if pattern is None or (LABEL in fields and not wrong and "}{" not in pattern
                           and not set("{}") & set(FIELD.sub("", pattern))):
        return
    raise ConfigError(f"dataset.pattern must hold {{{LABEL}}} and may hold other names in braces, each once and with "
                      f"something between them, such as {{label}}_{{speaker}}_{{index}}, but not "
                      f"{' or '.join(TAKEN)}; got {pattern!r}")


def _match(path: object, pattern: str, name: str) -> dict[str, str]:
    # A pattern with folders in it is of as many of them.
    stem = "/".join(name[: name.rindex(".")].split("/")[-1 - pattern.count("/") :])
    match = re.fullmatch(_expression(pattern), stem)
    if match is None:
        raise ConfigError(f"{name!r} in {path} does not match dataset.pattern={pattern}; rename it, move it elsewhere "
                          f"or change the pattern")
    return match.groupdict()


def _expression(pattern: str) -> str:
    """Return a regular expression; a field ends at the first character of what follows it in the pattern."""
    pieces = FIELD.split(pattern)
    text = re.escape(pieces[0])
    for field, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        text += f"(?P<{field}>[^/{re.escape(literal[:1])}]+){re.escape(literal)}"
    return text
