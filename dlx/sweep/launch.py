"""What a driver asks of a launcher: a place where jobs run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from dlx.config import options
from dlx.config.build import argument_problems, lookup
from dlx.core.errors import ConfigError
from dlx.sweep.job import Job

GROUP = "launcher"
RUNTIME = frozenset({"folder", "workers"})
Workers = Literal["auto"] | int


class Ended(NamedTuple):
    """How a job ended: its exit code, negative for the signal that killed its worker."""

    number: int
    exit_code: int


class Launcher(Protocol):
    """Runs jobs somewhere. Its constructor starts nothing; what it holds is released by `close`."""

    def slots(self) -> int:
        """Return how many jobs may run at a time, at least 1; it may change."""

    def start(self, number: int, job: Job) -> None:
        """Start a job under a number that was not used before."""

    def ended(self, timeout: float) -> list[Ended]:
        """Return the jobs that ended since the last call, after waiting for one at most `timeout` seconds."""

    def stop(self) -> None:
        """Ask all jobs in flight to write checkpoints and end."""

    def kill(self, number: int) -> None:
        """End a job at once, without its help."""

    def close(self) -> None:
        """End what still runs and release everything; may be called twice."""


def launcher_factory(chosen: Mapping[str, Any], trust: Collection[str]) -> Callable[[Path, Workers], Launcher]:
    """Check a chosen launcher, before anything is written; return what makes it for a sweep folder and `workers`.

    Args:
        chosen: its group in a resolved configuration.

    Raises:
        ConfigError: a value out of range, or an extra that is not installed.
    """
    values = {name: value for name, value in chosen.items() if name != "_target_"}
    target = chosen["_target_"]
    part = next((name for name, known in options.targets(GROUP).items() if known == target), target)
    code = lookup(GROUP, part, trust)
    problems = argument_problems(GROUP, code, values, RUNTIME)
    module = getattr(code, "needs", None)
    if module is not None and importlib.util.find_spec(module) is None:
        problems.append(f"{GROUP}={part} needs the extra: pip install 'dlx[{part}]'")
    problems += getattr(code, "problems", lambda _: [])(values)
    if problems:
        raise ConfigError(*problems)

    def make(folder: Path, workers: Workers) -> Launcher:
        made: Launcher = code(folder=folder, workers=workers, **values)
        return made

    return make
