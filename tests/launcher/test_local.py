"""Workers on this machine: the contract, cores and devices."""

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from launcher_contract import LauncherContract, make_job, wait_for

from dlx.core.errors import ConfigError
from dlx.launcher.local import Local, usable_cores
from dlx.sweep.launch import launcher_factory

TARGET = {"_target_": "dlx.launcher.local.Local"}
# A model that says where it is built.
CODE = """
import os
from pathlib import Path

import torch
from torch import nn


class Where(nn.Module):
    def __init__(self, input_shape, num_outputs, number: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, num_outputs))
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        Path(f"where-{number}").write_text(cores + " " + os.environ.get("CUDA_VISIBLE_DEVICES", "none"))

    def forward(self, x):
        return self.layers(x)
"""

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(usable_cores()) < 2,
                                    reason="there are no two cores to choose from")


class TestLocal(LauncherContract):
    """The contract."""

    @pytest.fixture
    def launcher(self, workdir):
        with contextlib.closing(Local(workdir / "sweep", 2, [], True)) as made:
            yield made


def places(workdir: Path, launcher: Local, *overrides: str) -> dict[int, tuple[str, str]]:
    """Run a job per slot at the same time; return the cores and devices that each saw."""
    (workdir / "where.py").write_text(CODE)
    (workdir / "conf/model").mkdir(parents=True, exist_ok=True)
    (workdir / "conf/model/where.yaml").write_text("_target_: where.Where\nnumber: 0\n")
    numbers = range(launcher.slots())
    with contextlib.closing(launcher):
        for number in numbers:
            job = make_job("model=where", f"model.number={number}", *overrides)
            launcher.start(number, job._replace(trust=("where",)))
        assert [end.exit_code for end in wait_for(launcher, len(numbers))] == [0] * len(numbers)
    found = {number: (workdir / f"where-{number}").read_text().split() for number in numbers}
    return {number: (cores, devices) for number, (cores, devices) in found.items()}


@needs_affinity
def test_local_pins_each_worker_to_a_core_of_its_own(workdir):
    # Cores that sweeps of other tests have for the moment are not free.
    for _ in range(20):
        found = places(workdir, Local(workdir / "sweep", 2, [], True), "device.threads=1")
        cores = [cores for cores, _ in found.values()]
        if all(map(str.isdigit, cores)):
            break
        shutil.rmtree(workdir / "sweep")
    assert all(core.isdigit() and int(core) in usable_cores() for core in cores)
    assert len(set(cores)) == 2


@needs_affinity
@pytest.mark.parametrize(("pin", "threads"), [(False, "1"), (True, "64"), (True, "auto")])
def test_local_leaves_workers_to_the_system_where_pinning_is_off_or_cores_do_not_suffice(workdir, pin, threads):
    found = places(workdir, Local(workdir / "sweep", 1, [], pin), f"device.threads={threads}")
    assert found[0][0] == ",".join(map(str, usable_cores()))


@needs_affinity
def test_local_does_not_pin_to_the_cores_of_another_sweep(workdir):
    code = f"""
        import contextlib, sys, time
        from dlx.launcher.local import Local, usable_cores
        from pathlib import Path
        other = Local(Path("other"), len(usable_cores()), [], True)
        while len(other._claim_cores(len(usable_cores()))) < {len(usable_cores())}:
            time.sleep(0.05)
        print(flush=True)
        sys.stdin.read()
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    with other:
        assert other.stdout.readline() == b"\n"
        found = places(workdir, Local(workdir / "sweep", 1, [], True), "device.threads=1")
        other.stdin.close()
    assert found[0][0] == ",".join(map(str, usable_cores()))


def test_local_shows_each_job_one_device(workdir):
    launcher = Local(workdir / "sweep", "auto", [3, 5], False)
    assert launcher.slots() == 2
    found = places(workdir, launcher, "device=cpu")
    assert [devices for _, devices in found.values()] == ["3", "5"]


def test_local_takes_as_many_workers_as_cores():
    assert Local(Path("sweep"), "auto", [], True).slots() == len(usable_cores())
    assert Local(Path("sweep"), 7, [], True).slots() == 7


@pytest.mark.parametrize(("values", "message"), [
    ({"devices": [-1], "pin": True}, "launcher.devices must be a list whose items are each a whole number in "),
    ({"devices": [], "pin": 3}, "launcher.pin must be true or false, got 3"),
    ({"devices": []}, "launcher.pin is missing"),
])
def test_local_refuses_values_out_of_range(values, message):
    with pytest.raises(ConfigError, match=message):
        launcher_factory({**TARGET, **values}, [])
