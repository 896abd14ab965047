"""The root keys: types and ranges, and which of them make the result."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from dlx.core.device import NumProcesses
from dlx.core.ranges import Count, Fraction, NonNegative, Positive, Range, Seed, problem, shown
from dlx.record.folder import NAME

ROOT: dict[str, Any] = {
    "seed": Seed,
    "init_seed": Seed,
    "order_seed": Seed,
    "epochs": Annotated[int, Range("[1, 100000000]")],
    "batch_size": Count,
    "accumulation_steps": Count,
    "selection": str,
    "level": Fraction,
    "rows": Literal["all", "test"],
    "checkpoint_seconds": NonNegative,
    "name": str,
    "runs_dir": str,
    "data_dir": str,
    "workers": Literal["auto"] | Count,
    "retries": Annotated[int, Range("[0, 1000]")],
    "on_error": Literal["continue", "stop"],
    "max_failures": Annotated[int, Range("[0, inf)")] | None,
    "run_limit_seconds": Positive | None,
    "seeds": None | Count,
    "members": Literal["auto"] | Count,
    "processes": Literal["auto"] | NumProcesses,
    "start_lr": Positive,
    "end_lr": Positive,
    "num_steps": Annotated[int, Range("[10, 100000]")],
}
# Where and how often to write; not part of the experiment, so neither saved with it nor hashed.
SURROUNDINGS = ("runs_dir", "data_dir", "checkpoint_seconds", "workers", "launcher", "retries", "on_error",
                "max_failures", "run_limit_seconds", "members")
# Which runs a sweep makes; a run of it does not know.
SWEEPING = ("search", "seeds")
# Which learning rates a range test tries.
RANGE_TEST = ("start_lr", "end_lr", "num_steps")
# Saved, but without effect on the numbers beyond rounding.
UNHASHED = ("name", "report", "device.kind", "device.threads", "device.compile", "device.channels_last",
            "device.processes", "device.data")


def root_problems(config: dict[str, Any]) -> list[str]:
    """Say what is wrong with the root values of a resolved configuration."""
    problems = []
    for key, annotation in ROOT.items():
        if key in config:
            wrong = problem(annotation, config[key])
            if wrong is not None:
                problems.append(f"{key} must be {wrong}, got {shown(config[key])}")
    name = config.get("name")
    if isinstance(name, str) and not NAME.fullmatch(name):
        problems.append(f"name must be 1 to 80 letters, digits, '.', '_' or '-', beginning with a letter or digit, "
                        f"got {name[:100]!r}")
    problems += [f"{key} must name a folder, got ''" for key in ("runs_dir", "data_dir") if config.get(key) == ""]
    return problems


def type_problem(default: Any, value: Any) -> str | None:
    """Say what a value should have been, judging by the type of its default; None where it fits.

    A default of "auto" or null says nothing about the type.
    """
    if default is None or default == "auto":
        return None
    if isinstance(default, list):
        return None if isinstance(value, list) else "a list"
    return problem(type(default), value)
