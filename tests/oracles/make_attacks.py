"""What torchattacks makes of a small network's inputs, and scikit-dimension of points. Writes attacks.json."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

EPSILON, STEPS = 0.1, 10


def network():
    """A network of four classes, its inputs [40, 2, 3, 3] in [0, 1] and what it says of them."""
    draw = torch.Generator().manual_seed(4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, 16), nn.ReLU(), nn.Linear(16, 4)).double()
    with torch.no_grad():
        for param in model.parameters():
            param.copy_(0.4 * torch.randn(param.shape, generator=draw, dtype=torch.float64))
    inputs = torch.rand(40, 2, 3, 3, generator=draw, dtype=torch.float64)
    return model.eval(), inputs, model(inputs).argmax(dim=1)


def points():
    """Points [300, 8] of a surface of three dimensions."""
    draw = np.random.default_rng(0)
    return np.sin(draw.random((300, 3)) @ draw.normal(size=(3, 8)))


def values():
    """Ask the libraries."""
    from dlx.core.vision import torchvision

    torchvision()
    import skdim
    import torchattacks

    model, inputs, targets = network()
    step = 2.5 * EPSILON / STEPS
    attacks = {"fgsm": torchattacks.FGSM(model, eps=EPSILON),
               "pgd": torchattacks.PGD(model, eps=EPSILON, alpha=step, steps=STEPS, random_start=False)}
    moved = {name: attack(inputs, targets) for name, attack in attacks.items()}
    return {"made_with": {name: version(name) for name in ("torchattacks", "scikit-dimension")},
            **{name: {"sum": own.sum(dim=(1, 2, 3)).tolist(), "said": model(own).argmax(dim=1).tolist()}
               for name, own in moved.items()},
            "two_nn_fit": float(skdim.id.TwoNN(discard_fraction=0.1).fit(points()).dimension_)}


if __name__ == "__main__":
    Path(__file__).with_name("attacks.json").write_text(json.dumps(values(), indent=1) + "\n")
