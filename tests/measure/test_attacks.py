"""Attacks beside what is known of linear models in closed form."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from dlx.measure.affine import affine_of
from dlx.measure.attacks import Box, ascent, fgsm, harm_at, margin, noise, pgd, random_start

N, D = 400, 6
EPSILONS = (0.02, 0.1, 0.3)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


INPUTS = torch.rand(N, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(num_classes, seed=0):
    weights, biases = draw(num_classes, D, seed=seed), 0.1 * draw(num_classes, seed=seed + 50)
    targets = (INPUTS @ weights.T + biases + 0.3 * draw(N, num_classes, seed=9)).argmax(dim=1)

    def judge(x, y):
        found = margin(x @ weights.T + biases, y)
        return found, (found > 0).double()

    return weights, biases, targets, judge


def reachable(weights, biases, targets, box):
    """Whether some point of the box is classified wrongly: of each other class the worst corner is known."""
    low, high = INPUTS - box.epsilon, INPUTS + box.epsilon
    if box.low is not None:
        low, high = low.clamp(box.low, box.high), high.clamp(box.low, box.high)
    found = torch.zeros(N, dtype=torch.bool)
    for row in range(N):
        for other in range(len(weights)):
            if other != targets[row]:
                slope = weights[other] - weights[targets[row]]
                corner = torch.where(slope > 0, high[row], low[row])
                found[row] |= bool(corner @ slope + biases[other] - biases[targets[row]] > 0)
    return found


@pytest.mark.parametrize("bounds", [(None, None), (0.0, 1.0)])
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_attacks_of_a_linear_model_of_two_classes_reach_exactly_what_can_be_reached(epsilon, bounds):
    weights, biases, targets, judge = linear(2)
    box = Box(epsilon, *bounds)
    expected = reachable(weights, biases, targets, box)
    assert 0 < expected.double().mean() <= 1
    assert (harm_at(judge, fgsm(judge, INPUTS, targets, box), targets) > 0).equal(expected)
    assert (pgd(judge, INPUTS, targets, box, 20, INPUTS) > 0).equal(expected)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_pgd_of_five_classes_reaches_nothing_that_cannot_be_and_nearly_all_that_can(epsilon):
    weights, biases, targets, judge = linear(5)
    box = Box(epsilon, 0.0, 1.0)
    expected = reachable(weights, biases, targets, box)
    worst = pgd(judge, INPUTS, targets, box, 40, INPUTS)
    assert not ((worst > 0) & ~expected).any()
    assert ((worst > 0) & expected).sum() >= 0.97 * expected.sum()


def test_pgd_is_never_weaker_after_more_steps_and_stronger_than_noise():
    _, _, targets, judge = linear(5)
    box = Box(0.1, 0.0, 1.0)
    found = [pgd(judge, INPUTS, targets, box, 12, INPUTS, taken) for taken in range(13)]
    assert found[0].equal(harm_at(judge, INPUTS, targets))
    assert all((after >= before).all() for before, after in pairwise(found))
    moved = noise(INPUTS, box, torch.Generator().manual_seed(0))
    assert harm_at(judge, moved, targets).mean() < found[-1].mean()


def test_pgd_that_leaves_alone_who_is_fooled_finds_the_same():
    _, _, targets, judge = linear(5)
    box = Box(0.1, 0.0, 1.0)
    whole = pgd(judge, INPUTS, targets, box, 12, INPUTS)
    assert pgd(judge, INPUTS, targets, box, 12, INPUTS, enough=1.0).equal(whole)
    assert 0 < whole.mean() < 1


@pytest.mark.parametrize("move", [
    lambda judge, targets, box: fgsm(judge, INPUTS, targets, box),
    lambda judge, targets, box: noise(INPUTS, box, torch.Generator().manual_seed(0)),
    lambda judge, targets, box: random_start(INPUTS, box, torch.Generator().manual_seed(0)),
])
def test_attacks_stay_in_the_box(move):
    _, _, targets, judge = linear(3)
    moved = move(judge, targets, Box(0.25, 0.0, 1.0))
    assert (moved - INPUTS).abs().max() <= 0.25 + 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_margin_is_above_zero_exactly_where_the_model_is_wrong():
    logits, targets = draw(100, 4, seed=3), torch.arange(100) % 4
    expected = [max(value for place, value in enumerate(row) if place != target) - row[target]
                for row, target in zip(logits.tolist(), targets.tolist(), strict=True)]
    assert margin(logits, targets).tolist() == pytest.approx(expected)
    assert ((margin(logits, targets) > 0) == (logits.argmax(dim=1) != targets)).all()


def test_gradient_is_each_examples_own():
    _, _, targets, judge = linear(3)
    found, harm = ascent(judge, INPUTS.repeat(2, 1), targets.repeat(2))
    alone, _ = ascent(judge, INPUTS[7:8], targets[7:8])
    assert harm[:N].equal(judge(INPUTS, targets)[1])
    assert found[7].equal(alone[0])
    assert found[N + 7].equal(alone[0])


def test_affine_finds_scale_and_shift_of_each_value():
    rows = np.random.default_rng(0).random((20, 3, 4))
    scale, shift = np.random.default_rng(1).random((2, 3, 4))
    found = affine_of(lambda own: own * scale + shift, rows)
    assert found.scale == pytest.approx(scale)
    assert found.shift == pytest.approx(shift)


@pytest.mark.parametrize("apply", [lambda own: own**2, lambda own: own[:, ::-1], lambda own: own.clip(0.2, 0.8),
                                   lambda own: own.reshape(len(own), -1)])
def test_affine_says_where_there_is_none(apply):
    assert affine_of(apply, np.random.default_rng(0).random((20, 3, 4))) is None
