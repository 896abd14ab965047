"""What the run was: data, model, settings, versions, and what is missing from the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.section import Section, Table


def section(run: RunFiles) -> Section:
    """Tabulate the facts."""
    facts = dict(_facts(run))
    tables = [Table("Run", ("fact", "value"), tuple(facts.items())),
              Table("Settings", ("setting", "value"), tuple(_flat(run.config)), folded=True)]
    if run.provenance is not None:
        tables.append(Table("Made with", ("fact", "value"), tuple(_flat(run.provenance)), folded=True))
    return Section(key="facts", title="The run", points=run.missing, tables=tuple(tables),
                   values={"facts": facts, "missing": list(run.missing)})


def _facts(run: RunFiles) -> Iterator[tuple[str, str]]:
    yield "name", run.name
    yield "status", run.status.state + ("" if run.status.reason is None else f": {run.status.reason}")
    summary = run.summary
    if summary is None:
        yield "epochs finished", f"{run.history.num_epochs:,}"
        return
    yield "dataset", summary.dataset
    yield "model", summary.model
    if summary.num_parameters is not None:
        yield "parameters", f"{summary.num_parameters:,}"
    yield "examples", ", ".join(f"{split} {size:,}" for split, size in summary.num_examples.items())
    if summary.seed is not None:
        yield "seed", str(summary.seed)
    if summary.epochs_run is not None:
        yield "training", f"{words.count(summary.epochs_run, 'epoch')}, stopped: {summary.stop_reason}"
    yield "kept", f"epoch {summary.selected_epoch} by {summary.selection_rule}"
    yield "data fingerprint", summary.data_fingerprint


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{prefix}{name}.")
        elif isinstance(item, list):
            yield f"{prefix}{name}", " ".join(map(str, item))
        else:
            yield f"{prefix}{name}", "none" if item is None or item == {} else _scalar(item)


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
