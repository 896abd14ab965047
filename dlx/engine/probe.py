"""How convolutions of stacked models are computed here: tried once, for a moment, and recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlx.engine.lowered import CONVOLUTIONS
from dlx.engine.stack import stack

TRIES = 3
# Grouped convolutions have to be clearly faster: timings of a moment are noisy, and the choice changes last digits.
MIN_GAIN = 1.25


def convolution_form(models: Sequence[nn.Module], inputs: Tensor) -> str:
    """Return "grouped" where that is clearly faster on this device than "loop"; "loop" where nothing convolves.

    Args:
        models: at their initial weights, on the device; they are not changed.
        inputs: [B, ...] of one step.
    """
    if not any(type(layer) in CONVOLUTIONS for layer in models[0].modules()):
        return "loop"
    together = inputs.repeat(len(models), *[1] * (inputs.ndim - 1))
    seconds = {form: _seconds(stack(models, form).eval(), together) for form in ("loop", "grouped")}
    return "grouped" if seconds["grouped"] * MIN_GAIN < seconds["loop"] else "loop"


def _seconds(model: nn.Module, inputs: Tensor) -> float:
    times = []
    for _ in range(TRIES):
        _wait(inputs)
        started = time.perf_counter()
        model(inputs).square().mean().backward()
        _wait(inputs)
        times.append(time.perf_counter() - started)
    return min(times)


def _wait(tensor: Tensor) -> None:
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)
