"""The saved models that an argument names: a run folder, a checkpoint file, or the folder of an ensemble."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.record import layout
from dlx.record.store import checkpoint_path

if TYPE_CHECKING:
    from dlx.engine.saved_model import SavedModel


class Named(NamedTuple):
    """What an argument named.

    name: for people; is_ensemble: whether the mean of the models is meant, which are else one; split_path: of the
    split.npz beside them, or None.
    """

    name: str
    models: list[SavedModel]
    is_ensemble: bool
    split_path: Path | None


def read_models(given: Path, config: dict[str, Any], overrides: Sequence[str], trust: list[str]) -> Named:
    """Read the saved models that are meant, on the device that was asked for.

    Args:
        config: composed of conf/evaluate.yaml; overrides: as typed.
        trust: packages whose code their configurations may name.

    Raises:
        ArtefactError: there are none, or a file is damaged.
        ConfigError: a checkpoint or a device that there cannot be.
    """
    from dlx.core.errors import ConfigError
    from dlx.engine.saved_model import SavedModel
    from dlx.record import checkpoint as files
    from dlx.record.members import is_ensemble, member_paths
    from dlx.run import build_saved

    refuse_device(config["device"], overrides)
    many = is_ensemble(given)
    if many and any(text.startswith("checkpoint=") for text in overrides):
        raise ConfigError("checkpoint was chosen when the ensemble was made; leave it out")
    paths = member_paths(given) if many else [checkpoint_path(given, config["checkpoint"])]
    device = {key: value for key, value in config["device"].items() if key != "_target_"}
    models = [SavedModel(build_saved(saved.state.get("config", {}), trust), saved).on(device)
              for saved in map(files.load, paths)]
    # A checkpoint may lie elsewhere than in its run folder; then nothing else says how the data was divided.
    split_path = paths[0].parent.parent / layout.SPLIT
    name = given.resolve().name if many else paths[0].name
    return Named(name, models, many, split_path if os.path.lexists(split_path) else None)


def read_runs(runs: Sequence[Path], config: dict[str, Any], overrides: Sequence[str], trust: list[str]) -> Named:
    """Read the saved models of finished runs that are to form an ensemble.

    Args:
        config: composed of conf/ensemble.yaml; the others: see `read_models`.

    Raises:
        ConfigError: fewer than two runs, or runs that are not over or not on the same data and splits.
        ArtefactError: a folder is none of a run, or damaged.
    """
    from dlx.core.errors import ConfigError
    from dlx.record.folder import RunFolder

    if len(runs) < 2 or len({path.resolve() for path in runs}) < len(runs):
        given = ", ".join(map(str, runs)) or "none"
        raise ConfigError(f"an ensemble has at least two runs, each named once; got {given}")
    named = [read_models(path, config, overrides, trust) for path in runs]
    statuses = {path: RunFolder(path).status()["status"] for path in runs}
    unfinished = [f"{path} is {status}, not done" for path, status in statuses.items() if status != "done"]
    if unfinished:
        raise ConfigError(*unfinished)
    models = [model for own in named for model in own.models]
    refuse_unlike(runs, models)
    return Named("", models, True, named[0].split_path)


def refuse_unlike(runs: Sequence[Path], models: Sequence[SavedModel]) -> None:
    """Raise ConfigError where runs are not on the same data and splits, or predict what has no mean."""
    from dlx.core.errors import ConfigError
    from dlx.engine.ensemble import refuse_kind
    from dlx.engine.predict import restore_spec
    from dlx.record.split_rows import read_split

    refuse_kind(restore_spec(models[0].checkpoint).kind)
    first = read_split(runs[0] / layout.SPLIT)
    problems = []
    for path, model in zip(runs[1:], models[1:], strict=True):
        if model.checkpoint.state.get("data_fingerprint") != models[0].checkpoint.state.get("data_fingerprint"):
            problems.append(f"{path} was trained on other data than {runs[0]}: an ensemble is of one data set")
        elif differing := [name for name, rows in read_split(path / layout.SPLIT).items()
                           if rows.tobytes() != first[name].tobytes()]:
            problems.append(f"{path} has other rows in {', '.join(differing)} than {runs[0]}: an ensemble is of "
                            f"runs with the same split; train all of them with one split.seed")
    if problems:
        raise ConfigError(*problems)


def refuse_device(device: dict[str, Any], overrides: Sequence[str]) -> None:
    """Raise ConfigError where the device is given what it does not take."""
    from dlx.config.build import argument_problems
    from dlx.core.device import Device
    from dlx.core.errors import ConfigError

    arguments = {name: value for name, value in device.items() if name != "_target_"}
    problems = argument_problems("device", Device, arguments, ())
    if any(text.startswith("device.precision=") for text in overrides):
        problems.append("device.precision is that of the run and cannot be set")
    if problems:
        raise ConfigError(*problems)
