"""From a trained run to its report: sections measure it, then it is rendered from its files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from dlx.core.measures import Definition, Measures
from dlx.core.subject import Section
from dlx.engine.run import Ended, Run
from dlx.engine.subject import TrainedRun
from dlx.record import layout
from dlx.record.measures import write_measures
from dlx.report.data import Data
from dlx.report.render import render


def report_on(run: Run, data_dir: str, left: Ended | None = None) -> None:
    """Let the sections of a trained run measure it, where there is something to measure, and render its report.

    A run without sections has no report, even where its data is checked for that of a sweep.

    Args:
        run: its parts are on the device where it is measured, and say which sections.
        left: what training left in memory, where it has just ended.

    Raises:
        ArtefactError: a file of the run is damaged.
        StorageError: the file system refused, or the data is not there.
    """
    folder = run.folder.path
    run.store.clean()
    if (folder / layout.SUMMARY).is_file():
        measure(run, TrainedRun(folder, run.parts, data_dir, left))
    if run.parts.report:
        render(folder)


def measure(run: Run, subject: TrainedRun) -> None:
    """Let each section measure a run, and write measures/<section>.json."""
    sections = {**({"data": Data()} if run.checks_data else {}), **run.parts.report}
    for name, section in sections.items():
        start = time.perf_counter()
        found = section.measure(subject)
        seconds = time.perf_counter() - start
        given = run.config["report"].get(name, {})
        settings = {key: value for key, value in given.items() if key != "part"}
        write_measures(run.folder.path, name, replace(found, settings=settings, seconds=seconds,
                                                      definitions=definitions_of(section, found)))
        run.log.info("report: %s took %.2f s", name, seconds)
        for reason in found.skipped:
            run.log.info("report: %s: %s", name, reason)


def definitions_of(section: Section, found: Measures) -> dict[str, Definition]:
    """Return what the numbers that a section measured are, as its module says."""
    known: Mapping[str, Definition] = getattr(sys.modules[type(section).__module__], "DEFINITIONS", {})
    names = dict.fromkeys(item.name for item in found.numbers)
    return {name: known[name] for name in names if name in known}
