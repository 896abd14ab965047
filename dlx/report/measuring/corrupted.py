"""A trained model on corrupted test rows. N examples, K corruptions."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.core.gaps import RESAMPLES_SEED
from dlx.core.intervals import Interval, function_of_means
from dlx.core.measures import Label, Measure, Measures
from dlx.core.ragged import Ragged
from dlx.core.subject import apart
from dlx.core.types import Outcome, StreamedMetric
from dlx.measure.corruption.choose import corruptions_of
from dlx.measure.corruption.kind import SEVERITIES, Corruption
from dlx.report import words
from dlx.report.measuring.corrupted_examples import picture_bytes, shown_texts

if TYPE_CHECKING:
    from dlx.core.subject import Subject

# Of train, from which means, deviations, quantiles and extremes are taken: rows, and numbers in them.
TRAIN_ROWS, TRAIN_VALUES = 10_000, 2**24
# Numbers of the rows that are corrupted at a time.
BLOCK_VALUES = 2**22
# Positions by name of the metric, corruption and severity; 0 is without corruption.
Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """Test examples that are corrupted: ids and targets [N, ...], ascending, rows as the dataset gives them."""

    ids: np.ndarray
    targets: np.ndarray
    rows: Any
    clean: Outcome


def measure_corruptions(subject: Subject, num_examples: int) -> Measures:
    """Measure the metrics that are means over examples on test rows, corrupted in all ways at five severities."""
    metrics = {name: metric for name, metric in subject.metrics.items() if isinstance(metric, StreamedMetric)}
    reason = _reason_against(subject, metrics)
    if reason is not None:
        return Measures(skipped=(reason,))
    corruptions = _corruptions(subject)
    asked, limit = _examples(subject, num_examples), len(subject.splits["test"].ids)
    numbers = [_measured("clean", {"metric": name}, metric, asked.clean, subject.level)
               for name, metric in metrics.items()]
    values: Values = {name: np.full((len(corruptions) + 1, len(SEVERITIES), len(asked.ids)), np.nan)
                      for name in metrics}
    kept: dict[str, Any] = {}
    for at, corruption in enumerate(corruptions):
        for severity, outcome in _outcomes(subject, corruption, asked, kept):
            of: dict[str, Label] = {"corruption": corruption.name, "severity": severity}
            for name, metric in metrics.items():
                numbers.append(_measured("corrupted", {"metric": name, **of}, metric, outcome, subject.level))
                _note(values[name][at, severity - 1], metric, outcome, subject.spec.kind)
    for name, metric in metrics.items():
        _note(values[name][-1, 0], metric, asked.clean, subject.spec.kind)
        numbers += _aggregates(name, metric, [own.name for own in corruptions], values[name], numbers, subject.level)
    details = {"num_examples": len(asked.ids), "of_examples": limit, "headline": next(iter(metrics)),
               "greater_is_better": {name: metric.greater_is_better for name, metric in subject.metrics.items()},
               "examples": _digest(asked), "corruptions": [
                   {"name": own.name, "text": own.text, "levels": list(own.levels)} for own in corruptions], **kept}
    left = [name for name in subject.metrics if name not in metrics]
    return Measures(numbers, details, tuple(_left_out(left)))


def _reason_against(subject: Subject, metrics: Mapping[str, Any]) -> str | None:
    if not metrics:
        return "Corruptions were not measured: none of the metrics of the run is a mean over examples."
    if subject.given.next_token:
        return ("Corruptions were not measured: the targets are the tokens of the text itself, which a corruption "
                "would change.")
    return None


def _corruptions(subject: Subject) -> list[Corruption]:
    def train() -> Any:
        ids = np.sort(subject.splits["train_eval"].ids.numpy())
        most = min(TRAIN_ROWS, max(1, TRAIN_VALUES // math.prod(subject.given.input_shape)))
        return subject.rows(ids[apart(ids.tolist(), most)])

    return corruptions_of(subject.given, train)


def _left_out(metrics: Sequence[str]) -> Iterator[str]:
    if metrics:
        names = ", ".join(map(words.label, metrics))
        yield f"Under corruptions only metrics that are means over examples were measured, not {names}."


def _examples(subject: Subject, num_examples: int) -> Asked:
    ids = subject.splits["test"].ids.numpy()
    places = np.array(apart(ids.tolist(), num_examples))
    places = places[np.argsort(ids[places])]
    outcome = subject.said("test").outcome
    clean = outcome._replace(scores=outcome.scores[places], targets=outcome.targets[places])
    return Asked(ids[places], clean.targets, subject.rows(ids[places]), clean)


def _digest(asked: Asked) -> str:
    """Name the examples: the SHA-256 of ids and targets, shortened."""
    digest = hashlib.sha256(asked.ids.astype(np.int64).tobytes())
    digest.update(np.ascontiguousarray(asked.targets).tobytes())
    return digest.hexdigest()[:16]


def _outcomes(subject: Subject, corruption: Corruption, asked: Asked, kept: dict[str, Any]
              ) -> Iterator[tuple[int, Outcome]]:
    """Yield each severity with what the model says then; what corrupted rows look like is kept, of one example."""
    size = max(1, int(asked.rows.lengths.mean())) if isinstance(asked.rows, Ragged) else max(1, asked.rows[0].size)
    step = max(1, BLOCK_VALUES // size)
    for severity in SEVERITIES:
        scores = []
        for low in range(0, len(asked.ids), step):
            own = np.arange(low, min(low + step, len(asked.ids)))
            rows = corruption(asked.rows[own], asked.ids[own], severity)
            if low == 0:
                _keep(kept, subject.given.layout, corruption, severity, asked.rows[own], rows)
            targets = asked.targets[own] if subject.spec.kind == "sequence" else None
            scores.append(subject.scores(subject.prepared(rows), targets=targets))
        yield severity, asked.clean._replace(scores=np.concatenate(scores))


def _keep(kept: dict[str, Any], layout: str, corruption: Corruption, severity: int, before: Any, after: Any) -> None:
    """Keep what the first example looks like: a picture at every severity, or a text at the third."""
    if layout == "image":
        pictures = kept.setdefault("pictures", {"clean": [_encoded(before[0], before)]})
        pictures.setdefault(corruption.name, []).append(_encoded(after[0], before))
        kept["picture_shape"] = list(picture_bytes(before[0], before).shape)
    if layout == "text" and severity == SEVERITIES[2]:
        texts = kept.setdefault("texts", {"clean": shown_texts(before)})
        texts[corruption.name] = shown_texts(after)


def _encoded(picture: np.ndarray, rows: np.ndarray) -> str:
    return base64.b64encode(picture_bytes(picture, rows).tobytes()).decode()


def _measured(name: str, of: Mapping[str, Label], metric: Any, outcome: Outcome, level: float) -> Measure:
    number = Measure(name, metric.value(outcome), "test", of=of, n=len(outcome.targets))
    return _within(number, metric.interval(outcome, level, RESAMPLES_SEED))


def _within(number: Measure, interval: Interval) -> Measure:
    """Give a number its interval; where that is undefined only the reason."""
    if np.isfinite(interval.low) and np.isfinite(interval.high):
        return number.within(interval)
    return Measure(number.name, number.value, number.split, number.checkpoint, number.of,
                   method=interval.method, n=interval.n)


def _note(place: np.ndarray, metric: StreamedMetric, outcome: Outcome, kind: str) -> None:
    """Write the values of each example [N] where the scores tell them; of a sequence they do not."""
    import torch

    if kind == "sequence":
        return
    scores, targets = torch.from_numpy(outcome.scores), torch.from_numpy(outcome.targets)
    if kind == "classification":
        scores = scores.clamp(min=np.finfo(np.float64).tiny).log()
    if kind == "multilabel":
        scores = scores.logit()
    place[:] = metric.per_example(scores, targets).double().numpy()


def _aggregates(metric: str, part: StreamedMetric, names: Sequence[str], values: np.ndarray,
                numbers: Sequence[Measure], level: float) -> list[Measure]:
    """Average over severities, and over corruptions too; values [K + 1, 5, N], the last of them without corruption."""
    known = {(str(own.of["corruption"]), int(own.of["severity"])): own.value for own in numbers
             if own.name == "corrupted" and own.of["metric"] == metric}
    clean = next(own.value for own in numbers if own.name == "clean" and own.of["metric"] == metric)
    found = []
    for name, chosen in [*((name, [name]) for name in names), (None, list(names))]:
        each = [known[own, severity] for own in chosen for severity in SEVERITIES]
        defined = [value for value in each if value is not None]
        mean = float(np.mean(defined)) if len(defined) == len(each) else None
        of: dict[str, Label] = {"metric": metric} if name is None else {"metric": metric, "corruption": name}
        columns = np.concatenate([values[-1, :1], *(values[names.index(own)] for own in chosen)])
        for kind, value, less in (("mean", mean, 0.0), ("drop", _minus(mean, clean), 1.0)):
            title = f"corruption_{kind}" if name is not None else f"corrupted_{kind}"
            number = Measure(title, value, "test", of=of, n=values.shape[2],
                             method=None if value is not None else "undefined: a value that it is made of is")
            if value is not None and np.isfinite(columns).all():
                number = _within(number, _interval(part, columns, less, level))
            found.append(number)
    return found


def _interval(metric: StreamedMetric, columns: np.ndarray, less: float, level: float) -> Interval:
    """Return the interval of the mean of the metric over all but the first of columns [1 + k, N], less the first's."""
    if all(metric.from_mean(mean) == mean for mean in (0.25, 0.75)):
        # Of a metric that is a mean itself, means of means are those of one column: a k-th of the work.
        values = columns[1:].mean(axis=0) - less * columns[0]
        return function_of_means(values[None], lambda means: means[0], level, RESAMPLES_SEED)
    return function_of_means(columns, _mean_of(metric, less), level, RESAMPLES_SEED)


def _mean_of(metric: StreamedMetric, less: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what maps means [1 + k, M] to the mean of the metric over all but the first, less that of the first."""
    from_mean = np.frompyfunc(metric.from_mean, 1, 1)

    def function(means: np.ndarray) -> np.ndarray:
        made = from_mean(means).astype(np.float64)
        return np.asarray(made[1:].mean(axis=0) - less * made[0])

    return function


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
