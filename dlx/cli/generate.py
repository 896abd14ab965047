"""dlx predict of a language model: how to draw tokens, and the texts."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.core.ranges import Count, NonNegative, Seed, problem

if TYPE_CHECKING:
    from dlx.engine.saved_model import SavedModel

# Argument by option: type, range, default, meaning.
SAMPLING: dict[str, tuple[type, Any, Any, str]] = {
    "num_tokens": (int, Count, 200, "tokens to go on with (200)"),
    "temperature": (float, NonNegative, 1.0, "below 1 favours probable tokens, 0 takes the most probable one (1)"),
    "top_k": (int, Count, None, "draw among so many of the most probable tokens (all)"),
    "samples": (int, Count, 1, "texts to write (1)"),
    "seed": (int, Seed, 0, "of the draws (0)"),
}


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Add the options that a language model takes."""
    group = parser.add_argument_group("of a language model")
    for name, (kind, _, _, meaning) in SAMPLING.items():
        group.add_argument(typed(name), type=kind, metavar="N" if kind is int else "T", help=meaning)


def typed(name: str) -> str:
    """Write an option as it is typed."""
    return f"--{name.replace('_', '-')}"


def refuse_sampling(args: argparse.Namespace) -> None:
    """Raise ConfigError where a run that is no language model is given its options."""
    from dlx.core.errors import ConfigError

    given = [typed(name) for name in SAMPLING if getattr(args, name) is not None]
    if given:
        raise ConfigError(f"{given[0]} is for a language model, and this run's targets are not the tokens of a text; "
                          f"leave it out")


def generated(args: argparse.Namespace, models: Sequence[SavedModel]) -> str:
    """Return the texts that a saved language model goes on with, as they are shown.

    Raises:
        ConfigError: options out of their ranges, a text of no token, or several models.
    """
    from dlx.core.errors import ConfigError
    from dlx.engine.generate import Sampling, continued

    if len(models) > 1:
        raise ConfigError(f"an ensemble of {len(models)} language models cannot write; give one of its runs")
    values = {name: default if getattr(args, name) is None else getattr(args, name)
              for name, (_, _, default, _) in SAMPLING.items()}
    wrong = {name: problem(SAMPLING[name][1], value) for name, value in values.items() if value is not None}
    if any(wrong.values()):
        raise ConfigError(*(f"{typed(name)} must be {text}, got {values[name]:g}" for name, text in wrong.items()
                            if text is not None))
    texts = continued(models[0], prompt_of(args.data), Sampling(*values.values()))
    if args.json:
        return json.dumps([{"id": number, "text": text} for number, text in enumerate(texts)]) + "\n"
    return "\n---\n".join(texts) + "\n"


def prompt_of(given: str) -> str:
    """Return the text of a file of that name, else the given text itself."""
    from dlx.core.own_data.text_file import read_text

    return read_text(Path(given), "utf-8") if os.path.isfile(given) else given
