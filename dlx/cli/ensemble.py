"""dlx ensemble"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, add_trust, command_parser
from dlx.record import layout

if TYPE_CHECKING:
    from dlx.cli.saved_models import Named
    from dlx.engine.ensemble import Said


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "ensemble", "Join finished runs on the same data and splits into one model: the mean of their probabilities,\n"
        "or of their predictions. Measures it beside its members. The folder that it makes in runs_dir stands alone;\n"
        "dlx evaluate and dlx predict take it as a run.", overrides=False)
    result.add_argument("runs", nargs="+", metavar="RUN", help="run folders, or a sweep folder for all its done runs; "
                        "and key=value: checkpoint=last device=cpu level=0.9 runs_dir=… data_dir=… name=…")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Read, check, ask, write, print."""
    from dlx.cli.evaluate import note_opening_of
    from dlx.cli.saved_models import read_runs
    from dlx.config.compose import compose
    from dlx.core.gaps import SPLITS
    from dlx.engine.ensemble import ask_all
    from dlx.run import Surroundings

    overrides = [text for text in args.runs if "=" in text and not Path(text).exists()]
    config = compose("ensemble", overrides)
    runs = expanded([Path(text) for text in args.runs if text not in overrides], args.json)
    named = read_runs(runs, config, overrides, args.trust)
    said = ask_all(named.models, Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir, SPLITS,
                   named.split_path)
    summary = summarize_all(named, runs, said, config["level"])
    folder = write(Path(config["runs_dir"]), config["name"], config["checkpoint"], runs, summary, said)
    problem = note_opening_of(named._replace(split_path=folder / layout.SPLIT))
    if problem is not None:
        print(problem, file=sys.stderr)
    if args.json:
        print(json.dumps({"folder": str(folder), **summary}))
    else:
        print_summary(folder, summary)
    return 0


def expanded(given: Sequence[Path], quiet: bool) -> list[Path]:
    """Return run folders: for a sweep folder, those of its runs that are done; says how many were left out."""
    from dlx.record.folder import RunFolder, run_folders

    runs: list[Path] = []
    for path in given:
        if not (path / layout.SWEEP).is_file():
            runs.append(path)
            continue
        inner = run_folders(path / layout.RUNS)
        done = [run for run in inner if RunFolder(run).status()["status"] == "done"]
        if len(done) < len(inner) and not quiet:
            print(f"{path}: {len(done)} of {len(inner)} runs are done, the others are left out", file=sys.stderr)
        runs += done
    return runs


def summarize_all(named: Named, runs: Sequence[Path], said: dict[str, Said], level: float) -> dict[str, Any]:
    """Return the content of summary.json."""
    from dlx.engine.ensemble import diversities, gains, measure_ensemble
    from dlx.engine.predict import restore_spec
    from dlx.engine.summary import plain, summarize

    metrics, first = named.models[0].parts.metrics, named.models[0]
    spec = restore_spec(first.checkpoint)
    members = [{"run": str(path), "name": model.parts.settings.name, "seed": model.parts.settings.seed,
                "metrics": [{"metric": name, "split": split, "value": plain(metric.value(own.members[number]))}
                            for name, metric in metrics.items() for split, own in said.items()]}
               for number, (path, model) in enumerate(zip(runs, named.models, strict=True))]
    return summarize(
        measure_ensemble(metrics, said, level), level, status="done", task=spec.kind,
        class_names=list(spec.class_names), num_members=len(runs),
        num_examples={split.replace("train_eval", "train"): len(own.ids) for split, own in said.items()},
        data_fingerprint=first.checkpoint.state["data_fingerprint"], members=members,
        gain=gains(metrics, said, level), diversity=diversities(said, level))


