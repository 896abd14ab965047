"""Which runs of a sweep train together, and why others train alone."""

import sys
import types
from itertools import product

import pytest
import torch
from part_files import saved
from torch import nn

from dlx.sweep.groups import MOST_MEMBERS, make_groups

SEEDS = [f"seed={seed}" for seed in range(8)]


def grouped(overrides, workers=1, members=MOST_MEMBERS, common=()):
    return make_groups([saved("model.width=4", *common, *own) for own in overrides], workers, members)


def each(*lists):
    """Overrides of every combination, the first varying slowest."""
    return [tuple(own) for own in product(*lists)]


SHARING = {
    "seeds": each(SEEDS[:3]),
    "learning rates": each(["optimizer.lr=0.1", "optimizer.lr=0.01", "optimizer.lr=0.001"]),
    "all of adam": each(["optimizer.betas=[0.8,0.99]", "optimizer.eps=1e-6", "optimizer.weight_decay=0.1"]),
    "schedules": each(["schedule=constant", "schedule=cosine", "schedule.warmup_epochs=2"]),
    "splits": each(["split.seed=0", "split.seed=1", "split.seed=2"]),
    "dropout": each(["model.dropout_rate=0", "model.dropout_rate=0.1", "model.dropout_rate=0.2"]),
    "smoothing": each(["loss.label_smoothing=0", "loss.label_smoothing=0.1", "loss.label_smoothing=0.2"]),
    "names": each(["name=a", "name=b", "name=c"]),
}
REGULARIZED = {
    "dropout": "regularizer.dropout.rate", "l2": "regularizer.l2.strength",
    "gradient_clip": "regularizer.gradient_clip.limit"}
APART = {
    "widths": each(["model.width=4", "model.width=8"]),
    "depths": each(["model.depth=1", "model.depth=2"]),
    "activations": each(["model.activation=relu", "model.activation=tanh"]),
    "initializations": each(["model.init=he", "model.init=torch"]),
    "batches": each(["batch_size=8", "batch_size=16"]),
    "epochs": each(["epochs=2", "epochs=3"]),
    "optimizers": each(["optimizer=adam", "optimizer=sgd"]),
    "regularizers": each(["regularizer=[none]", "regularizer=[l2]"]),
    "orders": each(["regularizer=[l2,gradient_clip]", "regularizer=[gradient_clip,l2]"]),
    "datasets": each(["dataset=digits", "dataset=breast_cancer"], ["metric=[accuracy]"]),
    "preprocessing": each(["preprocessing=[standardize]", "preprocessing=[minmax]"]),
    "selection": each(["selection=last", "selection=best_val_loss"]),
    "precision": each(["device.precision=float32", "device.precision=float64"]),
    "sizes of splits": each(["split.val_fraction=0.2", "split.val_fraction=0.3"]),
}


@pytest.mark.parametrize("case", SHARING)
def test_groups_share_what_members_may_vary(case):
    found = grouped(SHARING[case])
    assert found.groups == ((0, 1, 2),)
    assert found.plain == {}


@pytest.mark.parametrize("name", REGULARIZED)
def test_groups_share_strengths_of_regularizers(name):
    found = grouped([(f"{REGULARIZED[name]}={value}",) for value in (0.1, 0.2, 0.3)], common=(f"regularizer=[{name}]",))
    assert found == (((0, 1, 2),), {})


@pytest.mark.parametrize("case", APART)
def test_groups_keep_apart_what_has_another_shape(case):
    overrides = [(*own, seed) for seed in SEEDS[:2] for own in APART[case]]
    found = grouped(overrides)
    assert found.groups == ((0, 2), (1, 3))
    assert found.plain == {}
    alone = grouped(APART[case])
    assert alone.groups == ((0,), (1,))
    assert alone.plain == dict.fromkeys((0, 1), "no other run has its shape")


@pytest.mark.parametrize(("count", "workers", "members", "sizes"), [
    (8, 1, MOST_MEMBERS, [8]), (8, 2, MOST_MEMBERS, [4, 4]), (7, 2, MOST_MEMBERS, [3, 4]),
    (8, 3, MOST_MEMBERS, [2, 3, 3]),
    (8, 1, 3, [2, 3, 3]), (8, 1, 4, [4, 4]), (8, 2, 2, [2, 2, 2, 2]), (5, 1, 4, [2, 3]), (8, 8, MOST_MEMBERS, [1] * 8),
    (3, 8, MOST_MEMBERS, [1] * 3), (8, 1, 100, [8]), (MOST_MEMBERS + 1, 1, MOST_MEMBERS, [32, 33])])
