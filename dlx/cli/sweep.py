"""dlx sweep"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from dlx.run import Surroundings
    from dlx.sweep.conduct import Conducted
    from dlx.sweep.drive import Failure, Policy
    from dlx.sweep.launch import Launcher
    from dlx.sweep.plan import Plan
    from dlx.sweep.run import Outcome


SWEPT = """
several values make an axis:
  optimizer.lr=1e-3,1e-2           a list; also range(0,5), choice(a,b), model=glob(m*)
  regularizer=[],[dropout]         choices of several
  optimizer.lr=interval(1e-4,1)    with search=random, qmc, tpe, cmaes, halving; tag(log,interval(1e-4,1))
  seeds=5                          every point with the same five seeds
  split=kfold split.fold=all       every point with every fold
"""

# As a line of a log begins.
TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "sweep", "Train every point of a grid: a=1,2  model=mlp,cnn  regularizer=[],[dropout]  seeds=5; or search=tpe.")
    result.epilog = f"{result.epilog}{SWEPT}"
    result.add_argument("--dry-run", action="store_true", help="show the plan, and stop")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Plan, check every distinct configuration, run, print."""
    from dlx.sweep.folds import with_all_folds

    return run_sweep(args, with_all_folds("sweep", args.overrides, args.config_dir))


def run_sweep(args: argparse.Namespace, overrides: Sequence[str]) -> int:
    """Run a sweep of these overrides; args.overrides are what was typed."""
    from dlx.config.build import ANY_PACKAGE
    from dlx.record import atomic, layout
    from dlx.record.folder import RunFolder
    from dlx.run import Surroundings
    from dlx.sweep.cross_validation import is_cross_validation
    from dlx.sweep.data_check import refuse_data
    from dlx.sweep.drive import Policy
    from dlx.sweep.frozen import write_plan
    from dlx.sweep.launch import launcher_factory
    from dlx.sweep.plan import plan_sweep
    from dlx.sweep.process import warm_up

    if not args.dry_run and not any(text.startswith("launcher=") for text in overrides):
        warm_up()
    plan, config = plan_sweep(overrides, args.config_dir)
    make_launcher = launcher_factory(config["launcher"], [ANY_PACKAGE])
    check(plan, [ANY_PACKAGE])
    if args.dry_run:
        from dlx.cli.plan_text import print_plan

        print_plan(plan, args.json)
        return 0
    surroundings = Surroundings.of(config)
    refuse_data(plan, surroundings.data_dir, [ANY_PACKAGE])
    kind = "cv" if is_cross_validation(plan) else "sweep"
    name = kind if config["name"] == "auto" else f"{config['name']}-{kind}"
    folder = RunFolder.create(Path(config["runs_dir"]), name, plan_hash(plan))
    with folder:
        atomic.write_text(folder.path / layout.OVERRIDES, "".join(f"{line}\n" for line in args.overrides))
        write_plan(folder.path, plan)
        launcher = make_launcher(folder.path, config["workers"])
        return run_and_print(folder.path, plan, surroundings, Policy.of(config), launcher, [ANY_PACKAGE],
                             args.json)


def check(plan: Plan, trust: list[str]) -> None:
    """Build the parts of every run once per distinct configuration apart from seeds, before anything is written."""
    from dlx.config.build import build
    from dlx.core.errors import ConfigError
    from dlx.core.repeats import SEEDS

    problems: dict[str, None] = {}
    seen: set[str] = set()
    for planned in plan.runs:
        # Runs that differ by seed alone are checked once; the seeds of split and train rows follow that of the run.
        key = json.dumps({**planned.saved, **dict.fromkeys(SEEDS), "split": {**planned.saved["split"], "seed": None},
                          "dataset": {**planned.saved["dataset"], "train_seed": None}})
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

    parts = [*(run.hash for run in plan.runs), "" if plan.space is None else json.dumps([plan.search, plan.goals])]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:8]


def resume_sweep(path: Path, config: dict[str, Any], trust: list[str], as_json: bool) -> int:
    """Run what is missing of a sweep."""
    from dlx.config.build import make_search
    from dlx.core.errors import ArtefactError, ConfigError
    from dlx.record import layout
    from dlx.record.folder import RunFolder
    from dlx.run import Surroundings
    from dlx.sweep.drive import Policy
    from dlx.sweep.frozen import read_plan
    from dlx.sweep.launch import launcher_factory
    from dlx.sweep.same_data import refuse_other_data

    make_launcher = launcher_factory(config["launcher"], trust)
    plan = read_plan(path)
    try:
        make_search(plan.search, trust)
        check(plan, trust)
    except ConfigError as error:
        raise ArtefactError(f"{path / layout.SWEEP} is refused:\n{error}") from error
    with RunFolder(path):
        refuse_other_data(path, plan, Surroundings.of(config).data_dir, trust)
        launcher = make_launcher(path, config["workers"])
        return run_and_print(path, plan, Surroundings.of(config), Policy.of(config), launcher, trust, as_json)


