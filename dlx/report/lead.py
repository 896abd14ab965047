"""The first screen of a report: how well, how sure, what happened, can it be trusted, and what next.

A sentence each, of what was measured; what was not has none. The commands come from val and train_eval alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.diagnosing.finding import Diagnosis
from dlx.report.files import RunFiles
from dlx.report.problems import p_text
from dlx.report.section import Told
from dlx.report.summary import Measured, Summary

# Below this, probabilities that are what they say differ so much by chance less often.
SURPRISING = 0.01
# A calibration error that is certain, yet changes few decisions.
SLIGHT = 0.02


def lead(run: RunFiles, diagnosis: Diagnosis) -> tuple[Told, ...]:
    """Compose the sentences, in the order of the questions.

    Args:
        diagnosis: of the run.
    """
    shown = None if run.summary is None else shown_metric(run.summary)
    sentences = [] if shown is None or run.summary is None else [
        Told("result", result(run.summary, shown)), Told("certainty", certainty(run, shown))]
    sentences.append(Told("cause", cause(diagnosis)))
    sentences += [Told("trust", text) for text in trust(run)]
    if diagnosis.findings[0].commands:
        best = diagnosis.findings[0].commands[0]
        sentences.append(Told("next", best.why, best.text))
    return tuple(sentences)


def shown_metric(summary: Summary) -> Measured | None:
    """Return the first metric on test, or on val where there is no test; None where neither was measured."""
    metric = summary.headline()
    found = [summary.metric(metric, split) for split in ("test", "val")] if metric is not None else []
    return next((item for item in found if item is not None and item.value is not None), None)


def result(summary: Summary, shown: Measured) -> str:
    """Say how good the model is on examples it has not seen, and how much worse than on those it has."""
    value = words.interval(shown.metric, shown.value, shown.low, shown.high)
    text = f"{words.title(shown.split)} {words.label(shown.metric)} is {value}"
    gap, train = summary.gap(shown.metric, shown.split), summary.metric(shown.metric, "train_eval")
    if gap is None or gap.value is None:
        return f"{text}."
    known = "" if train is None else f" ({words.measured(train.metric, train.value)})"
    size = words.difference(gap.metric, gap.value, gap.low, gap.high)
    return f"{text}; the gap to the training examples{known} is {size}."


def certainty(run: RunFiles, shown: Measured) -> str:
    """Say what the intervals are of and what they leave out: seeds, and a test split that was opened often."""
    if shown.low is None:
        made = f"No interval was made for n = {shown.n:,} examples"
    else:
        kind = words.level_and_method(shown.level, shown.method)
        made = f"Brackets are {kind} intervals from n = {shown.n:,} examples"
    seed = "" if run.summary is None or run.summary.seed is None else f" ({run.summary.seed})"
    text = f"{made}; they speak of this one trained model: one seed{seed} cannot say how much another would differ"
    return f"{text}{_opened(run)}."


def _opened(run: RunFiles) -> str:
    measured = run.measures.get("gap")
    openings = None if measured is None else measured.find("test_openings", "test", "")
    if openings is None or openings.value is None:
        return ""
    if openings.value <= 1:
        return "; no other model was measured on this test split"
    return (f"; {openings.value:,.0f} models were measured on this test split, and whatever was chosen after seeing it "
            f"is flattered by it")


def cause(diagnosis: Diagnosis) -> str:
    """Say how training went, and what else was found beside it."""
    main = diagnosis.main
    beside = f" Beside it: {', '.join(item.title.lower() for item in diagnosis.others)}." if diagnosis.others else ""
    text = f"{main.title}. {main.verdict}" if ":" in main.title else f"{main.title}: {words.lower(main.verdict)}"
    return text + beside


def trust(run: RunFiles) -> Iterator[str]:
    """Say the worst problem of the data, and whether probabilities are what they say."""
    parts = [*_data(run), *_probabilities(run)]
    if parts:
        yield " ".join(parts)


def _data(run: RunFiles) -> Iterator[str]:
    if run.checks is None:
        return
    first, *others = [*run.checks.problems, ""]
    more = f" ({words.count(len(others) - 1, 'more problem')} below.)" if len(others) > 1 else ""
    yield f"{first}{more}" if first else "No problem was found in the data."


def _probabilities(run: RunFiles) -> Iterator[str]:
    measured = run.measures.get("calibration", Measures())
    error, chance = measured.find("ece", "test"), measured.find("ece_p_value", "test")
    if error is None or error.value is None or chance is None or chance.value is None:
        return
    size = f"calibration error {words.percent(error.value)}%, {p_text(chance.value)}"
    if chance.value >= SURPRISING:
        yield f"Probabilities are what they say as far as {error.n:,} examples can tell ({size})."
        return
    if error.value < SLIGHT:
        yield f"Probabilities are close to what they say, though off by more than chance explains ({size})."
        return
    over = measured.find("overconfidence", "test")
    yield f"Probabilities are not what they say{'' if over is None else _direction(over)} ({size})."


def _direction(over: Measure) -> str:
    """Say which way, where the interval of confidence minus accuracy tells."""
    if over.value is None or over.low is None or over.high is None or over.low <= 0 <= over.high:
        return ""
    # Of how far below, the bounds are as far below.
    low, high = (over.low, over.high) if over.value > 0 else (-over.high, -over.low)
    bounds = words.bounds("accuracy", low, high)
    return f": confidence is {words.distance('accuracy', over.value)} accuracy {bounds}"
