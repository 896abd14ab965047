"""Seeds of parts of a run: each moves what it is of, and nothing else."""

import pytest
import torch
from member_runs import Keeping, assert_equals_solo, one
from part_files import saved

from dlx.config.saved import config_hash
from dlx.engine.fit import fit
from dlx.engine.start import start

SMALL = ("model=mlp", "model.width=6", "batch_size=32", "epochs=2", "regularizer=[dropout]")


class First(Keeping):
    """Keeps initial weights, and the ids of the splits."""

    def before_step(self, fit, step):
        if step == 0:
            self.initial = fit.group.weights(0)
            self.splits = {name: split.ids.clone() for name, split in fit.group.feeds.items()}


def followed(*overrides):
    begun, witness = start([one(*SMALL, *overrides)], "", [None], fused=False), First()
    fit(begun, witness, 10**6)
    return witness


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_run_with_its_own_seed_given_for_each_part_is_the_same_bits():
    plain, given = followed("seed=3"), followed("seed=3", "init_seed=3", "order_seed=3")
    assert plain.kept[0].rows == given.kept[0].rows
    assert same(plain.kept[0].weights, given.kept[0].weights)


MOVES = {"init_seed": {"initial"}, "order_seed": set(), "split.seed": {"splits"}, "seed": {"initial", "splits"}}


@pytest.mark.parametrize("key", MOVES)
def test_seed_moves_what_it_is_of_alone(key):
    plain, moved = followed(), followed(f"{key}=1")
    others = {name for name in ("initial", "splits") if not same(getattr(plain, name), getattr(moved, name))}
    assert others == MOVES[key]
    assert plain.kept[0].rows != moved.kept[0].rows


def test_order_seed_moves_the_order_and_the_dropout():
    rows = [followed(*overrides).kept[0].rows for overrides in (
        (), ("order_seed=1",), ("regularizer=[none]",), ("regularizer=[none]", "order_seed=1"))]
    assert rows[0] != rows[1]
    assert rows[2] != rows[3]
    # One batch an epoch: its order is no matter, its dropout is.
    whole = [followed("batch_size=200", *overrides).kept[0].rows[0]["train_loss"]
             for overrides in ((), ("order_seed=1",))]
    assert whole[0] != whole[1]


def test_members_with_other_seeds_of_their_parts_equal_the_runs_alone():
    assert_equals_solo([one(*SMALL, f"init_seed={first}", f"order_seed={second}") for first, second in
                        ((0, 0), (0, 1), (1, 0), (5, 7))])


def test_config_hash_is_that_of_a_run_without_such_keys_where_they_are_the_seed():
    plain = saved("seed=4")
    old = {key: value for key, value in plain.items() if key not in ("init_seed", "order_seed")}
    assert (plain["init_seed"], plain["order_seed"]) == (4, 4)
    assert config_hash(plain) == config_hash(old)
    hashes = {config_hash(saved("seed=4", *others)) for others in ((), ("init_seed=0",), ("order_seed=0",))}
    assert len(hashes) == 3
