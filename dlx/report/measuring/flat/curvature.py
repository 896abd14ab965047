"""Eigenvalues and trace of the Hessian, and how far training was from the edge of stability."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from dlx.core.measures import Measure
from dlx.measure.curvature import Eigenpairs, Krylov, eigenpairs, lanczos, matrix, trace
from dlx.measure.weight_space import Hessian, means
from dlx.record import layout
from dlx.record.table import read_rows
from dlx.report.measuring.flat.ground import Found, Ground

# Weights at most whose whole Hessian is computed, product by product.
WHOLE = 150
MOST_PRODUCTS = 200
# Of the basis that Lanczos keeps, in bytes.
BASIS_BYTES = 2**30
LEAST_PRODUCTS = 20


class Curvature(NamedTuple):
    """The ends of a spectrum, and the trace: exact, or the mean of estimates; products with vectors that it took."""

    ends: Eigenpairs
    trace: float
    estimates: np.ndarray
    num_products: int


def measure(ground: Ground, num_eigenvalues: int, num_probes: int, tolerance: float) -> Found:
    """Measure the Hessian of the mean loss over the train examples."""
    hessian = ground.space.hessian(ground.space.weights, ground.examples)
    if len(hessian) <= WHOLE:
        found = whole(hessian, ground, num_eigenvalues)
    else:
        found = in_part(hessian, ground, num_eigenvalues, num_probes, tolerance)
    details: dict[str, Any] = {"num_weights": len(hessian), "num_products": found.num_products,
                               "by_differences": not hessian.is_exact, "whole": len(hessian) <= WHOLE}
    if len(found.estimates):
        details["trace_standard_error"] = means(found.estimates.tolist())[1]
    return Found((*_eigenvalues(ground, found.ends, num_eigenvalues), _trace(ground, found),
                  *_edge(ground, float(found.ends.values[-1]), details)), details)


def whole(hessian: Hessian, ground: Ground, num_eigenvalues: int) -> Curvature:
    """Compute the whole matrix and all of its eigenvalues."""
    full = matrix(hessian.times, ground.space.weights)
    values, vectors = torch.linalg.eigh(full.double())
    wanted = sorted({0, *range(max(0, len(values) - num_eigenvalues), len(values))})
    residuals = torch.linalg.vector_norm(full.double() @ vectors - vectors * values, dim=0)
    ends = Eigenpairs(values[wanted].cpu().numpy(), vectors.T[wanted], residuals[wanted].cpu().numpy())
    return Curvature(ends, float(full.diagonal().sum()), np.array([]), hessian.num_products)


def in_part(hessian: Hessian, ground: Ground, num_eigenvalues: int, num_probes: int, tolerance: float) -> Curvature:
    """Multiply until the ends of the spectrum have converged, and estimate the trace."""
    most = min(MOST_PRODUCTS, max(LEAST_PRODUCTS, BASIS_BYTES // ground.space.weights.nbytes))
    known: Krylov = lanczos(hessian.times, ground.draw("start"), num_eigenvalues, 1, tolerance, most)
    ends = eigenpairs(known, hessian.times, num_eigenvalues, 1)
    signs = torch.stack([torch.where(ground.draw("probe", number) < 0, -1.0, 1.0).to(known.basis)
                         for number in range(num_probes)])
    inside, estimates = trace(hessian.times, known, signs)
    return Curvature(ends, inside, estimates, hessian.num_products)


def _eigenvalues(ground: Ground, ends: Eigenpairs, num_eigenvalues: int) -> Iterator[Measure]:
    top = list(zip(ends.values, ends.residuals, strict=True))[::-1]
    for rank, (value, residual) in enumerate(top[:num_eigenvalues], start=1):
        yield ground.measure("hessian_eigenvalue", float(value), {"rank": rank})
        yield ground.measure("hessian_residual", float(residual), {"rank": rank})
    yield ground.measure("smallest_hessian_eigenvalue", float(ends.values[0]))
    yield ground.measure("hessian_residual", float(ends.residuals[0]), {"rank": "smallest"})


def _trace(ground: Ground, found: Curvature) -> Measure:
    if len(found.estimates):
        return ground.mean("hessian_trace", found.estimates.tolist(), offset=found.trace)
    return ground.measure("hessian_trace", found.trace)


def _edge(ground: Ground, largest: float, details: dict[str, Any]) -> Iterator[Measure]:
    """Yield the numbers of the edge of stability; details: gets what they are made of."""
    optimizer = ground.subject.config["optimizer"]
    momentum = float(optimizer.get("momentum", 0.0)) if optimizer["part"] in ("sgd", "momentum", "nesterov") else 0.0
    is_nesterov = optimizer["part"] == "nesterov" or bool(optimizer.get("nesterov"))
    details["lr"], details["optimizer"], details["momentum"] = _lrs(ground), str(optimizer["part"]), momentum
    for name, lr in details["lr"].items():
        yield ground.measure("edge_of_stability", largest * lr / 2, {"lr": name})
        if momentum > 0:
            limit = 2 * (1 + momentum) / lr / ((1 + 2 * momentum) if is_nesterov else 1) if lr > 0 else math.inf
            yield ground.measure("edge_of_stability_momentum", largest / limit, {"lr": name})


def _lrs(ground: Ground) -> dict[str, float]:
    """Return the learning rate at the end of the epoch whose weights were kept, and the highest of epochs up to it."""
    kept = ground.subject.summary["selection"]["epoch"]
    rows = read_rows(ground.subject.folder / layout.METRICS)
    lrs = {row["epoch"]: row["lr"] for row in rows if row["epoch"] is not None and row["lr"] is not None}
    found = {} if kept not in lrs else {"kept": lrs[kept]}
    highest = max((lr for epoch, lr in lrs.items() if kept is None or epoch <= kept), default=None)
    return found if highest is None or highest == found.get("kept") else {**found, "highest": highest}
