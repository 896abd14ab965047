"""What every launcher promises; the test of each inherits it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from user_parts import MODULE, write_user_parts

from dlx.record import layout
from dlx.record.folder import RunFolder
from dlx.sweep.job import Job, Task
from dlx.sweep.launch import Ended, Launcher
from dlx.sweep.plan import make_plan

SECONDS = 60.0
QUICK = ["epochs=1", "metric=[accuracy]", "dataset=digits"]


class LauncherContract:
    """Inherit it and give a fixture `launcher`, a launcher of at least two slots; jobs lie in the current folder."""

    @pytest.fixture(autouse=True)
    def _misbehaving(self, workdir):
        write_user_parts(workdir)
        (workdir / "misbehave").touch()

    def test_has_slots(self, launcher):
        assert launcher.slots() >= 1

    def test_job_ends_with_0_when_all_its_runs_are_over(self, launcher):
        job = make_job("model=mlp", "seed=0,1", "optimizer.lr=0.01,1e30", "optimizer=sgd")
        launcher.start(1, job)
        assert wait_for(launcher, 1) == [Ended(1, 0)]
        assert sorted(statuses(job)) == ["diverged", "diverged", "done", "done"]

    def test_jobs_end_with_exit_codes_of_their_own(self, launcher):
        modes = {1: "fine", 2: "raise", 3: "exit", 4: "segfault"}
        jobs = {number: make_job("model=net", f"model.mode={mode}") for number, mode in modes.items()}
        waiting, found = dict(jobs), []
        while waiting or len(found) < len(jobs):
            while waiting and len(jobs) - len(waiting) - len(found) < min(2, launcher.slots()):
                launcher.start(*waiting.popitem())
            found += wait_for(launcher, 1)
        assert sorted(found) == [(1, 0), (2, 1), (3, 9), (4, -11)]
        assert {number: statuses(job) for number, job in jobs.items()} == {
            1: ["done"], 2: ["failed"], 3: ["interrupted"], 4: ["interrupted"]}

    def test_stop_leaves_checkpoints(self, launcher):
        jobs = [make_job("model=net", "model.nap=0.02", f"seed={seed}", "epochs=1000") for seed in (1, 2)]
        for number, job in enumerate(jobs):
            launcher.start(number, job)
        await_rows(launcher, jobs)
        launcher.stop()
        ends = wait_for(launcher, 2)
        assert sorted(end.number for end in ends) == [0, 1]
        assert all(end.exit_code != 0 for end in ends)
        for job in jobs:
            assert statuses(job) == ["interrupted"]
            assert "interrupted at step" in json.loads((job.tasks[0].folder / layout.STATUS).read_text())["reason"]
            assert list((job.tasks[0].folder / layout.CHECKPOINTS).glob("step-*"))

    def test_kill_ends_a_job_that_hangs_and_no_other(self, launcher):
        hung, other = make_job("model=net", "model.mode=hang"), make_job("model=net", "model.nap=0.01", "epochs=3")
        launcher.start(7, hung)
        launcher.start(8, other)
        wait_until(launcher, lambda: (hung.tasks[0].folder / layout.STATUS).exists())
        launcher.kill(7)
        ends = dict(wait_for(launcher, 2))
        assert ends[8] == 0
        assert ends[7] < 0
        await_unlocked(hung)
        assert (statuses(hung), statuses(other)) == (["interrupted"], ["done"])

    def test_close_ends_what_runs(self, launcher):
        job = make_job("model=net", "model.nap=0.02", "epochs=1000")
        launcher.start(1, job)
        await_rows(launcher, [job])
        launcher.close()
        await_unlocked(job)
        assert statuses(job) == ["interrupted"]
        launcher.close()


def make_job(*overrides: str) -> Job:
    """Plan runs in the current folder, as one job."""
    plan = make_plan([*QUICK, *overrides], Path("conf"))
    tasks = [Task(Path("sweep", layout.RUNS, run.hash), run.overrides, run.saved) for run in plan.runs]
    return Job(tuple(tasks), "", 1000.0, (MODULE,))


def statuses(job: Job) -> list[str]:
    """How the runs of a job are."""
    return [RunFolder(task.folder).status()["status"] for task in job.tasks]


def wait_for(launcher: Launcher, count: int) -> list[Ended]:
    """Wait until so many jobs ended."""
    found: list[Ended] = []
    deadline = time.monotonic() + SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += launcher.ended(0.2)
    return found


def wait_until(launcher: Launcher, there: Callable[[], bool]) -> None:
    """Wait until something is there; no job may end."""
    deadline = time.monotonic() + SECONDS
    while not there():
        assert time.monotonic() < deadline
        assert launcher.ended(0.05) == []


def await_rows(launcher: Launcher, jobs: list[Job]) -> None:
    """Wait until every job has measured an epoch."""
    files = [job.tasks[0].folder / layout.METRICS for job in jobs]
    wait_until(launcher, lambda: all(path.exists() and path.stat().st_size for path in files))


def await_unlocked(job: Job) -> None:
    """Wait until no process holds the runs of a job."""
    deadline = time.monotonic() + SECONDS
    while any(RunFolder(task.folder).is_locked() for task in job.tasks):
        assert time.monotonic() < deadline
        time.sleep(0.05)
