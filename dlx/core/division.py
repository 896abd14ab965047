"""How splits divide rows: a fraction or folds, at random, keeping class proportions or groups together.

N rows that are divided.
"""

from __future__ import annotations

import warnings

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import key, numpy_generator


def cut(rows: np.ndarray, fraction: float, name: str, strata: np.ndarray | None, seed: int, *position: int
        ) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random fraction off rows; keep class proportions where every class has rows enough.

    Args:
        rows: row numbers [N].
        fraction: of these rows, in (0, 1).
        name: of the split that is cut off, in messages and as the purpose of the draw.
        strata: the class of every row of the dataset, or None.
        seed, position: of the draw.

    Returns:
        The rest and what is cut off.

    Raises:
        ConfigError: one of them would be empty.
    """
    from sklearn.model_selection import train_test_split

    labels = None if strata is None else strata[rows]
    size = round(fraction * len(rows))
    refuse_empty(name, size, len(rows))
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() < 2 or min(size, len(rows) - size) < len(counts):
            labels = None
    state = key(seed, f"split-{name}", *position) % 2**32
    if labels is not None:
        return stratified(rows, labels, size, state)
    rest, taken = train_test_split(rows, test_size=size, random_state=state)
    return rest, taken


def stratified(rows: np.ndarray, labels: np.ndarray, size: int, state: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut off random rows of every class in its proportion.

    They are the rows that train_test_split of scikit-learn cuts off, in its order; it takes three times as long for a
    million rows, which it keeps in lists.

    Args:
        rows: row numbers [N].
        labels: their classes [N].
        size: how many are cut off.
        state: of the draw, in [0, 2³²).

    Returns:
        The rest and what is cut off, shuffled.
    """
    from sklearn.utils.extmath import _approximate_mode

    counts = np.bincount(labels)
    # Sorting small integers takes a tenth of the time.
    small = labels.astype(np.uint16) if len(counts) < 2**16 else labels
    members = np.split(np.argsort(small, kind="stable"), np.cumsum(counts)[:-1])
    members, counts = [own for own in members if len(own)], counts[counts > 0]
    generator = np.random.RandomState(state)
    stays = _approximate_mode(counts, len(rows) - size, generator)
    # What is left of every class is drawn from by the same rule, which takes all of it.
    leaves = _approximate_mode(counts - stays, size, generator)
    assert (stays + leaves == counts).all(), "rest and what is cut off are all rows"
    shuffled = [own[generator.permutation(len(own))] for own in members]
    rest, taken = (np.concatenate([own[part] for own, part in zip(shuffled, parts, strict=True)])
                   for parts in ([slice(number) for number in stays], [slice(number, None) for number in stays]))
    return rows[generator.permutation(rest)], rows[generator.permutation(taken)]


def cut_groups(rows: np.ndarray, fraction: float, name: str, groups: np.ndarray, seed: int, *position: int
               ) -> tuple[np.ndarray, np.ndarray]:
    """Cut random whole groups off rows, as many as come nearest to the fraction of rows, at least one.

    Args:
        groups: the group of every row of the dataset; see `cut` for the others.

    Raises:
        ConfigError: there is one group alone.
    """
    numbers, own = np.unique(groups[rows], return_inverse=True)
    if len(numbers) < 2:
        raise ConfigError(f"split.{name}_fraction leaves a split empty: {len(rows)} rows are left, all of one group; "
                          f"the column has too few groups for train, val and test")
    order = numpy_generator(seed, f"split-{name}", *position).permutation(len(numbers))
    taken = np.cumsum(np.bincount(own)[order])[:-1]
    count = 1 + int(np.argmin(np.abs(taken - fraction * len(rows))))
    chosen = np.isin(own, order[:count])
    return rows[~chosen], rows[chosen]


def folds(rows: np.ndarray, count: int, strata: np.ndarray | None, groups: np.ndarray | None, seed: int, purpose: str,
          *position: int) -> list[np.ndarray]:
    """Divide rows at random into folds, disjoint and together all rows.

    Sizes differ by at most one, and each fold has every class in its proportion, as far as whole rows go: of a class
    with fewer rows than folds, some folds have none. With groups, whole groups go to a fold, as many to each but one,
    and neither sizes nor classes are balanced.

    Args:
        rows: row numbers [N].
        count: of folds.
        strata, groups: class and group of every row of the dataset, or None.
        seed, purpose, position: of the draw.

    Raises:
        ConfigError: fewer rows, or groups, than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    state = key(seed, purpose, *position) % 2**32
    if groups is not None:
        number = len(np.unique(groups[rows]))
        if number < count:
            raise ConfigError(f"split: {count} folds of {number} groups would leave folds empty; give fewer folds or "
                              f"another group_column")
        # By numbers in order of their names, so that the type of the column does not matter.
        own = np.unique(groups[rows], return_inverse=True)[1]
        divided = GroupKFold(count, shuffle=True, random_state=state).split(rows, groups=own)
        return [rows[taken] for _, taken in divided]
    if len(rows) < count:
        raise ConfigError(f"split: {count} folds of {len(rows)} rows would leave folds empty; give fewer folds")
    labels = None if strata is None else strata[rows]
    if labels is None or np.unique(labels, return_counts=True)[1].max() < count:
        return [rows[taken] for _, taken in KFold(count, shuffle=True, random_state=state).split(rows)]
    with warnings.catch_warnings():
        # That a class has fewer rows than folds is foreseen.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        divided = list(StratifiedKFold(count, shuffle=True, random_state=state).split(rows, labels))
    return [rows[taken] for _, taken in divided]


def refuse_empty(name: str, size: int, number: int) -> None:
    """Raise ConfigError where a fraction of some rows comes to none or all of them."""
    if not 0 < size < number:
        raise ConfigError(f"split.{name}_fraction leaves a split empty: {size} of {number} rows for {name}")


def refuse_fractions(val_fraction: float, test_fraction: float) -> None:
    """Raise ConfigError where fractions leave nothing to train on."""
    if val_fraction + test_fraction >= 1:
        raise ConfigError(f"split.val_fraction + split.test_fraction must be below 1, got "
                          f"{val_fraction} + {test_fraction} = {val_fraction + test_fraction:g}")
