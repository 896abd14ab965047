"""SIGKILL at any instant, and again during the resume: the result is that of the undisturbed run, byte for byte.

The processes are real and so is the signal; `warm_dlx` says how they start quickly.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from run_files import assert_same_result, assert_sound, find_run, fresh_random, leftovers, once, position, result_files
from warm_dlx import Child, server

from dlx.record import layout

# Several checkpoints fall within one epoch.
OFTEN = "checkpoint_seconds=0.02"
CONFIGS = {
    "mlp-sgd-dropout": [
        "model.width=256",
        "model.depth=2",
        "optimizer=sgd",
        "optimizer.lr=0.05",
        "regularizer=[dropout,l2]",
        "batch_size=8",
        "epochs=4",
    ],
    "cnn-adam-dropout": [
        "model=cnn",
        "model.width=8",
        "regularizer=[dropout,gradient_clip]",
        "batch_size=8",
        "epochs=4",
        "schedule=cosine",
        "selection=best_val_accuracy",
    ],
    "cnn-sgd-one-long-epoch": [
        "model=cnn",
        "model.width=8",
        "model.dropout_rate=0.3",
        "optimizer=sgd",
        "batch_size=2",
        "epochs=1",
    ],
    "regression-adamw": [
        "dataset=diabetes",
        "model.norm=batch",
        "optimizer=adamw",
        "regularizer=[dropout,early_stopping]",
        "regularizer.early_stopping.restore=false",
        "batch_size=4",
        "epochs=12",
        "selection=last",
    ],
}
QUICK = ["model.width=16", "epochs=2", "metric=[accuracy]"]
Kill = Callable[[Child, Path], bool]


class Victim:
    """A run that is killed and resumed in a folder of its own."""

    def __init__(self, cwd: Path, overrides: Sequence[str]) -> None:
        cwd.mkdir(exist_ok=True)
        self.cwd = cwd
        self.overrides = overrides

    def start(self) -> Child:
        """Train, or resume where there is something to resume."""
        folder = find_run(self.cwd)
        if folder is None:
            return server().start("train", *self.overrides, OFTEN, "--json", cwd=self.cwd)
        return server().start("resume", str(folder), OFTEN, "--json", cwd=self.cwd)

    def finish(self) -> Path:
        """Run to the end, undisturbed from here."""
        result = self.start().wait()
        assert result.code == 0, result
        folder = find_run(self.cwd)
        assert folder is not None
        return folder


def undisturbed(cwd: Path, overrides: Sequence[str]) -> tuple[Path, float]:
    """Return the folder of a run that nothing disturbs, and the seconds it took."""
    server()
    victim, begin = Victim(cwd, overrides), time.monotonic()
    return victim.finish(), time.monotonic() - begin


def kill_repeatedly(
    tmp_path: Path, overrides: Sequence[str], reference: Path, kills: int, kill: Kill
) -> list[tuple[int, int] | None]:
    """Kill a run and its resumes so many times, over several runs if one ends before; compare each that ends.

    Returns:
        The position of the newest checkpoint after each kill.
    """
    positions: list[tuple[int, int] | None] = []
    for number in range(3 * kills):
        victim = Victim(tmp_path / f"victim-{number}", overrides)
        while len(positions) < kills:
            child = victim.start()
            if not kill(child, victim.cwd):
                break
            folder = find_run(victim.cwd)
            if folder is not None:
                assert_sound(folder)
            positions.append(None if folder is None else position(folder))
        folder = victim.finish()
        assert_same_result(folder, reference)
        assert leftovers(folder) == []
        if len(positions) == kills:
            break
    return positions


def after(seconds: Callable[[], float]) -> Kill:
    """Kill when a time has passed; False where the process ended before."""

    def kill(child: Child, _: Path) -> bool:
        result = child.poll(seconds())
        if result is not None:
            assert result.code == 0, result
            return False
        child.kill()
        return True

    return kill


def in_an_epoch(seconds: Callable[[], float]) -> Kill:
    """Kill some time after a further checkpoint was written, so that several kills fall within one epoch."""

    def newest(cwd: Path) -> str:
        return max((path.name for path in cwd.glob(f"runs/*/{layout.CHECKPOINTS}/step-*.safetensors")), default="")

    def kill(child: Child, cwd: Path) -> bool:
        before = newest(cwd)
        while newest(cwd) <= before:
            if child.poll(0.001) is not None:
                return False
        time.sleep(seconds())
        child.kill()
        return True

    return kill


def kills_at_random(name: str, tmp_path: Path, kills: int) -> None:
    rng, overrides = fresh_random(name), CONFIGS[name]
    reference, seconds = undisturbed(tmp_path / "reference", overrides)
    one_epoch = "long-epoch" in name
    kill = in_an_epoch(lambda: rng.uniform(0, 0.05)) if one_epoch else after(lambda: rng.uniform(0, 0.8 * seconds))
    positions = kill_repeatedly(tmp_path, overrides, reference, kills, kill)
    assert len(positions) == kills
    if one_epoch:
        assert sum(found is not None and found[1] > 0 for found in positions) >= min(4, kills), positions


@pytest.mark.parametrize("name", CONFIGS)
def test_resume_after_sigkills_at_random_instants_gives_the_same_bytes(name, tmp_path):
    kills_at_random(name, tmp_path, kills=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_resume_after_many_sigkills_at_random_instants_gives_the_same_bytes(name, tmp_path):
    kills_at_random(name, tmp_path, kills=25)


def kills_while_writing(tmp_path: Path, kills: int) -> int:
    """Kill while a temporary file lies in the checkpoints folder; return how many kills left it there."""
    rng = fresh_random("while writing")
    # Large, so that writing takes long enough to be met.
    overrides = ["model.width=512", "model.depth=3", "batch_size=32", "epochs=4", "metric=[accuracy]"]
    reference, _ = undisturbed(tmp_path / "reference", overrides)
    torn = 0

    def kill(child: Child, cwd: Path) -> bool:
        nonlocal torn
        wanted, seen = rng.randrange(1, 4), set[str]()
        while len(seen) < wanted:
            folder = find_run(cwd)
            names = [] if folder is None else [path.name for path in (folder / layout.CHECKPOINTS).glob(".*.tmp")]
            seen |= {name for name in names if str(child.pid) in name}
            if child.poll() is not None:
                return False
        time.sleep(rng.uniform(0, 0.002))
        child.kill()
        folder = find_run(cwd)
        assert folder is not None
        torn += any((folder / layout.CHECKPOINTS).glob(".*.tmp"))
        return True

    assert len(kill_repeatedly(tmp_path, overrides, reference, kills, kill)) == kills
    return torn


def test_resume_after_sigkills_while_a_checkpoint_is_written_gives_the_same_bytes(tmp_path):
    assert kills_while_writing(tmp_path, kills=6) >= 1


@pytest.mark.slow
def test_resume_after_many_sigkills_while_a_checkpoint_is_written_gives_the_same_bytes(tmp_path):
    assert kills_while_writing(tmp_path, kills=40) >= 10


def kill_when(there: Callable[[Path], bool]) -> Kill:
    """Kill as soon as a run folder is so far; False where the process ended before."""

    def kill(child: Child, cwd: Path) -> bool:
        while True:
            folder = find_run(cwd)
            if folder is not None and there(folder):
                break
            if child.poll() is not None:
                return False
        child.kill()
        return True

    return kill


def status_is(status: str) -> Callable[[Path], bool]:
    return lambda folder: json.loads((folder / layout.STATUS).read_text())["status"] == status


MOMENTS = {
    "config": lambda folder: True,
    "running": status_is("running"),
    "initial": lambda folder: (folder / layout.CHECKPOINTS / layout.INITIAL).is_file(),
    "metrics": lambda folder: (folder / layout.METRICS).is_file(),
    "best": lambda folder: (folder / layout.CHECKPOINTS / layout.BEST).is_file(),
    "last": lambda folder: (folder / layout.CHECKPOINTS / layout.LAST).is_file(),
    "predictions": lambda folder: (folder / layout.PREDICTIONS).is_file(),
    "summary": lambda folder: (folder / layout.SUMMARY).is_file(),
    "done": status_is("done"),
    "figures": lambda folder: any((folder / layout.REPORT / layout.FIGURES).glob("*.png")),
    "report": lambda folder: (folder / layout.REPORT / layout.REPORT_JSON).is_file(),
}


SELDOM = {"running", "initial", "metrics", "predictions"}


@pytest.mark.parametrize(
    "moment", [pytest.param(moment, marks=pytest.mark.slow) if moment in SELDOM else moment for moment in MOMENTS]
)
def test_resume_after_a_sigkill_when_a_file_appears_gives_the_same_bytes(moment, tmp_path, quick_reference):
    positions = kill_repeatedly(tmp_path, QUICK, quick_reference, 1, kill_when(MOMENTS[moment]))
    assert len(positions) == 1, f"the run ended before {moment} was seen"


def test_resume_of_a_run_killed_before_its_last_clean_up_leaves_what_an_undisturbed_run_leaves(
    tmp_path, quick_reference
):
    # The state after a kill between summary.json and the removal of rolling checkpoints, and within a report's write.
    victim = Victim(tmp_path / "victim", QUICK)
    folder = victim.finish()
    facts = json.loads((folder / layout.STATUS).read_text())
    (folder / layout.STATUS).write_text(json.dumps({**facts, "status": "running"}))
    last = folder / layout.CHECKPOINTS / layout.LAST
    (folder / layout.CHECKPOINTS / "step-000000000030.safetensors").write_bytes(last.read_bytes())
    for place in (folder, folder / layout.CHECKPOINTS, folder / layout.REPORT, folder / layout.REPORT / layout.FIGURES):
        (place / ".some.file.12345.tmp").write_bytes(b"half")
    assert_same_result(victim.finish(), quick_reference)


def test_resume_of_a_diverged_run_killed_before_its_status_says_so_ends_as_diverged(tmp_path):
    # Finite for some epochs, then not: there are best weights and a summary.
    overrides = [
        "model.width=64",
        "optimizer=sgd",
        "optimizer.lr=0.5",
        "optimizer.momentum=0.0",
        "regularizer=[l2]",
        "regularizer.l2.strength=5",
        "batch_size=400",
        "epochs=30",
        "metric=[accuracy]",
    ]
    victim = Victim(tmp_path / "victim", overrides)
    result = victim.start().wait()
    assert result.code == 1, result
    folder = find_run(victim.cwd)
    assert folder is not None
    assert (folder / layout.SUMMARY).is_file(), "this test needs a run that diverges after its first epoch"
    before, facts = result_files(folder), json.loads((folder / layout.STATUS).read_text())
    # The state after a kill between summary.json and status.json.
    (folder / layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    result = victim.start().wait()
    again = json.loads((folder / layout.STATUS).read_text())
    unlike = {"pid", "time"}
    assert {name: fact for name, fact in again.items() if name not in unlike} == {
        name: fact for name, fact in facts.items() if name not in unlike
    }
    assert result.code == 1
    assert "diverged" in result.err
    assert result_files(folder) == before


@pytest.fixture
def quick_reference(tmp_path_factory):
    return find_run(once(tmp_path_factory.getbasetemp(), "quick", lambda cwd: undisturbed(cwd, QUICK)))


def test_lock_of_a_killed_run_is_free_at_once(tmp_path):
    victim = Victim(tmp_path / "victim", CONFIGS["cnn-adam-dropout"])
    child = victim.start()
    while (folder := find_run(victim.cwd)) is None or not status_is("running")(folder):
        assert child.poll(0.001) is None
    os.kill(child.pid, 9)
    child.wait()
    child = victim.start()
    while not status_is("running")(folder) or json.loads((folder / layout.STATUS).read_text())["pid"] != child.pid:
        assert child.poll(0.001) is None, child.result
    child.kill()
