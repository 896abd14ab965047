"""Label error rate of transcriptions. Shape letters: N examples, B batch, L positions, C classes, U labels."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from dlx.core import intervals
from dlx.core.ctc import beam_search, best_path, edit_distances
from dlx.core.intervals import Interval
from dlx.core.ranges import Range
from dlx.core.types import IGNORED, Kind, Outcome

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class _Rate:
    """The mean over examples of edit distance / number of labels of the target."""

    kind: ClassVar[Kind] = "transcription"
    greater_is_better: ClassVar[bool] = False

    @abstractmethod
    def rates(self, outcome: Outcome) -> np.ndarray:
        """Return the error rate of each example, [N]."""

    def value(self, outcome: Outcome) -> float:
        """Return the error rate of a whole split."""
        return float(self.rates(outcome).mean())

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the bootstrap interval of the mean over examples."""
        return intervals.mean(self.rates(outcome), level, seed)


class ErrorRate(_Rate):
    """The mean over examples of the edit distance of what is said to the target, divided by its number of labels.

    Source: Graves, Fernández, Gomez and Schmidhuber 2006, label error rate, of which every example is an equal part
    here; the most probable class of each position makes what is said (best path decoding). 0 is right throughout; more
    than 1 is possible, where too much is said. An empty target counts as one of one label.
    """

    def rates(self, outcome: Outcome) -> np.ndarray:
        """Return the error rate of each example, [N]."""
        import torch

        rates: np.ndarray = self.per_example(torch.tensor(outcome.scores), torch.tensor(outcome.targets)).numpy()
        return rates

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, L, C] and targets [B, U] to error rates [B]."""
        return _rates(best_path(outputs), targets, outputs.dtype)

    def from_mean(self, mean: float) -> float:
        """Return the mean, which is the error rate."""
        return mean


class BeamErrorRate(_Rate):
    """The error rate of what a beam search says, see `ErrorRate` and `dlx.core.ctc.beam_search`.

    It is measured at the end of a run alone: one example of 80 positions and 11 classes takes some 10 ms.

    Args:
        beam_width: prefixes that are kept after each position, in [1, 10000].
    """

    def __init__(self, beam_width: Annotated[int, Range("[1, 10000]")]) -> None:
        self.beam_width = beam_width

    def rates(self, outcome: Outcome) -> np.ndarray:
        """Return the error rate of each example, [N]."""
        import torch

        said = np.full(outcome.scores.shape[:2], IGNORED)
        for row, log_probs in enumerate(outcome.scores):
            found = beam_search(log_probs, self.beam_width)
            said[row, : len(found)] = found
        rates: np.ndarray = _rates(torch.from_numpy(said), torch.tensor(outcome.targets), torch.float64).numpy()
        return rates


def _rates(said: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
    return edit_distances(said, targets).to(dtype) / (targets != IGNORED).sum(dim=1).clamp(min=1)
