"""Numbers in words: how the report writes shares, losses, gaps and intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALL = 1e-3
SHARES = ("exact_match", "error_rate", "beam_error_rate")
LABELS = {"top_k": "top-k", "nll": "NLL", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "macro_f1": "macro F1",
          "roc_auc": "ROC AUC", "label_macro_f1": "macro F1 of labels", "label_micro_f1": "micro F1 of labels",
          "beam_error_rate": "error rate, beam search"}
# What the sentences of the first screen answer.
TOPICS = {"result": "How well", "certainty": "How sure", "cause": "What happened", "trust": "Can it be trusted",
          "next": "What next"}


def is_share(metric: str) -> bool:
    """Say whether a metric is a proportion, written in per cent."""
    return metric.endswith("accuracy") or metric.startswith("top_") or metric in SHARES


def label(metric: str) -> str:
    """Return a metric's name for people."""
    return LABELS.get(metric, metric.replace("_", " "))


def level_and_method(level: float, method: str | None) -> str:
    """Write 95% Wilson; what a method's name says after a comma is detail."""
    return f"{100 * level:g}% {(method or 'unnamed').partition(',')[0]}"


def number(value: float | None, *beside: float | None) -> str:
    """Write a number with three significant digits; numbers beside it share its decimals."""
    if value is None:
        return "unknown"
    if not math.isfinite(value):
        return str(value)
    decimals = _decimals(value, *beside)
    text = f"{value:.3g}" if decimals > 8 or abs(value) >= 1e6 else f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _decimals(*values: float | None) -> int:
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    decimals = 3 if largest == 0 else max(0, 2 - math.floor(math.log10(largest)))
    # Of an interval's third digit nobody makes use where it is so small.
    return min(decimals, 4) if len(values) > 1 and largest >= SMALL else decimals


def percent(value: float) -> str:
    """Write a share as 97.2, in per cent without the sign; what is below 100% is never written as 100."""
    text = f"{100 * value:.1f}"
    return f"{100 * value:.2f}" if text == "100.0" and value < 1 else text


def measured(metric: str, value: float | None) -> str:
    """Write a metric: 97.2% or 0.123."""
    if value is None or not math.isfinite(value):
        return "not a number" if value is not None else "–"
    return f"{percent(value)}%" if is_share(metric) else number(value)


def interval(metric: str, value: float | None, low: float | None, high: float | None) -> str:
    """Write a metric with its interval: 97.2% [95.0, 98.5]; without one, the metric alone."""
    if value is None or low is None or high is None:
        return measured(metric, value)
    if is_share(metric):
        return f"{measured(metric, value)} [{percent(low)}, {percent(high)}]"
    return f"{number(value, low, high)} {bounds(metric, low, high, value)}"


def bounds(metric: str, low: float, high: float, value: float = 0.0) -> str:
    """Write an interval of a difference: [-4.3, -1.1], in points for shares."""
    if is_share(metric):
        return f"[{100 * low:.1f}, {100 * high:.1f}]"
    return f"[{number(low, value, high)}, {number(high, value, low)}]"


def difference(metric: str, value: float | None, low: float | None, high: float | None) -> str:
    """Write a gap with its sign: -2.8 pt [-4.3, -1.1], pt for percentage points, or +0.123 [0.081, 0.175]."""
    if value is None or not math.isfinite(value):
        return measured(metric, value)
    signed = _signed(f"{100 * value:.1f}" if is_share(metric) else number(value, low, high))
    text = f"{signed} pt" if is_share(metric) else signed
    return text if low is None or high is None else f"{text} {bounds(metric, low, high, value)}"


def _signed(text: str) -> str:
    if float(text) == 0:
        return text.removeprefix("-")
    return text if text.startswith("-") else f"+{text}"


def distance(metric: str, value: float, *beside: float | None) -> str:
    """Write how far a number lies from a reference: 2.8 points below, 0.123 above, equal to."""
    size = f"{100 * abs(value):.1f} points" if is_share(metric) else number(abs(value), *beside)
    if value == 0:
        return "equal to"
    return f"{size} {'above' if value > 0 else 'below'}"


def count(number_of: int, noun: str) -> str:
    """Write 1 epoch, 2 epochs."""
    return f"{number_of:,} {noun}" + ("" if number_of == 1 else "s")


def listed(items: Sequence[str], most: int = 8) -> str:
    """Write a, b, c and 4 more."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def title(metric: str) -> str:
    """Return a metric's name with a capital."""
    name = label(metric)
    return name[0].upper() + name[1:]


def lower(sentence: str) -> str:
    """Return a sentence to go on with after a colon; a first word that is an abbreviation stays as it is."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]
