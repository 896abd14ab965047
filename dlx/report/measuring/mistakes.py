"""Examples of val and test one by one: the most confident mistakes, labels that may be wrong, the largest residuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measures
from dlx.record import layout
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.parts.sheet import Cell, in_words, sheet
from dlx.report.section import Figure, Section, Table

MAX_LISTED = 12
Item = Mapping[str, Any]


def section(run: RunFiles) -> Section | None:
    """Show the most confident mistakes, or the largest residuals; None where nothing was measured."""
    return _read(run, _mistakes)


def doubtful(run: RunFiles) -> Section | None:
    """List examples whose label may be wrong; None where nothing was measured."""
    return _read(run, _doubtful)


def _read(run: RunFiles, write: Callable[[RunFiles, Measures], Section | None]) -> Section | None:
    measures = run.measures.get("errors")
    if measures is None:
        return None
    try:
        return write(run, measures)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtefactError(f"{layout.MEASURES}/errors.json refused: {type(error).__name__} at {str(error)[:100]}"
                            ) from error


def _mistakes(run: RunFiles, measures: Measures) -> Section | None:
    if "worst" in measures.details:
        return _largest(measures)
    if "mistakes" not in measures.details:
        return None
    items, title = measures.details["mistakes"], "The most confident mistakes"
    if not items:
        return Section("mistakes", title, ("There is no mistake on val and test.",))
    first = items[0]
    finding = (f"The surest mistake: {first['split']} row {int(first['id'])}, of {_class(run, first['target'])}, is "
               f"taken for {_class(run, first['prediction'])} with confidence {_share(first['confidence'])}.")
    lines = [(f"{_short(run, item['target'])} → {_short(run, item['prediction'])}, {_share(item['confidence'])}",
              f"{item['split']} {int(item['id'])}") for item in items]
    png = sheet([Cell(line, measures.details["rows"][str(item["id"])], bool(item["doubted"]))
                 for line, item in zip(lines, items, strict=True)])
    caption = ("The label → what was predicted, and how sure the model is; below, split and row of the dataset. Red: "
               "the label may be wrong.")
    figures = () if png is None else (Figure("mistakes", png, finding, caption + _drawn(measures)),)
    columns, rows = _table(measures, items, ("label", "predicted", "confidence"), lambda item: (
        _class(run, item["target"]), _class(run, item["prediction"]), _share(item["confidence"])), MAX_LISTED)
    tables = (Table(f"{title} on val and test", columns, rows),) if png is None else ()
    return Section("mistakes", title, (finding,), tables=tables, figures=figures, values={"mistakes": list(items)})


def _largest(measures: Measures) -> Section | None:
    items = measures.details["worst"]
    if not items:
        return None
    columns, rows = _table(measures, items, ("target", "prediction", "residual"), lambda item: (
        words.number(float(item["target"])), words.number(float(item["prediction"])),
        words.difference("", float(item["prediction"]) - float(item["target"]), None, None)), MAX_LISTED)
    first = items[0]
    finding = (f"The largest residual: {first['split']} row {int(first['id'])}, with target "
               f"{words.number(first['target'])}, is predicted as {words.number(first['prediction'])}.")
    png = sheet([Cell((f"{words.number(item['target'])} → {words.number(item['prediction'])}",
                       f"{item['split']} {int(item['id'])}"), measures.details["rows"][str(item["id"])])
                 for item in items])
    caption = "The target → the prediction; below, split and row of the dataset."
    figures = () if png is None else (Figure("largest_residuals", png, finding, caption + _drawn(measures)),)
    return Section("mistakes", "The largest residuals", (finding,), figures=figures, values={"worst": list(items)},
                   tables=(Table("The largest residuals on val and test", columns, rows),))


def _doubtful(run: RunFiles, measures: Measures) -> Section | None:
    found, chance, share = (measures.find(name) for name in (
        "label_candidates", "label_candidates_by_chance", "label_error_share"))
    if found is None or chance is None or share is None or found.value is None or share.value is None:
        return None
    count = int(found.value)
    have = "has" if count == 1 else "have"
    finding = (f"{words.count(count, 'example')} of {found.n:,} on val and test {have} a label that may be wrong, by "
               f"confident learning; {_by_chance(chance.value, chance.low, chance.high)} where labels are right and "
               f"the model is as sure as it should be.")
    notes = ("A candidate is a question, not an answer: look at it. A weak model doubts right labels, and one that is "
             "surer than it should be finds more than chance where every label is right; the estimated share of wrong "
             f"labels ({words.percent(share.value)}%) counts their mistakes, too. The best epoch was chosen on val.",
             *measures.skipped)
    items = measures.details["candidates"][:MAX_LISTED]
    columns, rows = _table(measures, items, ("label", "its probability", "seems", "its probability"), lambda item: (
        _class(run, item["target"]), _share(item["of_target"]), _class(run, item["seems"]), _share(item["of_other"])))
    more = f"; {len(items)} of {count:,}" if count > len(items) else ""
    tables = (Table(f"Labels to look at, the least probable first{more}", columns, rows),) if items else ()
    return Section("doubtful_labels", "Labels that may be wrong", (finding,), tables=tables, notes=notes,
                   values={"candidates": list(measures.details["candidates"])})


def _by_chance(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "how many would be is unknown"
    if high == 0:
        return "none would be"
    return f"about {value:,.{0 if value >= 10 else 1}f} [{low:,.0f}, {high:,.0f}] would be"


def _table(measures: Measures, items: Sequence[Item], columns: tuple[str, ...],
           cells: Callable[[Item], tuple[str, ...]], most: int | None = None
           ) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    items = items[:most]
    told = [in_words(measures.details["rows"][str(item["id"])]) for item in items]
    rows = tuple((f"{item['split']} {int(item['id'])}", *cells(item), *([text or "–"] if any(told) else []))
                 for item, text in zip(items, told, strict=True))
    is_table = any(row["kind"] == "table" for row in measures.details["rows"].values())
    what = "most unusual values" if is_table else "what it holds"
    return ("row", *columns, *([what] if any(told) else [])), rows


def _drawn(measures: Measures) -> str:
    waves = any(row["kind"] == "wave" for row in measures.details["rows"].values())
    return " A sound, or the first channel of a series, is stretched to the same width and height." if waves else ""


def _class(run: RunFiles, number: Any) -> str:
    names, at = run.class_names, int(number)
    if at < 0 or (names and at >= len(names)):
        raise ValueError(f"class {at}")
    return names[at] if names else str(at)


def _short(run: RunFiles, number: Any) -> str:
    return draw.plain(_class(run, number), 10)


def _share(value: Any) -> str:
    return f"{words.percent(float(value))}%"
