"""How well it generalizes: metrics and gaps at the best and the last checkpoint, and what test guarantees."""

from __future__ import annotations

from dataclasses import asdict, replace

from dlx.core.measures import Measures
from dlx.report import words
from dlx.report.diagnosing.finding import Diagnosis
from dlx.report.files import RunFiles
from dlx.report.measuring.onset import TOLERANCE
from dlx.report.parts import gap_dots, guarantees
from dlx.report.section import Section, Table
from dlx.report.summary import Measured, Summary

COLUMNS = ("metric", "train_eval", "val", "test", "gap on val", "gap on test")
READING = (
    "A gap is val or test minus train_eval, which is taken as known. Brackets hold intervals; pt are percentage "
    "points.",
    "Intervals speak of this trained model on new examples, not of other seeds.",
)


def rows(summary: Summary) -> tuple[tuple[str, ...], ...]:
    """Write the cells of the gap table, one row per metric."""
    return tuple(
        (words.label(name), *(_value(summary.metric(name, split)) for split in ("train_eval", "val", "test")),
         *(_gap(summary.gap(name, split)) for split in ("val", "test")))
        for name in summary.names()
    )


def verdict(summary: Summary | None, diagnosis: Diagnosis) -> str:
    """Say in one sentence how the run went and how good the model is on test, or on val where there is no test."""
    title, text = diagnosis.main.title, diagnosis.main.verdict
    told = None if summary is None else _headline(summary)
    return f"{title}: {text[0].lower()}{text[1:]}" if told is None else f"{title}: {told}."


def _headline(summary: Summary) -> str | None:
    metric = summary.headline()
    found = [summary.metric(metric, split) for split in ("test", "val")] if metric is not None else []
    item = next((item for item in found if item is not None and item.value is not None), None)
    if item is None:
        return None
    value = words.interval(item.metric, item.value, item.low, item.high)
    made = "no interval" if item.low is None else f"{words.level_and_method(item.level, item.method)} interval"
    gap = summary.gap(item.metric, item.split)
    beside = ""
    if gap is not None and gap.value is not None:
        beside = f", {words.distance(gap.metric, gap.value, gap.low, gap.high)} train_eval"
    return f"{item.split} {words.label(item.metric)} is {value} ({made}, n = {item.n:,}){beside}"


def section(run: RunFiles) -> Section:
    """Write the tables, what they guarantee, and figures; or say why there are none."""
    if run.summary is None:
        return Section("gap", "Results and gaps", ("Nothing was measured at a selected checkpoint: this run has no "
                                                    "summary.json.",))
    summary, measures = run.summary, run.measures.get("gap")
    tables = [Table("Metrics and gaps", COLUMNS, rows(summary))]
    last = None if measures is None else at_last(summary, measures)
    if last is not None:
        tables.append(Table(f"The same at the last checkpoint, of epoch {summary.epochs_run}", COLUMNS, rows(last)))
    return Section(
        key="gap", title="Results and gaps",
        sentences=(_where(summary), *(() if measures is None else _measured_sentences(summary, measures))),
        points=() if measures is not None else tuple(_optimism(summary)), tables=tuple(tables),
        figures=() if measures is None else gap_dots.figures(summary, last), notes=(*_made(summary), *READING),
        values={"selected_epoch": summary.selected_epoch, "selection_rule": summary.selection_rule,
                "metrics": [asdict(item) for item in summary.metrics], "gaps": [asdict(item) for item in summary.gaps],
                "selection_optimism": dict(summary.optimism)},
        parts=() if measures is None else guarantees.sections(summary, measures),
    )


def at_last(summary: Summary, measures: Measures) -> Summary | None:
    """Return the summary with the numbers of the last checkpoint; None where it was not measured."""
    better = {item.metric: item.greater_is_better for item in summary.metrics}
    found = [tuple(Measured(str(item.of.get("metric")), item.split, item.value, item.low, item.high, item.method,
                            item.level or summary.level, item.n, item.num_draws,
                            better.get(str(item.of.get("metric")), True))
                   for item in measures.every(name, checkpoint="last")) for name in ("metric", "gap")]
    return replace(summary, metrics=found[0], gaps=found[1]) if found[0] else None


def _measured_sentences(summary: Summary, measures: Measures) -> list[str]:
    onset = measures.find("overfitting_epoch", "val", "")
    sentences = [text for text in measures.skipped if text.startswith("The last checkpoint")]
    if onset is not None and onset.value is not None:
        sentences.append(f"Overfitting set in after epoch {onset.value:.0f}: from then on val loss stayed more than "
                         f"{100 * TOLERANCE:g}% above its minimum, while train_eval loss went on falling.")
    elif onset is not None:
        sentences.append(f"No onset of overfitting: {str(onset.method).partition(': ')[2]}.")
    return [*guarantees.headline(summary, measures), *sentences]


def _value(item: Measured | None) -> str:
    return "–" if item is None else words.interval(item.metric, item.value, item.low, item.high)


def _gap(item: Measured | None) -> str:
    return "–" if item is None else words.difference(item.metric, item.value, item.low, item.high)


def _where(summary: Summary) -> str:
    epoch = "unknown" if summary.selected_epoch is None else str(summary.selected_epoch)
    return (f"Measured with the weights of epoch {epoch}, chosen by the rule {summary.selection_rule}; test played no "
            f"part in that.")


def _made(summary: Summary) -> list[str]:
    """Say per way of making an interval for which metrics, at which level, from how many examples."""
    found: dict[tuple[str, float, int], dict[str, dict[str, int]]] = {}
    for item in summary.metrics:
        if item.method is not None:
            metrics = found.setdefault((item.method, item.level, item.num_draws), {})
            metrics.setdefault(item.metric, {})[item.split] = item.n
    held_out = [item for item in summary.metrics if item.split != "train_eval"]
    without = dict.fromkeys(words.label(item.metric) for item in held_out if item.method is None)
    none = [f"No interval was made for {', '.join(without)}."] if without else []
    return [_method(key, metrics) for key, metrics in found.items()] + none


def _method(key: tuple[str, float, int], metrics: dict[str, dict[str, int]]) -> str:
    method, level, num_draws = key
    names = ", ".join(map(words.label, metrics))
    splits = {split: n for sizes in metrics.values() for split, n in sizes.items()}
    sizes = ", ".join(f"n = {n:,} on {split}" for split, n in splits.items())
    if method.startswith("undefined"):
        return f"No interval for {names} ({sizes}): {method.partition(':')[2].strip() or 'undefined'}."
    draws = f", {num_draws:,} draws" if num_draws else ""
    return f"{names}: {100 * level:g}% intervals, {method}{draws}, {sizes}."


def _optimism(summary: Summary) -> list[str]:
    if not summary.optimism:
        return []
    texts = [f"{words.label(name)} {words.difference(name, value, None, None)}" for name, value in summary.optimism]
    parts = ", ".join(texts)
    return [f"Val minus test at the selected checkpoint: {parts}. Val chose it, so val tends to flatter it."]
