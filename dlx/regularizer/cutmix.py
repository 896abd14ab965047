"""CutMix. B batch, C channels, H height, W width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Positive
from dlx.core.types import Batch, Kind, Layout

if TYPE_CHECKING:
    import torch


class CutMix:
    """Puts a box of another example's image into each; the loss is mixed by area.

    Source: Yun, Han, Oh, Chun, Choe and Yoo, CutMix, 2019: the box has the share 1 - λ of the area, λ ~ Beta(alpha,
    alpha), and its centre is anywhere, so that the border may cut it off. Box and partners are drawn once for each
    batch. Evaluation never mixes.

    Args:
        alpha: in (0, inf); near 0 boxes are either nothing or nearly all, at 1 all areas are equally likely.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("alpha",)
    mixes: ClassVar[bool] = True
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)
    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "regression", "multilabel")

    def __init__(self, alpha: Positive) -> None:
        self.alpha = alpha

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch of images [B, C, H, W] with boxes."""
        from dlx.core.mixing import draw_partners, mixed

        rows, share = draw_partners(len(batch.inputs), self.alpha, generator)
        rows = rows.to(batch.inputs.device)
        vertical, horizontal = (draw_side(size, math.sqrt(1 - share), generator) for size in batch.inputs.shape[2:])
        inputs = batch.inputs.clone()
        inputs[:, :, vertical, horizontal] = batch.inputs[rows][:, :, vertical, horizontal]
        area = (vertical.stop - vertical.start) * (horizontal.stop - horizontal.start)
        return mixed(batch, inputs, rows, 1 - area / math.prod(batch.inputs.shape[2:]))


def draw_side(size: int, share: float, generator: torch.Generator) -> slice:
    """Draw where a box lies along an axis: of a share of it, its centre anywhere, cut off at the ends."""
    import torch

    half = round(size * share) / 2
    centre = int(torch.randint(size, (), generator=generator))
    return slice(max(0, math.ceil(centre - half)), min(size, math.ceil(centre + half)))
