"""How many examples a costly section can afford to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from dlx.measure.passes import affordable

if TYPE_CHECKING:
    from dlx.core.subject import Subject

# Fewer examples say little of curvature, and are no batch of the worst case.
LEAST = 128
# How many times as long as that of others an operation of a model takes that computes its steps one after the other.
RECURRENT = 4


def affordable_of(subject: Subject, num_examples: int, pass_flops: float) -> int:
    """Return how many of num_examples examples a pass of the best model may take: always the same for a run."""
    split = subject.splits["train_eval"]
    model = subject.model("best")
    is_recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    allowed = pass_flops / RECURRENT if is_recurrent else pass_flops
    first = torch.tensor([int(torch.argmin(split.ids))], device=split.targets.device)
    return affordable(model, split.inputs.index_select(0, first), num_examples, allowed, LEAST)
