"""Batch-hard triplets against loops, and neighbours against scikit-learn. N train examples, E features."""

import math

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import triplet_margin_loss

from dlx.core.types import TaskSpec
from dlx.loss import triplet
from dlx.loss.triplet import Triplet

C, E = 3, 4
SPEC = TaskSpec("classification", "table", (7,), C)
DRAW = torch.Generator().manual_seed(0)
CLASSES = torch.arange(24) % C
EMBEDDINGS = torch.randn(24, E, dtype=torch.float64, generator=DRAW) + CLASSES[:, None]
OTHERS, TRUE = torch.randn(15, E, dtype=torch.float64, generator=DRAW) + 1, torch.arange(15) % C


def made(margin="soft", num_neighbors=5, members=1):
    return Triplet(E, margin, num_neighbors).knowing([CLASSES] * members, SPEC)


def reading(loss, count=24):
    return loss.reading(EMBEDDINGS[None, :count], CLASSES[None, :count], torch.arange(count)[None])


@pytest.mark.parametrize("margin", [0.2, 3.0, "soft"])
def test_triplet_equals_a_search_of_all_triplets(margin):
    losses = made(margin)(EMBEDDINGS, CLASSES)
    for row, loss in enumerate(losses):
        apart = (EMBEDDINGS - EMBEDDINGS[row]).norm(dim=1)
        same = CLASSES.eq(CLASSES[row])
        excess = max(apart[same]) - min(apart[~same])
        expected = math.log1p(math.exp(excess)) if margin == "soft" else max(0.0, margin + excess.item())
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_triplet_equals_torch_with_the_hardest_examples():
    apart = torch.cdist(EMBEDDINGS, EMBEDDINGS)
    same = CLASSES[:, None] == CLASSES
    farthest, nearest = apart.where(same, -1).argmax(dim=1), apart.where(~same, torch.inf).argmin(dim=1)
    ours, theirs = (EMBEDDINGS.clone().requires_grad_() for _ in range(2))
    losses = made(0.5)(ours, CLASSES)
    expected = triplet_margin_loss(theirs, theirs[farthest], theirs[nearest], margin=0.5, eps=0, reduction="none")
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_triplet_of_one_class_is_0_and_of_an_example_alone_of_its_class_has_itself():
    values = EMBEDDINGS[:4].clone().requires_grad_()
    losses = made(1.0)(values, torch.ones(4, dtype=torch.int64))
    losses.sum().backward()
    assert not losses.any()
    assert not values.grad.any()
    nearest = (EMBEDDINGS[1:4] - EMBEDDINGS[0]).norm(dim=1).min()
    assert made(9.0)(EMBEDDINGS[:4], torch.tensor([0, 1, 1, 1]))[0].item() == pytest.approx(9 - nearest.item())


def test_triplet_in_evaluation_is_the_loss_of_a_batch_of_all_train_examples():
    loss = made()
    torch.testing.assert_close(reading(loss).losses(EMBEDDINGS, CLASSES, torch.arange(24)[None]),
                               loss(EMBEDDINGS, CLASSES))
    one = reading(loss).losses(OTHERS[:1], TRUE[:1], torch.tensor([[99]]))
    batch = loss(torch.cat([OTHERS[:1], EMBEDDINGS]), torch.cat([TRUE[:1], CLASSES]))
    torch.testing.assert_close(one[0], batch[0])


@pytest.mark.parametrize("num_neighbors", [1, 3, 5])
def test_triplet_probabilities_are_the_votes_that_scikit_learn_counts(num_neighbors):
    twin = KNeighborsClassifier(num_neighbors).fit(EMBEDDINGS.numpy(), CLASSES.numpy())
    logits = reading(made(num_neighbors=num_neighbors)).logits(OTHERS, 100 + torch.arange(15)[None])
    votes = torch.tensor(twin.predict_proba(OTHERS.numpy())) * num_neighbors
    torch.testing.assert_close(logits.exp(), (votes + 1 / C) / (num_neighbors + 1))
    assert logits.argmax(dim=1).tolist() == twin.predict(OTHERS.numpy()).tolist()


def test_triplet_leaves_a_train_example_out_of_its_own_vote():
    logits = reading(made()).logits(EMBEDDINGS, torch.arange(24)[None])
    for row in range(24):
        rest = torch.arange(24) != row
        twin = KNeighborsClassifier(5).fit(EMBEDDINGS[rest].numpy(), CLASSES[rest].numpy())
        votes = torch.tensor(twin.predict_proba(EMBEDDINGS[row : row + 1].numpy()))[0] * 5
        torch.testing.assert_close(logits[row].exp(), (votes + 1 / C) / 6)


def test_triplet_votes_of_all_where_there_are_fewer_train_examples_than_neighbours():
    probs = reading(made(num_neighbors=9), count=4).logits(OTHERS, 100 + torch.arange(15)[None]).exp()
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(15, dtype=torch.float64))
    assert len(probs.unique(dim=0)) < 15


@pytest.mark.parametrize("most", [1, 24 * 4, 10**6])
def test_triplet_reads_the_same_whatever_is_computed_at_a_time(most, monkeypatch):
    monkeypatch.setattr(triplet, "MOST_DISTANCES", 10**6)
    ids = 100 + torch.arange(15)[None]
    whole = reading(made()).losses(OTHERS, TRUE, ids), reading(made()).logits(OTHERS, ids)
    monkeypatch.setattr(triplet, "MOST_DISTANCES", most)
    for found, expected in zip((reading(made()).losses(OTHERS, TRUE, ids), reading(made()).logits(OTHERS, ids)), whole,
                               strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_triplet_of_members_reads_each_beside_its_own_train_examples():
    loss = made(members=2)
    train = torch.stack([EMBEDDINGS[:12], EMBEDDINGS[12:]])
    classes, ids = CLASSES.view(2, 12), torch.arange(24).view(2, 12)
    both = loss.reading(train, classes, ids)
    found = both.logits(OTHERS[:10], 100 + torch.arange(10).view(2, 5))
    for member, own in enumerate(found.chunk(2)):
        alone = made().reading(train[member : member + 1], classes[member : member + 1], ids[member : member + 1])
        torch.testing.assert_close(own, alone.logits(OTHERS[:10].chunk(2)[member], 100 + torch.arange(5)[None]))
