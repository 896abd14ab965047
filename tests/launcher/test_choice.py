"""Choosing a launcher and what to do about failures: keys, ranges, and that none of them is part of a run."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from part_files import CONF
from user_parts import LATE, write_late_loss

from dlx.config.build import lookup
from dlx.sweep.launch import RUNTIME

OPTIONS = sorted(path.stem for path in (CONF / "launcher").glob("*.yaml"))
QUICK = ["dataset=breast_cancer", "model=linear", "epochs=1", "metric=[accuracy]"]


@pytest.mark.parametrize("option", OPTIONS)
def test_launcher_yaml_and_runtime_give_exactly_the_arguments_of_the_code(option):
    values = yaml.safe_load((CONF / f"launcher/{option}.yaml").read_text())
    code = lookup("launcher", option, [])
    assert values.pop("_target_") == f"dlx.launcher.{option}.{code.__name__}"
    assert values.keys() | RUNTIME == set(inspect.signature(code).parameters)
    documented = inspect.getdoc(code).partition("Args:\n")[2]
    assert [name for name in values if f"    {name}: " not in documented] == []


@pytest.mark.parametrize("option", OPTIONS)
def test_launcher_imports_neither_ray_nor_submitit(option):
    code = f"import sys, dlx.launcher.{option}; print({{'ray', 'submitit', 'torch'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("override", "message"), [
    ("launcher=local,ray", "launcher=local,ray: launcher is one for the whole sweep; give one value"),
    ("launcher.pin=true,false", "launcher.pin=true,false: launcher.pin is one for the whole sweep; give one value"),
    ("retries=0,1", "retries=0,1: retries is one for the whole sweep; give one value"),
    ("launcher=rai", "launcher=rai does not exist; launcher is one of local, ray, slurm; did you mean ray?"),
    ("launcher.workers=2", "unknown key launcher.workers; did you mean "),
    ("launcher.num_cpus=2", "launcher.num_cpus belongs to launcher=ray, which is not chosen"),
    ("launcher.devices=[-1]", "launcher.devices must be a list whose items are each a whole number in [0, 4096)"),
    ("retries=-1", "retries must be a whole number in [0, 1000], got -1"),
    ("on_error=explode", "on_error must be one of continue, stop, got 'explode'"),
    ("max_failures=-1", "max_failures must be a whole number in [0, inf) or null, got -1"),
    ("run_limit_seconds=0", "run_limit_seconds must be in (0, inf) or null, got 0"),
])
def test_sweep_refuses_what_no_launcher_can_do(dlx, workdir, override, message):
    result = dlx("sweep", *QUICK, "seed=1,2", override)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert list(workdir.iterdir()) == []


def test_run_is_the_same_whatever_launches_it(dlx):
    def runs(*overrides: str) -> list[str]:
        shown = dlx("sweep", *QUICK, "seed=1,2", "--dry-run", "--json", *overrides).out
        return [row["run"] for row in json.loads(shown)]

    assert runs("launcher=ray", "retries=3", "max_failures=1", "run_limit_seconds=9", "on_error=stop") == runs()


def test_resume_takes_a_launcher_and_what_to_do_about_failures(dlx, workdir):
    write_late_loss(workdir)
    stopped = dlx("sweep", *LATE, *QUICK, "batch_size=16,32,64", "on_error=stop", "workers=1")
    assert stopped.code == 5
    assert stopped.err.count("failed: late is not here") == 1
    assert "1 of 3 runs failed; 2 were not finished. dlx resume" in stopped.err
    sweep, = Path("runs").glob("*/")
    again = dlx("resume", str(sweep), "--trust", "late_parts", "launcher.pin=false", "max_failures=1", "workers=1")
    assert again.code == 5
    # The log of the first run tells of two attempts by now.
    assert again.err.count("failed: late is not here") == 2
    assert "2 of 3 runs failed; 1 were not finished. dlx resume" in again.err


def test_failed_run_is_tried_as_often_as_it_was_asked_for(dlx, workdir):
    write_late_loss(workdir)
    assert dlx("sweep", *LATE, *QUICK, "seed=1", "retries=2").code == 5
    log, = workdir.glob("runs/*/runs/*/dlx.log")
    assert log.read_text().count("dlx: late is not here") == 3
