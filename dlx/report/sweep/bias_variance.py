"""How much of the test loss all draws of a configuration share, and how much averaging over draws would remove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlx.core.gaps import RESAMPLES_SEED
from dlx.core.intervals import Interval, means
from dlx.measure.bias_variance import Parts, ZeroOne, cross_entropy, squared, unbiased, zero_one
from dlx.report import draw, words
from dlx.report.section import Section, Table
from dlx.report.sweep.basis import basis
from dlx.report.sweep.bias_variance_figure import figure
from dlx.report.sweep.estimates import LEVEL
from dlx.report.sweep.members import (
    NOT_TO_CHOOSE,
    Group,
    Shared,
    drawn_keys,
    each_shared,
    groups_of,
    numeric_axis,
    train_overlap,
)
from dlx.report.sweep.points import Sweep

MIN_RUNS = 3
MAX_GROUPS = 20
TITLE = "Bias and variance"


@dataclass(frozen=True)
class Found:
    """One configuration: of each example, the parts of its loss, and for classes of its 0–1 loss."""

    group: Group
    num_examples: int
    is_whole: bool
    parts: Parts
    errors: ZeroOne | None

    @property
    def metric(self) -> str:
        """The loss that is taken apart."""
        return "mse" if self.errors is None else "nll"

    @property
    def share(self) -> float:
        """The share of variance in the loss."""
        total = float(self.parts.loss.mean())
        return float(self.parts.variance.mean()) / total if total > 0 else 0.0


def section(sweep: Sweep) -> Section | None:
    """Take apart the test loss of each configuration with three runs or more; None where none predicts one thing."""
    groups, left = groups_of(sweep, MIN_RUNS, MAX_GROUPS)
    found, reasons = _all_found(sweep, groups)
    if not found:
        # Folds are tested on other rows each: there is nothing to say.
        return None if not reasons or sweep.overlap is not None else Section(
            "bias_variance", TITLE, (f"Bias and variance are not known: {reasons[0]}.",),
            values={"configurations": []})
    intervals = [_intervals(own) for own in found]
    axis = numeric_axis(sweep, [own.group for own in found])
    with draw.style():
        figures = (figure(found, axis),)
    skipped = (f"{words.count(len(reasons), 'configuration')} left out: {reasons[0]}.",) if reasons else ()
    return Section(
        "bias_variance", TITLE,
        (*_sentences(found, intervals), _drawn(sweep, found[0]), *left, *skipped), figures=figures,
        notes=_notes(sweep, found), parts=(Section("bias_variance_numbers", "Numbers", tables=tuple(
            _tables(found, intervals))),),
        values={"drawn": list(drawn_keys(sweep)), "configurations": [
            _values(own, bounds) for own, bounds in zip(found, intervals, strict=True)]})


def _all_found(sweep: Sweep, groups: Sequence[Group]) -> tuple[list[Found], list[str]]:
    """Return what is known, and why the rest is not."""
    found, reasons = [], []
    for group, said in each_shared(sweep, groups):
        if isinstance(said, str):
            reasons.append(said)
        else:
            found.append(_found(group, said))
    return found, reasons


def _found(group: Group, said: Shared) -> Found:
    if said.kind == "regression":
        return Found(group, len(said.ids), said.is_whole, squared(said.scores, said.targets), None)
    targets = said.targets.astype(np.int64)
    errors = zero_one(said.scores.argmax(axis=2), targets, said.scores.shape[2])
    return Found(group, len(said.ids), said.is_whole, cross_entropy(said.scores, targets), errors)


def _intervals(own: Found) -> dict[str, Interval]:
    """Return intervals over examples, by name; the same examples are drawn for all."""
    columns = {"loss": own.parts.loss, "bias": own.parts.bias, "variance": own.parts.variance}
    if own.errors is not None:
        columns |= {"zero_one_loss": own.errors.loss, "zero_one_bias": own.errors.bias,
                    "zero_one_variance": own.errors.variance}
    return dict(zip(columns, means(np.stack(list(columns.values())), LEVEL, RESAMPLES_SEED), strict=True))


def _written(metric: str, value: float, interval: Interval) -> str:
    low, high = (None, None) if interval.method.startswith("undefined") else (interval.low, interval.high)
    return words.interval(metric, value, low, high)


def _label(own: Found) -> str:
    return "MSE" if own.errors is None else "NLL"


def _sentences(found: Sequence[Found], intervals: Sequence[dict[str, Interval]]) -> Iterator[str]:
    own, bounds = found[0], intervals[0]
    whole, bias, variance = (_written(own.metric, float(values.mean()), bounds[name])
                             for name, values in own.parts._asdict().items())
    subject = f"{own.group.name}, the best on val" if len(found) > 1 else own.group.name
    yield (f"{subject}: of its mean test {_label(own)} over {words.count(len(own.group.runs), 'run')}, {whole}, "
           f"{bias} is bias and {variance} variance, {words.percent(own.share)}%.")
    shares = [other.share for other in found]
    if len(found) > 1:
        most, least = found[int(np.argmax(shares))], found[int(np.argmin(shares))]
        yield (f"Variance is {words.percent(least.share)}% of it for {least.group.name} and "
               f"{words.percent(most.share)}% for {most.group.name}.")


def _drawn(sweep: Sweep, own: Found) -> str:
    """Say what was drawn anew, which is what variance is of."""
    keys = drawn_keys(sweep)
    told = f"Runs of a configuration differ in {' and '.join(keys)}" if keys else "Nothing typed sets the runs apart"
    overlap = train_overlap(sweep, own.group)
    if overlap is None:
        return f"{told}."
    if overlap == 1:
        return (f"{told}, and were trained on the same rows: variance is of initialization, order and what else "
                f"training draws, and what other train rows would change counts as bias.")
    return (f"{told}; two of them share {words.percent(overlap)}% of their train rows on average: variance is of train "
            f"rows too.")


def _notes(sweep: Sweep, found: Sequence[Found]) -> tuple[str, ...]:
    own = found[0]
    runs = sum(len(other.group.runs) for other in found)
    sizes = sorted({other.num_examples for other in found})
    examples = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    common = "" if all(other.is_whole for other in found) else ", those that all runs of a configuration have"
    free = ", see report.json for the estimate free of it" if own.errors is None else ""
    return basis(
        f"{_squared_method() if own.errors is None else _class_method()} Intervals are 95%, a bootstrap over test "
        f"examples.",
        f"{words.count(runs, 'run')} done, of {words.count(len(found), 'configuration')}, and {examples} test "
        f"examples{common}, in predictions.csv.",
        f"what other draws would give: intervals are for these runs. Noise of targets is part of the bias. With few "
        f"runs some variance is counted as bias{free}. {NOT_TO_CHOOSE}")


def _squared_method() -> str:
    return ("bias is the mean of (ȳ − y)², ȳ the mean prediction of the S runs, variance that of (1/S) Σ (ŷ − ȳ)²: MSE "
            "is their sum exactly.")


def _class_method() -> str:
    return ("with p̄ ∝ exp(mean of log p) over the runs, bias is −log p̄ of the target and variance the mean of "
            "KL(p̄ ‖ p): the mean NLL is their sum exactly (Yang et al. 2020). For 0–1 loss the main prediction is the "
            "class that most runs say, of ties the smallest; bias is the share of examples where it is wrong, "
            "variance how often a run says another, net variance that on examples with a right main prediction minus "
            "that on the others (Domingos 2000); with more than two classes error is not their sum.")


def _tables(found: Sequence[Found], intervals: Sequence[dict[str, Interval]]) -> Iterator[Table]:
    rows = [(own.group.name, str(len(own.group.runs)), *(
        _written(own.metric, float(values.mean()), bounds[name]) for name, values in own.parts._asdict().items()),
        f"{words.percent(own.share)}%") for own, bounds in zip(found, intervals, strict=True)]
    best = ", best val first" if len(found) > 1 else ""
    yield Table(f"Test {_label(found[0])}{best}", ("configuration", "runs", _label(found[0]), "bias", "variance",
                                                   "share of variance"), tuple(rows))
    errors = [(own, own.errors, bounds) for own, bounds in zip(found, intervals, strict=True) if own.errors is not None]
    if errors:
        yield Table(f"Test errors (0–1 loss){best}", ("configuration", "error", "bias", "variance", "net variance"),
                    tuple((own.group.name, *(_written("error_rate", float(values.mean()), bounds[f"zero_one_{name}"])
                           for name, values in (("loss", zero.loss), ("bias", zero.bias), ("variance", zero.variance))),
                           words.difference("error_rate", zero.net_variance, None, None))
                          for own, zero, bounds in errors))


def _values(own: Found, intervals: dict[str, Interval]) -> dict[str, Any]:
    def plain(name: str, values: np.ndarray) -> dict[str, Any]:
        bounds = intervals[name]
        known = not bounds.method.startswith("undefined")
        return {"value": float(values.mean()), "low": bounds.low if known else None,
                "high": bounds.high if known else None, "method": bounds.method}

    content: dict[str, Any] = {
        "configuration": own.group.cells, "num_runs": len(own.group.runs), "num_examples": own.num_examples,
        "loss": "squared" if own.errors is None else "cross_entropy", "share_of_variance": own.share,
        "mean_loss": plain("loss", own.parts.loss), "bias": plain("bias", own.parts.bias),
        "variance": plain("variance", own.parts.variance)}
    if own.errors is None:
        bias, variance = unbiased(own.parts, len(own.group.runs))
        return {**content, "unbiased": {"bias": bias, "variance": variance}}
    zero = own.errors
    return {**content, "zero_one": {
        "error": plain("zero_one_loss", zero.loss), "bias": plain("zero_one_bias", zero.bias),
        "variance": plain("zero_one_variance", zero.variance), "unbiased_variance": zero.unbiased_variance,
        "biased_variance": zero.biased_variance, "net_variance": zero.net_variance}}
