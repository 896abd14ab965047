"""dlx evaluate"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, add_trust, command_parser

if TYPE_CHECKING:
    from dlx.cli.saved_models import Named


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "evaluate", "Measure a saved checkpoint or an ensemble again, or a run for its report: report=full. Model and\n"
        "data come from the run; nothing is typed again. Or measure a run on another dataset: dataset=NAME.",
        overrides=False)
    result.add_argument("checkpoint", type=Path, help="the folder of a run or an ensemble, or a checkpoint file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="splits=[val,test] checkpoint=last device=cpu level=0.9 data_dir=… dataset=NAME rows=test")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, measure, print."""
    from dlx.cli.other_data import compose_other, evaluate_other
    from dlx.cli.saved_models import read_models
    from dlx.config.compose import compose
    from dlx.core.gaps import SPLITS

    overrides, dataset = compose_other(args.overrides)
    config = compose("evaluate", overrides)
    if dataset is not None:
        return evaluate_other(args, config, dataset)
    refuse_splits(config["splits"], SPLITS)
    if config["report"]:
        return report_again(args, config)
    named = read_models(args.checkpoint, config, args.overrides, args.trust)
    result = {"checkpoint": named.name, **measure(named, config)}
    if "test" in config["splits"] and (problem := note_opening_of(named)) is not None:
        print(problem, file=sys.stderr)
    if args.json:
        print(json.dumps(result))
    else:
        print_result(result)
    return 0


def note_opening_of(named: Named) -> str | None:
    """Put on record that a saved model was measured on test; return what prevented it.

    A checkpoint that lies in no run folder has no record.
    """
    from dlx.core.errors import ArtefactError, StorageError
    from dlx.record.openings import joint_digest, model_digest, note, opening_of, runs_folder

    if named.split_path is None:
        return None
    digests = [model_digest(model.checkpoint.tensors) for model in named.models]
    fingerprint = str(named.models[0].checkpoint.state.get("data_fingerprint"))
    folder = named.split_path.parent
    try:
        note(runs_folder(folder), opening_of(folder, fingerprint,
                                             joint_digest(digests) if named.is_ensemble else digests[0]))
    except (ArtefactError, StorageError) as error:
        return f"that test was opened is on no record: {error}"
    return None


def measure(named: Named, config: dict[str, Any]) -> dict[str, Any]:
    """Measure a saved model, or the mean of several."""
    from dlx.engine.ensemble import ask_all, measure_ensemble
    from dlx.engine.reevaluate import reevaluate
    from dlx.engine.summary import as_record
    from dlx.run import Surroundings

    data_dir = Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir
    splits, level = config["splits"], config["level"]
    if not named.is_ensemble:
        return reevaluate(named.models[0], data_dir, splits, level, named.split_path)
    said = ask_all(named.models, data_dir, splits, named.split_path)
    rows = measure_ensemble(named.models[0].parts.metrics, said, level)
    return {"level": level, "metrics": [as_record(row, level) for row in rows]}


def report_again(args: argparse.Namespace, config: dict[str, Any]) -> int:
    """Measure a run, or every run of a sweep that is over, with sections of the report, and write the report."""
    from dlx.cli.outcome import print_outcome
    from dlx.cli.report import report_sweep
    from dlx.cli.saved_models import refuse_device
    from dlx.config.build import ANY_PACKAGE, make_report
    from dlx.config.saved import to_part
    from dlx.record import layout

    refuse_device(config["device"], args.overrides)
    sections = {name: to_part("report", value) for name, value in config["report"].items()}
    make_report(sections, [ANY_PACKAGE])
    folder = args.checkpoint
    if (folder / layout.SWEEP).is_file():
        done = [path.parent for path in sorted((folder / layout.RUNS).glob(f"*/{layout.SUMMARY}"))]
        for path in done:
            measure_again(path, sections, config, args.trust)
        return report_sweep(folder, args.json)
    measure_again(folder, sections, config, args.trust)
    print_outcome(folder, args.json)
    return 0


def measure_again(path: Path, sections: dict[str, Any], config: dict[str, Any], trust: list[str]) -> None:
    """Measure one run with sections of the report, as saved, and write its report."""
    from dataclasses import replace

    from dlx.config.build import ANY_PACKAGE, make_report
    from dlx.core.device import Device
    from dlx.core.errors import ArtefactError
    from dlx.engine.run import Run
    from dlx.record import layout
    from dlx.record.folder import RunFolder
    from dlx.record.log import logged
    from dlx.reporting import report_on
    from dlx.run import Surroundings, build_saved, note_opening, read_config

    saved = read_config(path)
    if not (path / layout.SUMMARY).is_file():
        raise ArtefactError(f"{path} has nothing to report on: its training is not over, or diverged in its first "
                            f"epoch; if it was interrupted: dlx resume {path}")
    parts = build_saved(saved, trust)
    device = {key: value for key, value in config["device"].items() if key != "_target_"}
    there = Device(**{**device, "precision": parts.device.precision})
    parts = replace(parts, device=there, report=make_report(sections, [ANY_PACKAGE]))
    data_dir = Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir
    with RunFolder(path) as folder, logged(folder, 0) as log:
        again = Run(parts, {**saved, "report": sections}, folder, log)
        note_opening(again)
        report_on(again, data_dir)


def refuse_splits(splits: Any, known: tuple[str, ...]) -> None:
    """Raise ConfigError where a split does not exist."""
    from dlx.core.errors import ConfigError

    wrong = [split for split in splits if split not in known]
    if wrong or not splits or len(set(splits)) < len(splits):
        raise ConfigError(f"splits must be a list of {', '.join(known)}, got {splits}")


def print_result(result: dict[str, Any]) -> None:
    """Print metrics by split, with intervals."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title=result["checkpoint"],
                  title_justify="left")
    for column in ("metric", "split", "value", f"{result['level']:.0%} interval", "n", "method"):
        table.add_column(column, no_wrap=column != "method")
    for row in result["metrics"]:
        bounds = "" if row["low"] is None else f"[{row['low']:.5g}, {row['high']:.5g}]"
        value = "undefined" if row["value"] is None else f"{row['value']:.6g}"
        table.add_row(row["metric"], row["split"], value, escape(bounds), str(row["n"]), row["method"] or "")
    Console().print(table)
