"""The numbers of `dlx.report.calibration`, by kind of task. N examples, C classes, K bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlx.core import intervals
from dlx.core.intervals import proportion
from dlx.core.measures import Label, Measure, Measures
from dlx.core.random import numpy_generator
from dlx.core.subject import Subject
from dlx.measure import calibration, conformal, selective, temperature
from dlx.measure.calibration import ERRORS, Floats, Forecasts, Ints

HELD_OUT = ("val", "test")
RISKS, COVERAGES = (0.01, 0.02, 0.05), (0.8, 0.9, 0.95)
AFTER = {"after": "temperature"}
CURVE_POINTS = 200
# As those of summary.json: the same metric has the same interval there, and resamples are drawn once.
RESAMPLES_SEED = 0
SCORES = {"nll": calibration.nats, "brier": calibration.squared_distances}
NOT_FINITE = Measures(skipped=("Calibration is not measured: what the model says is not finite.",))
BAND = (0.025, 0.975)


class Part(NamedTuple):
    """A split in the order of its ids: targets [N], probs [N, C], what was said in bins, what else numbers are of."""

    split: str
    targets: Ints
    probs: Floats
    said: Forecasts
    of: Mapping[str, Label]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Return whether the predicted class is the target, [N]."""
        return np.asarray(self.said.predicted == self.targets)


class Column(NamedTuple):
    """One value of each example: name of their mean, what else it is of, values [N]."""

    name: str
    of: Mapping[str, Label]
    values: Floats


def of_classes(subject: Subject, num_bins: int, num_draws: int, coverage: float) -> Measures:
    """Measure a classification."""
    found = {split: _sorted(subject, split) for split in HELD_OUT}
    if not all(np.isfinite(logits).all() for logits, _, _ in found.values()):
        return NOT_FINITE
    val, test = (Part(split, targets, probs, calibration.forecasts(probs, probs.argmax(axis=1), num_bins), {})
                 for split, (_, probs, targets) in found.items())
    fitted = temperature.fit_temperature(found["val"][0], val.targets)
    scaled = temperature.scaled_probs(found["test"][0], fitted)
    after = Part("test", test.targets, scaled, calibration.forecasts(scaled, test.said.predicted, num_bins), AFTER)
    numbers, bins = [Measure("temperature", fitted, "val", n=len(val.targets))], {}
    for name, part in {"val": val, "test": test, "after": after}.items():
        errors, bins[name] = _errors(part, num_draws, subject.seed)
        numbers += _confidence(part, subject.level) + errors
    curves = {part.split: selective.ranked(part.said.confidence, ~part.is_right) for part in (val, test)}
    numbers += [number for split, own in curves.items() for number in _selective(split, own, subject.level)]
    numbers += _thresholds(curves["val"], test, subject.level)
    sets, sizes, skipped = _sets(val, test, coverage, subject.level)
    numbers += sets + _means("val", _scores(val), subject.level)
    numbers += _means("test", [*_scores(test), *_scores(after), *_changes(test, after), *sizes], subject.level)
    details = {"bins": bins, "curves": {split: _curve(own) for split, own in curves.items()}}
    return Measures(numbers, details, skipped)


def _sorted(subject: Subject, split: str) -> tuple[Floats, Floats, Ints]:
    """Return logits [N, C], probabilities [N, C] and targets [N] in the order of ids."""
    said, order = subject.said(split), np.argsort(np.asarray(subject.splits[split].ids), kind="stable")
    assert said.logits is not None, "classes have logits"
    return said.logits[order], said.outcome.scores[order], said.outcome.targets[order]


def _scores(part: Part) -> list[Column]:
    return [Column(name, part.of, score(part.probs, part.targets)) for name, score in SCORES.items()]


def _changes(before: Part, after: Part) -> list[Column]:
    return [Column(f"{own.name}_change", {}, then.values - own.values)
            for own, then in zip(_scores(before), _scores(after), strict=True)]


