"""Where a run computes, and how."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from dlx.core.errors import ConfigError
from dlx.core.ranges import Count, Range

if TYPE_CHECKING:
    import torch

    from dlx.core.ranks import Ranks

# Below this much work per step a second thread costs more in waiting than it saves: a 64-128-10 MLP at batch 64 has
# 4e6, a two-block CNN on MNIST at batch 64 has 1.4e9.
MIN_FLOPS_FOR_THREADS = 2e8
NumProcesses = Annotated[int, Range("[1, 256]")]


@dataclass(frozen=True)
class Placement:
    """A device that is there.

    Args:
        device: of tensors.
        threads: of the CPU's operators.
        dtype: of parameters and inputs.
        autocast: compute in bfloat16 where that is safe, keep parameters in float32.
        compile: pass the model through torch.compile.
        channels_last: give models images whose channels lie side by side.
        ranks: the processes that share each batch.
    """

    device: torch.device
    threads: int
    dtype: torch.dtype
    autocast: bool
    compile: bool
    channels_last: bool
    ranks: Ranks

    def enter(self) -> None:
        """Set the number of threads of this process."""
        import torch

        torch.set_num_threads(self.threads)

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        import torch

        if not self.autocast:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


class Device:
    """What the user asks for.

    Args:
        kind: auto takes cuda, else mps, else cpu.
        threads: of the CPU, in each process; auto takes one for small steps, else the cores are divided.
        precision: float32, float64, or bfloat16 (autocast: parameters stay float32).
        compile: pass the model through torch.compile; pays on long runs only.
        channels_last: let the channels of a pixel lie side by side in memory, as some convolutions like them.
        processes: that train one run together, each on its share of every batch: on its own GPU, or on the CPU.
        data: memory holds the prepared inputs of a run; disk reads each batch where it lies, and prepares it then, for
            data larger than memory; auto takes disk for mapped files that would fill a quarter of the free memory.
            Results are the same bytes.
    """

    def __init__(self, kind: Literal["auto", "cpu", "cuda", "mps"], threads: Literal["auto"] | Count,
                 precision: Literal["float32", "float64", "bfloat16"], compile: bool, channels_last: bool,
                 processes: NumProcesses, data: Literal["auto", "memory", "disk"]) -> None:
        self.kind = kind
        self.threads = threads
        self.precision = precision
        self.compile = compile
        self.channels_last = channels_last
        self.processes = processes
        self.data = data

    def check(self) -> str:
        """Return the kind that will be used. Raises ConfigError where it is not there or cannot do the precision."""
        import torch

        available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        kind = self.kind if self.kind != "auto" else next(k for k in ("cuda", "mps", "cpu") if available[k])
        if not available[kind]:
            usable = ", ".join(k for k in available if available[k])
            raise ConfigError(f"device={kind} is not available here; this machine has {usable}")
        if kind == "mps" and self.precision == "float64":
            raise ConfigError("device.precision=float64 is not available on mps; use device=cpu")
        self.check_processes(kind, self.processes)
        return kind

    def check_processes(self, kind: str, count: int) -> None:
        """Raise ConfigError where so many processes cannot train on a kind of device here."""
        import torch

        if count > 1 and kind == "mps":
            raise ConfigError(f"device.processes={count} is for device=cpu and device=cuda; mps is one device")
        there = torch.cuda.device_count() if kind == "cuda" else count
        if count > there:
            raise ConfigError(f"device.processes={count}: this machine has {there} GPU{'s' if there > 1 else ''}, and "
                              f"each process needs one")

    def place(self, flops_per_step: float, threads: int | None = None) -> Placement:
        """Decide.

        Args:
            flops_per_step: floating-point operations of one training step.
            threads: what an earlier decision for the same run was, so that resuming computes the same bits.
        """
        import torch

        from dlx.core.ranks import ranks_here

        ranks = ranks_here()
        if threads is None:
            few = flops_per_step < MIN_FLOPS_FOR_THREADS
            most = max(1, (os.cpu_count() or 1) // ranks.size)
            threads = (1 if few else most) if self.threads == "auto" else self.threads
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        return Placement(torch.device(self.check()), threads, dtype, self.precision == "bfloat16", self.compile,
                         self.channels_last, ranks)

    def warning(self) -> str | None:
        """Say what is computed here and gains nothing: bfloat16 on a processor without instructions for it."""
        import torch

        if self.precision != "bfloat16" or self.check() != "cpu" or can_bfloat16(torch.cpu.get_capabilities()):
            return None
        return ("device.precision=bfloat16: this processor has no instructions for bfloat16 and computes it by way of "
                "float32, which is slower than device.precision=float32")


def can_bfloat16(capabilities: Mapping[str, object]) -> bool:
    """Say whether a processor multiplies in bfloat16, by what `torch.cpu.get_capabilities` says of it."""
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def usable_cores() -> list[int]:
    """List the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
