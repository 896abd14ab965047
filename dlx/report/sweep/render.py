"""From a sweep folder to its report: read, say, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlx.report import draw
from dlx.report.section import Document, Section
from dlx.report.sweep import (
    bias_variance,
    capacity_curve,
    cross_validation,
    effects,
    ensemble_gain,
    facts,
    failures,
    hygiene,
    importance,
    interactions,
    leaderboard,
    learning_curve,
    matched_fit,
    next_steps,
    optimism,
    parallel,
    ranking,
    seed_sources,
    seeds,
    similarity,
    tradeoff,
    verdict,
)
from dlx.report.sweep.files import read_sweep
from dlx.report.sweep.points import Sweep, make_sweep
from dlx.report.write import NOTHING_MORE, Extras, write

# In reading order.
SECTIONS: tuple[Callable[[Sweep], Section | None], ...] = (
    verdict.section, cross_validation.section, next_steps.section, leaderboard.section, seeds.section,
    seed_sources.section, effects.section, interactions.section, importance.section, parallel.section,
    tradeoff.section, learning_curve.section, capacity_curve.section, matched_fit.section, bias_variance.section,
    ensemble_gain.section, similarity.section, ranking.section, optimism.section, failures.section, hygiene.section,
    facts.section)


@dataclass(frozen=True)
class SweepReport:
    """A report that was written: where it lies, and what it says."""

    folder: Path
    document: Document


def render_sweep(folder: Path, extras: Extras = NOTHING_MORE) -> SweepReport:
    """Write report.json, report.md, report.html and the figures of a sweep folder.

    The same files give the same bytes.

    Args:
        folder: the sweep folder, with its sweep.yaml and runs.csv.
        extras: what else to write.

    Raises:
        ArtefactError: the folder is no sweep folder, or one of its files is damaged.
        StorageError: the report cannot be written.
    """
    with draw.uncollected():
        document = compose_sweep(make_sweep(read_sweep(folder)))
        return SweepReport(write(document, folder, extras=extras), document)


def compose_sweep(sweep: Sweep) -> Document:
    """Ask each section what it has to say."""
    said = (section(sweep) for section in SECTIONS)
    return Document(facts.title(sweep), verdict.verdict(sweep), verdict.kind(sweep),
                    tuple(section for section in said if section is not None))
