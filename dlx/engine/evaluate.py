"""The one evaluation, for every split: eval mode, clean inputs, no penalty. N examples, C classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlx.core.types import Loss, Outcome, Split, StreamedMetric, TaskSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fixed, so that results do not depend on batch_size: about 4 MB of float32 inputs at a time.
CHUNK_ELEMENTS = 2**20


class Evaluator(NamedTuple):
    """What every evaluation of a run has in common.

    streamed: the metrics that are functions of a mean over examples; targets: of every row of the dataset, as it gave
    them; shift, scale: an output times scale plus shift is in the target's own units (regression).
    """

    model: nn.Module
    loss: Loss
    streamed: Mapping[str, StreamedMetric]
    spec: TaskSpec
    targets: np.ndarray
    shift: float
    scale: float
    precision: Callable[[], AbstractContextManager[object]]


def measure(evaluator: Evaluator, split: Split) -> dict[str, float]:
    """Return the loss and every streamed metric over a split, in a fixed order, loss first.

    Sums over examples are divided once, so that a short last chunk is exact.
    """
    totals: Tensor | None = None
    for outputs, targets in outputs_of(evaluator, split):
        values = [evaluator.loss(outputs, targets)]
        own, truth = in_own_units(evaluator, outputs, targets)
        values += [metric.per_example(own, truth) for metric in evaluator.streamed.values()]
        sums = torch.stack([value.sum(dtype=torch.float64) for value in values])
        totals = sums if totals is None else totals + sums
    assert totals is not None, "a split is never empty"
    loss, *means = (totals / len(split.targets)).tolist()
    metrics = zip(evaluator.streamed.items(), means, strict=True)
    return {"loss": loss, **{name: metric.from_mean(mean) for (name, metric), mean in metrics}}


class Examples(NamedTuple):
    """A split example by example: losses [N] in float64, and what the model said."""

    losses: np.ndarray
    outcome: Outcome


def predict(evaluator: Evaluator, split: Split) -> Examples:
    """Return loss and probabilities [N, C], or predictions [N] in the target's own units, of every example."""
    losses, scores = [], []
    for outputs, targets in outputs_of(evaluator, split):
        losses.append(evaluator.loss(outputs, targets))
        own, _ = in_own_units(evaluator, outputs.double(), targets)
        scores.append(own.softmax(dim=-1) if evaluator.spec.kind == "classification" else own)
    # As the dataset gave them: scaling a target and back would change its last digits.
    truths = evaluator.targets[split.ids.numpy()]
    if evaluator.spec.kind == "regression":
        truths = truths.astype(np.float64)
    return Examples(_numpy(losses), Outcome(_numpy(scores), truths))


def outputs_of(evaluator: Evaluator, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (outputs, targets) chunk by chunk, with the model in eval mode and without gradients."""
    rows = max(1, CHUNK_ELEMENTS // max(1, split.inputs[0].numel()))
    with eval_mode(evaluator.model), torch.inference_mode():
        for inputs, targets in zip(torch.split(split.inputs, rows), torch.split(split.targets, rows), strict=True):
            with evaluator.precision():
                outputs = evaluator.model(inputs)
            yield outputs.to(inputs.dtype), targets


def in_own_units(evaluator: Evaluator, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [B, C] as they are; predictions [B] and targets [B] of a regression in original units."""
    if evaluator.spec.kind == "classification":
        return outputs, targets
    return outputs[:, 0] * evaluator.scale + evaluator.shift, targets * evaluator.scale + evaluator.shift


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode inside the block, back in training mode after it. Blocks may be nested."""
    if not model.training:
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


@contextmanager
def dead_units(model: nn.Module) -> Iterator[list[Tensor]]:
    """Watch the ReLU layers while the block evaluates.

    Yields:
        A list that holds, after the block, the number of units and the number of those that were 0 on every input, as
        one tensor [2]; empty where the model has no ReLU. A unit of a convolution is a channel.
    """
    alive: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, _: object, output: Tensor) -> None:
        axes = [axis for axis in range(output.ndim) if axis != 1]
        active = output.amax(dim=axes) > 0
        alive[layer] = active if layer not in alive else alive[layer] | active

    handles = [layer.register_forward_hook(watch) for layer in model.modules() if isinstance(layer, nn.ReLU)]
    result: list[Tensor] = []
    try:
        yield result
    finally:
        for handle in handles:
            handle.remove()
    if alive:
        units = torch.cat(list(alive.values()))
        result.append(torch.stack([torch.tensor(len(units), device=units.device), (~units).sum()]))


def _numpy(chunks: list[Tensor]) -> np.ndarray:
    array: np.ndarray = torch.cat(chunks).double().cpu().numpy()
    return array