def _means(split: str, columns: Sequence[Column], level: float) -> list[Measure]:
    """Return means over the examples of a split, with intervals."""
    bounds = intervals.means(np.stack([own.values for own in columns]), level, RESAMPLES_SEED)
    return [Measure(own.name, float(own.values.mean()), split, of=own.of).within(interval)
            for own, interval in zip(columns, bounds, strict=True)]


def _confidence(part: Part, level: float) -> list[Measure]:
    """Measure confidence beside accuracy."""
    n, right = len(part.targets), int(part.is_right.sum())
    sure, bounds = float(part.said.confidence.mean()), proportion(right, n, level)
    over = bounds._replace(low=sure - bounds.high, high=sure - bounds.low)
    return [Measure("accuracy", right / n, part.split, of=part.of).within(bounds),
            Measure("mean_confidence", sure, part.split, of=part.of, n=n),
            Measure("overconfidence", sure - right / n, part.split, of=part.of).within(over)]


def _errors(part: Part, num_draws: int, seed: int) -> tuple[list[Measure], dict[str, Any]]:
    """Measure calibration errors beside what they are by chance; return bins for the diagram, too."""
    n, hits = len(part.targets), calibration.observed_hits(part.said, part.targets)
    generator = numpy_generator(seed, "calibration", HELD_OUT.index(part.split))
    draws, right = calibration.null(part.said, num_draws, generator)
    numbers = []
    for name, value, column in zip(ERRORS, calibration.errors(part.said, hits)[0].tolist(), draws.T, strict=True):
        chance = calibration.chance(value, column)
        numbers.append(Measure(name, value, part.split, of=part.of, n=n))
        numbers += [Measure(f"{name}_{what}", number, part.split, of=part.of, n=n, num_draws=num_draws) for what, number
                    in (("null_mean", chance.mean), ("null_q975", chance.high), ("p_value", chance.p_value))]
    cells = part.said.by_width
    band = np.quantile(right, BAND, axis=0) / np.maximum(cells.counts, 1)
    return numbers, {"counts": cells.counts.tolist(), "right": hits.by_width[0].tolist(),
                     "confidence": (cells.totals / np.maximum(cells.counts, 1)).tolist(),
                     "band_low": band[0].tolist(), "band_high": band[1].tolist()}


def _selective(split: str, own: selective.Ranked, level: float) -> list[Measure]:
    """Measure what answering the most confident alone gives."""
    n = len(own.wrong)
    numbers = [Measure("aurc", selective.aurc(own), split, n=n)]
    numbers += [Measure("coverage_at_risk", selective.coverage_at(own, risk), split, of={"risk": risk}, n=n)
                for risk in RISKS]
    for coverage in COVERAGES:
        answered = selective.number_at(n, coverage)
        wrong = int(own.wrong[answered - 1])
        numbers.append(Measure("risk_at_coverage", wrong / answered, split, of={"coverage": coverage}).within(
            proportion(wrong, answered, level)))
    return numbers


def _thresholds(val: selective.Ranked, test: Part, level: float) -> list[Measure]:
    """Choose confidences on val, and measure what they do on test."""
    numbers, n = [], len(test.targets)
    for risk in RISKS:
        least, of = selective.threshold_for(val, risk), {"risk": risk}
        if least is None:
            reason = f"undefined: the surest predictions on val are wrong more often than {100 * risk:g}%"
            numbers.append(Measure("threshold", None, "val", of=of, method=reason, n=len(val.wrong)))
            continue
        answers = test.said.confidence >= least
        answered, wrong = int(answers.sum()), int((answers & ~test.is_right).sum())
        share = Measure("threshold_risk", None, "test", of=of, method="undefined: no example is answered")
        if answered:
            share = replace(share, value=wrong / answered).within(proportion(wrong, answered, level))
        numbers += [Measure("threshold", least, "val", of=of, n=len(val.wrong)),
                    Measure("threshold_coverage", answered / n, "test", of=of).within(proportion(answered, n, level)),
                    share]
    return numbers


