from __future__ import annotations

from itertools import product

import pytest
from axes_to_search import LISTS, LR, MODEL, STEPS

from dlx.core.errors import ConfigError
from dlx.core.search import Axis, Trial
from dlx.search.grid import Grid


def test_grid_is_the_product_of_the_axes_once():
    grid = Grid(0, None, None)
    points = grid.ask([STEPS, MODEL, LISTS], [], [])
    assert points == list(product(range(8), range(2), range(3)))
    assert grid.ask([STEPS, MODEL, LISTS], [Trial(points[0], 0, None)], []) == []


def test_grid_without_axes_is_one_point():
    assert Grid(0, None, None).ask([], [], []) == [()]


def test_grid_shuffles_by_its_seed_and_only_what_is_tagged():
    shuffled = STEPS._replace(shuffled=True)
    orders = {seed: Grid(seed, None, None).ask([MODEL, shuffled], [], []) for seed in range(3)}
    assert orders[0] == Grid(0, None, None).ask([MODEL, shuffled], [], [])
    assert orders[0] != orders[1]
    for points in orders.values():
        assert sorted(points) == list(product(range(2), range(8)))
        assert [point[0] for point in points] == [0] * 8 + [1] * 8
        assert [point[1] for point in points[:8]] == [point[1] for point in points[8:]]


def test_grid_refuses_an_interval():
    with pytest.raises(ConfigError, match="an interval has endless values, which search=random"):
        Grid(0, None, None).ask([MODEL, LR], [], [])


def test_grid_counts_before_it_makes_points():
    long = Axis("seed", "seed=range(1000)", tuple(range(1000)), tuple(map(str, range(1000))))
    with pytest.raises(ConfigError, match="the grid has more than 100,000 points"):
        Grid(0, None, None).ask([long] * 5, [], [])
