"""What a run measured at its selected checkpoint: summary.json, checked and typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlx.core.errors import ArtefactError

FORMAT = 1
HEADLINES = ("accuracy", "rmse", "token_accuracy", "label_accuracy", "error_rate")


@dataclass(frozen=True)
class Measured:
    """A metric on a split, or its gap, with an interval where one was made."""

    metric: str
    split: str
    value: float | None
    low: float | None
    high: float | None
    method: str | None
    level: float
    n: int
    num_draws: int
    greater_is_better: bool

    def worse_than_zero(self) -> bool:
        """For a gap: say whether the whole interval lies on the side that is worse than train_eval."""
        if self.low is None or self.high is None:
            return False
        return self.high < 0 if self.greater_is_better else self.low > 0

    def includes_zero(self) -> bool:
        """For a gap: say whether the interval includes 0."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


@dataclass(frozen=True)
class Summary:
    """The file's content; see the run folder's description in docs."""

    task: str
    name: str
    dataset: str
    model: str
    class_names: tuple[str, ...]
    seed: int | None
    num_parameters: int | None
    num_examples: Mapping[str, int]
    selection_rule: str
    selected_epoch: int | None
    epochs_run: int | None
    stop_reason: str
    level: float
    metrics: tuple[Measured, ...]
    gaps: tuple[Measured, ...]
    optimism: tuple[tuple[str, float], ...]
    data_fingerprint: str

    def metric(self, name: str, split: str) -> Measured | None:
        """Find a metric of a split."""
        return next((item for item in self.metrics if (item.metric, item.split) == (name, split)), None)

    def gap(self, name: str, split: str) -> Measured | None:
        """Find the gap of a metric between a split and train_eval."""
        return next((item for item in self.gaps if (item.metric, item.split) == (name, split)), None)

    def names(self) -> tuple[str, ...]:
        """List the metrics, the headline first, then in the file's order."""
        found = dict.fromkeys(item.metric for item in self.metrics)
        first = [name for name in HEADLINES if name in found]
        bounded = [item.metric for item in self.metrics if item.low is not None]
        return tuple(dict.fromkeys([*first, *bounded[:1], *found]))

    def headline(self) -> str | None:
        """Return the metric the verdict speaks of."""
        return self.names()[0] if self.metrics else None


def parse_summary(raw: Mapping[str, Any]) -> Summary:
    """Check and type the content of summary.json.

    Raises:
        ArtefactError: another format, a missing key or a value of the wrong type.
    """
    if raw.get("format") != FORMAT:
        raise ArtefactError(f"summary.json has format {raw.get('format')!r}; this version of dlx reads {FORMAT}")
    try:
        return _parse(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"summary.json refused: {type(error).__name__} at {error}") from error


def _parse(raw: Mapping[str, Any]) -> Summary:
    level = float(raw.get("level", 0.95))
    metrics = tuple(_measured(item, level, bool(item["greater_is_better"])) for item in raw["metrics"])
    better = {item.metric: item.greater_is_better for item in metrics}
    selection = raw.get("selection") or {}
    return Summary(
        task=str(raw["task"]), name=str(raw.get("name", "run")), dataset=str(raw.get("dataset", "unknown")),
        model=str(raw.get("model", "unknown")), class_names=tuple(map(str, raw.get("class_names") or ())),
        seed=_whole(raw.get("seed")), num_parameters=_whole(raw.get("num_parameters")),
        num_examples={str(split): int(size) for split, size in (raw.get("num_examples") or {}).items()},
        selection_rule=str(selection.get("rule", "unknown")), selected_epoch=_whole(selection.get("epoch")),
        epochs_run=_whole(raw.get("epochs_run")), stop_reason=str(raw.get("stop_reason", "unknown")), level=level,
        metrics=metrics,
        gaps=tuple(_measured(item, level, better[item["metric"]]) for item in raw.get("gaps") or ()),
        optimism=tuple((str(item["metric"]), float(item["value"])) for item in raw.get("selection_optimism") or ()
                       if item["value"] is not None),
        data_fingerprint=str(raw.get("data_fingerprint", "unknown")),
    )


def _measured(item: Mapping[str, Any], level: float, greater_is_better: bool) -> Measured:
    method = item.get("method")
    return Measured(
        metric=str(item["metric"]), split=str(item["split"]), value=_finite(item["value"]),
        low=_finite(item.get("low")), high=_finite(item.get("high")), method=None if method is None else str(method),
        level=float(item.get("level", level)), n=int(item.get("n", 0)), num_draws=int(item.get("num_draws") or 0),
        greater_is_better=greater_is_better,
    )


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(float(value)) else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