def _sets(val: Part, test: Part, coverage: float, level: float
          ) -> tuple[list[Measure], list[Column], tuple[str, ...]]:
    """Measure conformal sets; return their sizes on test, too, and why there are none."""
    scores = 1 - val.said.probs[np.arange(len(val.targets)), val.targets]
    most, of = conformal.threshold(scores, coverage), {"coverage": coverage}
    if most is None:
        return [], [], (_too_few(len(scores), coverage),)
    sets = 1 - test.said.probs <= most
    is_covered, sizes = sets[np.arange(len(test.targets)), test.targets], sets.sum(axis=1)
    empty = int((sizes == 0).sum())
    numbers = [*_covered(most, is_covered, len(scores), coverage, level),
               Measure("conformal_empty_sets", empty / len(sizes), "test", of=of).within(
                   proportion(empty, len(sizes), level))]
    return numbers, [Column("conformal_set_size", of, sizes.astype(np.float64))], ()


def _covered(most: float, is_covered: NDArray[np.bool_], n: int, coverage: float, level: float) -> list[Measure]:
    """Return the threshold, the coverage on test, and where that is to be expected."""
    m, covered, of = len(is_covered), int(is_covered.sum()), {"coverage": coverage}
    low, high = conformal.coverage_range(n, m, coverage, level)
    return [Measure("conformal_threshold", most, "val", of=of, n=n),
            Measure("conformal_coverage", covered / m, "test", of=of).within(proportion(covered, m, level)),
            Measure("conformal_expected_low", low, "test", of=of, n=m),
            Measure("conformal_expected_high", high, "test", of=of, n=m)]


def _too_few(n: int, coverage: float) -> str:
    return (f"Conformal prediction is not measured: {n:,} val examples are too few for a coverage of "
            f"{100 * coverage:g}%.")


def _curve(own: selective.Ranked) -> dict[str, list[float]]:
    """Return the risk-coverage curve in at most CURVE_POINTS points."""
    n = len(own.wrong)
    kept = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS)).round().astype(np.int64))
    return {"coverage": ((kept + 1) / n).tolist(), "risk": own.risks[kept].tolist()}


def of_values(subject: Subject, coverage: float) -> Measures:
    """Measure conformal intervals of a regression."""
    misses = {}
    for split in HELD_OUT:
        outcome = subject.said(split).outcome
        misses[split] = np.abs(outcome.targets - outcome.scores)
    if not all(np.isfinite(own).all() for own in misses.values()):
        return NOT_FINITE
    most = conformal.threshold(misses["val"], coverage)
    skipped = ["A regression has no probabilities, so of calibration the coverage of intervals is measured alone."]
    if most is None:
        return Measures(skipped=[*skipped, _too_few(len(misses["val"]), coverage)])
    width = Measure("conformal_width", 2 * most, "test", of={"coverage": coverage}, n=len(misses["test"]))
    return Measures([*_covered(most, misses["test"] <= most, len(misses["val"]), coverage, subject.level), width],
                    skipped=skipped)


def of_labels(subject: Subject, num_bins: int) -> Measures:
    """Measure all labels of a multilabel task together."""
    numbers = []
    for split in HELD_OUT:
        outcome, order = subject.said(split).outcome, np.argsort(np.asarray(subject.splits[split].ids), kind="stable")
        probs, targets = outcome.scores[order], outcome.targets[order]
        if not np.isfinite(probs).all():
            return NOT_FINITE
        given = np.where(targets == 1, probs, 1 - probs)
        own = np.stack([given, 1 - given], axis=-1).reshape(-1, 2)
        values = calibration.nats(own, np.zeros(len(own), dtype=np.int64)).reshape(probs.shape).mean(axis=1)
        columns = [Column("nll", {}, values), Column("brier", {}, ((1 - given) ** 2).mean(axis=1))]
        numbers += _means(split, columns, subject.level)
        error = calibration.binary_error(probs.ravel(), targets.ravel(), num_bins)
        numbers.append(Measure("label_ece", error, split, n=len(probs)))
    return Measures(numbers, skipped=(
        "Calibration errors of labels are not compared with chance: labels of one example depend on each other.",))
