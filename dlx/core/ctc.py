"""What the outputs of a connectionist temporal classifier say. B batch, L positions, C classes, U and V labels.

Class 0 is the blank. A path has a class at every position; it says its classes without repetitions, then without blanks
(Graves, Fernández, Gomez and Schmidhuber, Connectionist temporal classification, 2006).
"""

from __future__ import annotations

import math
from heapq import nlargest
from typing import TYPE_CHECKING

import numpy as np

from dlx.core.types import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

BLANK = 0
# Prefixes with the log-probabilities of the paths that say them and end in a blank, and in their last label.
Beam = dict[tuple[int, ...], tuple[float, float]]


def best_path(logits: Tensor) -> Tensor:
    """Return the labels of the most probable path, [B, L], IGNORED after the last, of logits [B, L, C]."""
    import torch

    path = logits.argmax(dim=2)
    before = torch.nn.functional.pad(path[:, :-1], (1, 0), value=BLANK)
    said = (path != BLANK) & (path != before)
    # What is said moves to the front; all else is written behind the end, which is then cut off.
    places = torch.where(said, said.cumsum(dim=1) - 1, path.shape[1])
    labels = torch.full_like(torch.nn.functional.pad(path, (0, 1)), IGNORED)
    return labels.scatter(1, places, path)[:, :-1]


def positions_needed(targets: np.ndarray) -> np.ndarray:
    """Return how many positions a path of each target [N, U] has at least: a blank parts two equal labels."""
    asked = targets != IGNORED
    repeated = (targets[:, 1:] == targets[:, :-1]) & asked[:, 1:]
    return np.asarray(asked.sum(axis=1) + repeated.sum(axis=1))


def edit_distances(said: Tensor, targets: Tensor) -> Tensor:
    """Return the least number of insertions, deletions and substitutions between labels [B, V] and [B, U], [B].

    Both are IGNORED after the last label (Levenshtein 1966; the rows of Wagner and Fischer 1974, all of one at once).
    """
    import torch

    num_said, num_asked = ((labels != IGNORED).sum(dim=1, keepdim=True) for labels in (said, targets))
    steps = torch.arange(targets.shape[1] + 1, device=targets.device)
    row = steps.expand(len(targets), -1) + torch.zeros_like(num_asked)
    for count in range(said.shape[1]):
        differs = (targets != said[:, count : count + 1]).to(row.dtype)
        best = torch.cat([row[:, :1] + 1, torch.minimum(row[:, 1:] + 1, row[:, :-1] + differs)], dim=1)
        # The least of best[j] + (k - j) over j up to k: k - j labels of the target are left out.
        best = (best - steps).cummin(dim=1).values + steps
        row = torch.where(count < num_said, best, row)
    return row.gather(1, num_asked)[:, 0]


def beam_search(log_probs: np.ndarray, width: int) -> list[int]:
    """Return the most probable labels that a beam finds, of log-probabilities [L, C] of one example.

    Prefix beam search (Graves 2012, Supervised sequence labelling, section 7.5; Hannun, Maas, Jurafsky and Ng 2014,
    without a language model): a prefix's probability is that of all paths that say it, apart by whether they end in a
    blank. With a beam that loses nothing, this is the most probable labelling.

    Args:
        width: how many prefixes are kept after each position.
    """
    beam: Beam = {(): (0.0, -math.inf)}
    for step in log_probs.tolist():
        grown: Beam = {}
        for prefix, (blank, label) in beam.items():
            both = _either(blank, label)
            last = prefix[-1] if prefix else BLANK
            _add(grown, prefix, both + step[BLANK], label + step[last])
            for number, chance in enumerate(step):
                if number != BLANK:
                    _add(grown, (*prefix, number), -math.inf, (blank if number == last else both) + chance)
        beam = dict(nlargest(width, grown.items(), key=lambda item: _either(*item[1])))
    return list(next(iter(beam)))


def _add(beam: Beam, prefix: tuple[int, ...], blank: float, label: float) -> None:
    known = beam.get(prefix)
    beam[prefix] = (blank, label) if known is None else (_either(known[0], blank), _either(known[1], label))


def _either(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities, given theirs."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
