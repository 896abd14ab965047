"""The configurations of a sweep: composed once per combination of choices, every other axis patched in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.config import options
from dlx.config.compose import Composed, compose_all, link_source, value_problems
from dlx.config.saved import to_saved
from dlx.config.schema import SURROUNDINGS
from dlx.core.errors import ConfigError
from dlx.core.repeats import SEED
from dlx.core.search import Axis, Position
from dlx.sweep.axes import ends, text_of, value_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


class Template(NamedTuple):
    """The saved configuration of one combination of choices.

    Args:
        saved: with some value of each axis.
        follows: keys whose value is that of another key, `split.seed` of `seed`.
    """

    saved: dict[str, Any]
    follows: dict[str, str]


class Space(NamedTuple):
    """All that a search may ask for, as plain data.

    Args:
        axes: what varies, in the order typed.
        composed: which axes are choices that were composed, indices into axes; the others are patched.
        templates: by the indices of the composed axes' values.
        typed: what was typed, in order: overrides, and an axis by its index.
    """

    axes: tuple[Axis, ...]
    composed: tuple[int, ...]
    templates: dict[tuple[int, ...], Template]
    typed: tuple[str | int, ...]

    def overrides(self, position: Position, repetition: Mapping[str, int]) -> tuple[str, ...]:
        """Write out what was typed for one run of a point."""
        texts = [text_of(self.axes[item], position[item]) if isinstance(item, int) else item for item in self.typed]
        return *texts, *(f"{key}={value}" for key, value in repetition.items())

    def saved(self, position: Position, repetition: Mapping[str, int]) -> dict[str, Any]:
        """Return the configuration of one run of a point; it shares what does not vary with others.

        Args:
            repetition: seed or fold, by key; what is not in it is that of the point.
        """
        template = self.templates[tuple(int(position[index]) for index in self.composed)]
        values = {axis.key: value_of(axis, at) for index, (axis, at) in enumerate(zip(self.axes, position, strict=True))
                  if index not in self.composed}
        values |= repetition
        values |= {key: values[source] for key, source in template.follows.items() if source in values}
        return patched(template.saved, values)

    def at(self, template: tuple[int, ...], position: Position) -> Position:
        """Return a point moved to another combination of choices."""
        choices = dict(zip(self.composed, template, strict=True))
        return tuple(choices.get(index, at) for index, at in enumerate(position))

    def seed(self, position: Position) -> int:
        """Return the seed of a point."""
        return int(self.saved(position, {})[SEED])


def patched(saved: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the values of some dotted keys replaced; the others are shared, not copied.

    Raises:
        KeyError: a key that does not exist.
    """
    result = dict(saved)
    for key, value in values.items():
        *path, name = key.split(".")
        parent = result
        for step in path:
            parent[step] = dict(parent[step])
            parent = parent[step]
        if name not in parent:
            raise KeyError(key)
        parent[name] = value
    return result


class Typed(NamedTuple):
    """What was typed, and where: overrides in order, each fixed or an axis."""

    root: str
    parsed: Sequence[Override]
    config_dir: Path | None
    fixed: Sequence[str]

    def overrides(self, axes: Sequence[Axis], position: Position) -> tuple[str, ...]:
        """Write out the overrides of one point."""
        texts = iter([text_of(axis, at) for axis, at in zip(axes, position, strict=True)])
        return tuple(next(texts) if override.is_sweep_override() else str(override.input_line)
                     for override in self.parsed)

    def shown(self, repeated: Collection[str]) -> tuple[str | int, ...]:
        """Return the overrides that are a run's own, with axes by their index; without the keys that repeat a point."""
        numbers = itertools.count()
        items = [(override.key_or_group, next(numbers) if override.is_sweep_override()
                  else str(override.input_line)) for override in self.parsed]
        known = {name for root in ("train", self.root) for part in options.read_root(root) for name in part}
        own = {name for part in options.read_root("train") for name in part}
        return tuple(item for key, item in items if (key.split(".")[0] in own or key.split(".")[0] not in known)
                     and key not in repeated)

    def compose(self, axes: Sequence[Axis], position: Position) -> Composed:
        """Compose one point."""
        return compose_all(self.root, [*self.overrides(axes, position), *self.fixed], self.config_dir)


def first(axes: Sequence[Axis]) -> Position:
    """Return the point of first values."""
    return tuple(axis.low if axis.is_interval else 0 for axis in axes)


