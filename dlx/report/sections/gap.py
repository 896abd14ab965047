"""The gap table: every metric on every split at the selected checkpoint, and how the intervals were made."""

from __future__ import annotations

from dataclasses import asdict

from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.finding import Diagnosis
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
    """Write the table, or say why there is none."""
    if run.summary is None:
        return Section("gap", "Results and gaps", ("Nothing was measured at a selected checkpoint: this run has no "
                                                    "summary.json.",))
    summary = run.summary
    return Section(
        key="gap", title="Results and gaps", sentences=(_where(summary),),
        points=(*_made(summary), *READING, *_optimism(summary), *_openings(summary)),
        tables=(Table("Metrics and gaps", COLUMNS, rows(summary)),),
        values={"selected_epoch": summary.selected_epoch, "selection_rule": summary.selection_rule,
                "metrics": [asdict(item) for item in summary.metrics], "gaps": [asdict(item) for item in summary.gaps],
                "selection_optimism": dict(summary.optimism), "test_openings": summary.test_openings},
    )


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


def _openings(summary: Summary) -> list[str]:
    if summary.test_openings is None or summary.test_openings <= 1:
        return []
    return [f"The test split was opened {summary.test_openings:,} times. If any choice was made after seeing a test "
            f"result, these test numbers flatter the model."]