def write(runs_dir: Path, name: str, checkpoint: str, runs: Sequence[Path], summary: dict[str, Any],
          said: dict[str, Said]) -> Path:
    """Write the folder of an ensemble; it is one from the moment that its last file stands."""
    from dlx.core.gaps import HELD_OUT
    from dlx.record import atomic
    from dlx.record.folder import RunFolder
    from dlx.record.members import Source, write_members
    from dlx.record.predictions import write_predictions
    from dlx.record.provenance import provenance
    from dlx.record.split_rows import write_split
    from dlx.record.table import format_row

    sources = [Source(str(path.resolve()), (path / layout.CHECKPOINTS / f"{checkpoint}.safetensors").read_bytes())
               for path in runs]
    mark = hashlib.sha256(b"".join(hashlib.sha256(source.data).digest() for source in sources)).hexdigest()[:8]
    folder = RunFolder.create(runs_dir, name, mark).path
    write_split(folder / layout.SPLIT, {split.replace("train_eval", "train"): own.ids for split, own in said.items()})
    write_predictions(folder / layout.PREDICTIONS, {split: (said[split].ids, said[split].whole) for split in HELD_OUT},
                      summary["task"], summary["class_names"])
    rows = [{"member": number, "seed": member["seed"],
             **{f"{row['split']}_{row['metric']}": row["value"] for row in member["metrics"]}}
            for number, member in enumerate(summary["members"], start=1)]
    atomic.write_text(folder / layout.MEMBERS_TABLE, ",".join(rows[0]) + "\n" + "".join(map(format_row, rows)), "file")
    atomic.write_json(folder / layout.SUMMARY, summary, "file")
    atomic.write_json(folder / layout.PROVENANCE, provenance(), "file")
    write_members(folder, sources, {"checkpoint": checkpoint, "data_fingerprint": summary["data_fingerprint"]})
    return folder


def print_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Print members beside the ensemble on test, what is gained, how much they differ, and where the folder is."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(member_table(summary))
    console.print(gain_table(summary))
    console.print(f"[bold]Ensemble folder[/]  {escape(str(folder))}", highlight=False, soft_wrap=True)


def member_table(summary: dict[str, Any]) -> Any:
    """Return the table of test metrics: of each member, their mean, and the ensemble."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    names = [row["metric"] for row in summary["metrics"] if row["split"] == "test"]
    gains = {row["metric"]: row["value"] for row in summary["gain"] if row["split"] == "test"}
    whole = {row["metric"]: row["value"] for row in summary["metrics"] if row["split"] == "test"}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title="test", title_justify="left")
    for column in ("", *names):
        table.add_column(column, justify="left" if column == "" else "right", no_wrap=True)
    for number, member in enumerate(summary["members"], start=1):
        own = {row["metric"]: row["value"] for row in member["metrics"] if row["split"] == "test"}
        label = f"{number}  {escape(member['name'])} seed {member['seed']}"
        table.add_row(label, *(_cell(own[name]) for name in names))
    table.add_section()
    means = {name: None if None in (whole[name], gains[name]) else whole[name] - gains[name] for name in names}
    table.add_row("mean of members", *(_cell(means[name]) for name in names))
    table.add_row("[bold]ensemble[/]", *(_cell(whole[name]) for name in names))
    return table


def gain_table(summary: dict[str, Any]) -> Any:
    """Return the table of gains, ensemble minus mean of members, and of diversity, on test."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False,
                  title="test: ensemble minus mean of members, and how much members differ", title_justify="left")
    for column in ("", "value", f"{summary['level']:.0%} interval", "method"):
        table.add_column(column, no_wrap=column != "method")
    for prefix, sign, rows in (("gain in ", "+", summary["gain"]), ("", "", summary["diversity"])):
        for row in rows:
            if row["split"] == "test":
                bounds = "" if row["low"] is None else f"[{row['low']:{sign}.4g}, {row['high']:{sign}.4g}]"
                value = "undefined" if row["value"] is None else f"{row['value']:{sign}.4g}"
                table.add_row(f"{prefix}{row['metric']}", value, escape(bounds), row["method"] or "")
    return table


def _cell(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
