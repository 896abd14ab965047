"""Draws by key and id: known answers, uniformity, independence, and nothing else that they depend on.

Keys are fixed, so that every statistic is a fixed number; bounds are what 1 in 10,000 generators would miss.
"""

from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch
from scipy import stats

from dlx.core.augment import draws
from dlx.core.random import key

KEYS = [key(0, "augment_crop", 0), key(0, "augment_crop", 1), key(1, "augment_crop", 0), 0, 1]
# Consecutive, far apart, and as a shuffled batch has them.
IDS = {"consecutive": torch.arange(20_000), "sparse": torch.arange(20_000) * 1024,
       "shuffled": torch.randperm(60_000, generator=torch.Generator().manual_seed(0))[:20_000]}
RARE = 1e-4
every_stream = pytest.mark.parametrize("ids", IDS)
every_key = pytest.mark.parametrize("own", KEYS)


def splitmix64(state):
    """One number of splitmix64 as its authors publish it, in Python's integers."""
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_bits_mixer_gives_the_published_numbers_of_splitmix64():
    gamma = 0x9E3779B97F4A7C15
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]  # of seed 0
    states = [(number + 1) * gamma % 2**64 for number in range(4)]
    signed = torch.tensor([state - 2**64 if state >= 2**63 else state for state in states])
    assert [value % 2**64 for value in draws.mixed(signed).tolist()] == published == list(map(splitmix64, states))


def test_bits_are_the_mixed_counter_of_key_id_and_position():
    ids = [0, 1, 59_999, 2**40]
    for own in (*KEYS, 2**63 - 1):
        expected = [[splitmix64((splitmix64(own) + number * draws.ALPHA + place * draws.BETA) % 2**64)
                     for place in range(3)] for number in ids]
        assert [[value % 2**64 for value in row] for row in draws.bits(own, torch.tensor(ids), 3).tolist()] == expected


def test_bits_counter_steps_by_powers_of_the_plastic_number():
    getcontext().prec = 60
    rho = Decimal("1.32")
    for _ in range(100):
        rho = (1 + rho) ** (Decimal(1) / 3)
    for power, constant in ((1, draws.ALPHA), (2, draws.BETA)):
        assert constant % 2 == 1
        assert abs(Decimal(2**64) / rho**power - constant % 2**64) <= 1


def test_bits_counter_is_never_the_same_twice_within_a_key():
    # i·α + j·β = i'·α + j'·β only where (j - j')·β/α is i' - i, which for positions below a million is out of reach.
    step = draws.BETA * pow(draws.ALPHA, -1, 2**64) % 2**64
    jumps = (np.arange(1, 2**20, dtype=np.uint64) * np.uint64(step)).view(np.int64)
    assert np.abs(jumps).min() > 2**40


@every_key
@every_stream
def test_uniforms_are_uniform_at_every_position_and_over_positions(own, ids):
    drawn = draws.uniforms(own, IDS[ids], 8).double().numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert min(stats.kstest(column, "uniform").pvalue for column in drawn.T) > RARE
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > RARE
    assert stats.kstest(draws.uniforms(own, IDS[ids][:4], 20_000).double().numpy().ravel(), "uniform").pvalue > RARE


@every_key
@every_stream
def test_uniforms_of_positions_and_of_neighbouring_examples_are_independent(own, ids):
    drawn = draws.uniforms(own, IDS[ids], 6).double().numpy()
    cells = np.minimum((drawn * 16).astype(int), 15)
    for one, other in [(cells[:, 0], cells[:, 1]), (cells[:, 2], cells[:, 5]), (cells[:-1, 0], cells[1:, 0]),
                       (cells[:-1, 3], cells[1:, 4])]:
        assert stats.chisquare(np.bincount(one * 16 + other, minlength=256)).pvalue > RARE


@every_key
@every_stream
def test_uniforms_have_no_serial_correlation(own, ids):
    drawn = draws.uniforms(own, IDS[ids], 16).double().numpy() - 0.5
    for lag in (1, 2, 3, 7, 100):
        for series in (drawn[:, 0], drawn.ravel()):
            correlation = (series[:-lag] * series[lag:]).mean() * 12
            assert abs(correlation) * np.sqrt(len(series) - lag) < stats.norm.isf(RARE / 2)


