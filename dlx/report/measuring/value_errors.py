"""What a regression gets wrong. N examples, D columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.core.intervals import student_t
from dlx.core.measures import Measure, Measures
from dlx.measure.comparison import holm
from dlx.measure.residuals import breusch_pagan, quantile_interval, rank_correlations
from dlx.report.measuring.held_out import LEFT_OUT, Answers, answers, shown_rows

if TYPE_CHECKING:
    from dlx.core.subject import Subject

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
UNDEFINED = "undefined: residuals or predictions are all equal, or fewer than 4"


def measure(subject: Subject, num_worst: int, num_features: int) -> Measures:
    """Measure residuals: their place and spread, what they go with, and the largest of them."""
    numbers, skipped, worst = [], [], []
    for given in answers(subject):
        own = given.at(np.flatnonzero(np.isfinite(given.scores) & np.isfinite(given.targets)))
        if len(own.ids) < len(given.ids):
            skipped.append(LEFT_OUT.format(len(given.ids) - len(own.ids), own.split))
        if len(own.ids):
            numbers += list(_residuals(own, subject.level))
            numbers += list(_correlations(subject, own, num_features))
            worst += _largest(own, num_worst)
    if not _columns(subject):
        skipped.append("Residuals were compared with no columns: inputs are no table with numeric columns.")
    worst = sorted(worst, key=lambda item: (-abs(item["prediction"] - item["target"]), item["id"]))[:num_worst]
    details = {"worst": worst, "rows": shown_rows(subject, [item["id"] for item in worst])}
    return Measures(tuple(numbers), details, tuple(skipped))


def _residuals(own: Answers, level: float) -> Iterator[Measure]:
    residuals = own.scores.astype(np.float64) - own.targets
    yield Measure("mean_residual", float(residuals.mean()), own.split).within(student_t(residuals, level))
    for share in QUANTILES:
        value, interval = quantile_interval(residuals, share, level)
        yield Measure("residual_quantile", value, own.split, of={"quantile": share}).within(interval)
    found = breusch_pagan(residuals, own.scores)
    for name, number in (("breusch_pagan", None if found is None else found.value),
                         ("breusch_pagan_p_value", None if found is None else found.p_value)):
        yield Measure(name, number, own.split, n=len(residuals), method=UNDEFINED if number is None else None)


def _columns(subject: Subject) -> list[tuple[int, str]]:
    """Return number and name of the columns that hold numbers."""
    given = subject.given
    if given.layout != "table":
        return []
    names = [(column.name, column.categories) for column in given.columns] or [
        (f"column {at}", ()) for at in range(given.input_shape[0])]
    return [(at, name) for at, (name, categories) in enumerate(names) if not categories]


def _correlations(subject: Subject, own: Answers, most: int) -> Iterator[Measure]:
    columns = _columns(subject)
    if not columns:
        return
    features = np.asarray(subject.rows(own.ids), np.float64).reshape(len(own.ids), -1)[:, [at for at, _ in columns]]
    tests = rank_correlations(own.scores - own.targets, features)
    known = [(name, test) for (_, name), test in zip(columns, tests, strict=True) if test is not None]
    adjusted = holm([test.p_value for _, test in known])
    order = sorted(range(len(known)), key=lambda at: -abs(known[at][1].value))[:most]
    for at in order:
        name, test = known[at]
        yield Measure("residual_correlation", test.value, own.split, of={"column": name}, n=test.n)
        yield Measure("residual_correlation_p_value", adjusted[at], own.split, of={"column": name}, n=test.n)


def _largest(own: Answers, most: int) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(own.scores - own.targets), kind="stable")[:most]
    return [{"split": own.split, "id": int(own.ids[at]), "target": float(own.targets[at]),
             "prediction": float(own.scores[at])} for at in order]
