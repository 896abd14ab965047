"""From what was typed to a resolved configuration, with Hydra's grammar and compose API, without torch.

Hydra composes the chosen groups; values are then set one by one, so that every problem is found and shown at once, and
a sweep composes once per distinct choice of groups.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dlx.config import names, options
from dlx.config.schema import ROOT, root_problems, type_problem
from dlx.core.errors import ConfigError
from dlx.core.ranges import shown

if TYPE_CHECKING:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Override

Nested = dict[str, Any]
MAX_LENGTH = 4000
# Signs that mean something in the value of an override, and what stands in none without quotes.
_GRAMMAR = re.compile(r"""[,=\[\]{}()'"\\$#]""")
_UNLISTED = re.compile(r"[~\u0080-\U0010ffff]")
# What a YAML file writes for a value that has no default.
MISSING = "???"
# An interpolation that is another key, and no more.
_LINK = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")


class Composed(NamedTuple):
    """A configuration and where it comes from.

    Args:
        config: resolved.
        defaults: resolved, before values were set.
        interpolations: texts of the values that stand for others, by dotted key.
    """

    config: Nested
    defaults: Nested
    interpolations: dict[str, str]


@dataclass
class Typed:
    """What was typed, sorted: choices of groups, values to set, keys to delete, problems met so far."""

    choices: dict[str, str | list[str]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides with Hydra's grammar. Raises ConfigError listing each that does not parse."""
    from hydra.errors import HydraException

    parser, parsed, problems = _parser(), [], []
    for text in overrides:
        if len(text) > MAX_LENGTH:
            problems.append(f"the override {text[:40]!r}… is longer than {MAX_LENGTH} characters")
            continue
        try:
            parsed.append(parser.parse_override(_quoted(text)))
            if not parsed[-1].key_or_group:
                problems.append(f"cannot read the override {text!r}: it has no key; write key=value")
        except (HydraException, RecursionError) as error:
            reason = " ".join(str(error).split("\n")[0].split())
            key, sign, value = text.partition("=")
            advice = "quote text with parentheses, key='\"a(b)\"', or close them" if "(" in value else (
                f"quote text with signs in it, \"{key}='…'\", and close brackets" if sign else "write key=value")
            problems.append(f"cannot read the override {text!r}: {reason or 'nested too deep'}; {advice}")
    if problems:
        raise ConfigError(*problems)
    return parsed


def _quoted(text: str) -> str:
    """Put quotes around a value that can be nothing but text, with letters or a ~ that the grammar wants quoted."""
    key, sign, value = text.partition("=")
    plain = sign and not _GRAMMAR.search(value) and _UNLISTED.search(value)
    return f"{key}='{value}'" if plain else text


@lru_cache(maxsize=1)
def _parser() -> OverridesParser:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create()


def compose(root: str, overrides: Sequence[str], config_dir: Path | None = None) -> Nested:
    """Compose, set, resolve and check.

    Args:
        root: "train", "sweep" or "evaluate", a file of conf/.
        overrides: as typed.
        config_dir: a folder of groups and options of the user, before the packaged ones.

    Returns:
        The resolved configuration, plain nested data; each part names its code in `_target_`.

    Raises:
        ConfigError: with every problem that shows without importing a part.
    """
    return compose_all(root, overrides, config_dir).config


def compose_all(root: str, overrides: Sequence[str], config_dir: Path | None = None) -> Composed:
    """Compose as `compose` does, and return what a sweep needs to change values afterwards."""
    folders = search_folders(config_dir)
    names.refuse_unknown(root, overrides, folders)
    typed = sort(parse(overrides), root, folders)
    choices = tuple(f"{group}={_choice_text(choice)}" for group, choice in typed.choices.items())
    base = copy.deepcopy(_compose_choices(root, choices, config_dir))
    defaults = resolve(base, [])
    set_values(base, typed, folders)
    config = resolve(base, typed.problems)
    typed.problems += missing_problems(root, config, typed)
    check_types(config, defaults, typed)
    typed.problems += root_problems({key: value for key, value in config.items()
                                     if key in typed.values and not is_interpolation(value)})
    typed.problems += processes_problems(root, config)
    if typed.problems:
        raise ConfigError(*dict.fromkeys(typed.problems))
    return Composed(config, defaults, {key: value for key, value in leaves(base) if is_interpolation(value)})


def processes_problems(root: str, config: Nested) -> list[str]:
    """Say where several processes are asked for something that is not one training."""
    count = config.get("device", {}).get("processes", 1)
    if root == "train" or count == 1:
        return []
    return [f"device.processes={shown(count)} is for dlx train, not for dlx {root}"]


def missing_problems(root: str, config: Nested, typed: Typed) -> list[str]:
    """Say which values have to be given and are not: those that a YAML file leaves to the user, `???`."""
    problems = []
    for group in options.PART_GROUPS:
        given = dict(leaves(config[group], f"{group}.")) if isinstance(config.get(group), dict) else {}
        lacking = [key for key, value in given.items() if value == MISSING]
        if lacking:
            texts = [f"{key}={value}" for key, value in typed.values.items() if key in given and key not in lacking]
            texts += [f"{key}={key.rpartition('.')[2].upper()}" for key in lacking]
            choice = [f"{group}={_choice_text(typed.choices[group])}"] if group in typed.choices else []
            problems.append(f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing: dlx {root} "
                            f"{' '.join([*choice, *texts])}")
    return problems


def search_folders(config_dir: Path | None) -> list[Path]:
    """Return the folders of options, the user's first. Raises ConfigError where the user's is not a folder."""
    if config_dir is None:
        return [options.conf_dir()]
    if not config_dir.is_dir():
        raise ConfigError(f"--config-dir must be a folder, got {config_dir}")
    return [config_dir.resolve(), options.conf_dir()]


def sort(overrides: Sequence[Override], root: str, folders: Sequence[Path]) -> Typed:
    """Sort parsed overrides into choices and values, and notice what is wrong with each by itself."""
    typed, (known, _) = Typed(), options.read_root(root)
    for override in overrides:
        key = override.key_or_group
        if override.is_sweep_override():
            typed.problems.append(f"{override.input_line} gives several values: that is a sweep, use dlx sweep")
        elif override.package is not None:
            typed.problems.append(package_problem(override))
        elif override.is_delete():
            typed.deleted.append(key)
        elif key in known:
            _choose(typed, key, override.value(), folders)
        else:
            typed.values[key] = plain(override.value())
            if override.is_add() and not override.is_force_add():
                typed.added.append(key)
    return typed


def package_problem(override: Override) -> str:
    """Say that a package has no meaning here."""
    return (f"{override.input_line}: packages (@) are not used in dlx; write {override.key_or_group}=…")


def add_problem(key: str) -> str:
    """Say that a key that exists cannot be added."""
    return f"+{key}: keys cannot be added, every key stands in a YAML file; write {key}=… to set one"


def _choose(typed: Typed, group: str, value: Any, folders: Sequence[Path]) -> None:
    chosen = value if isinstance(value, list) else [value]
    if isinstance(value, list) and group not in options.LIST_GROUPS:
        typed.problems.append(f"{group} takes one option, got a list")
        return
    if value is None and group == options.PRESETS:
        typed.choices.pop(group, None)
        return
    written = ["null" if option is None else str(option) for option in chosen]
    problems = names.option_problems(group, written, folders)
    problems += [f"{group} lists {name} twice" for name in dict.fromkeys(written) if written.count(name) > 1]
    typed.problems += problems
    if not problems:
        typed.choices[group] = [str(option) for option in chosen] if isinstance(value, list) else str(value)


def _choice_text(choice: str | list[str]) -> str:
    return choice if isinstance(choice, str) else "[" + ",".join(choice) + "]"


@lru_cache(maxsize=1024)
def _compose_choices(root: str, choices: tuple[str, ...], config_dir: Path | None) -> Nested:
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with user_folder(config_dir), hydra.initialize_config_dir(str(options.conf_dir()), version_base="1.3"):
            composed = hydra.compose(root, overrides=list(choices))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"the configuration does not compose: {str(error).strip()}") from error
    container: Nested = OmegaConf.to_container(composed)  # type: ignore[assignment]
    for group in options.LIST_GROUPS:
        if group in options.read_root(root)[0] and container.get(group) is None:
            container[group] = {}
    typed = tuple(choice for choice in choices if not choice.startswith(f"{options.PRESETS}="))
    if typed and typed != choices:
        _give_way(container, _compose_choices(root, typed, config_dir), [choice.partition("=")[0] for choice in typed])
    return container


def _give_way(container: Nested, typed: Nested, groups: Sequence[str]) -> None:
    """Drop what a preset says of options that were typed otherwise and have no such key, in place."""
    for group in groups:
        if isinstance(container.get(group), dict):
            container[group] = {key: value for key, value in container[group].items() if key in typed[group]}


@contextlib.contextmanager
def user_folder(folder: Path | None) -> Iterator[None]:
    """Let Hydra look for options in the user's folder first, so that they may shadow packaged ones of the same name."""
    plugin = _search_plugin()
    plugin.folder = folder
    try:
        yield
    finally:
        plugin.folder = None


@lru_cache(maxsize=1)
def _search_plugin() -> Any:
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class UserFolder(SearchPathPlugin):
        """A folder in front of the packaged one; hydra.searchpath would come after it."""

        folder: ClassVar[Path | None] = None

        def manipulate_search_path(self, search_path: Any) -> None:
            if UserFolder.folder is not None:
                search_path.prepend("dlx-user", f"file://{UserFolder.folder.resolve()}", anchor="main")

    Plugins.instance().register(UserFolder)
    return UserFolder


def set_values(config: Nested, typed: Typed, folders: Sequence[Path]) -> None:
    """Set the typed values and drop the deleted keys, in place; unknown keys become problems."""
    known = [*config, *(key for key, _ in leaves(config) if not key.endswith("._target_"))]
    for key, value in typed.values.items():
        parent, name = _locate(config, key)
        if parent is None or name not in parent or name == "experiment":
            owners = folders if key.partition(".")[0] in config else ()
            typed.problems.append(names.unknown_key(key, known, owners))
        elif key in typed.added:
            typed.problems.append(add_problem(key))
        elif isinstance(parent[name], dict):
            typed.problems.append(f"{key} is a group of keys, not a value; set one of "
                                  f"{', '.join(f'{key}.{inner}' for inner in parent[name] if inner[0] != '_')}")
        else:
            parent[name] = value
    for key in typed.deleted:
        parent, name = _locate(config, key)
        if parent is None or name not in parent:
            typed.problems.append(f"~{key}: unknown key{options.near(key, known)}")
        else:
            typed.problems.append(f"~{key}: {key} is required, it can be changed but not deleted")


def resolve(config: Nested, problems: list[str]) -> Nested:
    """Return a copy with interpolations resolved; those that cannot be become problems."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    resolved = copy.deepcopy(config)
    wanted = [(key, value) for key, value in leaves(config) if is_interpolation(value)]
    wanted = [(key, text) for key, text in wanted if not _follow(resolved, config, key, text)]
    if not wanted:
        return resolved
    try:
        source = OmegaConf.create(config)
    except OmegaConfBaseException as error:
        problems.append(f"an interpolation cannot be read: {str(error).splitlines()[0]}")
        return resolved
    for key, text in wanted:
        parent, name = _locate(resolved, key)
        assert parent is not None, key
        try:
            parent[name] = plain(OmegaConf.select(source, key, throw_on_missing=True))
        except (OmegaConfBaseException, RecursionError, ValueError, TypeError) as error:
            unset = re.search("Environment variable '(.+)' not found", str(error))
            reason = f"environment variable {unset[1]} is not set" if unset else str(error).splitlines()[0]
            problems.append(f"{key}={text} cannot be resolved: {reason}")
    return resolved


def _follow(resolved: Nested, config: Nested, key: str, text: str) -> bool:
    # Most interpolations are the value of another key, and OmegaConf takes milliseconds to say so.
    source = link_source(text)
    origin, there = _locate(config, source) if source is not None else (None, "")
    if origin is None or there not in origin or isinstance(origin[there], dict) or is_interpolation(origin[there]):
        return False
    parent, name = _locate(resolved, key)
    assert parent is not None, key
    parent[name] = copy.deepcopy(origin[there])
    return True


def link_source(text: str) -> str | None:
    """Return the key whose value an interpolation stands for, None where it is more than that."""
    match = _LINK.fullmatch(text)
    return match[1] if match is not None else None


def check_types(config: Nested, defaults: Nested, typed: Typed) -> None:
    """Compare the type of each typed value with that of its default."""
    for key in typed.values:
        parent, name = _locate(config, key)
        before, _ = _locate(defaults, key)
        if parent is None or before is None or name not in before or isinstance(before[name], dict) or key in ROOT:
            continue
        if not is_interpolation(parent[name]):
            typed.problems += _default_problems(key, parent[name], before[name])


def value_problems(key: str, value: Any, defaults: Nested) -> list[str]:
    """Say what is wrong with a value of a key that exists, as `compose` would."""
    before, name = _locate(defaults, key)
    typed_wrong = before is not None and name in before and not isinstance(before[name], dict) and key not in ROOT
    return (_default_problems(key, value, before[name]) if typed_wrong and before is not None else []
            ) + root_problems({key: value})


def _default_problems(key: str, value: Any, default: Any) -> list[str]:
    wrong = None if default == MISSING else type_problem(default, value)
    return [] if wrong is None else [f"{key} must be {wrong}, got {shown(value)} (its default is {shown(default)})"]


def is_interpolation(value: Any) -> bool:
    """Say whether a value is one that could not be resolved."""
    return isinstance(value, str) and "${" in value


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and value of everything that is not a mapping."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _locate(config: Nested, key: str) -> tuple[Nested | None, str]:
    *path, name = key.split(".")
    parent: Any = config
    for step in path:
        parent = parent.get(step) if isinstance(parent, dict) else None
    return (parent if isinstance(parent, dict) else None), name


def plain(value: Any) -> Any:
    """Turn Hydra's and OmegaConf's quoted strings and containers into Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    text = getattr(value, "text", None)
    return text if isinstance(text, str) else value
