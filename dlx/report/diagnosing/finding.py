"""What a diagnosis is made of, and what it may look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dlx.core.measures import Measures
from dlx.report.checks import Against
from dlx.report.files import Status
from dlx.report.history import History
from dlx.report.layers import Layers
from dlx.report.section import Command
from dlx.report.summary import Measured, Summary

Kind = Literal["good_fit", "overfitting", "underfitting", "slow", "oscillating", "diverged", "wide_gap", "unfinished",
               "unclear", "vanishing_gradient", "exploding_gradient", "dead_units", "saturated_units", "small_updates",
               "large_updates", "below_baseline"]


class Baseline(NamedTuple):
    """How well the best constant answer does on val: the value of a metric, and what the answer is."""

    metric: str
    value: float
    answer: str


@dataclass(frozen=True)
class Finding:
    """One named thing about the run.

    Args:
        kind: machine-readable name.
        title: name for people.
        verdict: one sentence.
        evidence: sentences with the numbers that the verdict rests on.
        commands: worth trying next, the first first.
    """

    kind: Kind
    title: str
    verdict: str
    evidence: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """How the training went, and gradient problems or dead units beside it."""

    main: Finding
    others: tuple[Finding, ...] = ()

    @property
    def kind(self) -> Kind:
        """The main finding's name."""
        return self.main.kind

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the main one first."""
        return (self.main, *self.others)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every verdict with its evidence."""
        return tuple(text for finding in self.findings for text in (finding.verdict, *finding.evidence))

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command worth trying next, once each."""
        return tuple(dict.fromkeys(command.text for finding in self.findings for command in finding.commands))


@dataclass(frozen=True)
class Case:
    """The files of a run, as the rules of a diagnosis see them. The test split is not among them.

    A diagnosis leads to the next run, so it is a selection and may see train_eval and val only.

    layers: weights over the epochs; training: what the section of that name measured. None where the run has it not.
    """

    history: History
    summary: Summary | None
    config: Mapping[str, Any]
    status: Status
    baseline: Baseline | None = None
    overrides: Sequence[str] = ()
    against: Sequence[Against] = ()
    layers: Layers | None = None
    training: Measures | None = None

    def setting(self, *path: str) -> Any:
        """Look up a setting in the configuration; None where there is none."""
        value: Any = self.config
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def val_gap(self, metric: str | None) -> Measured | None:
        """Return the gap of a metric between val and train_eval at the selected checkpoint."""
        return None if self.summary is None or metric is None else self.summary.gap(metric, "val")

    def headline(self) -> str | None:
        """Return the metric that the diagnosis speaks of beside the loss."""
        return self.history.shown_metric() if self.summary is None else self.summary.headline()