def make_space(typed: Typed, axes: Sequence[Axis], repeated: Collection[str], limit: int) -> Space:
    """Compose every combination of choices and check every value of the other axes with each.

    Args:
        repeated: keys that are patched too, to repeat each point: seed or fold.
        limit: of combinations.

    Raises:
        ConfigError: the problems of all points together.
    """
    composed = {index for index, axis in enumerate(axes) if _is_composed(axis, axes, typed)}
    while True:
        drafts = _compose_each(typed, axes, sorted(composed), limit)
        more = {index for draft in drafts.values() for index in _entangled(draft, axes, repeated)} - composed
        if not more:
            break
        composed |= more
    patchable = [axis for index, axis in enumerate(axes) if index not in composed]
    problems = {problem: None for draft in drafts.values() for axis in patchable for at in ends(axis)
                for problem in value_problems(axis.key, value_of(axis, at), draft.defaults)}
    if problems:
        raise ConfigError(*problems)
    keys = {axis.key for axis in patchable} | {*repeated}
    templates = {at: Template(to_saved(draft.config), _follows(draft, keys)) for at, draft in drafts.items()}
    return Space(tuple(axes), tuple(sorted(composed)), templates, typed.shown(repeated))


def _is_composed(axis: Axis, axes: Sequence[Axis], typed: Typed) -> bool:
    groups, _ = options.read_root(typed.root)
    given = [override.key_or_group for override in typed.parsed].count(axis.key)
    return (axis.key in groups or axis.key.endswith("._target_") or given > 1
            or any(isinstance(value, dict) or "${" in str(value) for value in axis.values))


def _compose_each(typed: Typed, axes: Sequence[Axis], composed: Sequence[int], limit: int
                  ) -> dict[tuple[int, ...], Composed]:
    for index in composed:
        if axes[index].is_interval:
            raise ConfigError(f"{axes[index].typed}: other values are built from {axes[index].key}, so it cannot be "
                              f"drawn from an interval; list its values")
    combinations = list(product(*(range(len(axes[index].values)) for index in composed)))
    if len(combinations) > limit:
        raise ConfigError(f"the choices have {len(combinations):,} combinations, at most {limit:,} can be composed")
    drafts: dict[tuple[int, ...], Composed] = {}
    problems: dict[str, None] = {}
    for combination in combinations:
        try:
            drafts[combination] = typed.compose(axes, _with(axes, dict(zip(composed, combination, strict=True))))
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(*problems, *_others(typed, axes, composed, problems))
    return drafts


def _others(typed: Typed, axes: Sequence[Axis], composed: Sequence[int], known: Mapping[str, None]) -> list[str]:
    # What is wrong with the other values is wanted in the same message; defaults that can be composed show it.
    groups, _ = options.read_root(typed.root)
    patchable = [axis for index, axis in enumerate(axes) if index not in composed]
    for position in product(*(ends(axis) if index in composed else ends(axis)[:1] for index, axis in enumerate(axes))):
        texts = typed.overrides(axes, position)
        chosen = [text for text, override in zip(texts, typed.parsed, strict=True) if override.key_or_group in groups]
        try:
            defaults = compose_all(typed.root, chosen, typed.config_dir).defaults
        except ConfigError:
            continue
        found = {problem: None for axis in patchable for at in ends(axis)
                 for problem in value_problems(axis.key, value_of(axis, at), defaults)}
        return [problem for problem in found if problem not in known]
    return []


def _with(axes: Sequence[Axis], changes: Mapping[int, int | float]) -> Position:
    return tuple(changes.get(index, at) for index, at in enumerate(first(axes)))


def _entangled(draft: Composed, axes: Sequence[Axis], repeated: Collection[str]) -> list[int]:
    """Return the axes from which values are built that do not just follow them."""
    found = []
    for key, text in _kept(draft).items():
        if link_source(text) is None:
            found += [index for index, axis in enumerate(axes) if _names(text, axis.key)]
            if SEED in repeated and _names(text, SEED):
                raise ConfigError(f"{key}={text} is built from seed, which seeds varies; leave one of them out")
    return found


def _kept(draft: Composed) -> dict[str, str]:
    return {key: text for key, text in draft.interpolations.items() if key.split(".")[0] not in SURROUNDINGS}


def _names(text: str, key: str) -> bool:
    # By the last word of the key, since interpolations may be relative: rather too often than too rarely.
    return re.search(rf"(?<!\w){re.escape(key.rpartition('.')[2])}(?!\w)", text) is not None


def _follows(draft: Composed, keys: set[str]) -> dict[str, str]:
    """Return the keys that follow one of these, through any number of others."""
    links = {key: source for key, text in _kept(draft).items() if (source := link_source(text)) is not None}
    found = {}
    for key in links:
        source, seen = links[key], {key}
        while source not in keys and source in links and source not in seen:
            seen.add(source)
            source = links[source]
        if source in keys and key not in keys:
            found[key] = source
    return found
