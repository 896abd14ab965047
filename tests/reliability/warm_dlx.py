"""dlx processes that start in milliseconds, so that hundreds of them can be killed.

A fresh interpreter spends 2 to 3 s importing torch before dlx does anything, which would be all that a test of 20 kills
measures. So one server process imports everything once and forks a child per command. The server has one thread, has
run no parallel region and has no device context, so a child begins as a fresh process does after its imports: it calls
`dlx.cli.main.main` with its arguments, it has its own pid, files, signals and limits, and SIGKILL ends it as it ends
any process. Nothing of dlx is replaced.

Run as a script this file is the server; imported, it is the client.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PRELOAD = [
    "torch",
    "torch._dynamo",
    "dlx.cli.main",
    "dlx.engine.run",
    "dlx.engine.reevaluate",
    "dlx.engine.outline",
    "dlx.report.render",
    "dlx.reporting",
    # What a zip file is opened with, as split.npz is: who has no rights to Python's own files cannot import it.
    "encodings.cp437",
    "dlx.sweep.run",
    "hydra",
    "omegaconf",
    "rich.console",
    "rich.table",
    "rich.progress",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "sklearn.datasets",
    "sklearn.model_selection",
    "sklearn.metrics",
    "PIL.Image",
]
NOBODY = 65534


class Result(NamedTuple):
    """How a command ended: code is negative for the signal that killed it; modules are the files it had imported."""

    code: int
    out: str
    err: str
    cpu_seconds: float
    modules: tuple[str, ...]


class Child:
    """One dlx process."""

    def __init__(self, server: Server, pid: int, files: Path) -> None:
        self._server = server
        self._files = files
        self.pid = pid
        self.result: Result | None = None

    def poll(self, seconds: float = 0.0) -> Result | None:
        """Wait for its end at most so long; None where it goes on."""
        if self.result is None:
            reply = self._server.ask(op="wait", pid=self.pid, seconds=seconds)
            if reply["code"] is not None:
                modules = self._files / "modules"
                self.result = Result(
                    reply["code"],
                    *((self._files / name).read_text(errors="replace") for name in ("out", "err")),
                    reply["cpu_seconds"],
                    tuple(modules.read_text().split("\n")) if modules.stat().st_size else (),
                )
        return self.result

    def wait(self, seconds: float = 60.0) -> Result:
        """Wait for its end; fail where it does not come."""
        result = self.poll(seconds)
        if result is None:
            self.send(signal.SIGKILL)
            self.poll(10.0)
            raise AssertionError(f"process {self.pid} did not end within {seconds} s: {self.result}")
        return result

    def send(self, number: int) -> None:
        """Send a signal. The pid cannot be another process's: only `poll` reaps it."""
        os.kill(self.pid, number)

    def kill(self) -> Result:
        """SIGKILL it, and wait until it is gone."""
        self.send(signal.SIGKILL)
        return self.wait()


class Server:
    """The client's side."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="warm-dlx-"))
        self._count = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        atexit.register(self.close)
        # Answers when all is imported, so that the time of the first command is its own.
        self.ask(op="start", files=None)

    def start(
        self,
        *arguments: str,
        cwd: Path,
        env: dict[str, str | None] | None = None,
        out: str | None = None,
        uid: int | None = None,
        memory: int | None = None,
        at: float | None = None,
        importable: Path | None = None,
    ) -> Child:
        """Start a dlx command.

        Args:
            cwd: its current folder.
            env: added to its environment; None removes.
            out: where its standard output goes instead of into the result; "" closes output and error.
            uid: run as this user.
            memory: bytes of address space that it may add to what it starts with.
            at: begin at this time.monotonic(), so that several begin together.
            importable: a folder put first on sys.path.
        """
        files = self._folder / str(next(self._count))
        files.mkdir()
        reply = self.ask(
            op="start",
            arguments=arguments,
            cwd=str(cwd),
            env=env or {},
            out=out,
            uid=uid,
            memory=memory,
            at=at,
            files=str(files),
            importable=str(importable) if importable is not None else None,
        )
        return Child(self, reply["pid"], files)

    def run(self, *arguments: str, cwd: Path, seconds: float = 60.0, **options: object) -> Result:
        """Run a dlx command to its end."""
        return self.start(*arguments, cwd=cwd, **options).wait(seconds)

    def ask(self, **request: object) -> dict:
        """Send a request and read the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the server of warm processes died"
        return json.loads(line)

    def close(self) -> None:
        """End the server and every child that is left."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def server() -> Server:
    """Return this test process's server."""
    return Server()


def serve() -> None:
    """Answer requests on standard input until it closes."""
    import importlib

    for name in PRELOAD:
        importlib.import_module(name)
    import PIL.Image

    from dlx.config.compose import compose

    PIL.Image.init()
    for root in ("train", "resume", "evaluate"):
        compose(root, [])
    living: set[int] = set()
    with reading(living):
        for line in sys.stdin:
            request = json.loads(line)
            if request.pop("op") == "start":
                reply = {"pid": None if request["files"] is None else fork(**request)}
                living |= {reply["pid"]} - {None}
            else:
                reply = reap(living, **request)
            print(json.dumps(reply), flush=True)


@contextlib.contextmanager
def reading(living: set[int]) -> Iterator[None]:
    """Leave no child behind."""
    try:
        yield
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)


def reap(living: set[int], pid: int, seconds: float) -> dict:
    """Wait for a child at most so long."""
    end = time.monotonic() + seconds
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
    finally:
        os.close(descriptor)
    found, status, usage = os.wait4(pid, os.WNOHANG)
    if found == 0:
        return {"code": None}
    living.discard(pid)
    return {"code": os.waitstatus_to_exitcode(status), "cpu_seconds": usage.ru_utime + usage.ru_stime}


def fork(files: str, **request: object) -> int:
    """Fork a child; return its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            code = child(Path(files), **request)
        except BaseException:  # noqa: BLE001  as an interpreter shows what nothing caught
            traceback.print_exc()
            code = 1
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code & 0xFF)
    return pid


def child(
    files: Path,
    arguments: list[str],
    cwd: str,
    env: dict[str, str | None],
    out: str | None,
    uid: int | None,
    memory: int | None,
    at: float | None,
    importable: str | None,
) -> int:
    """Be a dlx process: what a shell and an interpreter would have set up, then main."""
    from dlx.cli.main import main

    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(files / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    modules = os.open(files / "modules", os.O_WRONLY | os.O_CREAT, 0o600)
    if out is not None:
        os.dup2(os.open(out or os.devnull, os.O_WRONLY), 1)
    if out == "":
        # What Python makes of descriptors that are closed when it starts.
        sys.stdout = sys.stderr = None
    for name, value in env.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    os.chdir(cwd)
    sys.argv = ["dlx", *arguments]
    if importable is not None:
        sys.path.insert(0, importable)
    if memory is not None:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    if at is not None:
        time.sleep(max(0.0, at - time.monotonic()))
    try:
        code = main(arguments)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    # From here on it is this file that runs, and not dlx.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    found = {getattr(module, "__file__", None) or name for name, module in list(sys.modules.items())}
    os.write(modules, "\n".join(sorted(found)).encode())
    return code


if __name__ == "__main__":
    serve()
