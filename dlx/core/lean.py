"""torch.optim without the compiler's front end.

`Optimizer` imports torch._dynamo at its first use, to mark what must not be compiled: 0.8 s, as much as torch itself.
A run that compiles nothing needs no mark. Both functions fall back to the ordinary way where a later torch differs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def skip_dynamo_import() -> None:
    """Mark the methods of `Optimizer` as their own uncompiled form, as torch would after importing torch._dynamo."""
    from torch.optim import Optimizer

    for method in vars(Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            setattr(plain, "__dynamo_disable", plain)


def bare_step(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """Return the step of an optimizer without its wrappers, which import torch._dynamo and announce to the profiler.

    The caller disables gradients; hooks registered on the optimizer's step are not called. 10 µs a step less.
    """
    return functools.partial(inspect.unwrap(type(optimizer).step), optimizer)
