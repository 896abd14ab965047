"""From a trained run to its report: sections measure it, then it is rendered from its files."""

from __future__ import annotations

import time
from dataclasses import replace

from dlx.engine.data import Prepared
from dlx.engine.run import Run
from dlx.engine.subject import TrainedRun
from dlx.record import layout
from dlx.record.measures import write_measures
from dlx.report.render import Report, render


def report_on(run: Run, data_dir: str, data: Prepared | None = None) -> Report:
    """Let the sections of a trained run measure it, where there is something to measure, and render its report.

    Args:
        run: its parts are on the device where it is measured, and say which sections.
        data: of the run, prepared, where somebody has it already.

    Raises:
        ArtefactError: a file of the run is damaged.
        StorageError: the file system refused, or the data is not there.
    """
    folder = run.folder.path
    if (folder / layout.SUMMARY).is_file():
        measure(run, TrainedRun(folder, run.parts, data_dir, data))
    return render(folder)


def measure(run: Run, subject: TrainedRun) -> None:
    """Let each section measure a run, and write measures/<section>.json."""
    for name, section in run.parts.report.items():
        start = time.perf_counter()
        found = section.measure(subject)
        seconds = time.perf_counter() - start
        settings = {key: value for key, value in run.config["report"][name].items() if key != "part"}
        write_measures(run.folder.path, name, replace(found, settings=settings, seconds=seconds))
        run.log.info("report: %s took %.2f s", name, seconds)
        for reason in found.skipped:
            run.log.info("report: %s: %s", name, reason)
