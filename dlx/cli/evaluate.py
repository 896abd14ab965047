"""dlx evaluate"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, add_trust, command_parser

if TYPE_CHECKING:
    from dlx.cli.saved_models import Named


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "evaluate", "Measure a saved checkpoint, or an ensemble, again. Model and data come from the run; nothing is\n"
        "typed again.", overrides=False)
    result.add_argument("checkpoint", type=Path, help="the folder of a run or an ensemble, or a checkpoint file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="splits=[val,test] checkpoint=last device=cpu level=0.9 data_dir=…")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, measure, print."""
    from dlx.cli.saved_models import read_models
    from dlx.config.compose import compose
    from dlx.engine.summary import SPLITS

    config = compose("evaluate", args.overrides)
    refuse_splits(config["splits"], SPLITS)
    named = read_models(args.checkpoint, config, args.overrides, args.trust)
    result = {"checkpoint": named.name, **measure(named, config)}
    if args.json:
        print(json.dumps(result))
    else:
        print_result(result)
    return 0


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
