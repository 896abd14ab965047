"""What is known of rows beside their inputs: groups that are in several splits, and times that run backwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dlx.hygiene.data import HELD_OUT, MAX_LISTED, TRAIN, Count

TIMES = ("date", "time", "timestamp", "datetime", "day", "month", "year")
GROUPS = ("group", "speaker", "subject", "patient", "person", "user", "customer", "session", "recording", "site",
          "batch", "device", "writer", "author", "family")
# A group whose rows are so much more often nearest to each other than by chance can be recognised.
LIFT = 0.5
NUM_QUERIES, NARROW = 256, 64


class Group(NamedTuple):
    """A note whose values are shared by rows, and by splits.

    num_values: of the note; shared: held-out rows by split whose value occurs in train; nearest: the share of held-out
    rows whose nearest train row has the same value, and by_chance: of a train row drawn at random; None where they were
    not measured; values: some that are in train and held out; is_leak: rows of one value resemble each other or the
    note's name says that they belong together, and train has the values that are to be predicted.
    """

    note: str
    num_values: int
    shared: dict[str, Count]
    nearest: float | None
    by_chance: float | None
    values: tuple[str, ...]
    is_leak: bool


class Time(NamedTuple):
    """A note that is a time: held-out rows that are not later than all of train, by split."""

    note: str
    earlier: dict[str, Count]
    last_of_train: str


def groups_in(notes: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray],
              neighbours: tuple[np.ndarray, np.ndarray] | None) -> tuple[Group, ...]:
    """Look at every note that several rows share and that is no time.

    Args:
        rows: of each split.
        neighbours: some held-out rows, and the nearest train row of each.
    """
    found = []
    for name, values in notes.items():
        codes = np.unique(values.astype(str), return_inverse=True)[1]
        count = int(codes.max(initial=-1)) + 1
        if times_of(name, values) is None and values.dtype.kind not in "fc" and 2 <= count <= len(values) / 2:
            found.append(_group(name, values, codes, rows, neighbours))
    return tuple(found)


def _group(name: str, values: np.ndarray, codes: np.ndarray, rows: Mapping[str, np.ndarray],
           neighbours: tuple[np.ndarray, np.ndarray] | None) -> Group:
    known = np.bincount(codes[rows[TRAIN]], minlength=codes.max() + 1)
    held_out = {split: rows[split] for split in HELD_OUT if split in rows}
    shared = {split: own[known[codes[own]] > 0] for split, own in held_out.items()}
    listed = np.unique(np.concatenate([codes[own] for own in shared.values()])) if shared else np.empty(0, np.int64)
    first = [str(values[np.flatnonzero(codes == code)[0]]) for code in listed[:MAX_LISTED]]
    nearest = by_chance = None
    if neighbours is not None and len(neighbours[0]):
        nearest = float(np.mean(codes[neighbours[0]] == codes[neighbours[1]]))
        by_chance = float((known[codes[neighbours[0]]] / known.sum()).mean())
    named = any(word in name.lower() for word in GROUPS)
    alike = nearest is not None and by_chance is not None and nearest - by_chance > LIFT * (1 - by_chance)
    enough = any(len(own) for own in shared.values())
    return Group(name, int(codes.max()) + 1, {split: Count.of_rows(own, len(held_out[split]))
                                              for split, own in shared.items()},
                 nearest, by_chance, tuple(first), enough and (named or alike))


def times_of(name: str, values: np.ndarray) -> np.ndarray | None:
    """Return the times of rows as datetime64 or numbers, NaT or NaN where there is none; None for what is no time."""
    if values.dtype.kind == "M":
        return values
    parts = name.lower().replace("-", "_").replace(" ", "_").split("_")
    if not any(part in TIMES for part in parts):
        return None
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    try:
        return values.astype("datetime64[s]")
    except (ValueError, TypeError):
        return None


def times_in(notes: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> tuple[Time, ...]:
    """Look at every note that is a time, by its type or by its name."""
    found = []
    for name, values in notes.items():
        times = times_of(name, values)
        if times is None:
            continue
        train = times[rows[TRAIN]]
        train = train[~np.isnat(train) if train.dtype.kind == "M" else ~np.isnan(train)]
        if len(train) == 0:
            continue
        last = train.max()
        earlier = {split: Count.of_rows(own[times[own] < last], len(own))
                   for split, own in rows.items() if split in HELD_OUT}
        found.append(Time(name, earlier, str(last)))
    return tuple(found)


def nearest_of(queries: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return which train row [n, D] is nearest to each query [m, D], [m]."""
    import torch

    centre = train.mean(axis=0)
    # In float64 where rows are narrow: there distances are small beside what float32 rounds.
    dtype = torch.float64 if train.shape[1] <= NARROW else torch.float32
    own, other = (torch.from_numpy(values - centre).to(dtype) for values in (queries, train))
    distances = torch.cdist(own, other, compute_mode="use_mm_for_euclid_dist")
    nearest: np.ndarray = distances.argmin(dim=1).numpy()
    return nearest
