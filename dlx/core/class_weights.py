"""How much each class weighs in a loss. R members, N rows of all of them, C classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from dlx.core.errors import ConfigError
from dlx.core.ranges import NonNegative
from dlx.core.types import TaskSpec

if TYPE_CHECKING:
    from torch import Tensor

ClassWeights = Literal["balanced"] | list[NonNegative] | None


def class_weights(wish: ClassWeights, key: str, targets: Sequence[Tensor], spec: TaskSpec) -> Tensor | None:
    """Return the weight of each class for each member, [R, C] in float64; None where all weigh alike.

    "balanced" is n / (C · n_c), n_c of n train targets being of class c, so that the mean over train is 1 (King and
    Zeng 2001, and scikit-learn's class_weight); a class that train never shows weighs 0.

    Args:
        wish: as it was set.
        key: under which, for messages.
        targets: of the train rows of each member; negative ones are no classes.

    Raises:
        ConfigError: not one weight for each class.
    """
    import torch

    if wish is None:
        return None
    num_classes = spec.num_outputs
    if isinstance(wish, list):
        if len(wish) != num_classes:
            raise ConfigError(f"{key} must have one weight for each of the {num_classes} classes, got {len(wish)}")
        return torch.tensor([wish] * len(targets), dtype=torch.float64, device=targets[0].device)
    counts = torch.stack([own[own >= 0].bincount(minlength=num_classes) for own in targets]).double()
    return torch.where(counts > 0, counts.sum(dim=1, keepdim=True) / (num_classes * counts), 0.0)


def of_rows(weights: Tensor, num_rows: int) -> Tensor:
    """Return the weights of each row, [N, C], the rows of a member one after the other."""
    return weights.repeat_interleave(num_rows // len(weights), dim=0)
