"""The comparison in words, a table and a figure."""

from __future__ import annotations

import math

import numpy as np

from dlx.measure.comparison import Test
from dlx.report import draw, words
from dlx.report.comparison.compare import Compared, Comparison
from dlx.report.section import Document, Figure, Section, Table

COLUMNS = ("configuration", "runs", "mean", "difference", "paired t", "Wilcoxon", "after Holm", "equivalence")
ON_EXAMPLES = ("configuration", "difference", "McNemar")
ROW_HEIGHT = 0.42
LABEL = 34
NOTES = (
    "Differences are to the first configuration, over the seeds that both have: mean and interval of Student's t, "
    "p-values of the paired t test and of Wilcoxon's signed ranks. Holm 1979 raises the first for the number of "
    "comparisons. Equivalence is two one-sided t tests (Schuirmann 1987): a small p-value says that the difference is "
    "within the margin.",
    "On shared examples: mean difference over examples, of the means over seeds, with a bootstrap interval; exact test "
    "of McNemar 1947 for one pair of runs. It speaks of these trained models on new examples; seeds speak of training "
    "again.",
    "Test results may be compared, and not chosen by: choose on val, --split val.",
)


def document(found: Comparison) -> Document:
    """Write the whole report of a comparison."""
    section = comparison_section(found)
    title = f"Comparison of {words.count(len(found.others) + 1, 'configuration')}"
    return Document(title, section.sentences[0], "unclear", (section,))


def comparison_section(found: Comparison) -> Section:
    """Write verdicts, the table over seeds, that on examples, and draw the differences."""
    with draw.style():
        figures = (_figure(found),)
    return Section("comparison", "Comparison", tuple(verdicts(found)), tables=tables_of(found), figures=figures,
                   notes=NOTES, values=_plain(found))


def tables_of(found: Comparison) -> tuple[Table, ...]:
    """Tabulate all configurations over seeds, and on examples those that share some with the first."""
    tables = [Table(f"{words.title(found.metric)} on {found.split}, against {found.first_name}", COLUMNS, (
        (found.first_name, str(len(found.first)), _mean(found, found.first), *["–"] * 5),
        *(_row(found, other, adjusted) for other, adjusted in zip(found.others, found.adjusted, strict=True))))]
    shared = [other for other in found.others if other.on_examples is not None]
    if shared:
        tables.append(Table(f"On the same {found.split} examples, against {found.first_name}", ON_EXAMPLES,
                            tuple(_on_examples(other) for other in shared)))
    return tuple(tables)


def verdicts(found: Comparison, first: str | None = None) -> list[str]:
    """Say of each configuration whether it is better, worse, equivalent, or cannot be told from the first.

    Args:
        first: how to call the first; by its name where it is None.
    """
    return [_verdict(found, other, adjusted, found.first_name if first is None else first)
            for other, adjusted in zip(found.others, found.adjusted, strict=True)]


def _verdict(found: Comparison, other: Compared, adjusted: float, first: str) -> str:
    over, label = other.over_seeds, words.label(found.metric)
    if over is None:
        return f"{other.name} shares no seed with {first}: nothing is compared."
    value = float(over.differences.mean())
    told = words.difference(found.metric, value, *_bounds(over.interval.low, over.interval.high))
    n = words.count(len(over.differences), "seed")
    if len(over.differences) < 2:
        on_examples = other.on_examples
        alone = "" if on_examples is None or on_examples.mcnemar is None else (
            f", McNemar {_p(on_examples.mcnemar.p_value)} on the same examples")
        return (f"{other.name} against {first}: {label} {told}{alone}; one seed says nothing of training "
                f"again.")
    if adjusted < 1 - found.level:
        better = (value > 0) == found.greater_is_better
        return (f"{other.name} is {'better' if better else 'worse'} than {first}: {label} {told} over {n}, "
                f"{_p(adjusted)} after Holm.")
    if over.equivalent is not None and over.equivalent.p_value < 1 - found.level and found.margin is not None:
        margin = words.difference(found.metric, found.margin, None, None).removeprefix("+")
        return (f"{other.name} is equivalent to {first} within ±{margin}: {label} {told} over {n}, "
                f"{_p(over.equivalent.p_value)}.")
    more = "more than 200 seeds" if over.seeds_to_decide is None else f"about {over.seeds_to_decide} seeds"
    return (f"{other.name} cannot be told from {first}: {label} {told} over {n}, {_p(adjusted)} after "
            f"Holm; a difference as large as this one would take {more} to show.")


