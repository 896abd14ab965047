"""Ray: the contract, a cluster that nobody else can use, workers and nodes that die."""

import contextlib
import importlib.util
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# Not imported here: Ray reads its environment when it is.
if importlib.util.find_spec("ray") is None:
    pytest.skip("the extra ray is not installed", allow_module_level=True)

from conftest import only_run
from launcher_contract import LauncherContract
from sweep_process import (
    GRID,
    descendants,
    ended_well,
    find_sweep,
    listening,
    sweep_process,
    tables,
    training,
    wait_until,
    write_grid,
)

from dlx.cli.main import main
from dlx.launcher.ray import Ray, environment, private_cluster

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
LONG = [text.replace("epochs=5", "epochs=1000") for text in GRID]
PRIVATE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
JOIN = "import ray; ray.init(address='127.0.0.1:{}', logging_level='ERROR'); print('joined', ray.nodes())"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The tables of the grid with launcher=local."""
    cwd = tmp_path_factory.mktemp("reference")
    write_grid(cwd)
    before = Path.cwd()
    os.chdir(cwd)
    try:
        assert main(["sweep", *GRID]) == 0
    finally:
        os.chdir(before)
    return tables(find_sweep(cwd))


def command_lines() -> list[str]:
    """List the command lines of all processes of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text())
    return found


def join(port: int, **environment: str) -> str:
    """Try for some seconds to use a cluster; return all that was said."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen([sys.executable, "-c", JOIN.format(port)], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               env={**given, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **environment})
    try:
        return process.communicate(timeout=15)[0]
    except subprocess.TimeoutExpired:
        # Ray asks again and again.
        process.kill()
        return process.communicate()[0]


def test_ray_gives_the_tables_of_local_and_listens_on_loopback_alone(workdir, dlx):
    grid = ["dataset=breast_cancer", "epochs=2", "metric=[accuracy]", "model=linear,mlp", "seed=0,1", "--json"]
    local = workdir / "local"
    assert dlx("sweep", *grid, f"runs_dir={local}").code == 0
    with sweep_process(workdir, *grid, "launcher=ray") as process:
        wait_until(process, lambda: any("run_on_node" in line for line in descendants(process.pid).values()))
        sockets = listening([process.pid, *descendants(process.pid)])
        ended_well(process)
    assert tables(find_sweep(workdir)) == tables(only_run(local))
    assert len(sockets) >= 4
    assert {address for _, address, _ in sockets} <= LOOPBACK
    assert descendants(process.pid) == {}


def test_ray_token_is_random_and_for_this_user_alone(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    paths = [Path(private_cluster(tmp_path / name)["RAY_AUTH_TOKEN_PATH"]) for name in ("one", "two")]
    tokens = [path.read_text() for path in paths]
    assert len(set(tokens)) == 2
    assert all(len(token) == 64 for token in tokens)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]


@pytest.mark.slow
def test_ray_cluster_of_a_sweep_refuses_whoever_has_not_its_token(workdir):
    write_grid(workdir)
    with (tempfile.TemporaryDirectory(dir="/tmp", prefix="t-") as room,
          sweep_process(workdir, *LONG, "launcher=ray", TMPDIR=room) as process):
        wait_until(process, lambda: bool(training(workdir)))
        family = descendants(process.pid)
        token, = (path.read_text() for path in Path(room).glob("dlx-ray-*/token"))
        port, = (port for pid, _, port in listening(list(family)) if "gcs_server" in family[pid])
        stranger, guesser = join(port), join(port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        friend = join(port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token)
        assert not any(token in line for line in family.values())
        process.terminate()
        process.communicate(timeout=60)
        assert list(Path(room).glob("dlx-ray-*")) == []
    assert "InvalidAuthToken" in stranger
    assert "InvalidAuthToken" in guesser
    assert "joined" not in stranger + guesser
    assert "joined" in friend


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0])
def test_ray_cluster_ends_with_a_sweep_that_is_interrupted_while_it_starts(delay, workdir):
    write_grid(workdir)
    with (tempfile.TemporaryDirectory(dir="/tmp", prefix="t-") as room,
          sweep_process(workdir, *LONG, "launcher=ray", TMPDIR=room) as process):
        wait_until(process, lambda: list(Path(room).glob("dlx-ray-*")))
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert list(Path(room).glob("dlx-ray-*")) == []
        assert not any(room in line for line in command_lines())


@pytest.mark.slow
def test_ray_worker_that_is_killed_costs_no_run(workdir, reference):
    write_grid(workdir)
    with sweep_process(workdir, *GRID, "launcher=ray", "workers=2") as process:
        for _ in range(2):
            wait_until(process, lambda: bool(training(workdir)))
            busy = [pid for pid, line in descendants(process.pid).items() if line.startswith("ray::run_on_node")]
            os.kill(busy[0], signal.SIGKILL)
            wait_until(process, lambda pid=busy[0]: pid not in descendants(process.pid))
        ended_well(process)
    assert tables(find_sweep(workdir)) == reference


@pytest.fixture(scope="module")
def token():
    """The environment of a cluster on the loopback interface that asks for a token."""
    return {**PRIVATE, "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextlib.contextmanager
def running_cluster(token):
    """Keep a cluster of two nodes as a process; yield it and its address."""
    process = subprocess.Popen([sys.executable, Path(__file__).with_name("ray_cluster.py")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env={**os.environ, **token})
    with process:
        yield process, process.stdout.readline().strip()
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_ray_node_that_is_removed_costs_no_run(workdir, reference, token):
    write_grid(workdir)
    with (running_cluster(token) as (nodes, address),
          sweep_process(workdir, *GRID, "launcher=ray", f"launcher.address={address}", **token) as process):
        # Two groups of three members, one on each node.
        wait_until(process, lambda: len(training(workdir)) > 3)
        print("remove", file=nodes.stdin, flush=True)
        assert nodes.stdout.readline() == "removed\n"
        ended_well(process)
    assert tables(find_sweep(workdir)) == reference


@pytest.mark.slow
def test_ray_sweep_that_is_killed_is_resumed_by_local_to_the_same_tables(workdir, reference, dlx):
    write_grid(workdir)
    with sweep_process(workdir, *GRID, "launcher=ray") as process:
        wait_until(process, lambda: bool(training(workdir)))
        process.kill()
        process.wait()
    assert dlx("resume", str(find_sweep(workdir)), "--trust", "mymodels", "--json").code == 0
    assert tables(find_sweep(workdir)) == reference


@pytest.fixture(scope="module")
def address(token):
    """The address of a cluster."""
    with environment(token), running_cluster(token) as (_, found):
        yield found


@pytest.mark.slow
class TestRay(LauncherContract):
    """The contract, on one cluster: a process keeps the token that it used first."""

    @pytest.fixture
    def launcher(self, workdir, address):
        with contextlib.closing(Ray(workdir / "sweep", "auto", address, 1, 0.0, 3)) as made:
            yield made


def test_ray_needs_its_extra(dlx_process, workdir):
    (workdir / "sitecustomize.py").write_text(
        "import importlib.util, sys\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name in ('ray', 'submitit') else find(name, *rest)\n")
    paths = f"{workdir}:{os.environ.get('PYTHONPATH', '')}"
    for part in ("ray", "slurm"):
        result = dlx_process("sweep", "seed=1,2", f"launcher={part}", "runs_dir=out", PYTHONPATH=paths)
        assert result.code == 2
        assert f"dlx: launcher={part} needs the extra: pip install 'dlx[{part}]'\n" in result.err
    assert not (workdir / "out").exists()
