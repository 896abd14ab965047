"""Decoding and edit distances against all paths and the textbook's recursion. L positions, C classes."""

import functools
import itertools
from collections import defaultdict

import numpy as np
import pytest
import torch

from dlx.core.ctc import beam_search, best_path, edit_distances, positions_needed
from dlx.core.types import IGNORED


def collapsed(path):
    """Without repetitions, then without blanks."""
    return tuple(label for label, _ in itertools.groupby(path) if label != 0)


def chances(log_probs):
    """The probability of every labelling, from all paths."""
    found = defaultdict(float)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        found[collapsed(path)] += np.exp(sum(log_probs[place, label] for place, label in enumerate(path)))
    return found


def random_log_probs(num_positions, num_classes, seed, strength=1.5):
    draw = np.random.default_rng(seed).normal(size=(num_positions, num_classes)) * strength
    return torch.tensor(draw).log_softmax(dim=1).numpy()


def labels(row):
    return tuple(int(label) for label in row if label != IGNORED)


def padded(rows, width):
    return torch.tensor([[*row, *[IGNORED] * (width - len(row))] for row in rows])


def test_best_path_is_collapsed():
    logits = torch.randn(200, 9, 4, generator=torch.Generator().manual_seed(0))
    for path, said in zip(logits.argmax(dim=2).tolist(), best_path(logits), strict=True):
        assert labels(said) == collapsed(path)
        assert (said[len(labels(said)):] == IGNORED).all()


@pytest.mark.parametrize("seed", range(20))
def test_beam_search_that_keeps_all_finds_the_most_probable_labelling(seed):
    log_probs = random_log_probs(5, 3, seed)
    found = chances(log_probs)
    assert sum(found.values()) == pytest.approx(1.0)
    assert tuple(beam_search(log_probs, 10_000)) == max(found, key=found.get)


def test_beam_search_finds_what_the_best_path_misses():
    # Graves 2006, figure: each position prefers the blank, and the paths that say 1 are more probable together.
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert labels(best_path(torch.tensor(log_probs)[None])[0]) == ()
    assert beam_search(log_probs, 4) == [1]


def test_beam_search_of_wider_beams_is_never_less_probable():
    for seed in range(10):
        log_probs = random_log_probs(6, 3, seed, 0.7)
        found = chances(log_probs)
        reached = [found[tuple(beam_search(log_probs, width))] for width in (1, 1000)]
        assert reached[0] <= reached[1] + 1e-12


def levenshtein(one, other):
    @functools.cache
    def between(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(between(i - 1, j) + 1, between(i, j - 1) + 1, between(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return between(len(one), len(other))


def test_edit_distances_equal_the_recursion():
    draw = np.random.default_rng(0)
    pairs = [tuple(tuple(draw.integers(1, 4, draw.integers(0, 7)).tolist()) for _ in range(2)) for _ in range(300)]
    said, targets = (padded(rows, 6) for rows in zip(*pairs, strict=True))
    expected = [levenshtein(*pair) for pair in pairs]
    assert edit_distances(said, targets).tolist() == expected
    assert edit_distances(targets, said).tolist() == expected
    by_member = torch.vmap(edit_distances)(said.view(3, 100, 6), targets.view(3, 100, 6))
    assert by_member.flatten().tolist() == expected


def test_positions_needed_is_the_length_of_the_shortest_path():
    targets = padded([(), (1,), (1, 2), (1, 1), (2, 2, 2), (1, 2, 2, 1)], 5).numpy()
    for row, needed in zip(targets, positions_needed(targets), strict=True):
        shortest = min(length for length in range(8) for path in itertools.product(range(3), repeat=length)
                       if collapsed(path) == labels(row))
        assert needed == shortest
