"""dlx sweep"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from dlx.run import Surroundings
    from dlx.sweep.drive import Policy
    from dlx.sweep.launch import Launcher
    from dlx.sweep.plan import Plan
    from dlx.sweep.run import Outcome
    from dlx.sweep.tables import Standing


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "sweep", "Train every point of a grid: a=1,2  'seed=range(5)'  model=mlp,cnn  regularizer=[],[dropout]")
    result.add_argument("--dry-run", action="store_true", help="show the plan, and stop")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Plan, check every distinct configuration, run, print."""
    from dlx.config.build import ANY_PACKAGE
    from dlx.config.compose import compose
    from dlx.record import atomic, layout
    from dlx.record.folder import RunFolder
    from dlx.run import Surroundings
    from dlx.sweep.drive import Policy
    from dlx.sweep.launch import launcher_factory
    from dlx.sweep.plan import make_plan, write_plan

    plan = make_plan(args.overrides, args.config_dir)
    config = compose("sweep", plan.runs[0].overrides, args.config_dir)
    make_launcher = launcher_factory(config["launcher"], [ANY_PACKAGE])
    check(plan, [ANY_PACKAGE])
    if args.dry_run:
        print_plan(plan, args.json)
        return 0
    name = "sweep" if config["name"] == "auto" else f"{config['name']}-sweep"
    folder = RunFolder.create(Path(config["runs_dir"]), name, plan_hash(plan))
    with folder:
        atomic.write_text(folder.path / layout.OVERRIDES, "".join(f"{line}\n" for line in args.overrides))
        write_plan(folder.path, plan)
        launcher = make_launcher(folder.path, config["workers"])
        return run_and_print(folder.path, plan, Surroundings.of(config), Policy.of(config), launcher, [ANY_PACKAGE],
                             args.json)


def check(plan: Plan, trust: list[str]) -> None:
    """Build the parts of every run once per distinct configuration apart from the seed, before anything is written."""
    from dlx.config.build import build
    from dlx.core.errors import ConfigError

    problems: dict[str, None] = {}
    seen: set[str] = set()
    for planned in plan.runs:
        # Runs that differ by seed alone are checked once.
        key = json.dumps({**planned.saved, "seed": None, "split": None})
        if key not in seen:
            seen.add(key)
            try:
                build(planned.saved, trust)
            except ConfigError as error:
                problems |= {f"{' '.join(planned.overrides)}: {problem}": None for problem in error.problems}
    if problems:
        raise ConfigError(*problems)


def plan_hash(plan: Plan) -> str:
    """Return 8 hexadecimal digits that stand for all runs of a plan."""
    import hashlib

    return hashlib.sha256("".join(run.hash for run in plan.runs).encode()).hexdigest()[:8]


def resume_sweep(path: Path, config: dict[str, Any], trust: list[str], as_json: bool) -> int:
    """Run what is missing of a sweep."""
    from dlx.core.errors import ArtefactError, ConfigError
    from dlx.record import layout
    from dlx.record.folder import RunFolder
    from dlx.run import Surroundings
    from dlx.sweep.drive import Policy
    from dlx.sweep.launch import launcher_factory
    from dlx.sweep.plan import read_plan

    make_launcher = launcher_factory(config["launcher"], trust)
    plan = read_plan(path)
    try:
        check(plan, trust)
    except ConfigError as error:
        raise ArtefactError(f"{path / layout.SWEEP} is refused:\n{error}") from error
    with RunFolder(path):
        launcher = make_launcher(path, config["workers"])
        return run_and_print(path, plan, Surroundings.of(config), Policy.of(config), launcher, trust, as_json)


