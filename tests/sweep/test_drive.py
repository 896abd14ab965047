"""The driver against a launcher that plays a script: what is started again, in what order, and what fails."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.engine.signals import StopRequest
from dlx.record import layout
from dlx.record.folder import RunFolder
from dlx.sweep.drive import Driver, Failure, Policy, Watch
from dlx.sweep.job import Job, Task, pause_reason
from dlx.sweep.launch import Ended
from dlx.sweep.progress import Meter


class Scripted:
    """A launcher whose jobs train in no time: a run is done unless the script says how its worker leaves.

    Args:
        script: by name of a run's folder, the exit codes of its attempts, in order; when they are used up it is done.
        fused: whether a run that fails takes all others of its job with it, or only those after it.
        slots: jobs at a time.
        hangs: runs whose job goes on until it is killed.
    """

    def __init__(self, script=None, fused=False, slots=1, hangs=()):
        self.script = {name: list(codes) for name, codes in (script or {}).items()}
        self.fused, self.hangs = fused, hangs
        self.started: list[tuple[str, ...]] = []
        self.most = 0
        self.stopped = False
        self._slots = slots
        self._flying: dict[int, tuple[Job, int | None]] = {}

    def slots(self):
        return self._slots

    def start(self, number, job):
        names = tuple(task.folder.name for task in job.tasks)
        self.started.append(names)
        Meter(job.tasks[0].folder, len(job.tasks))
        code = None if set(names) & set(self.hangs) else self._train(job)
        self._flying[number] = job, code
        self.most = max(self.most, len(self._flying))

    def _train(self, job):
        bad = [task for task in job.tasks if self.script.get(task.folder.name)]
        if bad and self.fused:
            return self.script[bad[0].folder.name].pop(0)
        for task in job.tasks:
            if task in bad:
                return self.script[task.folder.name].pop(0)
            finish(task, "done")
        return 0

    def ended(self, timeout):
        found = [Ended(number, code) for number, (_, code) in self._flying.items() if code is not None]
        for number, _ in found:
            del self._flying[number]
        return found

    def stop(self):
        self.stopped = True
        self._flying = {number: (job, 143 if code is None else code) for number, (job, code) in self._flying.items()}

    def kill(self, number):
        self._flying[number] = self._flying[number][0], -9

    def close(self):
        self._flying.clear()


class Unwatched(Watch):
    """Shows nothing."""


def finish(task: Task, status: str, reason: str = "") -> None:
    with RunFolder.at(task.folder) as folder:
        folder.set_status(status, reason=reason)


def make_jobs(sweep: Path, *groups: str) -> list[Job]:
    """Make a job per group; every letter is a run."""
    return [Job(tuple(Task(sweep / layout.RUNS / name, (), {}) for name in group), "", 1.0, ()) for group in groups]


def drive(launcher: Scripted, jobs: list[Job], stop: StopRequest | None = None, **policy) -> dict[str, Failure]:
    driver = Driver(jobs, launcher, Policy(**policy), StopRequest() if stop is None else stop, Unwatched())
    driver.drive()
    return driver.failures


def done(sweep: Path) -> str:
    folders = [path for path in (sweep / layout.RUNS).glob("*") if (path / layout.STATUS).exists()]
    return "".join(sorted(path.name for path in folders if RunFolder(path).status()["status"] == "done"))


def started(launcher: Scripted) -> list[str]:
    return ["".join(names) for names in launcher.started]


def test_driver_runs_jobs_in_order_as_many_at_a_time_as_there_are_slots(tmp_path):
    launcher = Scripted(slots=2)
    assert drive(launcher, make_jobs(tmp_path, "ab", "c", "de")) == {}
    assert (started(launcher), launcher.most, done(tmp_path)) == (["ab", "c", "de"], 2, "abcde")


def test_driver_halves_what_is_left_of_a_job_that_crashed_before_anything_else(tmp_path):
    launcher = Scripted({"c": [-11, -11, -11, -11]})
    assert drive(launcher, make_jobs(tmp_path, "abcde", "z")) == {"c": Failure(-11, None)}
    # a and b are over when c crashes; of c, d, e the first half is c and d.
    assert started(launcher) == ["abcde", "cd", "c", "d", "e", "z"]
    assert done(tmp_path) == "abdez"


def test_driver_finds_the_culprit_of_a_fused_job(tmp_path):
    launcher = Scripted({"f": [1] * 9}, fused=True)
    assert drive(launcher, make_jobs(tmp_path, "abcdefgh")) == {"f": Failure(1, None)}
    assert started(launcher) == ["abcdefgh", "abcd", "efgh", "ef", "e", "f", "gh"]
    assert done(tmp_path) == "abcdegh"


def test_driver_counts_no_failure_of_a_job_of_several(tmp_path):
    launcher = Scripted({"b": [-9]})
    assert drive(launcher, make_jobs(tmp_path, "abc")) == {}
    assert started(launcher) == ["abc", "b", "c"]


def test_driver_takes_exit_code_0_of_a_run_that_is_not_over_for_a_failure(tmp_path):
    launcher = Scripted({"b": [0, 0]})
    assert drive(launcher, make_jobs(tmp_path, "abc")) == {"b": Failure(0, None)}
    assert done(tmp_path) == "ac"


@pytest.mark.parametrize(("codes", "retries", "failures", "attempts"), [
    ([1], 0, {"a": Failure(1, None)}, 1), ([1], 1, {}, 2), ([1, -9, 3], 2, {"a": Failure(3, None)}, 3),
    ([1, -9, 3], 3, {}, 4)])
def test_driver_tries_a_run_again_after_the_others(tmp_path, codes, retries, failures, attempts):
    launcher = Scripted({"a": codes})
    assert drive(launcher, make_jobs(tmp_path, "a", "b"), retries=retries) == failures
    assert Counter(started(launcher)) == {"a": attempts, "b": 1}
    assert started(launcher)[:2] == ["a", "b"]


@pytest.mark.parametrize(("policy", "tried"), [
    ({}, "abcdef"), ({"on_error": "stop"}, "ab"), ({"max_failures": 0}, "ab"), ({"max_failures": 1}, "abcd"),
    ({"max_failures": 2}, "abcdef"), ({"on_error": "stop", "max_failures": 9}, "ab")])
def test_driver_starts_nothing_more_after_too_many_failures(tmp_path, policy, tried):
    launcher = Scripted({"b": [1], "d": [1]})
    failures = drive(launcher, make_jobs(tmp_path, *"abcdef"), **policy)
    assert "".join(started(launcher)) == tried
    assert sorted(failures) == [name for name in "bd" if name in tried]


def test_driver_lets_what_is_in_flight_end_after_too_many_failures(tmp_path):
    launcher = Scripted({"a": [1]}, slots=2)
    drive(launcher, make_jobs(tmp_path, *"abc"), on_error="stop")
    assert (started(launcher), done(tmp_path), launcher.stopped) == (["a", "b"], "b", False)


def test_driver_kills_a_job_that_hangs_and_narrows_it_down(tmp_path):
    launcher = Scripted(hangs=["b"], slots=2)
    failures = drive(launcher, make_jobs(tmp_path, "abc", "d"), run_limit_seconds=0.01)
    assert failures == {"b": Failure(-9, "ran past run_limit_seconds=0.01")}
    assert (started(launcher), done(tmp_path)) == (["abc", "d", "ab", "c", "a", "b"], "acd")


def test_driver_that_was_asked_to_stop_starts_nothing_and_counts_no_failure(tmp_path):
    stop = StopRequest()
    stop.receive(15, None)
    launcher = Scripted()
    assert drive(launcher, make_jobs(tmp_path, "ab"), stop) == {}
    assert started(launcher) == []


def test_driver_asked_to_stop_while_jobs_run_stops_them_and_counts_no_failure(tmp_path):
    stop = StopRequest()

    class Interrupting(Scripted):
        """Ctrl-C comes with the first start."""

        def start(self, number, job):
            super().start(number, job)
            stop.receive(2, None)

    launcher = Interrupting(hangs=["a"])
    assert drive(launcher, make_jobs(tmp_path, "ab", "c"), stop) == {}
    assert (started(launcher), launcher.stopped) == (["ab"], True)


def test_driver_takes_runs_that_paused_where_they_were_to_pause_for_finished(tmp_path):
    job, = make_jobs(tmp_path, "abc")
    finish(job.tasks[0], "interrupted", pause_reason(3))
    finish(job.tasks[1], "interrupted", pause_reason(2))
    finish(job.tasks[2], "diverged")
    launcher = Scripted({"a": [0] * 9, "b": [7] * 9, "c": [0] * 9}, fused=True)
    assert drive(launcher, [job._replace(pause_epoch=3)]) == {"b": Failure(7, None)}
    assert started(launcher) == ["abc", "b"]


def test_driver_leaves_no_progress_of_jobs_that_ended(tmp_path):
    drive(Scripted({"b": [1, 1]}), make_jobs(tmp_path, "abc"))
    assert list((tmp_path / layout.PROGRESS).iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.data())
def test_driver_ends_every_run_and_fails_exactly_the_bad_ones(count, data):
    names = [f"{number:02}" for number in range(count)]
    cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=5))})
    groups = [names[low:high] for low, high in pairwise(cuts)]
    bad = data.draw(st.sets(st.sampled_from(names)))
    launcher = Scripted({name: [-11] * 99 for name in bad}, data.draw(st.booleans()), data.draw(st.integers(1, 4)))
    with tempfile.TemporaryDirectory() as folder:
        tasks = [tuple(Task(Path(folder, layout.RUNS, name), (), {}) for name in group) for group in groups]
        failures = drive(launcher, [Job(group, "", 1.0, ()) for group in tasks])
        assert sorted(failures) == sorted(bad)
        found = [path for path in Path(folder).glob("runs/*") if (path / layout.STATUS).exists()]
        assert sorted(path.name for path in found) == sorted(set(names) - bad)
    # A culprit among n is found in at most 2 log2(n) + 1 jobs.
    assert len(launcher.started) <= len(groups) + sum(2 * count.bit_length() for _ in bad)
