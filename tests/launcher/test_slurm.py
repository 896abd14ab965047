"""Slurm through submitit's executor for this machine: the contract, the tables of local, time limits."""

import contextlib

import pytest

pytest.importorskip("submitit", reason="the extra slurm is not installed")

from conftest import only_run
from launcher_contract import LauncherContract, make_job
from sweep_process import GRID, ended_well, find_sweep, sweep_process, tables, training, wait_until, write_grid

from dlx.config.compose import compose
from dlx.launcher.slurm import Slurm
from dlx.record import layout
from dlx.sweep.launch import launcher_factory

SLURM = ["launcher=slurm", "launcher.cluster=local", "workers=2"]


def test_slurm_gives_the_tables_of_local_and_logs_in_the_sweep_folder(workdir, dlx):
    grid = ["dataset=breast_cancer", "epochs=2", "metric=[accuracy]", "model=linear", "seed=0,1", "--json"]
    local = workdir / "local"
    assert dlx("sweep", *grid, f"runs_dir={local}").code == 0
    with sweep_process(workdir, *grid, *SLURM) as process:
        ended_well(process)
    sweep = find_sweep(workdir)
    assert tables(sweep) == tables(only_run(local))
    assert len(list(sweep.glob(f"{layout.LAUNCHER}/*/*_log.out"))) == 2
    assert [path.name for path in workdir.iterdir() if path.name not in ("runs", "local")] == []


def test_slurm_without_slurm_is_refused_before_anything_is_written(dlx, workdir, monkeypatch):
    monkeypatch.setenv("PATH", str(workdir))
    result = dlx("sweep", "seed=1,2", "launcher=slurm")
    assert (result.code, result.out) == (2, "")
    assert "launcher=slurm needs Slurm: there is no command sbatch here" in result.err
    assert list(workdir.iterdir()) == []


def test_slurm_submits_jobs_that_start_together_as_one_array(workdir, monkeypatch):
    (workdir / "conf").mkdir()
    bin_dir = workdir / "bin"
    bin_dir.mkdir()
    # Slurm's commands as far as a submission needs them: what was submitted is kept, and no job is ever known.
    for name, code in {"sbatch": f"cp $1 {workdir}/script && echo Submitted batch job 41", "srun": "", "sacct": "",
                       "scancel": f"echo $* >> {workdir}/cancelled"}.items():
        (bin_dir / name).write_text(f"#!/bin/sh\n{code}\n")
        (bin_dir / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:/usr/bin:/bin")
    chosen = compose("sweep", ["launcher=slurm", "launcher.partition=gpu", "launcher.minutes=120", "launcher.gpus=1",
                               "launcher.cpus_per_task=3", "launcher.mem_gb=8.0", "launcher.account=lab"])["launcher"]
    launcher = launcher_factory(chosen, [])(workdir / "sweep", 2)
    for number in (1, 2, 3):
        launcher.start(number, make_job("dataset=digits", f"seed={number}"))
    assert not (workdir / "script").exists()
    assert launcher.ended(0.0) == []
    options = [line.removeprefix("#SBATCH --") for line in (workdir / "script").read_text().splitlines()
               if line.startswith("#SBATCH")]
    assert {"array=0-2%2", "partition=gpu", "time=120", "gpus-per-node=1", "cpus-per-task=3", "mem=8GB", "account=lab",
            "job-name=dlx"} <= set(options)
    launcher.kill(2)
    launcher.close()
    assert (workdir / "cancelled").read_text().splitlines() == ["41_1", "41_0", "41_1", "41_2"]


@pytest.mark.slow
def test_slurm_sweep_that_is_stopped_goes_on(workdir, dlx):
    write_grid(workdir)
    with sweep_process(workdir, *GRID, *SLURM) as process:
        wait_until(process, lambda: bool(training(workdir)))
        process.terminate()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 143
        assert "dlx resume" in err
    sweep = find_sweep(workdir)
    assert dlx("resume", str(sweep), "--trust", "mymodels", *SLURM, "--json").code == 0
    reference = workdir / "reference"
    assert dlx("sweep", *GRID, f"runs_dir={reference}").code == 0
    assert tables(sweep) == tables(only_run(reference))


@pytest.mark.slow
class TestSlurm(LauncherContract):
    """The contract."""

    @pytest.fixture
    def launcher(self, workdir):
        made = Slurm(workdir / "sweep", 2, "local", None, None, None, 240, 1, 0, None, 3)
        with contextlib.closing(made):
            yield made
