"""The checkpoints folder: initial, rolling ones while a run goes on, best and last when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dlx.core.errors import ArtefactError, ConfigError
from dlx.record import checkpoint as files
from dlx.record import layout
from dlx.record.checkpoint import Checkpoint
from dlx.record.folder import RunFolder

KEPT = 2


class Found(NamedTuple):
    """The newest valid checkpoint, and what was wrong with each newer one."""

    path: Path
    checkpoint: Checkpoint
    skipped: list[str]


class CheckpointStore:
    """Writes and finds the checkpoints of one run.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_step(self, step: int, checkpoint: Checkpoint) -> None:
        """Write a rolling checkpoint; when it is verified, all but it and the one before it are dropped.

        Later ones than it were damaged: the run would have gone on from them.
        """
        path = self.folder / f"step-{step:012d}.safetensors"
        files.save(path, checkpoint)
        kept = [other for other in self.rolling() if other <= path][-KEPT:]
        for other in self.rolling():
            if other not in kept:
                other.unlink()

    def keep(self, best: Checkpoint, last: Checkpoint | None) -> None:
        """Write those that stay; last is None where training did not end well."""
        files.save(self.folder / layout.BEST, best, "folder" if last is None else "file")
        if last is not None:
            files.save(self.folder / layout.LAST, last)

    def drop_rolling(self) -> None:
        """Remove the rolling checkpoints of a run that is over."""
        for old in self.rolling():
            old.unlink()

    def rolling(self) -> list[Path]:
        """List the rolling checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*.safetensors"))

    def clean(self) -> None:
        """Remove what a killed process left half-written."""
        for leftover in self.folder.parent.rglob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def newest(self) -> Found | None:
        """Return the newest valid checkpoint to resume from, or None where a run never wrote one.

        Raises:
            ArtefactError: there are some and none is valid.
        """
        skipped: list[str] = []
        last = self.folder / layout.LAST
        for path in [*([last] if last.exists() else []), *reversed(self.rolling())]:
            try:
                return Found(path, files.load(path), skipped)
            except ArtefactError as error:
                skipped.append(str(error))
        if skipped:
            raise ArtefactError("no valid checkpoint is left:\n" + "\n".join(skipped))
        return None

    def is_trained(self) -> bool:
        """Say whether the run had ended its training, well, before it was stopped."""
        return (self.folder / layout.LAST).exists()


def newest_common(stores: Sequence[CheckpointStore]) -> list[Found | None]:
    """Return every run's checkpoint of the newest step of which all have a valid one, to go on together.

    Runs that train together write theirs one after the other: a kill between two leaves the later ones a step behind,
    and the one before it is still there. Where no step is common, all begin at the beginning.

    Raises:
        ArtefactError: no common step has only valid ones.
    """
    if len(stores) == 1:
        return [stores[0].newest()]
    names = set.intersection(*({path.name for path in store.rolling()} for store in stores))
    skipped: list[str] = []
    for name in sorted(names, reverse=True):
        try:
            return [Found(store.folder / name, files.load(store.folder / name), skipped) for store in stores]
        except ArtefactError as error:
            skipped.append(str(error))
    if skipped:
        raise ArtefactError("no valid checkpoint is left:\n" + "\n".join(skipped))
    return [None] * len(stores)


def checkpoint_path(given: Path, name: str) -> Path:
    """Return the checkpoint file that is meant. Raises ArtefactError where there is none."""
    if name not in ("best", "last", "initial"):
        raise ConfigError(f"checkpoint must be one of best, last, initial, got {name!r}")
    if given.is_file():
        return given
    if not given.is_dir():
        raise ArtefactError(f"{given} does not exist; give a run folder or a checkpoint file")
    if not (given / layout.CONFIG).is_file():
        raise ArtefactError(f"{given} is not a run folder: it has no {layout.CONFIG}")
    path = given / layout.CHECKPOINTS / f"{name}.safetensors"
    if not path.is_file():
        status = RunFolder(given).status()["status"]
        hint = "the run diverged" if status == "diverged" else f"if the run was interrupted: dlx resume {given}"
        raise ArtefactError(f"{given} has no {name} checkpoint; {hint}")
    return path
