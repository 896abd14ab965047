"""Memory: how much there is, what files take of it, and that of the C library, kept for the tensors of the next step.

glibc gives large blocks back to the system as soon as they are free, and the system clears every page of the next one:
a sixth of the time of a fused epoch whose activations are megabytes.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

# From <malloc.h>; 32 MiB is the largest that glibc takes for the second.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER, LARGEST_KEPT = 2**31 - 1, 2**25


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep freed blocks of at most 32 MiB for its next ones; say whether the C library can do that."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, NEVER) and mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT))


def is_mapped(array: np.ndarray) -> bool:
    """Say whether an array is that of a mapped file."""
    return isinstance(getattr(array, "_mmap", None), mmap.mmap)


def forget(array: np.ndarray) -> None:
    """Let the pages of a mapped file go that were read; the system may keep them, this process no longer has them."""
    if is_mapped(array) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device; of the CPU, within the limit of the process's control group if it has one."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_meminfo("MemAvailable"), _control_group()]
    return min((limit for limit in limits if limit is not None), default=2**32)


def _meminfo(name: str) -> int | None:
    path = Path("/proc/meminfo")
    if not path.is_file():
        return None
    values = dict(line.split(":") for line in path.read_text().splitlines())
    return int(values[name].split()[0]) * 1024


def _control_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = ((folder / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return None if limit == "max" else int(limit) - int(used)