def run_and_print(path: Path, plan: Plan, surroundings: Surroundings, policy: Policy, launcher: Launcher,
                  trust: list[str], as_json: bool) -> int:
    """Run a plan, print its leaderboard, and fail where runs failed."""
    from dlx.cli.sweep_progress import watching
    from dlx.core.errors import RunsFailedError
    from dlx.engine.signals import stop_on_signals
    from dlx.report.sweep.render import render_sweep
    from dlx.sweep.climb import Stage
    from dlx.sweep.conduct import conduct
    from dlx.sweep.run import missing, run_plan

    todo = missing(path, plan)
    failures: dict[str, Failure] = {}

    def run_batch(batch: Plan, stage: Stage) -> Outcome:
        done = run_plan(path, batch, surroundings, policy, launcher, trust, watch, stage)
        failures.update(done.failures)
        return done

    total = expected_runs(plan)
    # A launcher that starts a cluster must end it.
    with stop_on_signals(), contextlib.closing(launcher):
        slots = launcher.slots() if todo else 0
        with watching(path, total, len(plan.runs) - len(todo), slots, as_json) as watch:
            conducted = conduct(path, plan, run_batch, trust)
    outcome = conducted.outcome._replace(failures=failures)
    render_sweep(path)
    print_outcome(path, conducted, as_json)
    if any(result.status != "done" for result in outcome.results):
        raise RunsFailedError(failure_text(path, outcome))
    return 0


def failure_text(path: Path, outcome: Outcome) -> str:
    """Say how many runs failed, and of each how, with the end of its log."""
    from dlx.sweep.run import how_it_left, log_tail

    left = [result for result in outcome.results if result.status != "done"]
    # Not started or not finished, because on_error or max_failures said so.
    skipped = [result for result in left if result.status in ("missing", "interrupted")
               and result.run.hash not in outcome.failures]
    failed = [result for result in left if result not in skipped]
    rest = (f" {len(skipped)} were not finished." if skipped
            else " the others are complete." if len(failed) < len(outcome.results) else "")
    lines = [f"{len(failed)} of {len(outcome.results)} runs failed;{rest} dlx resume {path} "
             f"tries again those that can succeed"]
    told: dict[tuple[str, ...], str] = {}
    for result in failed:
        how = how_it_left(result, outcome.failures.get(result.run.hash))
        tail = tuple(dict.fromkeys(log_tail(path, result.run.hash)))
        # Runs that failed alike failed at different times.
        text = (how, *(TIME.sub("", line) for line in tail))
        first = told.setdefault(text, result.run.hash)
        if first == result.run.hash:
            lines += [f"runs/{first}  {how}", *(f"    {line}" for line in tail)]
        else:
            lines.append(f"runs/{result.run.hash}  as runs/{first}")
    return "\n".join(lines)


def expected_runs(plan: Plan) -> int:
    """Return how many runs there will be, of a search that goes on at most."""
    if plan.space is None:
        return len(plan.runs)
    return max(len(plan.runs), int(plan.search.get("num_trials", 0)) * plan.runs_per_point)


def print_outcome(path: Path, conducted: Conducted, as_json: bool) -> None:
    """Print the leaderboard and the best configuration, by the objective where one was given; of folds their means."""
    from dlx.cli.cross_validation import print_cross_validation
    from dlx.cli.front import front_rows, print_front
    from dlx.cli.leaderboard import print_standings
    from dlx.cli.plan_text import bias_lines
    from dlx.record import layout
    from dlx.sweep.cross_validation import average, is_cross_validation, record
    from dlx.sweep.tables import has_folds, ranking

    plan, outcome = conducted
    metric, _ = ranking(outcome.results)
    front = front_rows(conducted) if plan.goals else []
    is_cv = is_cross_validation(plan)
    if as_json:
        rows = [row._asdict() for row in outcome.standings]
        found = {"best": _finite(front)} if plan.goals else {}
        found |= {"cross_validation": record(plan, outcome.results)} if is_cv else {}
        print(json.dumps({"folder": str(path), "ranked_by": f"val_{metric}", "leaderboard": _finite(rows), **found}))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    if is_cv:
        done = sum(result.status == "done" for result in outcome.results)
        print_cross_validation(console, average(outcome.results), metric, done, len(outcome.results))
    else:
        print_standings(console, outcome.standings, metric, has_folds(plan))
    print_front(console, plan, front, f"val_{metric}")
    for line in bias_lines(plan):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    table = layout.CROSS_VALIDATION if is_cv else layout.LEADERBOARD
    console.print(f"[bold]Sweep folder[/]  {escape(str(path))}  ({layout.RUNS_TABLE}, {table})", highlight=False,
                  soft_wrap=True)
    console.print(f"[bold]Report[/]  {escape(str(path / layout.REPORT / layout.REPORT_HTML))}", highlight=False,
                  soft_wrap=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
