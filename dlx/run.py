"""One run from configuration to report: the sequence that `dlx train`, `resume` and a sweep's worker share."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.config.build import build
from dlx.config.saved import config_hash
from dlx.core.errors import (
    ArtefactError,
    ConfigError,
    DivergedError,
    DlxError,
    InterruptedRunError,
    StorageError,
    TrainingError,
)
from dlx.record import layout
from dlx.record.folder import FINAL, RunFolder, Status
from dlx.record.provenance import provenance
from dlx.record.safe_yaml import read_json, read_yaml

if TYPE_CHECKING:
    from dlx.engine.parts import Parts
    from dlx.engine.recorder import Observer

MAX_CONFIG_BYTES = 2**18
CACHE = "~/.cache/dlx"
log = logging.getLogger("dlx")


class Surroundings(NamedTuple):
    """What surrounds a run without being part of the experiment."""

    data_dir: str
    checkpoint_seconds: float

    @classmethod
    def of(cls, config: dict[str, Any]) -> Surroundings:
        """Take them from a resolved configuration; data_dir "auto" is $DLX_DATA_DIR, else a cache of the user."""
        folder = config["data_dir"]
        if folder == "auto":
            folder = os.environ.get("DLX_DATA_DIR") or os.path.expanduser(CACHE)
        return cls(folder, config["checkpoint_seconds"])


def describe(folder: RunFolder, saved: dict[str, Any], overrides: Sequence[str]) -> None:
    """Write what a new run is, before it starts."""
    folder.describe(saved, overrides, provenance(config_hash=config_hash(saved)))


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a run folder. Raises ArtefactError where it is none, or a hostile one."""
    if not (folder / layout.CONFIG).is_file():
        raise ArtefactError(f"{folder} is not a run folder: it has no {layout.CONFIG}")
    return read_yaml(folder / layout.CONFIG, MAX_CONFIG_BYTES)


def build_saved(saved: Any, trust: Collection[str], checkpoint_seconds: float = 20.0) -> Parts:
    """Build parts from a configuration that a file holds. Raises ArtefactError where it is not a possible one."""
    try:
        if not isinstance(saved, dict):
            raise ConfigError(f"a mapping was expected, got {type(saved).__name__}")
        return build(saved, trust, checkpoint_seconds)
    except ConfigError as error:
        raise ArtefactError(f"the saved configuration is refused:\n{error}") from error


def execute(parts: Parts, saved: dict[str, Any], folder: RunFolder, surroundings: Surroundings, observer: Observer
            ) -> None:
    """Train or go on training in a described folder that this process holds, and write its report.

    Raises:
        DlxError: of the kind that says how it ended; status.json and dlx.log say it too.
    """
    from dlx.engine.run import train
    from dlx.engine.signals import stop_on_signals

    with _logged(folder), _status(folder), stop_on_signals() as stop:
        if not (folder.path / layout.SUMMARY).is_file():
            with contextlib.suppress(DivergedError):
                train(parts, saved, folder, surroundings.data_dir, observer, stop)
        conclude(folder)


def conclude(folder: RunFolder) -> None:
    """Write report and final status of a run whose training is over.

    Raises:
        TrainingError: it had diverged.
    """
    from dlx.record.store import CheckpointStore
    from dlx.report.render import render

    store, path = CheckpointStore(folder.checkpoints), folder.path / layout.SUMMARY
    store.clean()
    store.drop_rolling()
    status: Status = folder.status()["status"]
    if path.is_file() and status not in FINAL:
        summary = read_json(path)
        status = "diverged" if summary["status"] == "diverged" else "done"
        facts = {"epoch": summary["epochs_run"], **(summary["divergence"] or {}), "reason": summary["stop_reason"]}
        folder.set_status(status, **facts)
    render(folder.path)
    if status == "diverged":
        raise TrainingError(folder.status()["reason"])


@contextlib.contextmanager
def _status(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except InterruptedRunError as error:
        folder.set_status("interrupted", reason=str(error))
        raise
    except DlxError as error:
        if folder.status()["status"] != "diverged":
            _fail(folder, "failed", str(error))
        raise
    except Exception as error:
        log.exception("the run crashed")
        if out_of_memory(error):
            _fail(folder, "oom", str(error))
            reason = str(error).split("\n")[0] or "no more can be had"
            raise TrainingError(f"out of memory: {reason}; try a smaller batch_size or model.width") from error
        _fail(folder, "failed", "".join(traceback.format_exception_only(error)).strip())
        raise


def out_of_memory(error: Exception) -> bool:
    """Say whether an exception means that memory ran out, on the device or the host."""
    import torch

    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in words)


def _fail(folder: RunFolder, status: Status, reason: str) -> None:
    # On a full disk the status cannot be written either; the error that is on its way says so.
    with contextlib.suppress(StorageError):
        folder.set_status(status, reason=reason)


@contextlib.contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    try:
        if (folder.path / layout.LOG).is_symlink():
            raise ArtefactError(f"{folder.path / layout.LOG} refused: it is a link")
        handler = logging.FileHandler(folder.path / layout.LOG, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {folder.path / layout.LOG}: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    warnings = logging.StreamHandler()
    warnings.setLevel(logging.WARNING)
    warnings.addFilter(lambda record: record.exc_info is None)
    warnings.setFormatter(logging.Formatter("dlx: %(message)s"))
    log.addHandler(handler)
    log.addHandler(warnings)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.removeHandler(warnings)
        with contextlib.suppress(OSError):
            handler.close()
