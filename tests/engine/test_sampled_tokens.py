"""How tokens are drawn: from the softmax, among the most probable, by keyed generators."""

import math

import pytest
import torch
from part_files import make
from torch import nn

from dlx.core.errors import ArtefactError
from dlx.core.random import torch_generator
from dlx.core.types import PADDING, UNKNOWN
from dlx.engine.generate import Sampling, drawn, sampled

CPU = make("device", "cpu").place(0.0, threads=1)
LOGITS = torch.tensor([9.0, 9.0, 0.0, math.log(2), math.log(5)], dtype=torch.float64)


def sampling(num_tokens=1, temperature=1.0, top_k=None, num_samples=1, seed=0):
    return Sampling(num_tokens, temperature, top_k, num_samples, seed)


def shares(how, count=4000):
    """How often each token is drawn."""
    generators = [torch_generator(0, "generate", 0)] * count
    tokens = drawn(LOGITS.repeat(count, 1), how, generators)
    return torch.bincount(tokens[:, 0], minlength=5) / count


@pytest.mark.parametrize(("how", "expected"), [
    (sampling(), [0, 0, 1 / 8, 2 / 8, 5 / 8]), (sampling(temperature=0.5), [0, 0, 1 / 30, 4 / 30, 25 / 30]),
    (sampling(top_k=2), [0, 0, 0, 2 / 7, 5 / 7]), (sampling(top_k=1), [0, 0, 0, 0, 1.0]),
    (sampling(top_k=99), [0, 0, 1 / 8, 2 / 8, 5 / 8]), (sampling(temperature=0.0), [0, 0, 0, 0, 1.0])])
def test_drawn_tokens_are_as_frequent_as_they_are_probable_and_always_text(how, expected):
    # Five standard errors of a share.
    torch.testing.assert_close(shares(how), torch.tensor(expected), rtol=0, atol=5 * 0.5 / math.sqrt(4000))
    assert all(share == 0 for share, chance in zip(shares(how), expected, strict=True) if chance == 0)


def test_drawn_refuses_what_is_no_number():
    with pytest.raises(ArtefactError, match="no finite numbers"):
        drawn(torch.full((1, 5), torch.nan), sampling(), [torch.Generator()])


class Counter(nn.Module):
    """After token n comes n + 1, whatever was before; it notes what it is shown."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return nn.functional.one_hot((x + 1) % 50, 50).float() * 100


def test_sampled_rows_go_on_from_the_last_token_and_show_the_model_what_it_can_see():
    model = Counter()
    assert sampled(model, CPU, [7, 8], 4, sampling(5, num_samples=2)) == [[7, 8, 9, 10, 11, 12, 13]] * 2
    assert [x[0].tolist() for x in model.seen] == [
        [7, 8, PADDING, PADDING], [7, 8, 9, PADDING], [7, 8, 9, 10], [8, 9, 10, 11], [9, 10, 11, 12]]
    assert UNKNOWN not in sampled(model, CPU, [49], 4, sampling(3))[0]


class Coin(nn.Module):
    """Every token is as probable as any other."""

    def forward(self, x):
        return torch.zeros(*x.shape, 50)


def test_sampled_rows_are_a_function_of_the_seed_and_their_number():
    rows = sampled(Coin(), CPU, [2], 4, sampling(20, num_samples=3))
    assert len({tuple(row) for row in rows}) == 3
    torch.manual_seed(5)
    assert sampled(Coin(), CPU, [2], 4, sampling(20, num_samples=2)) == rows[:2]
    assert sampled(Coin(), CPU, [2], 4, sampling(20, seed=1))[0] not in rows
