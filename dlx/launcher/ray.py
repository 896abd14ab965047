"""Jobs as tasks of a Ray cluster.

The sweep folder must lie on a file system that all nodes see, under the same path, and every node must have the same
dlx. Ray is sent plain data: the paths and configurations of a job.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Literal

from dlx.core.errors import ConfigError
from dlx.core.ranges import Count, NonNegative
from dlx.sweep.host import POLL_SECONDS, Host, Request
from dlx.sweep.job import Job
from dlx.sweep.launch import Ended

GIVEN_UP = -int(signal.SIGKILL)
STOPPED = 128 + int(signal.SIGTERM)
OBJECT_STORE_BYTES = 80 * 2**20
# Ray puts sockets 80 characters below, and the path of a socket has at most 107.
MAX_BASE_LENGTH = 24


class Ray:
    """Runs each job as a task of a Ray cluster.

    A job whose worker or node died is started again by Ray, and goes on from its checkpoints; a job that failed by
    itself is left to the driver.

    Args:
        folder: of the sweep.
        workers: jobs at a time; auto is as many as the cluster has CPUs and GPUs for.
        address: of a cluster to connect to; null starts one on this machine, which listens on the loopback interface
            alone and asks for a token that only this sweep knows.
        num_cpus: that a job takes.
        num_gpus: that a job takes; may be a fraction.
        max_retries: how often Ray starts a job again whose worker or node died; in [1, inf).
    """

    needs = "ray"

    def __init__(self, folder: Path, workers: Literal["auto"] | Count, address: str | None, num_cpus: Count,
                 num_gpus: NonNegative, max_retries: Count) -> None:
        self._workers = workers
        self._address = address
        self._options = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": max_retries}
        self._refs: dict[Any, int] = {}
        self._killed: set[Any] = set()
        self._opened = contextlib.ExitStack()

    def slots(self) -> int:
        """Return how many jobs the cluster has room for now, or the number of workers."""
        if self._workers != "auto":
            return self._workers
        has = self._ray.cluster_resources()
        wants = (("CPU", self._options["num_cpus"]), ("GPU", self._options["num_gpus"]))
        return max(1, int(min(has.get(name, 0) / count for name, count in wants if count)))

    def start(self, number: int, job: Job) -> None:
        """Submit a task."""
        task = self._ray.remote(run_on_node).options(**self._options)
        self._refs[task.remote(Request.of(job)._asdict())] = number

    def ended(self, timeout: float) -> list[Ended]:
        """Wait for a task to end, and collect those that did."""
        refs = list(self._refs)
        ready, _ = self._ray.wait(refs, num_returns=1, timeout=timeout)
        more, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        return [Ended(self._refs.pop(ref), self._exit_code(ref)) for ref in dict.fromkeys([*ready, *more])]

    def stop(self) -> None:
        """Interrupt all tasks; each then stops its job kindly."""
        for ref in self._refs:
            self._ray.cancel(ref)

    def kill(self, number: int) -> None:
        """End the Ray worker of a task; its host gives the job a last chance to leave, and ends it."""
        for ref in [ref for ref, found in self._refs.items() if found == number]:
            self._killed.add(ref)
            self._ray.cancel(ref, force=True)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._opened.close()

    @functools.cached_property
    def _ray(self) -> Any:
        local = self._address is None
        if local:
            base = tempfile.gettempdir()
            room = Path(tempfile.mkdtemp(prefix="dlx-ray-", dir=base if len(base) <= MAX_BASE_LENGTH else "/tmp"))
            self._opened.callback(shutil.rmtree, room, ignore_errors=True)
            self._opened.enter_context(environment(private_cluster(room)))
        else:
            self._opened.enter_context(environment({"RAY_USAGE_STATS_ENABLED": "0"}))
        # Imported here, because Ray reads its environment when it is imported.
        import ray

        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "include_dashboard": False}
        if local:
            cpus = None if self._workers == "auto" else self._workers * self._options["num_cpus"]
            options |= {"num_cpus": cpus, "_temp_dir": str(room), "object_store_memory": OBJECT_STORE_BYTES}
        handler = signal.getsignal(signal.SIGTERM)
        self._opened.callback(ray.shutdown)
        try:
            ray.init("local" if local else self._address, **(options if local else {
                name: options[name] for name in ("logging_level", "log_to_driver")}))
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(f"launcher.address={self._address} cannot be used: {error}") from error
        finally:
            # Ray sets one of its own, which leaves without a word.
            signal.signal(signal.SIGTERM, handler)
        return ray

    def _exit_code(self, ref: Any) -> int:
        from ray.exceptions import RayError, TaskCancelledError

        try:
            return int(self._ray.get(ref))
        except RayError as error:
            # Ray calls a task that it killed a cancelled one, too, where the news of its worker come late.
            return STOPPED if isinstance(error, TaskCancelledError) and ref not in self._killed else GIVEN_UP


def private_cluster(room: Path) -> dict[str, str]:
    """Return the environment of a cluster that nobody but this sweep can use.

    Args:
        room: a folder that only this user can enter; the token is put there.
    """
    token = room / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        # Makes Ray take 127.0.0.1 for its own address, so that it binds to nothing else.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Memory is the system's to watch: Ray would kill whole workers, and start their jobs again without end.
        "RAY_memory_monitor_refresh_ms": "0",
    }


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Any:
    """Set variables for a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def host() -> Host:
    """Return the host beside this Ray worker, which is kept from job to job."""
    return Host()


def run_on_node(request: dict[str, Any]) -> int:
    """Run a job beside this Ray worker and return its exit code; interrupted, stop it with checkpoints."""
    if not host().is_alive():
        host.cache_clear()
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    host().start(request, {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices})
    while True:
        try:
            exit_code = host().poll(POLL_SECONDS)
            if exit_code is not None:
                return exit_code
        except KeyboardInterrupt:
            host().stop()
