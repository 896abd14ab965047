"""The one evaluation, for every split: eval mode, clean inputs, no penalty.

N examples, C classes, R members: 1 in a run alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlx.core.likelihood import token_nats
from dlx.core.losses import ComparesExamples, Loss, Reading, ReadsOutputs
from dlx.core.ranks import ALONE, Ranks
from dlx.core.subject import Examples
from dlx.core.types import PER_POSITION, Kind, Outcome, StreamedMetric, TaskSpec
from dlx.engine.feed import Feed
from dlx.engine.modes import eval_mode
from dlx.engine.stack import watch_flat

if TYPE_CHECKING:
    from collections.abc import Iterator

# Fixed, so that results depend neither on batch_size nor on who else trains: about 4 MB of float32 inputs at a time.
CHUNK_ELEMENTS = 2**20
# Of each member of a stacked model on a CPU, so that what all of them compute on stays in the cache of a core; and at
# least so many rows, because a call costs microseconds.
MEMBER_CHUNK_ELEMENTS = 2**13
MEMBER_CHUNK_ROWS = 64
# Of what a model makes of a token.
TOKEN_ELEMENTS = 64


class OneByOne:
    """Outputs of a loss that treats examples one by one."""

    def __init__(self, loss: Loss, kind: Kind) -> None:
        self.loss = loss
        self.kind = kind
        # Once: whether a protocol holds takes as long to find out as a metric to compute.
        self._reader = loss if isinstance(loss, ReadsOutputs) else None

    def losses(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [R·B, ...] and targets [R·B, ...] to losses [R·B]."""
        return self.loss(outputs, targets)

    def logits(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [R·B, ...] to logits [R·B, ..., C]."""
        return outputs if self._reader is None else self._reader.logits(outputs, self.kind)


class Evaluator(NamedTuple):
    """What every evaluation of R members has in common.

    model: plain (R is 1) or stacked; reading: of its outputs; streamed: the metrics that are functions of a mean over
    examples; shifts, scales: [R], an output times scale plus shift is in the target's own units (regression); ranks:
    the processes among which `measure` divides the examples; dtype: of parameters and losses; rows: examples of each
    member at a time, see `chunk_rows`; train: the train examples, where `reading` needs them: see `beside_train`.
    """

    model: nn.Module
    reading: Reading
    streamed: Mapping[str, StreamedMetric]
    spec: TaskSpec
    shifts: Tensor
    scales: Tensor
    precision: Callable[[], AbstractContextManager[object]]
    dtype: torch.dtype
    rows: int
    ranks: Ranks = ALONE
    train: Feed | None = None


def chunk_rows(spec: TaskSpec, device: torch.device, stacked: bool) -> int:
    """Return how many examples of a member are computed on at a time.

    Args:
        spec: as the model sees it.
    """
    size = math.prod(spec.input_shape)
    if spec.layout == "tokens":
        size *= TOKEN_ELEMENTS
    if spec.kind in PER_POSITION:
        size = max(size, spec.input_shape[0] * spec.num_outputs)
    most = max(1, CHUNK_ELEMENTS // max(1, size))
    if stacked and device.type == "cpu":
        rows = max(MEMBER_CHUNK_ROWS, MEMBER_CHUNK_ELEMENTS // max(1, size))
        return min(rows, most) if spec.layout == "tokens" else rows
    return most


def beside_train(evaluator: Evaluator) -> Evaluator:
    """Return an evaluator that reads outputs beside those that the model has now for the train examples.

    Needed before examples are measured or predicted; where examples are read one by one, it is the same evaluator.
    """
    train, reading = evaluator.train, evaluator.reading
    if train is None:
        return evaluator
    assert isinstance(reading, OneByOne)
    assert isinstance(reading.loss, ComparesExamples)
    members = [(outputs.view(len(train.ids), -1, outputs.shape[1]), targets.view(len(train.ids), -1))
               for outputs, targets, _ in outputs_of(evaluator, train)]
    outputs, targets = (torch.cat(parts, dim=1) for parts in zip(*members, strict=True))
    return evaluator._replace(reading=reading.loss.reading(outputs, targets, train.ids), train=None)


def measure(evaluator: Evaluator, split: Feed) -> list[dict[str, float]]:
    """Return each member's loss and every streamed metric over a split, in a fixed order, loss first.

    Sums over examples are divided once, so that a short last chunk is exact. Every process returns the same bits.
    """
    totals: Tensor | None = None
    num_examples = split.ids.shape[1]
    for outputs, targets, ids in outputs_of(evaluator, split.between(*evaluator.ranks.window(num_examples))):
        values = [evaluator.reading.losses(outputs, targets, ids)]
        own, truth = read(evaluator, outputs, targets, ids)
        values += [metric.per_example(own, truth) for metric in evaluator.streamed.values()]
        sums = torch.stack([value.view(len(split.sources), -1).sum(dim=1, dtype=torch.float64) for value in values])
        totals = sums if totals is None else totals + sums
    assert totals is not None, "a split is never empty"
    evaluator.ranks.sum(totals)
    rows = (totals / num_examples).T.tolist()
    return [{"loss": loss, **{name: metric.from_mean(mean) for (name, metric), mean
                              in zip(evaluator.streamed.items(), means, strict=True)}} for loss, *means in rows]


class Chunks:
    """Joins chunks as they come: kept one by one they would lie scattered where larger tensors were, and no further one
    would find room between them.

    Args:
        num_rows: N of all chunks together.
    """

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._whole: Tensor | None = None
        self._low = 0

    def append(self, chunk: Tensor) -> None:
        """Add rows [n, ...]."""
        if self._whole is None:
            self._whole = chunk.new_empty((self._num_rows, *chunk.shape[1:]))
        self._whole[self._low : self._low + len(chunk)] = chunk
        self._low += len(chunk)

    def whole(self) -> np.ndarray:
        """Return all rows [N, ...] in float64."""
        assert self._whole is not None, "a split is never empty"
        array: np.ndarray = self._whole.double().cpu().numpy()
        return array


def predict(evaluator: Evaluator, split: Feed, targets_of: np.ndarray) -> Examples:
    """Return loss, scores and, of a classification, logits of every example.

    Args:
        evaluator: of one member.
        targets_of: the targets of every row of the dataset, as it gave them: scaling one and back changes its digits.
    """
    losses, scores, logits = (Chunks(split.ids.shape[1]) for _ in range(3))
    is_classification = evaluator.spec.kind == "classification"
    for outputs, targets, ids in outputs_of(evaluator, split):
        losses.append(evaluator.reading.losses(outputs, targets, ids))
        own, _ = read(evaluator, outputs.double(), targets, ids)
        scores.append(scored(own, targets, evaluator.spec.kind))
        if is_classification:
            logits.append(own)
    truths = targets_of[split.ids[0].numpy()]
    if evaluator.spec.kind == "regression":
        truths = truths.astype(np.float64)
    return Examples(losses.whole(), Outcome(scores.whole(), truths), logits.whole() if is_classification else None)


def scored(outputs: Tensor, targets: Tensor, kind: Kind) -> Tensor:
    """Return what of a chunk's logits or predictions an `Outcome` keeps: of a sequence not all classes, as many."""
    if kind == "classification":
        return outputs.softmax(dim=-1)
    if kind == "multilabel":
        return outputs.sigmoid()
    if kind == "transcription":
        return outputs.log_softmax(dim=-1)
    if kind == "regression":
        return outputs
    return torch.stack([outputs.argmax(dim=2).to(outputs.dtype), -token_nats(outputs, targets)], dim=2)


def outputs_of(evaluator: Evaluator, split: Feed) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (outputs [R·n, ...], targets [R·n, ...], ids [R, n]) chunk by chunk, in eval mode, without gradients."""
    with eval_mode(evaluator.model), torch.inference_mode():
        for inputs, targets, ids in split.windows(evaluator.rows):
            with evaluator.precision():
                outputs = evaluator.model(inputs)
            yield outputs.to(evaluator.dtype), targets, ids


def read(evaluator: Evaluator, outputs: Tensor, targets: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [R·n, ..., C] and targets; of a regression predictions and targets [R·n] in original units."""
    if evaluator.spec.kind != "regression":
        return evaluator.reading.logits(outputs, ids), targets
    return _rescaled(evaluator, outputs[:, 0]), _rescaled(evaluator, targets)


def _rescaled(evaluator: Evaluator, values: Tensor) -> Tensor:
    scales, shifts = (tensor[:, None].to(values) for tensor in (evaluator.scales, evaluator.shifts))
    return (values.view(len(scales), -1) * scales + shifts).flatten()


@contextmanager
def dead_units(model: nn.Module, num_members: int, ranks: Ranks = ALONE) -> Iterator[list[Tensor]]:
    """Watch the ReLU layers while the block evaluates.

    Yields:
        A list that holds, after the block, each member's share of units that were 0 on every input, [R]; empty where
        the model has no ReLU. A unit of a convolution is a channel.
    """
    alive: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, output: Tensor) -> None:
        members = output.reshape(num_members, -1, *output.shape[1:])
        active = members.amax(dim=[axis for axis in range(members.ndim) if axis not in (0, 2)]) > 0
        alive[layer] = active if layer not in alive else alive[layer] | active

    def watch(layer: nn.Module, _: object, output: Tensor) -> None:
        watch_flat(layer, output, functools.partial(note, layer))

    handles = [layer.register_forward_hook(watch) for layer in model.modules() if isinstance(layer, nn.ReLU)]
    result: list[Tensor] = []
    try:
        yield result
    finally:
        for handle in handles:
            handle.remove()
    if alive:
        units = torch.cat(list(alive.values()), dim=1).to(torch.uint8)
        ranks.most(units)
        result.append((units == 0).sum(dim=1, dtype=torch.float64) / units.shape[1])
