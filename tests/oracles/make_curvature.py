"""Eigenvalues and traces of Hessians as curvlinops computes them: run as a script to write curvature.json."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

FILE = Path(__file__).with_name("curvature.json")
NUM_EXAMPLES, NUM_CLASSES = 40, 3


def nets():
    """Return small nets in float64, eval mode, by name: their weights are drawn by numpy."""
    made = {"mlp": nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, NUM_CLASSES)),
            "convolutional": nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, NUM_CLASSES)),
            "normalized": nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                                        nn.Linear(4, NUM_CLASSES))}
    for number, net in enumerate(made.values()):
        generator = np.random.default_rng(number)
        with torch.no_grad():
            for name, tensor in net.double().eval().state_dict().items():
                if tensor.is_floating_point():
                    drawn = torch.from_numpy(generator.normal(size=tuple(tensor.shape)))
                    tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else 0.5 * drawn)
    return made


def examples():
    """Return inputs [40, 1, 4, 4] and classes [40]."""
    generator = np.random.default_rng(9)
    inputs = torch.from_numpy(generator.normal(size=(NUM_EXAMPLES, 1, 4, 4)))
    return inputs, torch.from_numpy(generator.integers(NUM_CLASSES, size=NUM_EXAMPLES))


def values():
    """Return the five largest eigenvalues, the smallest, and the trace, of the mean cross entropy."""
    from importlib.metadata import version

    import curvlinops
    from scipy.sparse.linalg import eigsh

    found = {}
    for name, net in nets().items():
        params = [param for param in net.parameters() if param.requires_grad]
        operator = curvlinops.HessianLinearOperator(net, nn.CrossEntropyLoss(), params, [examples()])
        matrix = operator.to_scipy()
        found[name] = {"largest": sorted(eigsh(matrix, k=5, which="LA", return_eigenvectors=False).tolist())[::-1],
                       "smallest": float(eigsh(matrix, k=1, which="SA", return_eigenvectors=False)[0]),
                       "trace": float(np.trace(matrix @ np.eye(matrix.shape[0])))}
    return {"made_with": {"curvlinops-for-pytorch": version("curvlinops-for-pytorch")}, **found}


if __name__ == "__main__":
    FILE.write_text(json.dumps(values()) + "\n")
