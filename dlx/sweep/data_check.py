"""Whether the data of a sweep can be learnt from, and by its parts, before there is a folder for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.config.build import build
from dlx.core.errors import ConfigError
from dlx.core.repeats import SEEDS
from dlx.core.types import Downloads
from dlx.sweep.plan import Plan

if TYPE_CHECKING:
    from dlx.engine.data import Prepared, Shelf
    from dlx.engine.parts import Parts
    from dlx.engine.source import Source

# Data that are read: others that differ in rows or preprocessing are left to the runs, which say what is wrong.
MOST = 8
# What tells neither the form of data nor whether it can be learnt from.
DRAWS = {"seed": None, "fold": None, "outer": None, "inner": None, "train_seed": None}


def refuse_data(plan: Plan, data_dir: str, trust: Collection[str]) -> None:
    """Read and prepare what data only reading tells about, once for each kind, and check the parts of runs with it.

    Saved weights that models start with are checked, too.

    What can be downloaded is, where it is absent.

    Raises:
        ConfigError: data that cannot be learnt from, or that parts or saved weights are not for, with all problems.
        StorageError: the data is absent.
        ArtefactError: a file is damaged, or saved weights are absent.
    """
    from dlx.engine.data import Shelf

    shelf = Shelf()
    prepared: dict[str, Prepared | None] = {}
    problems: dict[str, None] = {}
    seen: set[str] = set()
    fetched: set[Path] = set()
    sources: dict[Path, Source | None] = {}
    for planned in plan.runs:
        mark = json.dumps({**planned.saved, **dict.fromkeys(SEEDS), **_marked(planned.saved)})
        if mark in seen:
            continue
        seen.add(mark)
        parts = build(planned.saved, trust)
        problems |= dict.fromkeys(_source_problems(parts, sources))
        _fetch(parts, data_dir, fetched)
        if parts.dataset.spec() is None:
            problems |= dict.fromkeys(_problems(parts, planned.saved, data_dir, shelf, prepared))
    if problems:
        raise ConfigError(*problems)


def _fetch(parts: Parts, data_dir: str, fetched: set[Path]) -> None:
    """Download what is absent once, rather than in every worker at a time."""
    paths = parts.dataset.paths(data_dir) if isinstance(parts.dataset, Downloads) else []
    absent = [path for path in paths if not path.exists()]
    if absent and not fetched.issuperset(absent):
        fetched.update(absent)
        parts.dataset.load(data_dir)


def _source_problems(parts: Parts, sources: dict[Path, Source | None]) -> tuple[str, ...]:
    """Say where saved weights do not fit a model whose inputs are known without reading data."""
    from dlx.engine.build import known_spec, meta_model

    path, spec = parts.init_from.path, known_spec(parts)
    if path is None:
        return ()
    if path not in sources:
        sources[path] = parts.init_from.read()
    try:
        if spec is not None:
            meta_model(parts, spec, sources[path])
    except ConfigError as error:
        return error.problems
    return ()


def _marked(saved: Mapping[str, Any]) -> dict[str, Any]:
    return {group: {name: DRAWS.get(name, value) for name, value in saved[group].items()}
            for group in ("dataset", "split")}


def _problems(parts: Parts, saved: dict[str, Any], data_dir: str, shelf: Shelf, prepared: dict[str, Prepared | None]
              ) -> tuple[str, ...]:
    from dlx.engine.start import check_task, prepare_run

    name = json.dumps([_marked(saved), saved["preprocessing"]])
    try:
        if name not in prepared and len(prepared) < MOST:
            prepared[name] = None
            prepared[name] = prepare_run(shelf, (parts, saved), None, data_dir, parts.device.place(0.0))
        data = prepared.get(name)
        if data is not None:
            check_task(parts, data)
    except ConfigError as error:
        return error.problems
    return ()
