"""What a transcription says after the end of its input. B batch, L positions, D features, C classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlx.core.ctc import BLANK
from dlx.core.types import PADDING, Layout

# In place of -inf, of which gradients would be undefined: exp of it is 0 in every precision.
IMPOSSIBLE = -1e4


class BlankAfterEnd(nn.Module):
    """A model that says blank, for certain, where its input has ended: its transcription is that of the input alone.

    Args:
        model: maps inputs to logits [B, L, C].
        layout: of inputs: of a series the last channel, of tokens PADDING says where they have ended.
    """

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.model = model
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [B, L] or [B, L, D] to logits [B, L, C]."""
        logits = self.model(x)
        ended = x == PADDING if self.layout == "tokens" else x[..., -1] == 0
        blank = torch.full_like(logits[0, 0], IMPOSSIBLE)
        blank[BLANK] = 0.0
        return torch.where(ended[..., None], blank, logits)
