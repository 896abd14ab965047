"""The largest eigenvalues of a Hessian as users of curvlinops get them: its operator in scipy's eigsh."""

from __future__ import annotations

from time import perf_counter

from curvlinops import HessianLinearOperator
from made_up_net import NUM_EIGENVALUES, TOLERANCE, check, net_and_examples
from scipy.sparse.linalg import eigsh
from torch import nn


def eigenvalue_seconds() -> list[float]:
    """Return the seconds from a net and examples to the eigenvalues."""
    net, inputs, targets = net_and_examples()
    start = perf_counter()
    operator = HessianLinearOperator(
        net, nn.CrossEntropyLoss(), list(net.parameters()), [(inputs, targets)], check_deterministic=False
    )
    values = eigsh(operator.to_scipy(), k=NUM_EIGENVALUES, which="LA", tol=TOLERANCE, return_eigenvectors=False)
    seconds = perf_counter() - start
    check(values)
    return [seconds]
