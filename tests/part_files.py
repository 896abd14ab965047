"""Parts as conf/ offers them: found on disk, composed as `dlx train` composes them. A new YAML is found by itself."""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any

from dlx.config.build import build, lookup
from dlx.config.compose import MISSING, compose
from dlx.config.options import LIST_GROUPS, read_option
from dlx.config.saved import PART, to_saved
from dlx.core.model_keys import divide_model
from dlx.core.train_keys import divide_dataset, divide_optimizer
from dlx.engine.parts import Parts

CONF = Path(__file__).resolve().parent.parent / "conf"


# Options that name no code, or that of others.
WITHOUT_CODE = ("none", "standard", "full")


def option_names(group: str) -> list[str]:
    """List the options of a group that name code, read from the folder."""
    return [path.stem for path in sorted((CONF / group).glob("*.yaml")) if path.stem not in WITHOUT_CODE]


def choice(group: str, *options: str) -> str:
    """Return the override that chooses options of a group."""
    return f"{group}=[{','.join(options)}]" if group in LIST_GROUPS else f"{group}={options[0]}"


@cache
def _saved(overrides: tuple[str, ...]) -> dict[str, Any]:
    device = () if any(override.startswith("device=") for override in overrides) else ("device=cpu",)
    report = () if any(override.startswith("report=") for override in overrides) else ("report=[none]",)
    return to_saved(compose("train", [*overrides, *device, *report, *stand_ins(overrides)]))


def stand_ins(overrides: Collection[str]) -> list[str]:
    """Return overrides that name files and columns where an option leaves them to the user and nobody did."""
    options = [override.partition("=")[2] for override in overrides if override.startswith("dataset=")]
    files = [read_option(CONF / "dataset" / f"{option}.yaml") for option in options]
    keys = [f"dataset.{key}" for values in files for key, value in values.get("dataset", values).items()
            if value == MISSING]
    return [f"{key}=stand_in" for key in keys if not any(override.startswith(f"{key}=") for override in overrides)]


def saved(*overrides: str) -> dict[str, Any]:
    """Compose the configuration of `dlx train` with overrides, in its saved form, on the CPU, without a report."""
    return copy.deepcopy(_saved(overrides))


def parts(*overrides: str) -> Parts:
    """Build the parts of `dlx train` with overrides, on the CPU."""
    return build(saved(*overrides), ["*"])


def code_and_arguments(group: str, option: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the code of an option and the arguments that its YAML gives: of a dataset or model its own alone."""
    values = saved(choice(group, option))[group]
    values = values[option] if group in LIST_GROUPS else values
    divide = {"dataset": divide_dataset, "model": divide_model, "optimizer": divide_optimizer}.get(group)
    values = values if divide is None else divide(values)[1]
    return lookup(group, values.pop(PART), ()), values


def make(group: str, option: str, **changes: Any) -> Any:
    """Build a part from its YAML, with some arguments changed or, for a model, added."""
    code, arguments = code_and_arguments(group, option)
    return code(**{**arguments, **changes})


def annotations(code: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotation of every argument of a part's code."""
    hints = typing.get_type_hints(code.__init__ if inspect.isclass(code) else code, include_extras=True)
    return {name: hints[name] for name in inspect.signature(code).parameters if name in hints}
