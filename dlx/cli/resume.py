"""dlx resume"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

from dlx.cli.arguments import add_json, add_trust, command_parser
from dlx.record import layout


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "resume", "Continue an interrupted run, bit for bit, or the runs of a sweep that are missing.", overrides=False)
    result.add_argument("folder", type=Path, help="a run or sweep folder")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="data_dir=, checkpoint_seconds=, processes= for a run, workers= for a sweep")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Go on with a run or a sweep."""
    from dlx.config.compose import compose
    from dlx.core.errors import ArtefactError

    config = compose("resume", args.overrides)
    if (args.folder / layout.SWEEP).is_file():
        from dlx.cli.sweep import resume_sweep

        return resume_sweep(args.folder, config, args.trust, args.json)
    if not (args.folder / layout.CONFIG).is_file():
        raise ArtefactError(f"{args.folder} is no run or sweep folder: it has neither {layout.CONFIG} nor "
                            f"{layout.SWEEP}")
    return resume_run(args.folder, config, args.trust, args.json)


def resume_run(path: Path, config: dict[str, Any], trust: list[str], as_json: bool) -> int:
    """Go on with one run; one that is over is only shown."""
    from dlx.cli.outcome import print_outcome, show_outcome
    from dlx.cli.progress import observe
    from dlx.core.errors import ConfigError
    from dlx.engine.run import Run
    from dlx.record.folder import FINAL, RunFolder
    from dlx.reporting import report_on
    from dlx.run import Surroundings, build_saved, execute_in_processes, read_config

    saved = read_config(path)
    with RunFolder(path) as folder:
        status = folder.status()
        surroundings = Surroundings.of(config)
        if status["status"] in FINAL and lacks_report(path, saved):
            report_on(Run(build_saved(saved, trust), saved, folder), surroundings.data_dir)
        if status["status"] == "diverged":
            raise ConfigError(f"{path} diverged and cannot go on: {status.get('reason')}")
        if status["status"] == "done":
            print_outcome(path, as_json)
            return 0
        processes = None if config["processes"] == "auto" else config["processes"]
        parts = build_saved(with_processes(saved, processes), trust, surroundings.checkpoint_seconds)
        shown = functools.partial(observe, saved, path, quiet=as_json)
        with show_outcome(path, as_json):
            execute_in_processes(parts, saved, folder, surroundings, shown, processes)
    return 0


def lacks_report(path: Path, saved: dict[str, Any]) -> bool:
    """Say whether the report of a run that is over was never made, or a section that it asks for was not measured."""
    from dlx.record.measures import path_of

    if not (path / layout.REPORT / layout.REPORT_HTML).is_file():
        return True
    return (path / layout.SUMMARY).is_file() and any(not path_of(path, name).is_file() for name in saved["report"])


def with_processes(saved: dict[str, Any], processes: int | None) -> dict[str, Any]:
    """Return a saved configuration that asks for another number of processes; None leaves it as it is."""
    device = saved.get("device")
    if processes is None or not isinstance(device, dict):
        return saved
    return {**saved, "device": {**device, "processes": processes}}
