"""Triplet loss with batch-hard mining. R members, B batch, N train examples, E features, C classes, K neighbours."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

from dlx.core.ranges import Count, Positive, Width
from dlx.core.types import Kind, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor

# Distances that are computed at a time: 16 MB of float32.
MOST_DISTANCES = 2**22
Soft = Literal["soft"]


class Triplet:
    """max(0, margin + farthest - nearest), per example: farthest of the same class and nearest of another, in distance.

    Source: Hermans, Beyer and Leibe, In defense of the triplet loss for person re-identification, 2017, section 2
    (batch hard); with "soft" instead of a margin log(1 + exp(farthest - nearest)). The model's outputs are embeddings,
    distances are Euclidean. In training the others are those of the batch; an example that is alone of its class there
    has itself as the farthest, at distance 0, and without another class the loss is 0. In evaluation the others are all
    train examples but the example itself, so that the loss is larger, and does not depend on how it is computed.

    The probabilities are the shares of classes among the nearest train examples, see `Neighbours`.

    Args:
        embedding_width: E, outputs of the model.
        margin: in (0, inf), or soft.
        num_neighbors: K, train examples that vote on a class, in [1, inf).
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification",)

    def __init__(self, embedding_width: Width, margin: Soft | Positive, num_neighbors: Count) -> None:
        self.embedding_width = embedding_width
        self.margin = margin
        self.num_neighbors = num_neighbors
        self.num_members = 1
        self.num_classes = 0

    def num_outputs(self, spec: TaskSpec) -> int:
        """Return E."""
        return self.embedding_width

    def knowing(self, targets: Sequence[Tensor], spec: TaskSpec) -> Self:
        """Return the loss of so many members."""
        known = copy.copy(self)
        known.num_members, known.num_classes = len(targets), spec.num_outputs
        return known

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map embeddings [R·B, E] and class indices [R·B] to losses [R·B], each member's among its own."""
        import torch

        own, classes = outputs.view(self.num_members, -1, outputs.shape[1]), targets.view(self.num_members, -1)
        same = classes[:, :, None] == classes[:, None]
        return self.hardest(distances(own, own), same, torch.zeros_like(same)).flatten()

    def hardest(self, apart: Tensor, same: Tensor, itself: Tensor) -> Tensor:
        """Return losses [R, n] of distances [R, n, N], where `itself` never counts."""
        import torch

        farthest = apart.masked_fill(~same | itself, 0.0).amax(dim=2)
        nearest = apart.masked_fill(same | itself, torch.inf).amin(dim=2)
        excess = farthest - nearest
        if isinstance(self.margin, str):
            return torch.nn.functional.softplus(excess)
        return (excess + self.margin).clamp(min=0)

    def reading(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Neighbours:
        """Return how to read embeddings beside those of the train examples."""
        return Neighbours(self, outputs, targets, ids)


class Neighbours(NamedTuple):
    """Embeddings read by those of the train examples: [R, N, E], of classes [R, N], in rows ids [R, N].

    The probability of a class is (its votes + 1/C) / (K + 1): the nearest K train examples, all that there are where
    there are fewer, have a vote each, and one more is divided evenly, so that no class is impossible. A train example
    has no vote on itself. Of classes with equal votes the first is the most probable, as in scikit-learn.
    """

    loss: Triplet
    embeddings: Tensor
    classes: Tensor
    ids: Tensor

    def losses(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Map embeddings [R·B, E], class indices [R·B] and ids [R, B] to losses [R·B]."""
        import torch

        classes = targets.view(ids.shape)
        found = [self.loss.hardest(apart, classes[:, rows, None] == self.classes[:, None], itself)
                 for rows, apart, itself in self._parts(outputs, ids)]
        return torch.cat(found, dim=1).flatten()

    def logits(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """Map embeddings [R·B, E] and ids [R, B] to the logarithms of probabilities [R·B, C]."""
        import torch
        from torch.nn.functional import one_hot

        num_classes, found = self.loss.num_classes, []
        for _, apart, itself in self._parts(outputs, ids):
            apart = apart.masked_fill(itself, torch.inf)
            nearest = apart.topk(min(self.loss.num_neighbors, apart.shape[2] - 1), dim=2, largest=False).indices
            voters = self.classes[:, None].expand(apart.shape).gather(2, nearest)
            votes = one_hot(voters, num_classes).sum(dim=2).to(outputs.dtype)
            found.append((votes + 1 / num_classes) / (nearest.shape[2] + 1))
        return torch.cat(found, dim=1).flatten(0, 1).log()

    def _parts(self, outputs: Tensor, ids: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield, some examples at a time, which of B they are, their distances [R, n, N], and where that is itself."""
        own = outputs.view(*ids.shape, -1)
        most = max(1, MOST_DISTANCES // self.ids.numel())
        for low in range(0, ids.shape[1], most):
            rows = slice(low, low + most)
            yield (rows, distances(own[:, rows], self.embeddings.to(own.dtype)),
                   (ids[:, rows, None] == self.ids[:, None]).to(own.device))


def distances(one: Tensor, other: Tensor) -> Tensor:
    """Return the Euclidean distances [R, n, N] of embeddings [R, n, E] and [R, N, E], without cancellation."""
    import torch

    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
