"""Starts the processes that train one run together, under torch's elastic agent, and says how they ended."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.core import errors
from dlx.core.errors import DlxError, InterruptedRunError, TrainingError
from dlx.engine.signals import StopRequest, stop_on_signals
from dlx.record.folder import RunFolder
from dlx.record.log import logged

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    from dlx.engine.parts import Parts
    from dlx.engine.recorder import Observer

# A process whose partner is gone waits so long: the agent finds the partner first, and names it.
GRACE_SECONDS = 10.0
# How the parent passes a signal on. The agent ends processes with SIGTERM, which has to work while they wait.
RELAYED = signal.SIGUSR1
Ending = tuple[int, str] | None


class Task(NamedTuple):
    """What every process is given; observe is for the one that writes and shows."""

    parts: Parts
    config: Mapping[str, Any]
    folder: Path
    data_dir: str
    device: str
    meeting: Path
    observe: Callable[[], AbstractContextManager[Observer]]


class Relay(StopRequest):
    """Passes the first signal on to the processes; at the second they and this one are gone at once."""

    def receive(self, signal_number: int, _frame: FrameType | None) -> None:
        again, self.signal_number = bool(self), self.signal_number or signal_number
        children = multiprocessing.active_children()
        if not children:
            raise InterruptedRunError(signal_number, "interrupted before training began")
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid or 0, signal.SIGKILL if again else RELAYED)
        if again:
            os._exit(128 + signal_number)


class Patient(StopRequest):
    """Takes any number of signals for one: from the terminal and from the parent comes the same one."""

    def receive(self, signal_number: int, _frame: FrameType | None) -> None:
        self.signal_number = self.signal_number or signal_number


def train_in_processes(count: int, parts: Parts, config: Mapping[str, Any], folder: RunFolder, data_dir: str,
                       observe: Callable[[], AbstractContextManager[Observer]], log: logging.Logger) -> None:
    """Train a run, or go on training it, in processes of this machine until it has its summary.json.

    This process holds the folder; the first of them writes the files.

    Raises:
        InterruptedRunError: at a signal, after a durable checkpoint where one was due.
        DlxError: what one of the processes raised, or that it was killed.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    device = parts.device.check()
    parts.device.check_processes(device, count)
    with tempfile.TemporaryDirectory(prefix="dlx-") as place, stop_on_signals(Relay()) as stop:
        task = Task(parts, config, folder.path, data_dir, device, Path(place) / "meeting", observe)
        try:
            endings = elastic_launch(_launch_config(count, Path(place)), train_rank)(task)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            _log_failure(rank, failure, log)
            if stop.signal_number is not None and failure.exitcode < 0:
                raise InterruptedRunError(stop.signal_number, f"interrupted: dlx resume {folder.path}") from error
            raise _error_of(rank, count, failure, folder.path) from error
    ending: Ending = endings[0]
    if ending is not None:
        raise InterruptedRunError(stop.signal_number or ending[0], ending[1])


def train_rank(task: Task) -> Ending:
    """Do the work of one process; the agent says in its environment which one it is.

    Returns:
        The signal that ended training early, and where; None where it is over.
    """
    from dlx.core.ranks import LostRankError, join_group

    threading.Thread(target=_die_with_parent, daemon=True).start()
    stop = Patient()
    for number in (signal.SIGINT, RELAYED):
        signal.signal(number, stop.receive)
    try:
        with join_group(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), task.device, task.meeting):
            return _train(task, stop)
    except LostRankError:
        time.sleep(0.0 if stop else GRACE_SECONDS)
        raise


def _train(task: Task, stop: StopRequest) -> Ending:
    with stop_on_signals(stop):
        try:
            (_write if os.environ["RANK"] == "0" else _assist)(task, stop)
        except InterruptedRunError as error:
            return error.signal_number, str(error)
    return None


def _write(task: Task, stop: StopRequest) -> None:
    from dlx.engine.run import Run, train

    folder = RunFolder(task.folder)
    with logged(folder, 0) as log, task.observe() as observer:
        run = Run(task.parts, task.config, folder, log)
        train([run], task.data_dir, observer, stop, lambda *_: None)


def _assist(task: Task, stop: StopRequest) -> None:
    from dlx.engine.parallel import assist
    from dlx.record.store import CheckpointStore

    assist(task.parts, task.config, CheckpointStore(RunFolder(task.folder).checkpoints), task.data_dir, stop)


def _die_with_parent() -> None:
    # The lock of the folder is the parent's: whoever takes it next must find nobody writing.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _launch_config(count: int, place: Path) -> Any:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig

    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("torch.distributed", "torch.multiprocessing")):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # The first process shows progress; what else the others and libraries print is kept for the log of a failure.
    redirects = {rank: Std.OUT if rank == 0 else Std.ALL for rank in range(count)}
    # SIGQUIT stands for "none": SIGINT and SIGTERM are ours.
    return LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, run_id="dlx", rdzv_backend="c10d",
        rdzv_endpoint=str(place / "rendezvous"), rdzv_configs={"store_type": "file"}, local_addr="127.0.0.1",
        logs_specs=DefaultLogsSpecs(log_dir=str(place), redirects=redirects), signals_to_handle="SIGQUIT")


def _error_of(rank: int, count: int, failure: ProcessFailure, folder: Path) -> Exception:
    if failure.exitcode < 0:
        return TrainingError(f"process {rank} of {count} (device.processes) was ended by {failure.signal_name()}; "
                             f"go on with: dlx resume {folder}")
    from dlx.engine.budget import out_of_memory

    said, _ = _told(failure)
    name, _, message = said.partition(": ")
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, DlxError):
        return kind(message)
    if name in ("MemoryError", "OutOfMemoryError") or out_of_memory(RuntimeError(message)):
        return MemoryError(message)
    return TrainingError(f"process {rank} of {count} (device.processes) crashed: {said}")


def _log_failure(rank: int, failure: ProcessFailure, log: logging.Logger) -> None:
    log.info("process %d ended with exit code %d:\n%s", rank, failure.exitcode, _told(failure)[1])


def _told(failure: ProcessFailure) -> tuple[str, str]:
    # What the process wrote as it ended, by torch's `record`: "<error>: <message>" and the traceback.
    told: Any = failure.error_file_data.get("message", failure.message)
    if isinstance(told, dict):
        return str(told["message"]), str(told["extraInfo"]["py_callstack"])
    return str(told), str(told)
