"""What there is to choose from: config groups and their options, read from the folders alone.

Neither torch nor Hydra is imported, so that listing, completion and most errors take milliseconds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from dlx.core.errors import ConfigError
from dlx.core.wording import closest

# Groups whose choice is a list; their options live in the package <group>.<option>.
LIST_GROUPS = ("preprocessing", "metric", "regularizer", "report")
PART_GROUPS = ("dataset", "split", "preprocessing", "model", "loss", "metric", "optimizer", "schedule", "regularizer",
               "device", "report")
PRESETS = "experiment"
# Values that come from the data; a configuration may not name them.
RUNTIME: dict[str, frozenset[str]] = {"model": frozenset({"input_shape", "num_outputs"})}
# Values of the same kind, for code that takes them.
OFFERED: dict[str, frozenset[str]] = {"model": frozenset({"layout", "kind", "vocabulary_size", "next_token"})}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def conf_dir() -> Path:
    """Return the folder of the packaged configuration: inside an installed dlx, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def groups(folders: Sequence[Path]) -> list[str]:
    """List the groups that the folders hold."""
    return sorted({path.name for folder in folders for path in folder.iterdir()
                   if path.is_dir() and any(path.glob("*.yaml"))})


def options(group: str, folders: Sequence[Path]) -> list[str]:
    """List the options of a group."""
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def find_option(group: str, option: str, folders: Sequence[Path]) -> Path | None:
    """Return the file of an option; of two of the same name, that of the first folder."""
    paths = (folder / group / f"{option}.yaml" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def read_option(path: Path) -> dict[str, Any]:
    """Read the file of an option, once as long as it stays as it is; what is returned is shared and not to be changed.

    Raises:
        ConfigError: not a YAML mapping.
    """
    facts = path.stat()
    return _read(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=4096)
def _read(path: Path, _changed: int, _size: int) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path} must hold keys and values, got {type(values).__name__}")
    return values or {}


def read_root(root: str) -> tuple[list[str], dict[str, Any]]:
    """Return the groups that a file of conf/ composes, and its own keys with their defaults.

    Keys that it gives to every option of a group are written with a dot: dataset.train_fraction.
    """
    values = read_option(conf_dir() / f"{root}.yaml")
    groups: list[str] = []
    keys: dict[str, Any] = {}
    for key, value in values.items():
        if key != "defaults":
            keys |= {f"{key}.{name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
    for entry in values.get("defaults", []):
        if isinstance(entry, dict):
            groups += [group for group in entry if not group.startswith("override ")]
        elif entry != "_self_":
            inner_groups, inner_keys = read_root(entry)
            groups, keys = groups + inner_groups, inner_keys | keys
    return groups, keys


def describe_option(path: Path) -> str:
    """Return the first sentence that says what an option is: its file's first comment, else its code's docstring."""
    values = read_option(path)
    target = values.get("_target_") or values.get(path.parent.name, {}).get("_target_", "")
    file = _source_root() / (target.rpartition(".")[0].replace(".", "/") + ".py")
    if target.startswith("dlx.") and file.is_file():
        return _docstring(file, target.rpartition(".")[2])
    lines = (line.lstrip("# ").strip() for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#")
    return next((line for line in lines if line and not line.startswith("@")), "")


def _source_root() -> Path:
    return Path(__file__).resolve().parent.parent.parent


def _docstring(file: Path, name: str) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    return ""


@lru_cache
def targets(group: str) -> dict[str, str]:
    """Return the packaged options of a group with the code that each names, `_target_`."""
    found: dict[str, str] = {}
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        values = read_option(path)
        target = values.get("_target_") or values.get(group, {}).get("_target_")
        if target is not None:
            found[path.stem] = target
    return found


def near(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean a?" with the key most like one that is not known, by its last word if need be."""
    known = list(known)
    meant = closest(name, known)
    if meant is None:
        last = {key.rsplit(".", 1)[-1]: key for key in known}
        meant = last.get(closest(name.rsplit(".", 1)[-1], last, 0.7) or "")
    return "" if meant is None else f"; did you mean {meant}?"
