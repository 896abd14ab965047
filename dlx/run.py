"""Runs from configuration to report: the sequence that `dlx train`, `resume` and a sweep's worker share."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.config.build import build
from dlx.config.saved import config_hash
from dlx.core.errors import (
    ArtefactError,
    ConfigError,
    DlxError,
    InterruptedRunError,
    StorageError,
    TrainingError,
)
from dlx.record import layout
from dlx.record.folder import FINAL, RunFolder, Status
from dlx.record.log import logged
from dlx.record.provenance import provenance
from dlx.record.safe_yaml import read_json, read_yaml

if TYPE_CHECKING:
    from dlx.engine.data import Shelf
    from dlx.engine.parts import Parts
    from dlx.engine.recorder import Observer
    from dlx.engine.run import Ended, Limits, Run

MAX_CONFIG_BYTES = 2**18
CACHE = "~/.cache/dlx"


class Surroundings(NamedTuple):
    """What surrounds a run without being part of the experiment.

    checks_data: check the data of the first run, whatever its report.
    """

    data_dir: str
    checkpoint_seconds: float
    checks_data: bool = False

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


def read_data(parts: Parts, saved: dict[str, Any], data_dir: str) -> Shelf:
    """Read and prepare the data of a run before there is a folder for it, and check that the parts are for it.

    Raises:
        ConfigError: data that cannot be learnt from, or that the parts are not for.
        StorageError: the data is absent.
        ArtefactError: a file is damaged.
    """
    from dlx.engine.data import Shelf
    from dlx.engine.start import prepare_all

    shelf = Shelf()
    prepare_all([(parts, saved)], [None], data_dir, parts.device.place(0.0), shelf)
    return shelf


def execute(parts: Parts, saved: dict[str, Any], folder: RunFolder, surroundings: Surroundings, observer: Observer,
            shelf: Shelf | None = None) -> None:
    """Train or go on training in a described folder that this process holds, and write its report.

    Raises:
        DlxError: of the kind that says how it ended; status.json and dlx.log say it too.
    """
    execute_together([(parts, saved, folder)], surroundings, observer, lambda: None, shelf=shelf, alone=True)
    _refuse_diverged(folder)


def execute_in_processes(parts: Parts, saved: dict[str, Any], folder: RunFolder, surroundings: Surroundings,
                         observe: Callable[[], AbstractContextManager[Observer]], processes: int | None = None,
                         shelf: Shelf | None = None) -> None:
    """Train like `execute`, in as many processes as the run asks for; one is this process.

    Args:
        observe: makes the observer, in the process that shows progress.
        processes: how many instead; None for those of the newest checkpoint, else of the configuration.
        shelf: data that was read before.
    """
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(logged(folder, 0))
        stack.enter_context(_status([folder], [log]))
        is_trained = (folder.path / layout.SUMMARY).is_file()
        count = 1 if is_trained else processes or _recorded_processes(folder, parts)
        if count > 1:
            from dlx.engine.run import Run
            from dlx.launch import train_in_processes

            if shelf is not None:
                # Each process reads the data for itself.
                shelf.clear()

            train_in_processes(count, parts, saved, folder, surroundings.data_dir, observe, log)
            conclude(Run(parts, saved, folder, log), surroundings.data_dir)
            _refuse_diverged(folder)
            return
    with observe() as observer:
        execute(parts, saved, folder, surroundings, observer, shelf)


def _recorded_processes(folder: RunFolder, parts: Parts) -> int:
    from dlx.core.device import NumProcesses
    from dlx.core.ranges import problem
    from dlx.record.store import CheckpointStore

    found = CheckpointStore(folder.checkpoints).newest()
    count = parts.device.processes if found is None else found.checkpoint.state.get("processes", 1)
    wrong = problem(NumProcesses, count)
    if wrong is not None:
        raise ArtefactError(f"the checkpoint is refused: processes must be {wrong}, got {str(count)[:80]}")
    return int(count)


def _refuse_diverged(folder: RunFolder) -> None:
    status = folder.status()
    if status["status"] == "diverged":
        raise TrainingError(status["reason"])


def execute_together(runs: Sequence[tuple[Parts, dict[str, Any], RunFolder]], surroundings: Surroundings,
                     observer: Observer, over: Callable[[], None], fused: bool = False, limits: Limits | None = None,
                     shelf: Shelf | None = None, alone: bool = False) -> None:
    """Train or go on training in folders that this process holds: several as members of a fused run.

    A run that diverges is over, and no error. Whatever else ends training ends it for all of them that are not over.

    Args:
        over: is called as each run is over.
        fused: compute a run also as a member if it is alone.
        alone: nothing comes after this one run, so once it is done a signal ends its report, too.

    Raises:
        DlxError: of the kind that says how it ended; status.json and dlx.log of each say it too.
    """
    from dlx.engine.run import UNBOUNDED, Run, train
    from dlx.engine.signals import stop_on_signals

    def end(run: Run, left: Ended | None = None) -> None:
        conclude(run, surroundings.data_dir, left, stop.done if alone else lambda: None)
        over()

    folders = [folder for *_, folder in runs]
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(logged(folder, number)) for number, folder in enumerate(folders)]
        stack.enter_context(_status(folders, logs))
        stop = stack.enter_context(stop_on_signals())
        waiting: list[Run] = []
        for (parts, saved, folder), own in zip(runs, logs, strict=True):
            run = Run(parts, saved, folder, own, surroundings.checks_data and not waiting)
            if (folder.path / layout.SUMMARY).is_file():
                end(run)
            else:
                waiting.append(run)
        if waiting:
            train(waiting, surroundings.data_dir, observer, stop, end, fused, limits or UNBOUNDED, shelf)


def conclude(run: Run, data_dir: str, left: Ended | None = None, done: Callable[[], None] = lambda: None) -> None:
    """Write final status and report of a run whose training is over.

    Args:
        left: what training left in memory, where it has just ended.
        done: is called before the report, when all else is written.
    """
    folder, path = run.folder, run.folder.path / layout.SUMMARY
    run.store.clean()
    run.store.drop_rolling()
    status: Status = folder.status()["status"]
    if path.is_file() and status not in FINAL:
        summary = read_json(path)
        status = "diverged" if summary["status"] == "diverged" else "done"
        facts = {"epoch": summary["epochs_run"], **(summary["divergence"] or {}), "reason": summary["stop_reason"]}
        folder.set_status(status, **facts)
    if path.is_file():
        note_opening(run)
    done()
    if run.parts.report or run.checks_data:
        from dlx.reporting import report_on

        report_on(run, data_dir, left)


def note_opening(run: Run) -> None:
    """Put on record that the selected model of a run was measured on test; where that fails its log says so."""
    from dlx.record.openings import note, opening_of_run, runs_folder

    try:
        note(runs_folder(run.folder.path), opening_of_run(run.folder.path))
    except (ArtefactError, StorageError) as error:
        run.log.warning("that test was opened is on no record: %s", error)


@contextlib.contextmanager
def _status(folders: Sequence[RunFolder], logs: Sequence[logging.Logger]) -> Iterator[None]:
    from dlx.engine.budget import out_of_memory

    try:
        yield
    except InterruptedRunError as error:
        _end(folders, "interrupted", str(error))
        raise
    except DlxError as error:
        _end(folders, "failed", str(error))
        raise
    except Exception as error:
        for own in logs:
            own.exception("the run crashed")
        if out_of_memory(error):
            _end(folders, "oom", str(error))
            reason = str(error).split("\n")[0] or "no more can be had"
            raise TrainingError(f"out of memory: {reason}; try a smaller batch_size or model.width") from error
        _end(folders, "failed", "".join(traceback.format_exception_only(error)).strip())
        raise


def _end(folders: Sequence[RunFolder], status: Status, reason: str) -> None:
    if len(folders) > 1 and status != "interrupted":
        # Which one it was shows when each is alone; until then none is said to have failed.
        status, reason = "interrupted", f"one of {len(folders)} runs that trained together failed: {reason}"
    # On a full disk the status cannot be written either; the error that is on its way says so.
    with contextlib.suppress(StorageError):
        for folder in folders:
            if folder.status()["status"] not in FINAL:
                folder.set_status(status, reason=reason)
