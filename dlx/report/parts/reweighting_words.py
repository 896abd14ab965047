"""What reweighted val says about test, in words and tables."""

from __future__ import annotations

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.section import Section, Table

HOW = {"inputs": "val weighted to the inputs of test", "bbse": "classes of test by black box shift estimation",
       "em": "classes of test by expectation maximization"}
MOST_CLASSES = 20


def reweighting_part(measures: Measures) -> Section | None:
    """Write what val, weighted to look like test, predicts; None where nothing was measured."""
    actual = measures.find("actual", "test")
    predicted = {by: measures.find("predicted", "test", by=by) for by in HOW}
    known = {by: number for by, number in predicted.items() if number is not None}
    if actual is None or not known:
        return None
    rows = tuple((HOW[by], _share(number), words.difference("accuracy", _minus(number, actual), None, None))
                 for by, number in known.items())
    tables = (Table("Accuracy on test, predicted without its targets", ("from", "predicted", "minus actual"), rows),
              *_classes(measures))
    return Section("reweighting", "Val reweighted to test", _sentences(measures, known, actual), tables=tables,
                   notes=("Weights of inputs hold where only the inputs of test are distributed otherwise, shares of "
                          "classes where only those differ; expectation maximization also takes the model for "
                          "calibrated. All use inputs of test and never its targets.",))


def _sentences(measures: Measures, known: dict[str, Measure], actual: Measure) -> tuple[str, ...]:
    sentences = []
    auc, size = measures.find("domain_auc", "test"), measures.find("effective_sample_size", "val")
    if "inputs" in known and auc is not None and size is not None and auc.value is not None and size.value is not None:
        sentences.append(f"Val weighted to the inputs of test predicts an accuracy of {_share(known['inputs'])}; it is "
                         f"{words.measured('accuracy', actual.value)}. The weights leave {size.value:,.0f} of "
                         f"{size.n:,} examples (effective sample size), and a classifier tells test from val with an "
                         f"AUC of {auc.value:.3f}, 0.5 being chance.")
    distances = {by: measures.find("label_distance", "test", by=by) for by in ("true", "bbse", "em")}
    texts = [f"{words.percent(number.value)} points {name}" for by, name in
             (("bbse", "by black box shift estimation"), ("em", "by expectation maximization"), ("true", "in truth"))
             if (number := distances[by]) is not None and number.value is not None]
    if texts:
        sentences.append(f"The shares of classes in test differ from those of val by {', '.join(texts)} (total "
                         f"variation).")
    return tuple(sentences)


def _share(number: Measure) -> str:
    return words.interval("accuracy", number.value, number.low, number.high)


def _minus(number: Measure, actual: Measure) -> float | None:
    return None if number.value is None or actual.value is None else number.value - actual.value


def _classes(measures: Measures) -> tuple[Table, ...]:
    """Tabulate shares by class; of many classes those whose estimate lies furthest from the truth."""
    found = {by: {str(number.of["class"]): number for number in measures.every("label_share", by=by)}
             for by in ("true", "bbse", "em")}
    names = list(found["true"])
    if not names or not found["em"]:
        return ()
    best = found["bbse"] or found["em"]

    def error(name: str) -> float:
        return abs((best[name].value or 0.0) - (found["true"][name].value or 0.0))

    shown = names if len(names) <= MOST_CLASSES else sorted(names, key=error, reverse=True)[:MOST_CLASSES]
    methods = [by for by in ("bbse", "em") if found[by]]
    columns = ("class", "true share", *(HOW[by].partition(" by ")[2] for by in methods))
    rows = tuple((name, words.measured("accuracy", found["true"][name].value),
                  *(_share(found[by][name]) for by in methods)) for name in shown)
    return (Table("Shares of classes in test, true and as estimated without its targets", columns, rows),)
