"""The two kinds of sides that are timed: a function in a process that stays, and a whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from terminal import Terminal

HERE = Path(__file__).parent
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class SideFailed(Exception):  # noqa: N818
    """A side could not be run; the message says why in a line."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of a module that returns a list of seconds; its mean is the time.

    Args:
        module: a module of benchmarks/ or benchmarks/peers/, imported in a process of its own.
        name: the function.
        options: its arguments.
    """

    module: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def open(self, stack: ExitStack, folder: str) -> Callable[[], float]:
        """Start the process in the folder, to end with the stack, and return the timer."""
        worker = Worker(self.module, folder)
        stack.callback(worker.close)
        return lambda: worker.mean_seconds(self.name, self.options)


@dataclass(frozen=True, eq=False)
class Command:
    """A whole process, from start to exit.

    Args:
        arguments: a program of this environment, and its arguments.
        exit_code: what it must exit with.
    """

    arguments: tuple[str, ...]
    exit_code: int = 0

    def open(self, stack: ExitStack, folder: str) -> Callable[[], float]:
        """Return the timer, which starts the process in the folder."""
        return lambda: self._seconds(folder)

    def _seconds(self, folder: str) -> float:
        program = Path(sys.executable).parent / self.arguments[0]
        if not program.exists():
            raise SideFailed(f"{program.name} is not installed in this environment")
        terminal = Terminal()
        start = perf_counter()
        process = start_process([str(program), *self.arguments[1:]], terminal, folder, stdin=subprocess.DEVNULL)
        exit_code = process.wait()
        seconds = perf_counter() - start
        if exit_code != self.exit_code:
            raise SideFailed(f"exit code {exit_code}, not {self.exit_code}: {terminal.last_line()}")
        return seconds


Side = Function | Command


class Worker:
    """A process that has imported one module and runs its functions when asked."""

    def __init__(self, module: str, folder: str) -> None:
        self._terminal = Terminal()
        receive, reply = os.pipe()
        command = [sys.executable, "-W", "ignore", str(HERE / "worker.py"), module, str(reply)]
        self._process = start_process(
            command, self._terminal, folder, stdin=subprocess.PIPE, pass_fds=[reply], text=True
        )
        os.close(reply)
        self._replies = os.fdopen(receive)

    def mean_seconds(self, function: str, arguments: dict[str, Any]) -> float:
        """Run the function and return the mean of its seconds. Raises SideFailed where it raised."""
        with suppress(BrokenPipeError):  # then there is no reply either
            print(json.dumps({"function": function, "arguments": arguments}), file=self._process.stdin, flush=True)
        reply = self._replies.readline()
        if not reply:
            raise SideFailed(self._terminal.last_line())
        seconds = json.loads(reply)
        return sum(seconds) / len(seconds)

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._replies.close()
        self._process.wait()


def start_process(command: list[str], terminal: Terminal, folder: str, **options: Any) -> subprocess.Popen:
    """Start a process on the terminal: one thread, temporary files in the folder, cached bytecode."""
    paths = [*map(str, (HERE, HERE / "peers")), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        "TERM": "xterm-256color",
        "TMPDIR": folder,
        "PYTHONPATH": os.pathsep.join(paths),
        **dict.fromkeys(THREADS, "1"),
    }
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        return subprocess.Popen(
            command, stdout=terminal.slave, stderr=terminal.slave, cwd=folder, env=inherited | settings, **options
        )
    finally:
        os.close(terminal.slave)
