"""What a model does on other datasets, as `dlx evaluate RUN dataset=NAME` measured it."""

from __future__ import annotations

from collections.abc import Mapping

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.section import Section, Table

# Of measures/<section>.json, one file for each dataset.
PREFIX = "shift__"
COLUMNS = ("dataset", "rows", "metric", "value", "own test", "difference")


def others_part(measures: Mapping[str, Measures]) -> Section | None:
    """Tabulate every dataset that the run was measured on; None where there is none."""
    found = [own for name, own in sorted(measures.items()) if name.startswith(PREFIX)]
    rows = tuple(row for own in found for row in _rows(own))
    if not rows:
        return None
    sentences = tuple(_sentence(own) for own in found)
    return Section("others", "Other datasets", sentences, tables=(Table("Other datasets", COLUMNS, rows),),
                   notes=("Preprocessing has the statistics of this run's train rows. The interval of a difference "
                          "takes the two sets of rows as independent samples.",))


def _rows(own: Measures) -> list[tuple[str, ...]]:
    names = [str(number.of["metric"]) for number in own.every("other_value")]
    shown = []
    for at, metric in enumerate(names):
        value, test, gap = (_first(own, name, metric) for name in ("other_value", "own_test", "other_difference"))
        count = f"{0 if value is None else value.n:,} ({own.details.get('rows', 'all')})"
        first = (_called(own), count) if at == 0 else ("", "")
        shown.append((*first, words.label(metric), *("–" if number is None else words.interval(
            metric, number.value, number.low, number.high) for number in (value, test)),
            "–" if gap is None else words.difference(metric, gap.value, gap.low, gap.high)))
    return shown


def _called(own: Measures) -> str:
    """Say dataset, and checkpoint where it is not the selected one."""
    checkpoint = own.numbers[0].checkpoint if own.numbers else "best"
    name = str(own.details.get("dataset", "unknown"))
    return name if checkpoint == "best" else f"{name}, {checkpoint} checkpoint"


def _first(own: Measures, name: str, metric: str) -> Measure | None:
    return next(iter(own.every(name, metric=metric)), None)


def _sentence(own: Measures) -> str:
    metric = next((str(number.of["metric"]) for number in own.every("other_value")), "")
    value, gap = (_first(own, name, metric) for name in ("other_value", "other_difference"))
    if value is None:
        return f"Nothing is known of {_called(own)}."
    text = (f"On {_called(own)}, {words.label(metric)} is "
            f"{words.interval(metric, value.value, value.low, value.high)} (n = {value.n:,})")
    if gap is None or gap.value is None:
        return f"{text}."
    return f"{text}, {words.difference(metric, gap.value, gap.low, gap.high)} from that on the run's own test split."
