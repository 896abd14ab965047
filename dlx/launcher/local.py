"""Jobs as processes on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Literal

from dlx.core.device import usable_cores
from dlx.core.ranges import Count, Range
from dlx.sweep.job import Job, num_threads
from dlx.sweep.launch import Ended
from dlx.sweep.process import Seat, start_worker

CLOSE_SECONDS = 5.0


class Local:
    """Runs each job in a process of its own.

    Args:
        folder: of the sweep.
        workers: jobs at a time; auto is one per entry of devices, else one per core that this process may use.
        devices: numbers of the CUDA devices to use, one job at a time each while there are no more workers than
            devices; a job sees no other. An empty list leaves all visible to every job.
        pin: whether a worker keeps to cores of its own. It is not done where all workers together need more cores than
            are free of other sweeps' workers, nor where the system cannot.
    """

    def __init__(self, folder: Path, workers: Literal["auto"] | Count,
                 devices: list[Annotated[int, Range("[0, 4096)")]], pin: bool) -> None:
        self._slots = workers if workers != "auto" else len(devices) or len(usable_cores())
        self._devices = devices
        self._pin = pin
        self._free = list(range(self._slots))
        self._running: dict[int, tuple[BaseProcess, int]] = {}
        self._cores: list[int] | None = None
        self._claims = contextlib.ExitStack()

    def slots(self) -> int:
        """Return the number of workers."""
        return self._slots

    def start(self, number: int, job: Job) -> None:
        """Start a worker on the first free seat."""
        place = self._free.pop(0)
        self._running[number] = start_worker(job, self._seat(place, job)), place

    def ended(self, timeout: float) -> list[Ended]:
        """Wait for a worker to end, and collect those that did."""
        multiprocessing.connection.wait([process.sentinel for process, _ in self._running.values()], timeout)
        found = [Ended(number, process.exitcode) for number, (process, _) in self._running.items()
                 if process.exitcode is not None]
        for number, _ in found:
            process, place = self._running.pop(number)
            self._free = sorted([*self._free, place])
            process.close()
        return found

    def stop(self) -> None:
        """Send SIGTERM to all workers."""
        for process, _ in self._running.values():
            process.terminate()

    def kill(self, number: int) -> None:
        """Send SIGKILL to a worker."""
        self._running[number][0].kill()

    def close(self) -> None:
        """End all workers, at first kindly."""
        self.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._running and time.monotonic() < deadline:
            self.ended(0.1)
        for number in self._running:
            self.kill(number)
        while self._running:
            self.ended(1.0)
        self._claims.close()

    def _seat(self, place: int, job: Job) -> Seat:
        environment = {"CUDA_VISIBLE_DEVICES": str(self._devices[place % len(self._devices)])} if self._devices else {}
        threads = num_threads(job.tasks)
        if self._cores is None:
            self._cores = self._claim_cores(self._slots * threads) if self._pin else []
        # Every worker has as many cores as the first job has threads; a job of more threads is left to the system.
        share = len(self._cores) // self._slots
        cores = self._cores[place * share : (place + 1) * share] if 0 < threads <= share else []
        return Seat(tuple(cores), environment)

    def _claim_cores(self, count: int) -> list[int]:
        # A claim lasts as long as the driver lives: the kernel frees the name of a socket with its process.
        claimed: list[int] = []
        for core in usable_cores() if hasattr(os, "sched_setaffinity") else []:
            if len(claimed) < count and self._claim(core):
                claimed.append(core)
        if len(claimed) < count:
            self._claims.close()
            return []
        return claimed

    def _claim(self, core: int) -> bool:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0dlx-core-{core}")
        except OSError:
            claim.close()
            return False
        self._claims.enter_context(claim)
        return True
