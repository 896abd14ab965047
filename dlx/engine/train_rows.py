"""What is done to the train rows of any dataset: fewer of them, classes out of balance, wrong labels.

Val and test stay as they are. N rows of the dataset, n train rows, C classes.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.random import numpy_generator
from dlx.core.ranges import Range, Seed
from dlx.core.types import TaskSpec

# How far a row of a confusion matrix may be from summing to 1.
TOLERANCE = 1e-6
Confusion = list[list[Annotated[float, Range("[0, 1]")]]] | None


class Changed(NamedTuple):
    """Train rows [n], ascending; targets of all rows [N]; how many targets of the train rows are not the dataset's."""

    train: np.ndarray
    targets: np.ndarray
    num_changed: int


class TrainRows:
    """Changes the train rows. Every draw is a function of (train_seed, row): what 10 % keep, 20 % keep too.

    Args:
        train_fraction: of the train rows to keep, in (0, 1]; class proportions stay.
        imbalance: how many times rarer the last class is than the first, in [1, inf): of class i a share of
            imbalance^(-i / (C - 1)) is kept (Cui, Jia, Lin, Song and Belongie 2019, long-tailed CIFAR).
        label_noise: the share of train labels that are replaced, each by any other class with equal probability
            (symmetric noise).
        label_confusion: null, or C rows of C probabilities: a label i becomes j with the j-th of row i.
        shuffle_labels: permute the train targets, so that nothing can be learnt but by heart (Zhang, Bengio, Hardt,
            Recht and Vinyals 2017).
        train_seed: of these draws.

    Raises:
        ConfigError: label_noise together with label_confusion; rows that are no probabilities.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("label_noise", "label_confusion", "shuffle_labels", "train_seed")

    def __init__(self, train_fraction: Annotated[float, Range("(0, 1]")],
                 imbalance: Annotated[float, Range("[1, inf)")], label_noise: Annotated[float, Range("[0, 1]")],
                 label_confusion: Confusion, shuffle_labels: bool, train_seed: Seed) -> None:
        self.train_fraction = train_fraction
        self.imbalance = imbalance
        self.label_noise = label_noise
        self.label_confusion = None if label_confusion is None else np.array(_square(label_confusion))
        self.shuffle_labels = shuffle_labels
        self.train_seed = train_seed
        if label_noise > 0 and label_confusion is not None:
            raise ConfigError("dataset.label_noise and dataset.label_confusion both replace labels; set one of them")

    def __call__(self, train: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> Changed:
        """Change the train rows [n] of a dataset with targets [N].

        Raises:
            ConfigError: the task has no classes, no labels, or fewer classes than the confusion matrix has rows.
        """
        self._check(spec)
        if self.imbalance > 1:
            shares = self.imbalance ** (-np.arange(spec.num_outputs) / max(1, spec.num_outputs - 1))
            train = self._kept(train, targets, shares)
        if self.train_fraction < 1:
            train = self._first(train, targets, spec.kind == "classification")
        noisy = targets
        if self.label_noise > 0 or self.label_confusion is not None:
            noisy = targets.copy()
            noisy[train] = self._replaced(train, targets, spec.num_outputs)
        if self.shuffle_labels:
            noisy = noisy.copy() if noisy is targets else noisy
            noisy[train] = noisy[train][np.argsort(self._draw("shuffle-labels", targets)[train], kind="stable")]
        changed = noisy[train] != targets[train]
        return Changed(train, noisy, int(changed.reshape(len(train), -1).any(axis=1).sum()))

    def _check(self, spec: TaskSpec) -> None:
        if spec.next_token and self.shuffle_labels:
            raise ConfigError("dataset.shuffle_labels is for data with labels, and here the targets are the texts' own "
                              "tokens; leave it out")
        wants = [name for name, is_set in (("imbalance", self.imbalance > 1), ("label_noise", self.label_noise > 0),
                                           ("label_confusion", self.label_confusion is not None)) if is_set]
        if spec.kind != "classification" and wants:
            advice = "leave it out" if spec.next_token else "dataset.shuffle_labels=true works for any targets"
            raise ConfigError(f"dataset.{wants[0]} is for classification, and this is a {spec.kind}; {advice}")
        if self.label_confusion is not None and len(self.label_confusion) != spec.num_outputs:
            raise ConfigError(f"dataset.label_confusion must have one row for each of the {spec.num_outputs} classes, "
                              f"got {len(self.label_confusion)}")

    def _draw(self, purpose: str, targets: np.ndarray) -> np.ndarray:
        return numpy_generator(self.train_seed, purpose).random(len(targets))

    def _kept(self, train: np.ndarray, targets: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Keep a share of each class, at least one row, those with the smallest draws."""
        draws, labels = self._draw("imbalance", targets)[train], targets[train]
        kept = [members[np.argsort(draws[members], kind="stable")[: max(1, round(share * len(members)))]]
                for label, share in enumerate(shares) if len(members := np.flatnonzero(labels == label))]
        rows: np.ndarray = np.sort(train[np.concatenate(kept)])
        return rows

    def _first(self, train: np.ndarray, targets: np.ndarray, stratify: bool) -> np.ndarray:
        """Keep the rows that come first in an order that mixes the classes evenly and does not know the fraction."""
        draws, labels = self._draw("train-fraction", targets)[train], targets[train]
        order = np.argsort(draws, kind="stable")
        if stratify:
            places = np.empty(len(train))
            for label in np.unique(labels):
                members = order[labels[order] == label]
                places[members] = (np.arange(len(members)) + draws[members[0]]) / len(members)
            order = np.argsort(places, kind="stable")
        rows: np.ndarray = np.sort(train[order[: max(1, round(self.train_fraction * len(train)))]])
        return rows

    def _replaced(self, train: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
        labels = targets[train]
        where, which = (self._draw(purpose, targets)[train] for purpose in ("label-noise", "noisy-label"))
        replaced: np.ndarray = labels.copy()
        if self.label_confusion is not None:
            bounds = self.label_confusion.cumsum(axis=1)[labels]
            replaced[:] = np.minimum((where[:, None] >= bounds).sum(axis=1), num_classes - 1)
        else:
            wrong = np.argsort(where, kind="stable")[: round(self.label_noise * len(train))]
            replaced[wrong] = (labels[wrong] + 1 + (which[wrong] * (num_classes - 1)).astype(np.int64)) % num_classes
        return replaced


def _square(rows: list[list[float]]) -> list[list[float]]:
    for number, row in enumerate(rows):
        if len(row) != len(rows) or abs(sum(row) - 1) > TOLERANCE:
            raise ConfigError(f"dataset.label_confusion must be square with rows that sum to 1; row {number} has "
                              f"{len(row)} of {len(rows)} values and sums to {sum(row):g}")
    return rows
