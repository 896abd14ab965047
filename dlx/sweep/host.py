"""Workers for a process that is somebody else's, such as a Ray worker or a Slurm task.

That process must survive a crash of a run, keep nothing of it, and have threads and signals of its own. So it keeps a
host beside it: a process of dlx that starts a worker for each job it is sent, as the local launcher does. Both talk in
lines of JSON. A host whose process died stops its worker, which leaves a checkpoint.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import dlx
from dlx.sweep.job import GRACE_SECONDS, Job
from dlx.sweep.process import Seat, start_worker

POLL_SECONDS = 0.1
STOP = {"stop": True}


class Request(NamedTuple):
    """A job and what is around it, as plain data that any process can be sent.

    Args:
        job: see `Job.plain`.
        cwd: where relative paths begin, and where code of the user lies.
        arguments: the driver's command line, for the provenance of runs.
    """

    job: dict[str, Any]
    cwd: str
    arguments: Sequence[str]

    @classmethod
    def of(cls, job: Job) -> Request:
        """Make the request of this process."""
        return cls(job.plain(), os.getcwd(), sys.argv)


class Host:
    """This process's side: keeps a host process and sends it jobs, one at a time."""

    def __init__(self) -> None:
        # The dlx that is imported here is the one that the host imports.
        path = os.pathsep.join([str(Path(dlx.__file__).parent.parent), *os.environ.get("PYTHONPATH", "").split(":")])
        self._process = subprocess.Popen([sys.executable, "-m", "dlx.sweep.host"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path.rstrip(":")})

    def start(self, request: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Send a job."""
        self._send({**request, "environment": dict(environment)})

    def poll(self, timeout: float) -> int | None:
        """Wait at most so many seconds for the job to end; return its exit code, or None."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            return None
        line = self._process.stdout.readline()
        return int(json.loads(line)["exit_code"]) if line else self._process.wait() or 1

    def stop(self) -> None:
        """Ask the job to write checkpoints and end."""
        self._send(STOP)

    def is_alive(self) -> bool:
        """Say whether it can be sent a job."""
        return self._process.poll() is None

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


def serve() -> None:
    """Start a worker for each job that standard input brings, and say how it ended, until standard input closes."""
    # A cluster that ends a job sends SIGTERM to each of its processes: the worker has its own.
    signal.signal(signal.SIGTERM, lambda *_: None)
    reply = os.fdopen(os.dup(1), "w")
    # Whatever a worker prints before it has a log must not look like a reply.
    os.dup2(2, 1)
    while (message := _read()) is not None:
        if message == STOP:
            continue
        os.chdir(message["cwd"])
        sys.argv = list(message["arguments"])
        exit_code = _wait(start_worker(Job.of_plain(message["job"]), Seat((), message["environment"])))
        print(json.dumps({"exit_code": exit_code}), file=reply, flush=True)


def _wait(worker: BaseProcess) -> int:
    """Wait for a worker; stop it kindly when that is asked for, or when nobody is left to ask."""
    asked = False
    while worker.sentinel not in select.select([0, worker.sentinel], [], [])[0]:
        is_alone = _read() is None
        if not asked:
            # Once: a second SIGTERM would end it without a checkpoint.
            worker.terminate()
            asked = True
        if is_alone:
            worker.join(GRACE_SECONDS)
            worker.kill()
            break
    worker.join()
    assert worker.exitcode is not None
    return worker.exitcode


def _read() -> dict[str, Any] | None:
    # Byte by byte, so that select sees whatever has not been read.
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    message: dict[str, Any] = json.loads(line)
    return message


if __name__ == "__main__":
    serve()
