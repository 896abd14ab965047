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
from dlx.launcher.local import Local
from dlx.record.folder import RunFolder
from dlx.run import Surroundings
from dlx.sweep.drive import Policy
from dlx.sweep.plan import make_plan, read_plan, write_plan
from dlx.sweep.run import Unwatched, how_it_left, run_plan

SECONDS = 90.0


def plan_sweep(cwd: Path, runs: Sequence[Sequence[str]]) -> Path:
    """Freeze a plan of these runs in a sweep folder."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        plans = [make_plan(overrides, Path("conf")) for overrides in runs]
    finally:
        os.chdir(before)
    sweep = cwd / "sweep"
    sweep.mkdir()
    planned = tuple(run for plan in plans for run in plan.runs)
    write_plan(sweep, plans[0]._replace(runs=planned, axes=("seed", "model.mode")))
    return sweep


class GroupedDriver:
    """The driver of a sweep whose runs form groups of `size`, in the plan's order. Use as a context manager."""

    def __init__(self, cwd: Path, sweep: Path, size: int, checkpoint_seconds: float = 20.0, **policy: object) -> None:
        options = json.dumps({"checkpoint_seconds": checkpoint_seconds, "policy": policy})
        tests = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen([sys.executable, __file__, str(sweep), str(size), options], cwd=cwd, text=True,
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


def main(sweep: Path, size: int, options: dict) -> int:
    """Drive what is missing."""
    plan = read_plan(sweep)
    numbers = range(len(plan.runs))
    plan = plan._replace(groups=tuple(tuple(numbers[low : low + size]) for low in numbers[::size]))
    with RunFolder(sweep), contextlib.closing(Local(sweep, 2, [], True)) as launcher:
        try:
            outcome = run_plan(sweep, plan, Surroundings("", options["checkpoint_seconds"]),
                               Policy(**options["policy"]), launcher, [MODULE], Unwatched())
        except InterruptedRunError as error:
            return error.exit_code
    left = [result for result in outcome.results if result.status != "done"]
    print(json.dumps({said(result.run.overrides): how_it_left(result, outcome.failures.get(result.run.hash))
                      for result in left}))
    return 0


def said(overrides: Sequence[str]) -> str:
    """Return the override that says how a run behaves."""
    return next((text for text in overrides if text.startswith("model.mode=")), "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
