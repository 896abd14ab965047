"""Slurm through submitit's executor for this machine: the contract, the tables of local, time limits."""

import contextlib

import pytest

pytest.importorskip("submitit", reason="the extra slurm is not installed")

from launcher_contract import LauncherContract
from sweep_process import GRID, ended_well, find_sweep, sweep_process, tables, training, wait_until, write_grid

from dlx.launcher.slurm import Slurm
from dlx.record import layout

SLURM = ["launcher=slurm", "launcher.cluster=local", "workers=2"]


def test_slurm_gives_the_tables_of_local_and_logs_in_the_sweep_folder(workdir, dlx):
    grid = ["dataset=breast_cancer", "epochs=2", "metric=[accuracy]", "model=linear,mlp", "seed=0,1", "--json"]
    local = workdir / "local"
    assert dlx("sweep", *grid, f"runs_dir={local}").code == 0
    with sweep_process(workdir, *grid, *SLURM) as process:
        ended_well(process)
    sweep = find_sweep(workdir)
    assert tables(sweep) == tables(next(local.iterdir()))
    assert len(list(sweep.glob(f"{layout.LAUNCHER}/*/*_log.out"))) == 4
    assert [path.name for path in workdir.iterdir() if path.name not in ("runs", "local")] == []


def test_slurm_without_slurm_is_refused_before_anything_is_written(dlx, workdir, monkeypatch):
    monkeypatch.setenv("PATH", str(workdir))
    result = dlx("sweep", "seed=1,2", "launcher=slurm")
    assert (result.code, result.out) == (2, "")
    assert "launcher=slurm needs Slurm: there is no command sbatch here" in result.err
    assert list(workdir.iterdir()) == []


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
    assert tables(sweep) == tables(next(reference.iterdir()))


@pytest.mark.slow
class TestSlurm(LauncherContract):
    """The contract."""

    @pytest.fixture
    def launcher(self, workdir):
        made = Slurm(workdir / "sweep", 2, "local", None, None, None, 240, 1, 0, None, 3)
        with contextlib.closing(made):
            yield made
