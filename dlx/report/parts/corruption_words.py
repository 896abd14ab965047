"""What corruptions do to a model, in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from dlx.core.measures import Measure, Measures
from dlx.report import draw, words
from dlx.report.parts.corruption_figures import contact_sheet, severity_curves
from dlx.report.section import Figure, Section, Table

SEVERITIES = (1, 2, 3, 4, 5)


def corruption_part(measures: Measures) -> Section | None:
    """Write, tabulate and draw what was measured on corrupted rows; None where nothing was."""
    if not measures.details.get("corruptions"):
        return None
    metric = str(measures.details["headline"])
    names = [str(own["name"]) for own in measures.details["corruptions"]]
    return Section(
        key="corruptions", title="Corrupted test rows", sentences=_sentences(measures, metric, names),
        points=_points(measures), tables=tuple(_tables(measures, metric, names)),
        figures=_figures(measures, metric, names),
        notes=("Rows are corrupted as the dataset gives them; preprocessing keeps the statistics of train. The draw of "
               "each row depends on its id alone, so two runs on this data see the same corrupted rows.",),
        values={"mean": _plain(measures, metric)})


def _plain(measures: Measures, metric: str) -> dict[str, float | None]:
    found = {name: measures.find(name, "test", metric=metric) for name in ("clean", "corrupted_mean")}
    return {name: None if number is None else number.value for name, number in found.items()}


def _described(text: str, levels: Sequence[float]) -> str:
    return text.replace("{}", "/".join(f"{level:g}" for level in levels))


def _sentences(measures: Measures, metric: str, names: list[str]) -> tuple[str, ...]:
    clean, mean, drop = (measures.find(name, "test", metric=metric)
                         for name in ("clean", "corrupted_mean", "corrupted_drop"))
    some = int(measures.details["num_examples"])
    of = "" if some == int(measures.details["of_examples"]) else f" of {int(measures.details['of_examples']):,}"
    first = (f"Averaged over {len(names)} corruptions at five severities, {words.label(metric)} is "
             f"{_value(metric, mean)} on {some:,}{of} test examples, and {_value(metric, clean)} on the same without "
             f"corruption: a difference of {_difference(metric, drop)}.")
    ranked = _ranked(measures, metric, names)
    if len(ranked) < 2 or ranked[0].value == ranked[-1].value:
        return (first,)
    worst, best = ranked[0], ranked[-1]
    return first, (f"What harms most is {_lower(worst)} ({_value(metric, worst)}), and least "
                   f"{_lower(best)} ({_value(metric, best)}).")


def _ranked(measures: Measures, metric: str, names: list[str]) -> list[Measure]:
    """List means over severities, the worst first."""
    found = [measures.find("corruption_mean", "test", metric=metric, corruption=name) for name in names]
    known = [number for number in found if number is not None and number.value is not None]
    greater = bool(measures.details["greater_is_better"][metric])
    return sorted(known, key=lambda number: (number.value or 0.0) * (1 if greater else -1))


def _lower(number: Measure) -> str:
    return str(number.of["corruption"]).replace("_", " ")


def _points(measures: Measures) -> tuple[str, ...]:
    mean, relative = (measures.find(name, "test") for name in
                      ("mean_corruption_error", "relative_mean_corruption_error"))
    if mean is None:
        return ()
    texts = [f"Relative to the reference run {measures.settings.get('reference')}, the mean corruption error (mCE) is "
             f"{_ratio(mean)}: below 100% this run makes fewer errors under corruption."]
    if relative is not None:
        texts.append(f"Of the errors that corruption adds, the mean is {_ratio(relative)} of the reference's (relative "
                     f"mCE).")
    return tuple(texts)


def _ratio(number: Measure | None) -> str:
    return "undefined" if number is None or number.value is None else f"{words.percent(number.value)}%"


def _tables(measures: Measures, metric: str, names: list[str]) -> list[Table]:
    columns = ("corruption", *(f"severity {severity}" for severity in SEVERITIES), "mean", "minus clean")
    rows = [(name.replace("_", " "), *(_short(metric, measures.find("corrupted", "test", metric=metric, corruption=name,
                                                                  severity=severity)) for severity in SEVERITIES),
             _value(metric, measures.find("corruption_mean", "test", metric=metric, corruption=name)),
             _difference(metric, measures.find("corruption_drop", "test", metric=metric, corruption=name)))
            for name in names]
    tables = [Table(f"{words.title(metric)} by severity", columns, tuple(rows))]
    metrics = [str(number.of["metric"]) for number in measures.every("clean")]
    if len(metrics) > 1:
        tables.append(_means(measures, metrics, names))
    if measures.every("corruption_error"):
        tables.append(Table("Relative to the reference run", ("corruption", "corruption error", "relative"), tuple(
            (name.replace("_", " "), *(_ratio(measures.find(kind, "test", corruption=name))
                                       for kind in ("corruption_error", "relative_corruption_error")))
            for name in names)))
    tables.append(Table("What is done at severities 1 to 5", ("corruption", "what is done"), tuple(
        (str(own["name"]).replace("_", " "), _described(str(own["text"]), own["levels"]))
        for own in measures.details["corruptions"])))
    texts = measures.details.get("texts")
    if texts:
        tables.append(Table("The beginning of one text at severity 3", ("corruption", "text"), tuple(
            (name.replace("_", " "), " ".join(str(text).split()) or "–") for name, text in texts.items())))
    return tables


def _means(measures: Measures, metrics: list[str], names: list[str]) -> Table:
    """Tabulate every metric's mean over severities."""
    clean = ("without corruption", *(_short(own, measures.find("clean", "test", metric=own)) for own in metrics))
    rows = [(name.replace("_", " "), *(_short(own, measures.find("corruption_mean", "test", metric=own,
                                                                 corruption=name)) for own in metrics))
            for name in names]
    every = ("mean of all", *(_short(own, measures.find("corrupted_mean", "test", metric=own)) for own in metrics))
    return Table("Every metric, averaged over the severities", ("corruption", *map(words.label, metrics)),
                 (clean, *rows, every))


def _short(metric: str, number: Measure | None) -> str:
    return words.measured(metric, None if number is None else number.value)


def _value(metric: str, number: Measure | None) -> str:
    return "–" if number is None else words.interval(metric, number.value, number.low, number.high)


def _difference(metric: str, number: Measure | None) -> str:
    return "–" if number is None else words.difference(metric, number.value, number.low, number.high)


def _figures(measures: Measures, metric: str, names: list[str]) -> tuple[Figure, ...]:
    ranked = _ranked(measures, metric, names)
    spans = []
    for number in ranked:
        first, last = (measures.find("corrupted", "test", metric=metric, corruption=str(number.of["corruption"]),
                                     severity=severity) for severity in (1, 5))
        spans.append(f"{_lower(number)} from {_short(metric, first)} to {_short(metric, last)}")
    alt = (f"{words.title(metric)} at severities 1 to 5 of each corruption, the most harmful first: "
           f"{'; '.join(spans)}. Without corruption: {_short(metric, measures.find('clean', 'test', metric=metric))}.")
    with draw.style():
        curves = Figure("corruption_severities", severity_curves(measures, metric, names), alt,
                        "Each panel is one corruption. The dashed line is the same test examples without corruption; "
                        "the band is the interval.")
        pictures = measures.details.get("pictures")
        if not pictures:
            return (curves,)
        sheet = Figure("corruption_examples", contact_sheet(pictures, measures.details["picture_shape"], names),
                       f"One test example, first as it is, then under {len(names)} corruptions at severities 1 to 5.",
                       "One test example under each corruption; severity grows from left to right.")
    return curves, sheet
