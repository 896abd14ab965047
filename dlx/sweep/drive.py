"""The driver: a queue of jobs, as many at a time as the launcher takes; what fails is narrowed down to its culprit."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from dlx.engine.signals import StopRequest
from dlx.sweep import progress
from dlx.sweep.job import Job, Task, is_over
from dlx.sweep.launch import Ended, Launcher
from dlx.sweep.progress import Progress

POLL_SECONDS = 0.2
LOOK_SECONDS = 0.5


class Policy(NamedTuple):
    """What to do with runs that fail; see conf/sweep.yaml."""

    retries: int = 0
    on_error: Literal["continue", "stop"] = "continue"
    max_failures: int | None = None
    run_limit_seconds: float | None = None

    @classmethod
    def of(cls, config: dict[str, Any]) -> Policy:
        """Take it from a resolved configuration."""
        return cls(**{name: config[name] for name in cls._fields})

    def allows(self, num_failures: int) -> bool:
        """Say whether new jobs may start after so many runs failed."""
        limit = 0 if self.on_error == "stop" else self.max_failures
        return limit is None or num_failures <= limit


class Failure(NamedTuple):
    """How the worker of a run left that failed: its exit code, and why it was killed if the driver did it."""

    exit_code: int
    reason: str | None


class Watch(Protocol):
    """Whoever shows a sweep to a person. It is told, and returns nothing."""

    def ended(self, tasks: Iterable[Task], num_failed: int) -> None:
        """Runs are over; so many failed until now."""

    def look(self, in_flight: list[Progress]) -> None:
        """How far the jobs in flight are; told twice a second."""


@dataclass
class Flight:
    """A job in flight, since when it is seen to run, and why it was killed."""

    job: Job
    since: float | None = None
    reason: str | None = None

    @property
    def path(self) -> Path:
        """The file that says how far it is."""
        return progress.path_of(self.job.tasks[0].folder)


class Driver:
    """Drives jobs through a launcher until each of their runs is over or failed.

    Args:
        jobs: no run is in two of them.
        stop: whether a signal asked to stop.

    Attributes:
        failures: the runs that failed, by the name of their folder.
    """

    def __init__(self, jobs: Iterable[Job], launcher: Launcher, policy: Policy, stop: StopRequest, watch: Watch
                 ) -> None:
        self.failures: dict[str, Failure] = {}
        self._queue = deque(jobs)
        self._launcher = launcher
        self._policy = policy
        self._stop = stop
        self._watch = watch
        self._flying: dict[int, Flight] = {}
        self._attempts: Counter[str] = Counter()
        self._count = 0
        self._next_look = 0.0

    def drive(self) -> None:
        """Run the queue to its end; after a request to stop, or too many failures, only what is in flight."""
        asked = False
        while self._flying or (self._queue and self._may_start()):
            while self._queue and self._may_start() and len(self._flying) < self._launcher.slots():
                self._start(self._queue.popleft())
            for end in self._launcher.ended(POLL_SECONDS):
                self._settle(end)
            self._look()
            if self._stop and not asked:
                asked = True
                self._launcher.stop()

    def _may_start(self) -> bool:
        return not self._stop and self._policy.allows(len(self.failures))

    def _start(self, job: Job) -> None:
        self._count += 1
        self._flying[self._count] = Flight(job)
        self._launcher.start(self._count, job)

    def _settle(self, end: Ended) -> None:
        """Look at the runs of a job that ended; what is not over of several goes back to the queue in halves."""
        flight = self._flying.pop(end.number)
        flight.path.unlink(missing_ok=True)
        job = flight.job
        rest = tuple(task for task in job.tasks if not is_over(task, job.pause_epoch))
        if rest and not self._stop:
            if len(job.tasks) > 1:
                middle = (len(rest) + 1) // 2
                halves = [job._replace(tasks=tasks) for tasks in (rest[:middle], rest[middle:]) if tasks]
                self._queue.extendleft(reversed(halves))
            else:
                self._fail(job, Failure(end.exit_code, flight.reason))
        self._watch.ended([task for task in job.tasks if task not in rest], len(self.failures))

    def _fail(self, job: Job, failure: Failure) -> None:
        name = job.tasks[0].folder.name
        self._attempts[name] += 1
        if self._attempts[name] <= self._policy.retries:
            # At the end of the queue: what was in its way may have passed by then.
            self._queue.append(job)
        else:
            self.failures[name] = failure

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        seen = {number: progress.read_progress(flight.path) for number, flight in self._flying.items()}
        for number, flight in self._flying.items():
            if flight.since is None and seen[number] is not None:
                flight.since = now
            self._limit(number, flight, now)
        self._watch.look([found for found in seen.values() if found is not None])

    def _limit(self, number: int, flight: Flight, now: float) -> None:
        # A job may train its runs one after another: it has the time of all of them. Waiting in a queue is not counted.
        limit = self._policy.run_limit_seconds
        if limit is None or flight.since is None or flight.reason is not None:
            return
        if now - flight.since > limit * len(flight.job.tasks):
            flight.reason = f"ran past run_limit_seconds={limit:g}"
            self._launcher.kill(number)