def _row(found: Comparison, other: Compared, adjusted: float) -> tuple[str, ...]:
    runs, mean, over = str(len(other.values)), _mean(found, other.values), other.over_seeds
    if over is None:
        return (other.name, runs, mean, *["–"] * 5)
    difference = words.difference(found.metric, float(over.differences.mean()),
                                  *_bounds(over.interval.low, over.interval.high))
    tests = [_test(over.t), _test(over.ranks), _p(adjusted), "–" if over.equivalent is None else _test(over.equivalent)]
    return (other.name, runs, mean, difference, *tests)


def _on_examples(other: Compared) -> tuple[str, ...]:
    found = other.on_examples
    assert found is not None
    # Of right answers a share, of squared errors a number.
    metric = "accuracy" if found.name == "right" else found.name
    test = "–" if found.mcnemar is None else _test(found.mcnemar)
    return (other.name, words.difference(metric, found.difference, *_bounds(found.interval.low, found.interval.high)),
            test)


def _mean(found: Comparison, values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return words.measured(found.metric, float(known.mean()) if len(known) else None)


def _bounds(low: float, high: float) -> tuple[float | None, float | None]:
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def _test(test: Test) -> str:
    return f"{_p(test.p_value)}" if math.isfinite(test.p_value) else "–"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _figure(found: Comparison) -> Figure:
    known = [other for other in found.others if other.over_seeds is not None]
    canvas = draw.figure(8.9, 1.2 + ROW_HEIGHT * max(1, len(known)))
    scale = 100.0 if words.is_share(found.metric) else 1.0
    unit = " (points)" if words.is_share(found.metric) else ""
    area = draw.axes(canvas, (3.1, 0.55, 0.3, 0.45), f"Difference to {draw.plain(found.first_name, LABEL)}",
                     f"{words.label(found.metric)} on {found.split}{unit}", "")
    area.axvline(0, color=draw.GREY, linewidth=1.2)
    for place, other in enumerate(known):
        assert other.over_seeds is not None
        over = other.over_seeds
        area.plot(scale * over.differences, np.full(len(over.differences), place), linestyle="", marker="o",
                  markersize=4, color=draw.GREY, alpha=0.5, markeredgewidth=0)
        if math.isfinite(over.interval.low):
            area.hlines(place, scale * over.interval.low, scale * over.interval.high, color=draw.BLUE, linewidth=2.2)
        area.plot([scale * over.differences.mean()], [place], marker="D", markersize=6, color=draw.BLUE)
    area.set_yticks(range(len(known)), [draw.plain(other.name, LABEL) for other in known])
    area.set_ylim(len(known) - 0.4, -0.6)
    return Figure("comparison", draw.png(canvas), " ".join(verdicts(found)),
                  f"Diamonds: mean differences; bars: {100 * found.level:g}% intervals over seeds; dots: single seeds. "
                  f"{'Right' if found.greater_is_better else 'Left'} of the line is better than the first.")


def _plain(found: Comparison) -> dict[str, object]:
    others = []
    for other, adjusted in zip(found.others, found.adjusted, strict=True):
        over, shown = other.over_seeds, other.on_examples
        others.append({
            "name": other.name, "values": other.values.tolist(), "holm_p_value": adjusted,
            "over_seeds": None if over is None else {
                "differences": over.differences.tolist(), "mean": float(over.differences.mean()),
                **over.interval._asdict(), "paired_t": over.t._asdict(), "wilcoxon": over.ranks._asdict(),
                "equivalence": None if over.equivalent is None else over.equivalent._asdict(),
                "seeds_to_decide": over.seeds_to_decide},
            "on_examples": None if shown is None else {
                "value": shown.name, "difference": shown.difference, **shown.interval._asdict(),
                "num_seeds": shown.num_seeds, "mcnemar": None if shown.mcnemar is None else shown.mcnemar._asdict()}})
    return {"metric": found.metric, "split": found.split, "level": found.level, "margin": found.margin,
            "first": {"name": found.first_name, "values": found.first.tolist()}, "others": others}