def run_and_print(path: Path, plan: Plan, surroundings: Surroundings, policy: Policy, launcher: Launcher,
                  trust: list[str], as_json: bool) -> int:
    """Run a plan, print its leaderboard, and fail where runs failed."""
    from dlx.cli.sweep_progress import watching
    from dlx.core.errors import RunsFailedError
    from dlx.sweep.run import how_it_left, log_tail, missing, run_plan

    todo = missing(path, plan)
    with contextlib.closing(launcher):
        slots = launcher.slots() if todo else 0
        with watching(path, len(plan.runs), len(plan.runs) - len(todo), slots, as_json) as watch:
            outcome = run_plan(path, plan, surroundings, policy, launcher, trust, watch)
    print_outcome(path, outcome, as_json)
    failed = [result for result in outcome.results if result.status != "done"]
    if failed:
        # Not started, because on_error or max_failures said so.
        skipped = [result for result in failed
                   if result.status == "missing" and result.run.hash not in outcome.failures]
        failed = [result for result in failed if result not in skipped]
        rest = (f" {len(skipped)} were not started." if skipped
                else " the others are complete." if len(failed) < len(outcome.results) else "")
        lines = [f"{len(failed)} of {len(outcome.results)} runs failed;{rest} dlx resume {path} "
                 f"tries again those that can succeed"]
        for result in failed:
            lines += [f"runs/{result.run.hash}  {how_it_left(result, outcome.failures.get(result.run.hash))}"]
            lines += [f"    {line}" for line in log_tail(path, result.run.hash)]
        raise RunsFailedError("\n".join(lines))
    return 0


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print the runs that a sweep would make."""
    from dlx.sweep.tables import cell, settings_of, shown, varying

    keys = varying(plan)
    rows = [{"run": run.hash, **{shown(key): cell(settings_of(run.saved).get(key)) for key in keys}}
            for run in plan.runs]
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], title=f"{len(rows)} runs", title_justify="left")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def print_outcome(path: Path, outcome: Outcome, as_json: bool) -> None:
    """Print the leaderboard and the best configuration."""
    from dlx.record import layout
    from dlx.sweep.tables import ranking

    metric, _ = ranking(outcome.results)
    if as_json:
        rows = [row._asdict() for row in outcome.standings]
        print(json.dumps({"folder": str(path), "ranked_by": f"val_{metric}", "leaderboard": _finite(rows)}))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(leaderboard(outcome.standings, metric))
    best = outcome.standings[0]
    if best.num_done:
        console.print(best_sentence(best, metric), highlight=False, soft_wrap=True)
    console.print(f"[bold]Sweep folder[/]  {escape(str(path))}  "
                  f"({layout.RUNS_TABLE}, {layout.LEADERBOARD})", highlight=False, soft_wrap=True)


def leaderboard(standings: list[Standing], metric: str) -> Any:
    """Lay out the leaderboard: the metric that ranks, then the first other one, with gaps."""
    from rich import box
    from rich.table import Table

    from dlx.sweep.tables import cell, shown

    others = [name for name in standings[0].val if name != metric][:1]
    metrics = [metric, *others]
    headers = [header for name in metrics for header in (f"val {name}", f"gap {name}")]
    table = Table("rank", *map(shown, standings[0].point), "runs", *headers, box=box.SIMPLE_HEAD,
                  title=f"ranked by mean val {metric}; ± is the 95% t interval over seeds", title_justify="left")
    for rank, row in enumerate(standings, 1):
        numbers = [plus_minus(estimates.get(name)) for name in metrics for estimates in (row.val, row.gap)]
        runs = str(row.num_done) if row.num_done == row.num_runs else f"[red]{row.num_done} of {row.num_runs}[/]"
        table.add_row(str(rank), *(cell(value) for value in row.point.values()), runs, *numbers)
    return table


def plus_minus(estimate: tuple[float, float, float] | None) -> str:
    """Format a mean with half the width of its interval."""
    if estimate is None or math.isnan(estimate[0]):
        return "–"
    mean, low, high = estimate
    return f"{mean:.4g}" if math.isnan(low) else f"{mean:.4g} ± {(high - low) / 2:.2g}"


def best_sentence(best: Standing, metric: str) -> str:
    """Say which configuration is best, and open test for it alone."""
    from dlx.sweep.tables import cell, shown

    point = " ".join(f"{shown(key)}={cell(value)}" for key, value in best.point.items()) or "the only configuration"
    names = [metric, *[name for name in best.test if name != metric][:1]]
    test = ", ".join(f"{name} {plus_minus(best.test[name])}" for name in names)
    return f"[bold]Best on val[/]  {point}\n[bold]Its test[/]  {test}  ({best.num_done} runs)"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
