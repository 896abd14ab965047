"""A trained net of 100,000 weights and the 1,024 examples on which its curvature is measured."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

NUM_EXAMPLES, NUM_FEATURES, WIDTH, NUM_CLASSES = 1024, 784, 126, 10
NUM_EIGENVALUES, TOLERANCE = 5, 1e-3
DTYPE = torch.float64  # as dlx computes with so few weights

torch.set_num_threads(1)


@lru_cache(maxsize=1)
def net_and_examples() -> tuple[nn.Module, Tensor, Tensor]:
    """Return an MLP after 60 steps of Adam in eval mode, inputs and classes."""
    torch.manual_seed(0)
    inputs = torch.rand(NUM_EXAMPLES, NUM_FEATURES, dtype=DTYPE)
    inputs[inputs < 0.8] = 0  # as sparse as digits are
    targets = (inputs @ torch.randn(NUM_FEATURES, NUM_CLASSES, dtype=DTYPE)).argmax(dim=1)
    net = nn.Sequential(nn.Linear(NUM_FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, NUM_CLASSES)).to(DTYPE)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    optimizer.zero_grad()
    return net.eval(), inputs, targets


@lru_cache(maxsize=1)
def known() -> np.ndarray:
    """Return the largest eigenvalues to machine precision, ascending."""
    net, inputs, targets = net_and_examples()
    params = list(net.parameters())
    slopes = torch.autograd.grad(nn.functional.cross_entropy(net(inputs), targets), params, create_graph=True)
    slope = torch.cat([each.flatten() for each in slopes])

    def times(vector: np.ndarray) -> np.ndarray:
        image = torch.autograd.grad(slope, params, torch.from_numpy(vector.ravel()), retain_graph=True)
        return torch.cat([each.flatten() for each in image]).numpy()

    operator = LinearOperator((len(slope), len(slope)), matvec=times, dtype=np.float64)
    return np.sort(eigsh(operator, k=NUM_EIGENVALUES, which="LA", return_eigenvectors=False))


def check(eigenvalues: np.ndarray) -> None:
    """Let nobody be fast who is wrong."""
    np.testing.assert_allclose(np.sort(eigenvalues), known(), rtol=1e-5)
