"""The mean of several saved models, as a model. N examples, C classes, M members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dlx.core import diversity
from dlx.core.errors import ConfigError
from dlx.core.gaps import HELD_OUT, RESAMPLES_SEED, Measured, measure_all
from dlx.core.intervals import Interval, function_of_means, mean, undefined
from dlx.core.types import Kind, Metric, Outcome, StreamedMetric
from dlx.engine.data import Shelf
from dlx.engine.reevaluate import Asked, ask
from dlx.engine.saved_model import SavedModel
from dlx.engine.summary import as_record

KINDS: tuple[Kind, ...] = ("classification", "multilabel", "regression")


class Said(NamedTuple):
    """What an ensemble says of a split: the task, ids of the rows [N], what each member says, and the mean of it."""

    kind: Kind
    ids: np.ndarray
    members: list[Outcome]
    whole: Outcome


def refuse_kind(kind: Kind) -> None:
    """Raise ConfigError where the mean of predictions is none."""
    if kind not in KINDS:
        raise ConfigError(f"an ensemble is the mean of probabilities or of predicted numbers, and these runs are for "
                          f"{kind}; it is for {', '.join(KINDS[:-1])} and {KINDS[-1]}")


def ask_all(models: Sequence[SavedModel], data_dir: str, splits: Sequence[str], split_path: Path | None
            ) -> dict[str, Said]:
    """Ask every member about splits of the data that all were trained on.

    Raises:
        ConfigError: members that were trained on other targets.
        ArtefactError: see `dlx.engine.reevaluate.ask`.
    """
    shelf = Shelf()
    asked = [ask(model, data_dir, splits, split_path, shelf) for model in models]
    return {name: _together(name, asked) for name in splits}


def _together(name: str, asked: Sequence[Asked]) -> Said:
    data, members = asked[0].data, [own.examples[name].outcome for own in asked]
    if any(not np.array_equal(own.targets, members[0].targets) for own in members):
        raise ConfigError(f"these runs cannot form an ensemble: they learnt other targets in {name}, by "
                          f"dataset.label_noise or the like")
    scores = np.mean([own.scores for own in members], axis=0)
    ids = data.splits["train" if name == "train_eval" else name].ids.numpy()
    return Said(data.given.kind, ids, members, Outcome(scores, members[0].targets))


def measure_ensemble(metrics: Mapping[str, Metric], said: Mapping[str, Said], level: float) -> list[Measured]:
    """Measure every metric of the ensemble on every split. It has no loss: each member was trained on one of its own.

    Args:
        level: of the intervals, in (0, 1).
    """
    return measure_all(metrics, {}, {name: own.whole for name, own in said.items()}, level)


def gains(metrics: Mapping[str, Metric], said: Mapping[str, Said], level: float) -> list[dict[str, Any]]:
    """Return, per metric and split, the metric of the ensemble minus the mean of its members' (the deep-ensemble gain).

    The interval is a paired bootstrap: each resample of examples is of all members and the ensemble at once. It holds
    for these members over draws of the split. A metric that is no function of a mean over examples has none.
    """
    rows = []
    for name, metric in metrics.items():
        for split, own in said.items():
            whole = metric.value(own.whole)
            # The mean of differences, of which equal values leave no rounding.
            value = float(np.mean([whole - metric.value(member) for member in own.members]))
            interval = gain_interval(metric, own, level) if split in HELD_OUT else None
            rows.append(as_record(Measured(name, split, value, interval, len(own.ids), metric.greater_is_better),
                                  level))
    return rows


def gain_interval(metric: Metric, said: Said, level: float) -> Interval:
    """Return the paired interval of a gain on one split."""
    if not isinstance(metric, StreamedMetric):
        return undefined("no mean over examples", level, len(said.ids))
    columns = np.stack([_per_example(metric, outcome, said.kind) for outcome in (said.whole, *said.members)])

    def gain(means: np.ndarray) -> np.ndarray:
        values = np.array([[metric.from_mean(float(value)) for value in row] for row in means])
        return np.asarray(values[0] - values[1:].mean(axis=0))

    return function_of_means(columns, gain, level, RESAMPLES_SEED)


def _per_example(metric: StreamedMetric, outcome: Outcome, kind: Kind) -> np.ndarray:
    scores, targets = torch.from_numpy(outcome.scores), torch.from_numpy(outcome.targets)
    # Metrics take logits: those that give the probabilities.
    outputs = scores
    if kind == "classification":
        outputs = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()
    elif kind == "multilabel":
        outputs = scores.logit()
    values: np.ndarray = metric.per_example(outputs, targets).double().numpy()
    return values


def diversities(said: Mapping[str, Said], level: float) -> list[dict[str, Any]]:
    """Return how much members differ on val and test, see `dlx.core.diversity`."""
    rows = []
    for split, own in said.items():
        if split in HELD_OUT:
            measured = diversity.per_example(np.stack([member.scores for member in own.members]), own.kind)
            for name, values in measured.items():
                interval = mean(values, level, RESAMPLES_SEED)
                rows.append(as_record(Measured(name, split, float(values.mean()), interval, len(values), True), level))
    return rows
