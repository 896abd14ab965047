"""Errors under corruption relative to those of a reference run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.measures import Measure, Measures
from dlx.measure.corruption.kind import SEVERITIES
from dlx.record import layout
from dlx.record.measures import read_section

KEY = "report.shift.reference"


def relative_errors(own: Measures, reference: Path) -> list[Measure]:
    """Divide errors by those of a reference run, per corruption and on average.

    Raises:
        ConfigError: the reference has no such measures, or was asked about other examples.
    """
    if not own.details:
        return []
    known = read_reference(reference)
    for name, what in (("examples", "other examples"), ("headline", "another metric"),
                       ("corruptions", "other corruptions")):
        if known.details.get(name) != own.details[name]:
            raise ConfigError(f"{KEY}={reference} was measured on {what} than this run: both need the same data, "
                              f"split, first metric and report.shift.num_examples")
    metric = str(own.details["headline"])
    greater = bool(own.details["greater_is_better"][metric])
    return _ratios(_errors(own, metric, greater), _errors(known, metric, greater))


def read_reference(reference: Path) -> Measures:
    """Read what a reference run was measured to do on corrupted data.

    Raises:
        ConfigError: it was not measured on any, or is no run.
    """
    known = read_section(reference, "shift")
    if known is not None and known.details.get("examples"):
        return known
    if not (reference / layout.CONFIG).is_file():
        raise ConfigError(f"{KEY} must be the folder of a run, or null, got {reference}")
    raise ConfigError(f"{KEY}={reference} was not measured on corrupted data; first run: dlx evaluate {reference} "
                      f"'report=[shift]'")


def _errors(measures: Measures, metric: str, greater: bool) -> dict[str, np.ndarray]:
    """Return errors by corruption, [5]; under "" that without corruption."""
    def error(number: Measure | None) -> float:
        value = np.nan if number is None or number.value is None else number.value
        return 1 - value if greater else value

    names = [str(own["name"]) for own in measures.details["corruptions"]]
    found = {name: np.array([error(measures.find("corrupted", "test", metric=metric, corruption=name,
                                                 severity=severity)) for severity in SEVERITIES]) for name in names}
    return {**found, "": np.array([error(measures.find("clean", "test", metric=metric))])}


def _ratios(own: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> list[Measure]:
    numbers = []
    for title, mean, less in (("corruption_error", "mean_corruption_error", 0.0),
                              ("relative_corruption_error", "relative_mean_corruption_error", 1.0)):
        ratios = []
        for name in (name for name in own if name):
            above, below = (float((each[name] - less * each[""]).sum()) for each in (own, reference))
            ratios.append(above / below if below > 0 else None)
            numbers.append(_number(title, ratios[-1], {"corruption": name}))
        defined = [ratio for ratio in ratios if ratio is not None]
        numbers.append(_number(mean, float(np.mean(defined)) if len(defined) == len(ratios) else None, {}))
    return numbers


def _number(name: str, value: float | None, of: Mapping[str, str]) -> Measure:
    undefined = value is None or not np.isfinite(value)
    return Measure(name, None if undefined else value, "test", of=dict(of),
                   method="undefined: the reference makes no error more" if undefined else None)
