"""dlx evaluate"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlx.cli.arguments import add_json, add_trust, command_parser
from dlx.record import layout
from dlx.record.store import checkpoint_path


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "evaluate", "Measure a saved checkpoint again. Model and data come from the run; nothing is typed again.",
        overrides=False)
    result.add_argument("checkpoint", type=Path, help="a run folder or a checkpoint file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="splits=[val,test] checkpoint=last device=cpu level=0.9 data_dir=…")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, measure, print."""
    from dlx.config.compose import compose
    from dlx.engine.reevaluate import reevaluate
    from dlx.engine.summary import SPLITS
    from dlx.record import checkpoint as files
    from dlx.run import Surroundings, build_saved

    config = compose("evaluate", args.overrides)
    refuse_splits(config["splits"], SPLITS)
    refuse_device(config["device"], args.overrides)
    path = checkpoint_path(args.checkpoint, config["checkpoint"])
    checkpoint = files.load(path)
    parts = build_saved(checkpoint.state.get("config", {}), args.trust)
    surroundings = Surroundings.of({**config, "checkpoint_seconds": 0.0})
    device = {name: value for name, value in config["device"].items() if name != "_target_"}
    # A checkpoint may lie elsewhere than in its run folder; then nothing else says how the data was divided.
    split_path = path.parent.parent / layout.SPLIT
    result = reevaluate(parts, checkpoint, surroundings.data_dir, device, config["splits"], config["level"],
                        split_path if os.path.lexists(split_path) else None)
    result = {"checkpoint": path.name, **result}
    if args.json:
        print(json.dumps(result))
    else:
        print_result(result)
    return 0


def refuse_device(device: dict[str, Any], overrides: Sequence[str]) -> None:
    """Raise ConfigError where the device is given what it does not take."""
    from dlx.config.build import argument_problems
    from dlx.core.device import Device
    from dlx.core.errors import ConfigError

    arguments = {name: value for name, value in device.items() if name != "_target_"}
    problems = argument_problems("device", Device, arguments, ())
    if any(text.startswith("device.precision=") for text in overrides):
        problems.append("device.precision is that of the run and cannot be set")
    if problems:
        raise ConfigError(*problems)


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
