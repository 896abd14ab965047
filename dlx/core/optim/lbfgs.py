"""L-BFGS of torch, whose state is tensors between steps: what a checkpoint holds. P parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LBFGSOptimizer(torch.optim.LBFGS):
    """Its state by name, of the first parameter, is vectors, of its shape where it is the only one, and scalars."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Make the iterations of a step; the closure computes the loss, and leaves its gradient."""
        param = self._params[0]
        self.state[param] = unpack(self.state[param])
        loss: Tensor = super().step(closure)  # type: ignore[no-untyped-call]
        self.state[param] = pack(self.state[param], param.shape if len(self._params) == 1 else torch.Size([-1]))
        return loss


# What torch keeps, and by what names it is kept here: vectors, numbers, and lists of vectors or numbers.
VECTORS = {"d": "direction", "prev_flat_grad": "gradient"}
NUMBERS = {"t": "step_length", "H_diag": "scale", "n_iter": "num_iterations"}
LISTS = {"old_dirs": "gradient_change", "old_stps": "step", "ro": "curvature"}


def pack(state: dict[str, Any], shape: torch.Size) -> dict[str, Tensor]:
    """Return the state that the next step needs, as tensors; nothing before the first iteration."""
    if state.get("d") is None:
        return {}
    packed = {ours: state[theirs].view(shape) for theirs, ours in VECTORS.items()}
    # A number of Python's becomes a float64, which is the same number again.
    packed |= {ours: torch.as_tensor(state[theirs], dtype=None if torch.is_tensor(state[theirs]) else torch.float64)
               for theirs, ours in NUMBERS.items()}
    for theirs, ours in LISTS.items():
        packed |= {f"{ours}_{number}": value.view(shape) if value.ndim else value
                   for number, value in enumerate(state[theirs])}
    return packed


def unpack(packed: dict[str, Tensor]) -> dict[str, Any]:
    """Undo `pack`."""
    if not packed:
        return {}
    state: dict[str, Any] = {theirs: packed[ours].view(-1) for theirs, ours in VECTORS.items()}
    state |= {theirs: packed[ours] for theirs, ours in NUMBERS.items()}
    for theirs, ours in LISTS.items():
        count = sum(name.startswith(f"{ours}_") and name.removeprefix(f"{ours}_").isdigit() for name in packed)
        state[theirs] = [packed[f"{ours}_{number}"] for number in range(count)]
        if theirs != "ro":
            state[theirs] = [value.view(-1) for value in state[theirs]]
    return {**state, "n_iter": int(state["n_iter"]), "func_evals": 0, "prev_loss": None}
