"""The C library's memory, kept for the tensors of the next step.

glibc gives large blocks back to the system as soon as they are free, and the system clears every page of the next one:
a sixth of the time of a fused epoch whose activations are megabytes.
"""

from __future__ import annotations

import ctypes
import functools
import sys

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
