"""CTC against the sum over all paths."""

import itertools

import pytest
import torch

from dlx.core.types import IGNORED, TaskSpec
from dlx.engine.blank import BlankAfterEnd
from dlx.loss.ctc import CTC


def by_hand(logits, target):
    """-log of the probability of all paths that say the target, divided by its length."""
    probs, total = logits.softmax(dim=1), 0.0
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        if [label for label, _ in itertools.groupby(path) if label != 0] == target:
            total = total + torch.stack([probs[place, label] for place, label in enumerate(path)]).prod()
    return -torch.log(total) / max(1, len(target))


@pytest.mark.parametrize("target", [[], [1], [2, 1], [1, 1], [1, 2, 1]])
def test_ctc_equals_the_sum_over_paths_in_value_and_gradient(target):
    draw = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(len(target)))
    ours, theirs = (draw.clone().requires_grad_() for _ in range(2))
    targets = torch.tensor([[*target, *[IGNORED] * (4 - len(target))]])
    loss, expected = CTC()(ours[None], targets)[0], by_hand(theirs, target)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


class Same(torch.nn.Module):
    """Its inputs without the mask are the logits."""

    def forward(self, x):
        return x[..., :-1]


def test_ctc_of_a_series_that_ends_is_that_of_the_series_alone():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 7, 4, dtype=torch.float64, generator=draw).requires_grad_()
    targets = torch.tensor([[1, 2], [3, IGNORED], [2, 2]])
    lengths = (7, 4, 3)
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    model = BlankAfterEnd(Same(), "series")
    losses = CTC()(model(torch.cat([logits, mask[..., None]], dim=2)), targets)
    alone = torch.stack([CTC()(own[None, :length], target[None])[0]
                         for own, length, target in zip(logits, lengths, targets, strict=True)])
    torch.testing.assert_close(losses, alone)
    found, expected = (torch.autograd.grad(values.sum(), logits, retain_graph=True)[0] for values in (losses, alone))
    torch.testing.assert_close(found, expected)


def test_ctc_is_for_transcriptions_alone():
    assert CTC.kinds == (TaskSpec("transcription", "series", (7, 4), 3).kind,)
