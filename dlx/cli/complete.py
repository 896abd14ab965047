"""dlx complete: what a shell may offer for the last of the words typed after `dlx`.

Hidden; the scripts of `dlx completion` call it. Candidates are whole words, one per line; that bash cuts words at "="
is the business of its script. Only folders are read: neither torch nor Hydra is imported.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from dlx.cli.generate import SAMPLING, typed
from dlx.config import options
from dlx.config.names import option_keys
from dlx.core.errors import ConfigError
from dlx.record import layout

# What the overrides of a command are composed into: a file of conf/.
ROOTS = {"train": "train", "sweep": "sweep", "find-lr": "find-lr", "show": "train", "validate": "train",
         "evaluate": "evaluate", "ensemble": "ensemble", "resume": "resume"}
WITH_FOLDER = ("evaluate", "ensemble", "predict", "export", "resume", "report")
# Of these a sweep folder may be meant itself, not only a run inside of it; these take the folder of an ensemble.
TAKE_SWEEPS = ("ensemble", "resume", "report")
TAKE_ENSEMBLES = ("evaluate", "predict")
WITH_VALUE = ("--config-dir", "--trust", "--output", "-o", "--abstain-below", "--format", *map(typed, SAMPLING))
_QUOTING = re.compile(r"[\"'\\]")
_OPTION = re.compile(r"(?<![\w-])--?[\w-]+")
_CHOICES = re.compile(r"\{([\w,]+)\}")
_NAME = re.compile(r"[\w-]+")


class Line(NamedTuple):
    """What stands before the word to complete: the command, its positional arguments, the folders of options."""

    command: str
    given: list[str]
    folders: list[Path]


def run(arguments: Sequence[str]) -> int:
    """Print the candidates for the last word; words are as typed, quotes included."""
    *before, word = [_QUOTING.sub("", text) for text in arguments] or [""]
    try:
        found = sorted({candidate for candidate in candidates(before, word) if candidate.startswith(word)})
    except (ConfigError, OSError, yaml.YAMLError):
        # A line that is still being typed is not the place for an error.
        return 0
    print("".join(f"{candidate}\n" for candidate in found), end="")
    return 0


def candidates(before: Sequence[str], word: str) -> Iterable[str]:
    """Return what may follow the words before; what does not begin with `word` is dropped later."""
    from dlx.cli.main import COMMANDS, module_of

    if not before:
        return ("--help", "--version") if word.startswith("-") else COMMANDS
    if before[0] not in COMMANDS:
        return ()
    usage = importlib.import_module(module_of(before[0])).parser().format_usage()
    if before[-1] in WITH_VALUE:
        values = re.search(f"{before[-1]} {_CHOICES.pattern}", usage)
        return () if values is None else values[1].split(",")
    if word.startswith("-"):
        return ("--help", *_OPTION.findall(usage))
    line = read_line(before)
    if line.command in WITH_FOLDER and not line.given:
        return run_folders(word, line.command)
    if line.command == "ensemble":
        return (*run_folders(word, line.command), *overrides(line, word))
    if line.command in ROOTS:
        return overrides(line, word)
    if line.given:
        return ()
    if line.command == "list":
        return options.groups(line.folders)
    return (name for names in _CHOICES.findall(usage) for name in names.split(","))


def read_line(before: Sequence[str]) -> Line:
    """Sort the words before into positional arguments and --config-dir."""
    given, folders, rest = [], [options.conf_dir()], iter(before[1:])
    for text in rest:
        name, equals, value = text.partition("=")
        if name in WITH_VALUE:
            folder = Path(value if equals else next(rest)).expanduser()
            if name == "--config-dir" and folder.is_dir():
                folders.insert(0, folder)
        elif not text.startswith("-"):
            given.append(text)
    return Line(before[0], given, folders)


def overrides(line: Line, word: str) -> Iterator[str]:
    """Yield groups and keys that are not yet given; after the "=" of a group its options."""
    groups, known = options.read_root(ROOTS[line.command])
    keys = [key for key in known if word or "." not in key]
    typed = dict(text.split("=", 1) for text in line.given if "=" in text)
    name, equals, value = word.partition("=")
    if equals:
        if name in groups:
            yield from (f"{name}={choice}" for choice in choices(line, name, value))
        return
    if word:
        for group in groups:
            chosen = _NAME.findall(typed.get(group, "")) or options.options(group, line.folders)
            keys += keys_of(group, chosen, line.folders)
    yield from (f"{key}=" for key in (*groups, *keys) if key not in typed)


def choices(line: Line, group: str, value: str) -> Iterator[str]:
    """Yield what may follow `group=`: options, also as an item of a list or as one of the values of a sweep."""
    start = value[: max(value.rfind("["), value.rfind(",")) + 1]
    inside = start.count("[") > start.count("]")
    if (inside and group not in options.LIST_GROUPS) or (start and not inside and line.command != "sweep"):
        return
    taken = _NAME.findall(start.rpartition("[")[2])
    yield from (f"{start}{name}" for name in options.options(group, line.folders) if name not in taken)


def keys_of(group: str, names: Iterable[str], folders: Sequence[Path]) -> Iterator[str]:
    """Yield the keys of options as they are typed: optimizer.lr, regularizer.dropout.rate."""
    for name in names:
        if group != options.PRESETS and options.find_option(group, name, folders) is not None:
            yield from (key for key, _ in option_keys(group, name, folders)
                        if not key.endswith(("._target_", ".defaults")))


def run_folders(word: str, command: str) -> Iterator[str]:
    """Yield the folders beside the one being typed that a command takes, by default those in runs/."""
    parent = word[: word.rfind("/") + 1] or "runs/"
    folder = Path(parent).expanduser()
    marks = [layout.CONFIG, *([layout.SWEEP] if command in TAKE_SWEEPS else []),
             *([layout.ENSEMBLE] if command in TAKE_ENSEMBLES else [])]
    for path in folder.iterdir() if folder.is_dir() else ():
        if any((path / mark).is_file() for mark in marks):
            yield f"{parent}{path.name}"
        elif (path / layout.SWEEP).is_file():
            yield f"{parent}{path.name}/{layout.RUNS}/"
