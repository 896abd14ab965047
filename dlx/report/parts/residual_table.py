"""What the residuals of a regression go with: columns of the table, and the prediction itself."""

from __future__ import annotations

from collections.abc import Iterator

from dlx.core.measures import Measures
from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.problems import p_text
from dlx.report.section import Section, Table

SMALL = 0.05


def section(run: RunFiles) -> Section | None:
    """Tabulate correlations and quantiles on test, or on val; None where none were measured."""
    measures = run.measures.get("errors")
    split = None if measures is None else next((name for name in ("test", "val")
                                                if measures.every("mean_residual", split=name)), None)
    if measures is None or split is None:
        return None
    return Section("residual_structure", "What residuals go with", tuple(_sentences(measures, split)),
                   tables=tuple(_tables(measures, split)), notes=tuple(measures.skipped))


def _sentences(measures: Measures, split: str) -> Iterator[str]:
    mean, spread = measures.find("mean_residual", split), measures.find("breusch_pagan_p_value", split)
    if mean is not None and mean.value is not None:
        yield (f"On {split} the mean of prediction minus target is "
               f"{words.difference('', mean.value, mean.low, mean.high)} (n = {mean.n:,}).")
    if spread is not None and spread.value is not None:
        told = "changes with the prediction" if spread.value < SMALL else "is not seen to change with the prediction"
        yield f"The spread of residuals {told} ({p_text(spread.value)}, Breusch and Pagan, studentized)."
    found = measures.every("residual_correlation_p_value", split=split)
    telling = [str(item.of["column"]) for item in found if item.value is not None and item.value < SMALL]
    if telling:
        yield f"Residuals go with {', '.join(telling)}: there is something in it that the model does not use."
    elif found:
        yield "Residuals go with no column more than chance makes them."


def _tables(measures: Measures, split: str) -> Iterator[Table]:
    p_values = {item.of["column"]: item.value for item in measures.every("residual_correlation_p_value", split=split)}
    rows = [(str(item.of["column"]), words.number(item.value, 0.1), _p_text(p_values.get(item.of["column"])))
            for item in measures.every("residual_correlation", split=split)]
    if rows:
        columns = ("column", "Spearman's correlation", "Holm's p-value")
        yield Table(f"Columns that residuals on {split} go with", columns, tuple(rows))
    quantiles = [(f"{float(item.of['quantile']):.0%}", words.interval("", item.value, item.low, item.high))
                 for item in measures.every("residual_quantile", split=split)]
    if quantiles:
        yield Table(f"Quantiles of prediction minus target on {split}", ("quantile", "residual"), tuple(quantiles))


def _p_text(value: float | None) -> str:
    return "–" if value is None else p_text(value)
