"""dlx find-lr"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from dlx.core.lr_range import Curve


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "find-lr", "Try learning rates on one configuration, and suggest one: a short training whose learning rate\n"
        "grows at every step until the loss explodes. The result has a folder of its own in runs_dir.")
    result.epilog = f"{result.epilog}  start_lr=1e-6 end_lr=1 num_steps=200  which rates to try\n"
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Compose, check, try, write, print."""
    from dlx.config.compose import compose
    from dlx.config.saved import to_saved
    from dlx.core.errors import TrainingError

    config = compose("find-lr", args.overrides, args.config_dir)
    saved = to_saved(config)
    curve, exploded = try_rates(config, saved)
    facts = facts_of(config, saved, args.overrides, curve, exploded)
    folder = write(Path(config["runs_dir"]), curve, facts)
    if args.json:
        print(json.dumps({"folder": str(folder), **{key: facts[key] for key in facts if key != "config"}}))
    else:
        print_found(folder, facts)
    if facts["suggested"] is None:
        raise TrainingError(f"the loss fell at no learning rate from {facts['start_lr']:g} to {facts['end_lr']:g}; see "
                            f"the picture in {folder}, and try other start_lr and end_lr or a larger batch_size")
    return 0


def try_rates(config: dict[str, Any], saved: dict[str, Any]) -> tuple[Curve, bool]:
    """Return the loss at each learning rate, and whether it exploded.

    Raises:
        ConfigError: an optimizer without a learning rate, or that searches for one, or rates in the wrong order.
    """
    from dlx.config.build import ANY_PACKAGE, build
    from dlx.core.errors import ConfigError
    from dlx.core.types import SearchesLoss
    from dlx.engine.range_test import growth, range_test
    from dlx.run import Surroundings, read_data

    if "lr" not in saved["optimizer"]:
        raise ConfigError(f"dlx find-lr varies optimizer.lr, and optimizer={saved['optimizer']['part']} has none")
    schedule = growth(config["start_lr"], config["end_lr"], config["num_steps"])
    tried = {**saved, "optimizer": {**saved["optimizer"], "lr": config["start_lr"]}}
    parts = build(tried, [ANY_PACKAGE])
    if isinstance(parts.optimizer, SearchesLoss):
        raise ConfigError(f"dlx find-lr is for optimizers that make one step on each batch, and "
                          f"optimizer={saved['optimizer']['part']} searches for the length of its steps by itself")
    data_dir = Surroundings.of(config).data_dir
    shelf = read_data(parts, tried, data_dir)
    curve = range_test(parts, tried, schedule, config["num_steps"], data_dir, shelf)
    return curve, len(curve.lrs) < config["num_steps"] or curve.has_exploded()


def facts_of(config: dict[str, Any], saved: dict[str, Any], overrides: Sequence[str], curve: Curve, exploded: bool
             ) -> dict[str, Any]:
    """Return the content of find_lr.json."""
    from dlx.config.schema import RANGE_TEST
    from dlx.core.lr_range import suggest
    from dlx.report.diagnosing.typed import joined

    found = suggest(curve)
    suggested = None if found is None else float(f"{found.steepest:.2g}")
    kept = [text for text in overrides if text.split("=")[0] not in (*RANGE_TEST, "optimizer.lr")]
    return {
        "format": 1, "suggested": suggested, "override": None if suggested is None else f"optimizer.lr={suggested:g}",
        "suggestions": None if found is None else found._asdict(), "exploded": exploded,
        "steps": len(curve.lrs), **{key: config[key] for key in RANGE_TEST},
        "configured_lr": saved["optimizer"]["lr"],
        "command": "" if suggested is None else joined([*kept, f"optimizer.lr={suggested:g}"]), "config": saved}


def write(runs_dir: Path, curve: Curve, facts: dict[str, Any]) -> Path:
    """Write the folder of a range test."""
    from dlx.config.saved import config_hash
    from dlx.record import atomic, layout
    from dlx.record.folder import RunFolder
    from dlx.record.provenance import provenance
    from dlx.record.table import format_row
    from dlx.report.lr_range import compose
    from dlx.report.write import write as write_report

    saved = facts["config"]
    folder = RunFolder.create(runs_dir, f"find-lr-{saved['name']}", config_hash(saved)).path
    rows = zip(curve.lrs.tolist(), curve.losses.tolist(), curve.smoothed().tolist(), strict=True)
    text = "".join(format_row({"step": step, "lr": lr, "loss": loss, "smoothed_loss": smooth})
                   for step, (lr, loss, smooth) in enumerate(rows))
    atomic.write_text(folder / layout.LR_CURVE, f"step,lr,loss,smoothed_loss\n{text}", "file")
    atomic.write_json(folder / layout.PROVENANCE, provenance(config_hash=config_hash(saved)), "file")
    write_report(compose(curve, facts), folder)
    atomic.write_json(folder / layout.FIND_LR, facts)
    return folder


def print_found(folder: Path, facts: dict[str, Any]) -> None:
    """Print both suggestions, the one to use and where the picture is."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dlx.record import layout
    from dlx.report.lr_range import RULES

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("rule", "lr", ""):
        table.add_column(column)
    for rule, value in (facts["suggestions"] or {}).items():
        table.add_row(RULES[rule], f"{value:.2g}", "← suggested" if rule == "steepest" else "")
    table.add_row("configured", f"{facts['configured_lr']:g}", "")
    console.print(table)
    lines = [("Use", facts["override"]), ("Folder", folder), ("Picture", folder / layout.REPORT / layout.REPORT_HTML)]
    for label, text in lines if facts["override"] is not None else lines[1:]:
        console.print(f"[bold]{label}[/]  {escape(str(text))}", highlight=False, soft_wrap=True)
