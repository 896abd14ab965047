"""A driver that runs a sweep in groups of any size, as a process. Run as a script this file is the driver."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from user_parts import MODULE

from dlx.core.errors import InterruptedRunError
from dlx.engine.signals import stop_on_signals
from dlx.launcher.local import Local
from dlx.record import layout
from dlx.record.folder import RunFolder
from dlx.sweep import progress
from dlx.sweep.drive import Driver, Policy, Watch
from dlx.sweep.job import Job, Task
from dlx.sweep.plan import make_plan
from dlx.sweep.run import how_it_left, missing, write_tables

SECONDS = 90.0


class Unwatched(Watch):
    """Shows nothing."""


class GroupedDriver:
    """The driver of a sweep whose runs form jobs of `size`, in the grid's order. Use as a context manager.

    Args:
        cwd: has the user's parts, and gets a folder `sweep`.
        grid: overrides with several values.
    """

    def __init__(self, cwd: Path, grid: Sequence[str], size: int, checkpoint_seconds: float = 20.0, **policy: object
                 ) -> None:
        options = json.dumps({"grid": grid, "size": size, "checkpoint_seconds": checkpoint_seconds, "policy": policy})
        tests = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen([sys.executable, __file__, options], cwd=cwd, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, "PYTHONPATH": tests.rstrip(os.pathsep)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def wait(self) -> dict[str, str]:
        """Wait for its end; return what it says of each run that is not done."""
        out, err = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, err
        return json.loads(out)

    def wait_until(self, there: Callable[[], bool]) -> None:
        """Wait until something is there, or the driver ended."""
        deadline = time.monotonic() + SECONDS
        while not there() and self.process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL it, and nothing else."""
        self.process.kill()
        self.process.wait()


def main(grid: list[str], size: int, checkpoint_seconds: float, policy: dict) -> int:
    """Drive what is missing."""
    sweep, plan = Path("sweep"), make_plan(grid, Path("conf"))
    sweep.mkdir(exist_ok=True)
    todo = {run.hash for run in missing(sweep, plan)}
    tasks = [Task(sweep / layout.RUNS / run.hash, run.overrides, run.saved) for run in plan.runs if run.hash in todo]
    jobs = [Job(tuple(tasks[low : low + size]), "", checkpoint_seconds, (MODULE,))
            for low in range(0, len(tasks), size)]
    with RunFolder(sweep), contextlib.closing(Local(sweep, 2, [], True)) as launcher, stop_on_signals() as stop:
        driver = Driver(jobs, launcher, Policy(**policy), stop, Unwatched())
        driver.drive()
        progress.clear(sweep)
    if stop.signal_number is not None:
        return InterruptedRunError(stop.signal_number, "").exit_code
    left = [result for result in write_tables(sweep, plan).results if result.status != "done"]
    print(json.dumps({mode_of(result.run.overrides): how_it_left(result, driver.failures.get(result.run.hash))
                      for result in left}))
    return 0


def mode_of(overrides: Sequence[str]) -> str:
    """Return how a run behaves."""
    return next((text.partition("=")[2] for text in overrides if text.startswith("model.mode=")), "")


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
