"""Keyed randomness: streams are distinct, stable across versions, and leave global state alone."""

import itertools

import numpy as np
import pytest
import torch

from dlx.core.random import key, keyed_global, numpy_generator, torch_generator

PURPOSES = ("init", "order", "dropout", "split-test", "split-val", "bootstrap")


def test_key_of_every_seed_purpose_and_position_is_its_own():
    positions = [(), *((epoch,) for epoch in range(50)), *itertools.product(range(12), range(12))]
    keys = [key(seed, purpose, *position) for seed in (0, 1, 2, 10, 12, 2**53 - 1) for purpose in PURPOSES
            for position in positions]
    assert len(set(keys)) == len(keys)
    assert all(0 <= value < 2**63 for value in keys)


def test_key_does_not_run_seed_purpose_and_position_together():
    assert key(0, "a", 1, 23) != key(0, "a", 12, 3)
    assert key(1, "1a") != key(11, "a")
    assert key(0, "a", 1) != key(0, "a1")


@pytest.mark.parametrize(("arguments", "value"), [
    ((0, "init"), 3734278801248931457), ((0, "order", 0), 7955589716765508323),
    ((0, "order", 1), 4672741961019256271), ((7, "dropout", 123), 3726736847494368373),
])
def test_key_never_changes_between_versions(arguments, value):
    assert key(*arguments) == value


def test_torch_generator_never_changes_between_versions():
    assert torch.randperm(10, generator=torch_generator(0, "order", 0)).tolist() == [
        9, 6, 3, 1, 4, 5, 2, 8, 7, 0]
    assert torch.randint(1000, (4,), generator=torch_generator(1, "x", 2, 3)).tolist() == [180, 93, 648, 793]


def test_numpy_generator_never_changes_between_versions():
    assert numpy_generator(0, "bootstrap").integers(0, 1000, 6).tolist() == [879, 265, 699, 118, 435, 411]


def test_generators_begin_anew_at_every_call():
    for make in (torch_generator, numpy_generator):
        one, other = make(3, "x", 1), make(3, "x", 1)
        draw = (lambda g: torch.rand(5, generator=g).tolist()) if make is torch_generator else (
            lambda g: g.random(5).tolist())
        assert draw(one) == draw(other)
        assert draw(one) != draw(make(3, "x", 1))


def test_generators_of_neighbouring_positions_are_uncorrelated():
    draws = np.stack([torch.rand(2000, generator=torch_generator(0, "x", step)).numpy() for step in range(60)])
    correlation = np.corrcoef(draws)[~np.eye(60, dtype=bool)]
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)
    assert abs(draws.mean() - 0.5) < 5 * np.sqrt(1 / 12 / draws.size)


def test_generators_leave_the_global_ones_alone():
    before = torch.get_rng_state(), str(np.random.get_state())
    torch.rand(5, generator=torch_generator(0, "x"))
    numpy_generator(0, "x").random(5)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


def test_keyed_global_gives_the_same_draws_whatever_came_before_and_restores_the_state():
    draws = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        with keyed_global(5, "init"):
            draws.append(torch.rand(4))
        assert torch.equal(torch.get_rng_state(), before)
    with keyed_global(6, "init"):
        draws.append(torch.rand(4))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_keyed_global_restores_the_state_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(TypeError), keyed_global(5, "init"):
        torch.rand(3, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_keyed_global_may_be_nested():
    with keyed_global(5, "outer"):
        expected = torch.rand(2, 3)
    with keyed_global(5, "outer"):
        first = torch.rand(3)
        with keyed_global(5, "inner"):
            torch.rand(100)
        second = torch.rand(3)
    assert torch.equal(torch.stack([first, second]), expected)
