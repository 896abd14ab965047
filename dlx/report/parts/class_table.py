"""Classes by themselves: recall, precision, the worst, and whether each is said as often as it occurs."""

from __future__ import annotations

from collections.abc import Iterator

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.problems import p_text
from dlx.report.section import Section, Table

MAX_CLASSES = 20
SMALL = 0.05


def section(run: RunFiles) -> Section | None:
    """Tabulate the classes on test, or on val, that with the lowest recall first; None where none were measured."""
    measures = run.measures.get("errors")
    split = None if measures is None else next((name for name in ("test", "val")
                                                if measures.every("recall", split=name)), None)
    if measures is None or split is None:
        return None
    rows = list(_rows(measures, split))
    more = f"; {MAX_CLASSES} of {len(rows)}" if len(rows) > MAX_CLASSES else ""
    table = Table(f"Classes on {split}, the lowest recall first{more}",
                  ("class", "examples", "recall", "said", "precision"), tuple(rows[:MAX_CLASSES]))
    notes = ("Brackets hold intervals of each class by itself: of many classes some miss. That of the worst class is "
             "widened so that those of all classes hold at once.",)
    return Section("classes", "Classes", tuple(_sentences(measures, split)), tables=(table,), notes=notes)


def _rows(measures: Measures, split: str) -> Iterator[tuple[str, ...]]:
    precisions = {item.of["class"]: item for item in measures.every("precision", split=split)}
    recalls = measures.every("recall", split=split)
    # A class without examples comes last.
    for own in sorted(recalls, key=lambda item: 2.0 if item.value is None else item.value):
        other = precisions.get(own.of["class"])
        yield (str(own.of["class"]), f"{own.n:,}", _share(own), "–" if other is None else f"{other.n:,}", _share(other))


def _share(item: Measure | None) -> str:
    return "–" if item is None else words.interval("accuracy", item.value, item.low, item.high)


def _sentences(measures: Measures, split: str) -> Iterator[str]:
    worst = next(iter(measures.every("worst_recall", split=split)), None)
    p_value = measures.find("worst_recall_p_value", split)
    if worst is not None and worst.level is not None and p_value is not None and p_value.value is not None:
        chance = "seldom makes" if p_value.value < SMALL else "makes"
        yield (f"On {split} the worst class is {worst.of['class']}: {_share(worst)} of {worst.n:,} are right. Chance "
               f"{chance} a worst class as bad where all are equally hard ({p_text(p_value.value)}).")
    named = (("balanced_accuracy", "balanced accuracy", "accuracy"), ("mcc", "Matthews' correlation", "mcc"))
    told = [f"{title} is {words.interval(kind, item.value, item.low, item.high)}" for name, title, kind in named
            if (item := measures.find(name, split)) is not None and item.value is not None]
    if told:
        text = " and ".join(told)
        yield f"{text[0].upper()}{text[1:]}."
    found = measures.find("distribution_p_value", split)
    if found is not None and found.value is not None:
        yield (f"Classes are {'not ' if found.value < SMALL else ''}said as often as they occur, as far as "
               f"{words.count(found.n, 'mistake')} can tell ({p_text(found.value)}, Stuart and Maxwell).")
