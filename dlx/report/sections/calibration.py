"""Whether probabilities are what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.parts import calibration_figures as figures
from dlx.report.problems import p_text
from dlx.report.section import Figure, Section, Table

TITLE = "How far probabilities can be trusted"
ALPHA = 0.05
AFTER = {"after": "temperature"}
ROWS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("val", "val", {}), ("test", "test", {}), ("test, after temperature", "test", AFTER))
ERRORS = {"ece": "ECE, bins of equal width", "ece_equal_mass": "ECE, bins of equal mass", "mce": "MCE",
          "classwise_ece": "class-wise ECE"}
BOUNDS = (1e-2, 1e2)
NOTES = (
    "Confidence is the probability of the predicted class. ECE is the mean distance between confidence and share of "
    "right answers over bins, weighted by their examples; MCE the largest; class-wise ECE looks at the probabilities "
    "of all classes. Few examples inflate them: by chance means, of targets drawn from the probabilities themselves.",
    "Errors of calibration have no interval here: they are never below 0, so resampled examples give larger ones.",
    "The temperature, the thresholds and the conformal sets come from val alone. Val chose the checkpoint, too, which "
    "flatters val a little: what it promises for test may hold a little less often.",
)


def section(run: RunFiles) -> Section | None:
    """Write and draw what was measured; None where nothing was."""
    own = run.measures.get("calibration")
    if own is None:
        return None
    if own.find("ece", "test") is not None:
        return _of_classes(own)
    told = _of_values(own) if own.find("conformal_width", "test", **_coverage(own)) is not None else ()
    tables = (_scores(own),) if own.find("nll", "test") is not None else ()
    if tables:
        told = (_label_sentence(own),)
    return Section("calibration", TITLE, sentences=(*told, *own.skipped), tables=tables) if (
        told or tables or own.skipped) else None


def _of_classes(own: Measures) -> Section:
    points = [_temperature(own), _abstain(own)]
    points += [_sets(own)] if own.every("conformal_coverage") else []
    return Section(
        "calibration", TITLE, sentences=(_direction(own), _chance(own)), points=tuple(points),
        tables=(_scores(own), _errors(own), *_thresholds(own)), figures=(_reliability(own), _risk(own)),
        notes=(*NOTES, *own.skipped))


def _at(own: Measures, name: str, split: str = "test", /, **of: Any) -> Measure:
    found = own.find(name, split, **of)
    assert found is not None, f"{name} of {split} is measured with the others"
    return found


def _value(own: Measures, name: str, split: str = "test", /, **of: Any) -> float:
    value = _at(own, name, split, **of).value
    assert value is not None, f"{name} of {split} is defined"
    return value


def _direction(own: Measures) -> str:
    over = _at(own, "overconfidence")
    sure, right = _value(own, "mean_confidence"), _value(own, "accuracy")
    text = (f"On test the model is {words.percent(sure)}% sure on average and right {words.percent(right)}% of the "
            f"time (n = {over.n:,}): confidence minus accuracy is "
            f"{words.difference('accuracy', over.value, over.low, over.high)}")
    if over.low is not None and over.low > 0:
        return f"{text}: overconfident."
    if over.high is not None and over.high < 0:
        return f"{text}: underconfident."
    return f"{text}, an interval that includes 0."


def _chance(own: Measures) -> str:
    ece, mean, high, p = (_value(own, name) for name in ("ece", "ece_null_mean", "ece_null_q975", "ece_p_value"))
    verdict = "more than chance explains" if p < ALPHA else "no more than chance explains"
    return (f"Bin by bin, its ECE is {words.number(ece)}; if its probabilities were true, that would be "
            f"{words.number(mean)} on average and above {words.number(high)} in 2.5% of cases ({p_text(p)}): "
            f"{verdict}.")


def _temperature(own: Measures) -> str:
    fitted, change = _value(own, "temperature", "val"), _at(own, "nll_change")
    moved = (f"changes test NLL by {words.difference('nll', change.value, change.low, change.high)} and ECE from "
             f"{words.number(_value(own, 'ece'))} to {words.number(_value(own, 'ece', **AFTER))} "
             f"({p_text(_value(own, 'ece_p_value', **AFTER))} after it); the predicted classes stay as they are")
    if fitted in BOUNDS:
        why = ", as it is where all of val is right" if fitted < 1 else ""
        return f"The best temperature on val is the bound of the search, {fitted:g}{why}: of no use. It {moved}."
    effect = "softens" if fitted > 1 else "sharpens"
    return (f"A temperature of {words.number(fitted)}, fitted on val, {effect} the probabilities: it {moved}."
            if fitted != 1 else "No temperature fits val better than 1: the probabilities need none.")


def _abstain(own: Measures) -> str:
    chosen = [item for item in own.every("threshold") if item.value is not None]
    if not chosen:
        highest = max(float(item.of["risk"]) for item in own.every("threshold"))
        return (f"Abstaining does not help enough: even the surest predictions on val are wrong more often than "
                f"{100 * highest:g}% of the time.")
    item = next((item for item in chosen if item.value), chosen[0])
    risk = {"risk": float(item.of["risk"])}
    if not item.value:
        return (f"Abstaining is not needed for at most {100 * risk['risk']:g}% wrong answers: on val no more are wrong "
                f"when all are answered.")
    return (f"Answering only from a confidence of {item.value:.10g} on, chosen on val for at most "
            f"{100 * risk['risk']:g}% wrong, answers {_share(_at(own, 'threshold_coverage', **risk))} of test and gets "
            f"{_share(_at(own, 'threshold_risk', **risk))} of that wrong, where answering all gets "
            f"{words.percent(1 - _value(own, 'accuracy'))}% wrong: dlx predict RUN ROWS --abstain-below "
            f"{item.value:.10g} does that.")


def _share(item: Measure) -> str:
    return "none" if item.value is None else words.interval("accuracy", item.value, item.low, item.high)


def _coverage(own: Measures) -> dict[str, Any]:
    return dict(next(iter(own.every("conformal_coverage"))).of) if own.every("conformal_coverage") else {}


def _expected(own: Measures) -> str:
    of = _coverage(own)
    found = _at(own, "conformal_coverage", **of)
    low, high = (_value(own, f"conformal_expected_{side}", **of) for side in ("low", "high"))
    level = "" if found.level is None else f" in {100 * found.level:g}% of cases"
    value = _value(own, "conformal_coverage", **of)
    outside = "" if low <= value <= high else ", so test is not like val"
    return f"{_share(found)} of test; {words.percent(low)}% to {words.percent(high)}% is to be expected{level}{outside}"


def _sets(own: Measures) -> str:
    of = _coverage(own)
    size, empty = _at(own, "conformal_set_size", **of), _value(own, "conformal_empty_sets", **of)
    return (f"Conformal sets made on val to hold the true class of {100 * of['coverage']:g}% hold that of "
            f"{_expected(own)}. They have {words.interval('', size.value, size.low, size.high)} classes on average and "
            f"are empty for {words.percent(empty)}%.")


def _of_values(own: Measures) -> tuple[str, ...]:
    of = _coverage(own)
    half = words.number(_value(own, "conformal_threshold", "val", **of))
    return (f"Intervals of the prediction ± {half}, made on val to hold {100 * of['coverage']:g}% of targets, hold "
            f"{_expected(own)}.",)


def _label_sentence(own: Measures) -> str:
    return (f"On test the probabilities of labels have an ECE of {words.number(_value(own, 'label_ece'))} over all "
            f"pairs of an example and a label.")


def _scores(own: Measures) -> Table:
    names = [name for name in ("accuracy", "mean_confidence", "nll", "brier", "label_ece") if own.every(name)]
    titles = {"nll": "NLL", "brier": "Brier score", "mean_confidence": "mean confidence", "label_ece": "ECE of labels"}
    rows = tuple((title, f"{_at(own, names[0], split, **of).n:,}",
                  *(_cell(own, name, split, of) for name in names))
                 for title, split, of in ROWS if own.find(names[0], split, **of) is not None)
    return Table("Proper scores", ("split", "n", *(titles.get(name, name) for name in names)), rows)


def _cell(own: Measures, name: str, split: str, of: Mapping[str, str]) -> str:
    item = _at(own, name, split, **of)
    kind = "accuracy" if name in ("accuracy", "mean_confidence") else name
    return words.interval(kind, item.value, item.low, item.high)


def _errors(own: Measures) -> Table:
    rows = tuple(
        (label, title, *(words.number(_value(own, name + what, split, **of)) for what in ("", "_null_mean",
                                                                                         "_null_q975")),
         p_text(_value(own, f"{name}_p_value", split, **of)).removeprefix("p = ").removeprefix("p "))
        for name, label in ERRORS.items() for title, split, of in ROWS)
    draws = _at(own, "ece_p_value").num_draws
    return Table(f"Calibration errors, and the same by chance in {draws:,} draws",
                 ("error", "split", "observed", "mean by chance", "97.5% by chance", "p"), rows)


def _thresholds(own: Measures) -> tuple[Table, ...]:
    """Tabulate what abstaining does; nothing where no confidence is high enough, which a sentence says."""
    thresholds = own.every("threshold")
    if all(item.value is None for item in thresholds):
        return ()
    rows = tuple((f"{100 * float(item.of['risk']):g}%", *_effect(own, item)) for item in thresholds)
    return (Table("Abstaining below a confidence chosen on val",
                  ("wrong on val at most", "abstain below", "answered on test", "wrong of those"), rows),)


def _effect(own: Measures, item: Measure) -> tuple[str, str, str]:
    if item.value is None:
        return ("–", "–", "–")
    of = dict(item.of)
    risk = _at(own, "threshold_risk", **of)
    return (f"{item.value:.10g}" if item.value else "none needed", _share(_at(own, "threshold_coverage", **of)),
            "–" if risk.value is None else _share(risk))


def _reliability(own: Measures) -> Figure:
    level = _at(own, "accuracy").level
    assert level is not None, "accuracy has an interval"
    bins, fitted = own.details["bins"], _value(own, "temperature", "val")
    panels = [(f"Test: ECE {words.number(_value(own, 'ece'))}", bins["test"])]
    if fitted != 1:
        panels.append((f"Temperature {words.number(fitted)}: ECE {words.number(_value(own, 'ece', **AFTER))}",
                       bins["after"]))
    return figures.reliability(panels, "test", level, f"{_direction(own)} {_chance(own)}")


def _risk(own: Measures) -> Figure:
    shares = {float(item.of["coverage"]): item.value for item in own.every("risk_at_coverage", split="test")}
    told = ", ".join(f"{words.percent(risk or 0.0)}% of the {100 * coverage:g}% most confident"
                     for coverage, risk in shares.items())
    error = 1 - _value(own, "accuracy")
    points = []
    for item in own.every("threshold"):
        of = dict(item.of)
        if item.value and (risk := _at(own, "threshold_risk", **of).value) is not None:
            points.append((f"from {item.value:.10g} on", _value(own, "threshold_coverage", **of), risk))
    return figures.risk_coverage(own.details["curves"], tuple(dict.fromkeys(points)),
                                 f"On test {told} predictions are wrong, and {words.percent(error)}% of all.")
