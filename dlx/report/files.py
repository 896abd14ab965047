"""A run folder as the report sees it: read once, checked, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measures
from dlx.record import layout
from dlx.record.layers import read_layers
from dlx.record.measures import read_measures
from dlx.record.safe_yaml import read_json, read_text, read_yaml
from dlx.record.table import read_rows
from dlx.report.checks import Checks, parse_checks
from dlx.report.history import History
from dlx.report.layers import Layers
from dlx.report.predictions import Labels, Predictions, Sequences, Transcriptions, read_predictions
from dlx.report.summary import Summary, parse_summary

CONSEQUENCES = {
    layout.STATUS: "how the run ended is unknown",
    layout.METRICS: "no epoch was recorded, so there are no curves",
    layout.SUMMARY: "nothing was measured at a selected checkpoint, so there are no final numbers and no intervals",
    layout.PREDICTIONS: "there are no predictions to look at one by one",
    layout.PROVENANCE: "versions, device and command line are unknown",
}


@dataclass(frozen=True)
class Status:
    """How far the run is: state is done, diverged, failed, oom, interrupted, running … or unknown."""

    state: str
    reason: str | None = None
    step: int | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class RunFiles:
    """Everything a section may look at; `folder` is there for sections that read more.

    Args:
        overrides: what was typed, one override each.
        layers: its weights over the epochs; None where they were not kept.
        predictions: of a classification or regression; sequences: of sequences; transcriptions, labels: of those.
        checks: of the data; None where it was not checked.
        measures: what sections measured, by section.
        missing: one sentence per file that is not there.
    """

    folder: Path
    config: Mapping[str, Any]
    overrides: tuple[str, ...]
    status: Status
    history: History
    layers: Layers | None
    summary: Summary | None
    predictions: Predictions | None
    sequences: Sequences | None
    transcriptions: Transcriptions | None
    labels: Labels | None
    provenance: Mapping[str, Any] | None
    checks: Checks | None
    measures: Mapping[str, Measures]
    missing: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the run is called."""
        if self.summary is not None:
            return self.summary.name
        name = self.config.get("name")
        return self.folder.resolve().name if name is None else str(name)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, from the summary or else from the header of the predictions."""
        header = () if self.predictions is None else self.predictions.class_names
        named = () if self.summary is None else self.summary.class_names
        return named if len(named) == len(header) or not header else header


def read_run(folder: Path) -> RunFiles:
    """Read a run folder.

    Raises:
        ArtefactError: it is no run folder, or one of its files is damaged.
    """
    if not (folder / layout.CONFIG).is_file():
        raise ArtefactError(f"{folder} is not a run folder: it has no {layout.CONFIG}")
    summary, measures = _json(folder / layout.SUMMARY), read_measures(folder)
    predictions = read_predictions(folder / layout.PREDICTIONS)
    return RunFiles(
        folder=folder,
        config=read_yaml(folder / layout.CONFIG),
        overrides=_overrides(folder / layout.OVERRIDES),
        status=read_status(folder),
        history=read_history(folder),
        layers=_layers(folder / layout.LAYERS),
        summary=None if summary is None else parse_summary(summary),
        predictions=predictions if isinstance(predictions, Predictions) else None,
        sequences=predictions if type(predictions) is Sequences else None,
        transcriptions=predictions if isinstance(predictions, Transcriptions) else None,
        labels=predictions if isinstance(predictions, Labels) else None,
        provenance=_json(folder / layout.PROVENANCE),
        checks=parse_checks(measures["data"]) if "data" in measures else None,
        measures=measures,
        missing=tuple(f"{name} is missing: {text}." for name, text in CONSEQUENCES.items()
                      if not (folder / name).is_file()),
    )


def _json(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.is_file() else None


def _overrides(path: Path) -> tuple[str, ...]:
    return tuple(line for line in read_text(path).splitlines() if line) if path.is_file() else ()


def read_status(folder: Path) -> Status:
    """Read how far a run is. Raises ArtefactError where the file is damaged."""
    raw = _json(folder / layout.STATUS)
    if raw is None:
        return Status("unknown")
    reason = raw.get("reason")
    return Status(str(raw.get("status", "unknown")), None if reason is None else str(reason), _whole(raw.get("step")),
                  _whole(raw.get("epoch")))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def read_history(folder: Path) -> History:
    """Read the epochs of a run. Raises ArtefactError where the file is damaged."""
    path = folder / layout.METRICS
    try:
        return History.of(read_rows(path))
    except (ValueError, TypeError, KeyError) as error:
        raise ArtefactError(f"{path} refused: {error}") from error


def _layers(path: Path) -> Layers | None:
    try:
        return Layers.of(read_layers(path))
    except ValueError as error:
        raise ArtefactError(f"{path} refused: {error}") from error
