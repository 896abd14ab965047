"""What a test split guarantees, how often it was opened, and how far val flatters: in words and tables."""

from __future__ import annotations

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.summary import Summary

BOUNDS = ("Clopper-Pearson", "Hoeffding")
ASSUMED = ("A guarantee is for examples drawn as those of test were, independently of each other; under another "
           "distribution it says nothing.",
           "Clopper-Pearson bounds are exact for a number of errors and never above Hoeffding's, which hold for any "
           "loss between 0 and 1.")
COUNTED = ("Models count that were measured on the same rows of the same data from the same runs folder; a run counts "
           "with its selected checkpoint. Who prefers the last one for its test numbers has looked once more.")


def headline(summary: Summary, measures: Measures) -> list[str]:
    """State the guarantee of the first metric that has one."""
    for name in summary.names():
        item = _bound(measures, name, BOUNDS[0], 1)
        error = measures.find("error", "test", metric=name)
        if item is not None and error is not None and error.value is not None and item.level is not None:
            wrong = words.count(round(error.value * error.n), "error")
            return [f"With {100 * item.level:g}% confidence the expected {_error_of(name)} of this model on new "
                    f"examples is below {_percent(item)} (Clopper-Pearson, {wrong} in {error.n:,} test examples), "
                    f"provided that test chose nothing."]
    return []


def sections(summary: Summary, measures: Measures) -> tuple[Section, ...]:
    """Write the guarantees and the optimism of the selection, each where there is something to say."""
    return tuple(part for part in (_guarantees(summary, measures), _optimism(summary, measures)) if part is not None)


def _guarantees(summary: Summary, measures: Measures) -> Section | None:
    openings = measures.find("test_openings", "test", "")
    if openings is None:
        return None
    looks = 1 if openings.value is None else int(openings.value)
    counts = (1, looks) if looks > 1 else (1,)
    columns = ["metric", "errors on test", *(f"{bound}{_over(count)}" for count in counts for bound in BOUNDS)]
    rows = []
    for name in summary.names():
        error = measures.find("error", "test", metric=name)
        if error is not None and error.value is not None:
            found = [_bound(measures, name, bound, count) for count in counts for bound in BOUNDS]
            share = f"{round(error.value * error.n):,} of {error.n:,}: {words.percent(error.value)}%"
            rows.append((words.label(name), share, *("–" if item is None else _percent(item) for item in found)))
    tables = (Table("Upper bounds of the expected error", tuple(columns), tuple(rows)),) if rows else ()
    others = tuple(text for text in measures.skipped if text.startswith(("No guarantee", "How often")))
    return Section("guarantees", "What test guarantees", tuple(_looks(summary, measures, openings)), others, tables,
                   notes=((*ASSUMED, COUNTED) if rows else (COUNTED,)), values={"test_openings": openings.value})


def _looks(summary: Summary, measures: Measures, openings: Measure) -> list[str]:
    if openings.value is None:
        return []
    looks, sentences = int(openings.value), []
    if looks == 1:
        sentences.append("No other model of this runs folder was measured on this test split so far.")
    else:
        name = next((name for name in summary.names() if _bound(measures, name, BOUNDS[0], looks) is not None), None)
        text = f"{looks:,} models of this runs folder were measured on this test split so far, this one included"
        item = None if name is None else _bound(measures, name, BOUNDS[0], looks)
        if name is not None and item is not None:
            text += (f": if it was chosen among them by its test result, its expected {_error_of(name)} is below "
                     f"{_percent(item)}")
        sentences.append(f"{text}. The more models, the more the best test number flatters.")
    damaged = measures.details.get("damaged_lines")
    if isinstance(damaged, int) and damaged > 0:
        sentences.append(f"{words.count(damaged, 'line')} of test_openings.jsonl could not be read and "
                         f"{'is' if damaged == 1 else 'are'} not counted.")
    return sentences


def _optimism(summary: Summary, measures: Measures) -> Section | None:
    found = [(name, item) for name in summary.names()
             if (item := measures.find("selection_optimism", metric=name)) is not None and item.value is not None]
    if not found:
        return None
    rows = tuple((words.label(name), words.difference(name, item.value, item.low, item.high),
                  "no interval" if item.low is None or item.level is None
                  else words.level_and_method(item.level, item.method), _judged(summary, name, item))
                 for name, item in found)
    name, item = found[0]
    sentence = (f"Val minus test {words.label(name)} is {words.difference(name, item.value, item.low, item.high)} at "
                f"the selected checkpoint: {_judged(summary, name, item)}.")
    return Section("optimism", "Whether choosing by val flatters val", (sentence,),
                   tables=(Table("Val minus test at the selected checkpoint", ("metric", "val minus test", "interval",
                                                                               "finding"), rows),),
                   notes=("Val chose the checkpoint, so val tends to look better than test. Both are independent "
                          "samples: Newcombe's interval for shares, MOVER from the intervals of val and test for "
                          "others.",))


def _judged(summary: Summary, name: str, item: Measure) -> str:
    val = summary.metric(name, "val")
    if item.low is None or item.high is None or item.value is None or val is None:
        return "no interval says whether that is chance"
    if item.low <= 0 <= item.high:
        return "the interval includes 0, it may be chance"
    return "val flatters the model" if (item.value > 0) == val.greater_is_better else "test was easier than val"


def _bound(measures: Measures, name: str, bound: str, looks: int) -> Measure | None:
    return measures.find("error_bound", "test", metric=name, bound=bound, looks=looks)


def _error_of(name: str) -> str:
    return "error" if name == "accuracy" else f"error ({words.label(name)})"


def _over(count: int) -> str:
    return "" if count == 1 else f", {count:,} models"


def _percent(item: Measure) -> str:
    return "–" if item.value is None else f"{words.percent(item.value)}%"
