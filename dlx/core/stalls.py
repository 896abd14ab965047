"""How long a metric has not improved."""

from __future__ import annotations

from dlx.core.hooks import History


def epochs_without_improvement(history: History, column: str, min_delta: float) -> list[int]:
    """Return after each epoch for how many epochs a column has not improved by more than min_delta.

    A function of the history alone, so that a resumed run does what the undisturbed one does. A missing value is no
    improvement.
    """
    sign = 1.0 if history.greater_is_better[column] else -1.0
    best, waited, waits = None, 0, []
    for row in history.rows:
        value = row[column]
        score = None if value is None else sign * value
        improved = score is not None and (best is None or score > best + min_delta)
        best, waited = (score, 0) if improved else (best, waited + 1)
        waits.append(waited)
    return waits