@every_stream
def test_uniforms_of_other_keys_are_independent(ids):
    keys = [key(seed, purpose, epoch) for seed in (0, 1) for purpose in ("augment_crop", "augment_flip")
            for epoch in (0, 1)] + [0, 1, 2]
    drawn = np.stack([draws.uniforms(own, IDS[ids], 1)[:, 0].double().numpy() for own in keys])
    correlations = np.corrcoef(drawn)[np.triu_indices(len(keys), 1)]
    assert np.abs(correlations).max() * np.sqrt(drawn.shape[1]) < stats.norm.isf(RARE / 2)


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_bits_are_each_a_fair_coin(bit):
    found = (draws.bits(KEYS[0], IDS["consecutive"], 4) >> bit & 1).sum().item()
    assert stats.binomtest(found, 80_000).pvalue > RARE


@every_key
def test_normals_are_standard_normal_and_independent(own):
    drawn = draws.normals(own, IDS["consecutive"], 5).double().numpy()
    assert drawn.shape == (20_000, 5)
    assert min(stats.kstest(column, "norm").pvalue for column in drawn.T) > RARE
    correlations = np.corrcoef(drawn.T)[np.triu_indices(5, 1)]
    assert np.abs(correlations).max() * np.sqrt(20_000) < stats.norm.isf(RARE / 2)
    squares = np.corrcoef(drawn.T**2)[np.triu_indices(5, 1)]
    assert np.abs(squares).max() * np.sqrt(20_000) < stats.norm.isf(RARE / 2)


def test_normals_reach_no_further_than_24_bits_do():
    drawn = draws.normals(KEYS[0], torch.arange(2000), 2000)
    assert 4.5 < drawn.abs().max() <= np.sqrt(2 * np.log(2**24))


@pytest.mark.parametrize("draw", [draws.bits, draws.uniforms, draws.normals])
def test_draws_depend_on_key_and_id_and_not_on_the_batch_or_member(draw):
    ids = torch.tensor([5, 3, 70_000, 0])
    whole = draw(KEYS[0], ids, 6)
    for row, own in enumerate(ids):
        torch.testing.assert_close(draw(KEYS[0], own.reshape(1), 6)[0], whole[row], rtol=1e-6, atol=1e-6)
    keys = torch.tensor([KEYS[0], KEYS[1]]).repeat_interleave(4)
    members = draw(keys, ids.repeat(2), 6)
    torch.testing.assert_close(members, torch.cat([whole, draw(KEYS[1], ids, 6)]), rtol=1e-6, atol=1e-6)
    if draw is not draws.normals:
        assert torch.equal(members[:4], whole)
        assert torch.equal(draw(KEYS[0], ids, 9)[:, :6], whole)


def test_draws_read_and_move_no_global_generator():
    before = torch.get_rng_state()
    first = draws.normals(7, torch.arange(10), 3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(123)
    assert torch.equal(draws.normals(7, torch.arange(10), 3), first)


@pytest.mark.parametrize("count", [1, 2, 3, 9, 12, 17, 1000, 2**24 - 1, 2**24])
def test_whole_numbers_stay_below_the_count(count):
    ends = torch.tensor([0.0, 1 - 2**-24])
    assert draws.whole(ends, count).tolist() == [0, count - 1]


def test_whole_numbers_are_equally_likely():
    drawn = draws.whole(draws.uniforms(3, IDS["consecutive"], 5), 9).flatten().numpy()
    assert stats.chisquare(np.bincount(drawn, minlength=9)).pvalue > RARE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_are_the_same_on_a_gpu():
    ids = torch.arange(1000)
    assert torch.equal(draws.uniforms(3, ids.cuda(), 7).cpu(), draws.uniforms(3, ids, 7))
    torch.testing.assert_close(draws.normals(3, ids.cuda(), 7).cpu(), draws.normals(3, ids, 7))


def test_ragged_draws_are_the_first_of_each_example():
    ids, lengths = torch.tensor([4, 900, 17, 0]), torch.tensor([3, 0, 5, 2])
    for of_rows, of_ragged in ((draws.bits, draws.ragged_bits), (draws.uniforms, draws.ragged_uniforms)):
        rows = of_rows(11, ids, 5)
        expected = torch.cat([row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)])
        assert torch.equal(of_ragged(11, ids, lengths), expected)


def test_ragged_normals_are_standard_normal():
    drawn = draws.ragged_normals(5, torch.arange(300), torch.full((300,), 200)).numpy()
    assert stats.kstest(drawn[:50_000], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
