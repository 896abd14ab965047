"""Batches of an epoch: every example once, in an order that is a function of (seed, epoch). N examples, B batch."""

from itertools import pairwise

import pytest
import torch

from dlx.core.random import torch_generator
from dlx.core.types import Split
from dlx.engine.feed import feed
from dlx.engine.fit import GATHER_BYTES, batch_bounds, batches


def split_of(num_examples, shape=(3,)):
    ids = torch.arange(num_examples)
    inputs = ids.float().reshape(-1, *[1] * len(shape)).expand(num_examples, *shape).contiguous()
    return Split(inputs, ids % 7, ids + 1000)


def test_batch_bounds_cover_each_example_once_and_leave_no_last_batch_of_one():
    for num_examples in range(1, 70):
        for batch_size in range(1, 80):
            bounds = batch_bounds(num_examples, batch_size)
            sizes = [end - begin for begin, end in pairwise(bounds)]
            assert (bounds[0], bounds[-1]) == (0, num_examples)
            assert all(size == batch_size for size in sizes[:-1])
            if batch_size == 1:
                assert sizes == [1] * num_examples
            elif num_examples > 1:
                assert 1 < sizes[-1] <= batch_size + 1
            assert (sizes[-1] == batch_size + 1) == (batch_size > 1 and num_examples > batch_size
                                                    and num_examples % batch_size == 1)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(1, 1), (1, 64), (7, 1), (10, 3), (64, 64), (65, 64),
                                                          (130, 64)])
def test_batches_hold_each_example_once_with_its_own_target_and_id(num_examples, batch_size):
    split, bounds = split_of(num_examples), batch_bounds(num_examples, batch_size)
    found = list(batches(feed([split]), bounds, [0], 0, 0))
    assert [len(batch.ids) for batch in found] == [end - begin for begin, end in pairwise(bounds)]
    rows = torch.cat([batch.ids for batch in found]) - 1000
    assert sorted(rows.tolist()) == list(range(num_examples))
    assert torch.equal(torch.cat([batch.inputs for batch in found]), split.inputs[rows])
    assert torch.equal(torch.cat([batch.targets for batch in found]), split.targets[rows])


# Rows so large that all, some, or no more than one of the batches are gathered together.
@pytest.mark.parametrize("row_elements", [1, GATHER_BYTES // 4 // 100, GATHER_BYTES // 4 // 25, GATHER_BYTES // 4 // 3])
@pytest.mark.parametrize("start", [0, 1, 4, 7, 8])
def test_batches_are_slices_of_one_order_wherever_they_start(row_elements, start):
    split, bounds = split_of(83, (row_elements,)), batch_bounds(83, 10)
    order = torch.randperm(83, generator=torch_generator(3, "order", 5))
    found = list(batches(feed([split]), bounds, [3], 5, start))
    expected = [order[begin:end] for begin, end in pairwise(bounds)][start:]
    assert len(found) == len(expected)
    for batch, rows in zip(found, expected, strict=True):
        assert torch.equal(batch.ids, split.ids[rows])
        assert torch.equal(batch.inputs, split.inputs[rows])


def test_batches_order_is_a_function_of_seed_and_epoch_alone():
    def ids(seed, epoch, batch_size=8):
        found = batches(feed([split_of(50)]), batch_bounds(50, batch_size), [seed], epoch, 0)
        return torch.cat([batch.ids for batch in found])

    torch.manual_seed(1)
    expected = ids(0, 0)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(ids(0, 0), expected)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ids(0, 0, batch_size=17), expected)
    assert not torch.equal(ids(0, 1), expected)
    assert not torch.equal(ids(1, 0), expected)


def test_batches_every_example_is_anywhere_alike():
    # 400 epochs of 10 examples: counts of each example in each place are Binomial(400, 1/10).
    split = feed([split_of(10)])
    orders = torch.stack([torch.cat([batch.ids for batch in batches(split, [0, 5, 10], [0], epoch, 0)]) - 1000
                          for epoch in range(400)])
    counts = torch.stack([(orders == example).sum(dim=0) for example in range(10)])
    assert (counts - 40).abs().max().item() < 5 * (400 * 0.1 * 0.9) ** 0.5


def test_batches_do_not_share_memory_with_the_split():
    split = split_of(20)
    for batch in batches(feed([split]), [0, 10, 20], [0], 0, 0):
        batch.inputs.zero_()
        batch.targets.zero_()
    assert torch.equal(split.inputs, split_of(20).inputs)
    assert torch.equal(split.targets, split_of(20).targets)