def test_groups_are_divided_evenly_among_workers_and_by_the_most_members(count, workers, members, sizes):
    found = grouped([(f"seed={seed}",) for seed in range(count)], workers, members)
    assert sorted(map(len, found.groups)) == sizes
    assert sorted(index for group in found.groups for index in group) == list(range(count))
    assert found.groups == tuple(sorted(found.groups))
    # What a run computes does not depend on the number of workers.
    assert found.plain == {}


def test_groups_of_two_shapes_keep_two_workers_busy():
    found = grouped(each(["model.width=4", "model.width=8"], SEEDS[:4]), workers=2)
    assert found.groups == ((0, 1, 2, 3), (4, 5, 6, 7))


def test_groups_bring_together_what_is_optimized_alike():
    found = grouped(each(SEEDS[:2], ["optimizer.lr=0.1", "optimizer.lr=0.01"]), workers=2, common=("split.seed=0",))
    assert found.groups == ((0, 2), (1, 3))


def test_groups_bring_together_what_has_the_same_data():
    found = grouped(each(["split.seed=0", "split.seed=1"], SEEDS[:2])[::-1], workers=2)
    assert found.groups == ((0, 1), (2, 3))


def test_groups_of_one_member_are_asked_for():
    found = grouped(each(SEEDS[:3]), members=1)
    assert found.groups == ((0,), (1,), (2,))
    assert found.plain == dict.fromkeys(range(3), "members=1")


def test_groups_leave_compiled_runs_alone():
    runs = [{**own, "device": {**own["device"], "compile": own["seed"] > 1}}
            for own in (saved("model.width=4", f"seed={seed}") for seed in range(4))]
    found = make_groups(runs, 1, MOST_MEMBERS)
    assert found.groups == ((0, 1), (2,), (3,))
    assert found.plain == dict.fromkeys((2, 3), "device.compile=true compiles one model")


def test_groups_do_not_change_the_configurations():
    runs = [saved("model.width=4", seed) for seed in SEEDS[:3]]
    make_groups(runs, 1, MOST_MEMBERS)
    assert runs == [saved("model.width=4", seed) for seed in SEEDS[:3]]


class Odd(nn.Module):
    """A model of a user's."""

    def __init__(self, input_shape, num_outputs, kind: str, scale: float):
        super().__init__()
        self.kind, self.scale = kind, scale
        self.drop = nn.Dropout(0.5) if kind == "dropout" else nn.Identity()
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        rows = self.drop(x.flatten(1))
        assert self.kind != "demanding" or len(x) <= 7, "at most 7 at once"
        return self.head(rows - rows.mean(dim=0) if self.kind == "mixing" else rows) * self.scale


@pytest.fixture
def package(monkeypatch):
    module = types.ModuleType("odd_models")
    module.Odd, Odd.__module__ = Odd, "odd_models"
    monkeypatch.setitem(sys.modules, "odd_models", module)
    return "odd_models"


def of_odd(kind, scales):
    base = saved("seed=0")
    return [{**base, "seed": seed, "model": {"part": "odd_models.Odd", "kind": kind, "scale": scale}}
            for seed, scale in enumerate(scales)]


@pytest.mark.parametrize(("kind", "reason"), [
    ("dropout", "Dropout of torch draws from the global generator; dlx.core.layers.Dropout is keyed"),
    ("demanding", "Odd cannot be stacked: at most 7 at once"),
    ("mixing", "Odd computes something else when it is stacked")])
def test_groups_leave_alone_what_cannot_be_stacked_and_say_why(kind, reason, package):
    found = make_groups(of_odd(kind, [1.0, 1.0, 1.0]), 1, MOST_MEMBERS, [package])
    assert found.groups == ((0,), (1,), (2,))
    assert list(found.plain) == [0, 1, 2]
    assert all(said.startswith(reason) for said in found.plain.values())


def test_groups_of_a_users_model_share_what_its_code_declares(package, monkeypatch):
    assert make_groups(of_odd("plain", [1.0, 1.0, 1.0]), 1, MOST_MEMBERS, [package]).groups == ((0, 1, 2),)
    assert make_groups(of_odd("plain", [1.0, 2.0, 2.0]), 1, MOST_MEMBERS, [package]).groups == ((0,), (1, 2))


def test_groups_leave_global_randomness_alone():
    state = torch.get_rng_state()
    grouped(each(SEEDS[:3]))
    assert torch.equal(torch.get_rng_state(), state)
