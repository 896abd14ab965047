"""What the sweep was, and the words of its report."""

from __future__ import annotations

from collections.abc import Iterator

from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sections.method import METRICS, SPLITS
from dlx.report.sweep.axes import Axis, readable
from dlx.report.sweep.files import metrics
from dlx.report.sweep.points import Sweep

MAX_SHOWN, MAX_NAMED = 12, 5


def title(sweep: Sweep) -> str:
    """Say what was swept."""
    dataset = "" if sweep.files.dataset is None else f" on {sweep.files.dataset}"
    keys = " × ".join(axis.key for axis in sweep.axes) or "one configuration"
    if len(sweep.axes) > MAX_NAMED:
        keys = words.count(len(sweep.axes), "setting")
    seeds = f", {words.count(len(sweep.seeds), sweep.repetition)}" if len(sweep.seeds) > 1 else ""
    if sweep.is_cross_validation:
        return f"Cross-validation{dataset}{seeds}"
    return f"Sweep{dataset}: {keys}{seeds}"


def section(sweep: Sweep) -> Section:
    """Tabulate the facts and define the words."""
    facts = dict(_facts(sweep))
    names = dict.fromkeys((sweep.metric, *metrics(sweep.files.runs)))
    tables = [Table("Sweep", ("fact", "value"), tuple(facts.items()))]
    if sweep.axes:
        tables.append(Table("Settings that vary", ("setting", "values"),
                            tuple((axis.key, _range(axis)) for axis in sweep.axes)))
    return Section(key="facts", title="The sweep", tables=tuple(tables), points=(
        *SPLITS, *(f"{words.label(name)}: {METRICS[name]}" for name in names if name in METRICS),
        *_words(sweep)), values={"facts": facts})


def _words(sweep: Sweep) -> tuple[str, str]:
    if sweep.overlap is None:
        return ("run: one training with one seed; configuration: all runs that differ by seed alone.",
                "interval: mean ± t s/√n over n seeds (Student's t, 95%), for the same configuration trained again "
                "with other seeds. One run has none.")
    return ("run: one training on one fold; configuration: all runs that differ by fold, or seed, alone.",
            "interval: mean ± t s √(1/n + r) over n folds, r the held-out examples to one of train (Nadeau and Bengio "
            "2003, 95%), for the same configuration trained again on other data of this size. One run has none.")


def _facts(sweep: Sweep) -> Iterator[tuple[str, str]]:
    if sweep.files.dataset is not None:
        yield "dataset", sweep.files.dataset
    yield "runs", f"{len(sweep.files.runs):,}, of which {sweep.num_done:,} done"
    yield "configurations", f"{len(sweep.points):,}"
    if len(sweep.seeds) > 1:
        shown = " ".join(sweep.seeds[:MAX_SHOWN])
        yield f"{sweep.repetition}s", shown + (f" … ({len(sweep.seeds):,})" if len(sweep.seeds) > MAX_SHOWN else "")
    yield "ranked by", f"mean {sweep.ranked_by}, {sweep.better} is better (selection {sweep.files.selection})"
    if sweep.files.num_examples:
        yield "examples", ", ".join(f"{split} {size:,}" for split, size in sweep.files.num_examples.items())
    yield "complete grid", "yes" if sweep.is_grid else "no"
    if sweep.files.typed:
        yield "typed", " ".join(sweep.files.typed)


def _range(axis: Axis) -> str:
    if len(axis.levels) <= MAX_SHOWN:
        return ", ".join(map(readable, axis.levels))
    if axis.numbers:
        return f"{len(axis.levels):,} values from {readable(axis.levels[0])} to {readable(axis.levels[-1])}"
    return f"{', '.join(axis.levels[:MAX_SHOWN])} and {len(axis.levels) - MAX_SHOWN:,} more"
