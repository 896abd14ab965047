"""A run of two processes that loses one, or its parent, or is told to stop: the right exit code, no process is left
behind, and what goes on ends with the bytes of the undisturbed run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import dlx_command
from run_files import assert_same_result, find_run, leftovers

from dlx.record import layout

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
# What training takes is seconds; the rest is imports of three interpreters on a busy machine.
SECONDS = 90.0
TYPED = ["train", "device.processes=2", "model.width=16", "metric=[accuracy]", "batch_size=8", "epochs=12",
         "regularizer=[dropout,l2]", "checkpoint_seconds=0"]
Ended = tuple[int, str]


class Parallel:
    """A command that starts processes."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.cwd = cwd
        self.process = subprocess.Popen(dlx_command(*arguments), cwd=cwd, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)

    def training(self) -> list[int]:
        """Return the processes that train, in the order of their numbers, when a step was taken."""
        end = time.monotonic() + SECONDS
        while not list(self.cwd.glob(f"runs/*/{layout.CHECKPOINTS}/step-*.safetensors")):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        return ranks_of(self.process.pid)

    def ended(self, seconds: float = SECONDS) -> Ended:
        _, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, err


def ranks_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.findall(r"\) \S (\d+)", (entry / "stat").read_text())[0])
            command = (entry / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == pid and "spawn_main" in command:
            found.append(int(entry.name))
    assert len(found) == 2, found
    return sorted(found)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def the_run(cwd: Path) -> Path:
    folder = find_run(cwd)
    assert folder is not None
    return folder


def status(cwd: Path) -> dict[str, object]:
    return json.loads((the_run(cwd) / layout.STATUS).read_text())


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbs."""
    cwd = tmp_path_factory.mktemp("reference")
    code, err = Parallel(cwd, *TYPED).ended()
    assert code == 0, err
    lines = err.strip().splitlines()
    assert lines[0].startswith("digits-mlp  seed 0"), err
    assert all(line.startswith("epoch ") for line in lines[1:]), "a good run says nothing else"
    return the_run(cwd)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Parallel]:
    made = Parallel(tmp_path, *TYPED)
    yield made
    made.process.kill()
    made.process.communicate()


def assert_goes_on(cwd: Path, reference: Path) -> None:
    code, err = Parallel(cwd, "resume", str(the_run(cwd))).ended()
    assert code == 0, err
    assert_same_result(the_run(cwd), reference)
    assert leftovers(the_run(cwd)) == []


def kills_a_rank(victim: Parallel, number: int) -> None:
    ranks = victim.training()
    os.kill(ranks[number], signal.SIGKILL)
    code, err = victim.ended(30.0)
    said = f"process {number} of 2 (device.processes) was ended by SIGKILL; go on with: dlx resume "
    assert code == 1
    assert err.splitlines()[-1].startswith("dlx: " + said), err
    assert gone(ranks)
    assert status(victim.cwd)["status"] == "failed"
    assert str(status(victim.cwd)["reason"]).startswith(said)


def test_sigkill_of_a_process_ends_the_run_and_names_it(victim):
    kills_a_rank(victim, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_resume_after_a_sigkill_of_a_process_gives_the_same_bytes(victim, number, reference):
    kills_a_rank(victim, number)
    assert_goes_on(victim.cwd, reference)


@pytest.mark.slow
def test_sigkill_of_the_parent_takes_its_processes_along_and_resume_gives_the_same_bytes(victim, reference):
    ranks = victim.training()
    victim.process.kill()
    assert gone(ranks, 5.0)
    assert_goes_on(victim.cwd, reference)


def to_parent(victim: Parallel, _: list[int], number: int) -> None:
    victim.process.send_signal(number)


def to_all(victim: Parallel, _: list[int], number: int) -> None:
    # As Ctrl-C in a terminal does.
    os.killpg(victim.process.pid, number)


def to_a_rank(_: Parallel, ranks: list[int], number: int) -> None:
    os.kill(ranks[1], number)


@pytest.mark.slow
@pytest.mark.parametrize("send", [to_parent, to_all, to_a_rank])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_all_processes_after_a_checkpoint_and_resume_gives_the_same_bytes(
    victim: Parallel, send: Callable[[Parallel, list[int], int], None], number: int, reference: Path
) -> None:
    ranks = victim.training()
    send(victim, ranks, number)
    code, err = victim.ended(30.0)
    assert code == 128 + number, err
    assert re.fullmatch(r"dlx: interrupted at step \d+; nothing is lost: dlx resume .*", err.splitlines()[-1])
    assert gone(ranks)
    assert status(victim.cwd)["status"] == "interrupted"
    assert_goes_on(victim.cwd, reference)


@pytest.mark.slow
def test_another_number_of_processes_goes_on_and_says_that_bits_differ(victim):
    to_parent(victim, victim.training(), signal.SIGINT)
    victim.ended()
    code, err = Parallel(victim.cwd, "resume", str(the_run(victim.cwd)), "processes=1").ended()
    said = "processes: 1 go on with what 2 computed; results agree to rounding, not bit for bit"
    assert code == 0, err
    assert f"dlx: {said}" in err
    assert said in (the_run(victim.cwd) / layout.LOG).read_text()


@pytest.mark.slow
def test_divergence_in_two_processes_ends_as_in_one(tmp_path):
    code, err = Parallel(tmp_path, *TYPED, "optimizer=sgd", "optimizer.lr=1e20").ended()
    assert code == 1
    assert "dlx: training diverged: the loss of step 1 was not finite, at lr 1e+20" in err
    assert (status(tmp_path)["status"], status(tmp_path)["step"]) == ("diverged", 1)


@pytest.mark.slow
def test_storage_that_refuses_the_process_that_writes_ends_all_with_exit_code_4(victim):
    ranks = victim.training()
    checkpoints = the_run(victim.cwd) / layout.CHECKPOINTS
    # Not even root can write into what is no folder.
    checkpoints.rename(victim.cwd / "away")
    checkpoints.write_text("")
    code, err = victim.ended(60.0)
    assert code == 4, err
    assert err.splitlines()[-1].startswith(f"dlx: cannot write {checkpoints.relative_to(victim.cwd)}"), err
    assert gone(ranks)
    assert status(victim.cwd)["status"] == "failed"
