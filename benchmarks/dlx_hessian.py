"""dlx measuring the largest eigenvalues of a Hessian, for timing inside one process."""

from __future__ import annotations

from time import perf_counter

import torch
from made_up_net import DTYPE, NUM_EIGENVALUES, TOLERANCE, check, net_and_examples

from dlx.core.random import torch_generator
from dlx.core.types import Split
from dlx.measure.curvature import eigenpairs, lanczos
from dlx.measure.weight_space import WeightSpace

MOST_PRODUCTS = 200


def eigenvalue_seconds() -> list[float]:
    """Return the seconds from a net and examples to the eigenvalues, their residuals measured."""
    net, inputs, targets = net_and_examples()
    start_time = perf_counter()
    space = WeightSpace(net, losses, None, DTYPE)
    hessian = space.hessian(space.weights, Split(inputs, targets, torch.arange(len(targets))))
    start = torch.randn(len(space), dtype=DTYPE, generator=torch_generator(0, "start"))
    known = lanczos(hessian.times, start, NUM_EIGENVALUES, 0, TOLERANCE, MOST_PRODUCTS)
    found = eigenpairs(known, hessian.times, NUM_EIGENVALUES, 0)
    seconds = perf_counter() - start_time
    check(found.values)
    return [seconds]


def losses(outputs: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Map outputs [B, C] and classes [B] to losses [B]."""
    return torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
