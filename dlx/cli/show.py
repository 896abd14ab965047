"""dlx show"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from rich.tree import Tree

    from dlx.core.types import TaskSpec


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("show", "Show a composed configuration as a tree, and the model layer by layer.")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Compose, build, print."""
    from dlx.config.build import ANY_PACKAGE, build
    from dlx.config.compose import compose
    from dlx.config.saved import to_saved
    from dlx.engine.build import known_spec
    from dlx.engine.outline import outline

    saved = to_saved(compose("train", args.overrides, args.config_dir))
    parts = build(saved, [ANY_PACKAGE])
    spec = known_spec(parts)
    layers = [] if spec is None else outline(parts, spec)
    if args.json:
        print(json.dumps({"config": saved, "layers": [layer._asdict() for layer in layers],
                          "num_parameters": sum(layer.num_parameters for layer in layers)}))
        return 0
    print_config(saved)
    if spec is not None:
        print_layers(spec, layers)
    else:
        print("The model's sizes come from the data: dlx data inspect reads it.")
    return 0


def print_config(saved: dict[str, Any]) -> None:
    """Print a configuration as a tree."""
    from rich.console import Console
    from rich.tree import Tree

    tree = Tree(f"[bold]{saved['name']}[/]")
    _grow(tree, {key: value for key, value in saved.items() if key != "name"})
    Console().print(tree)


def _grow(tree: Tree, values: dict[str, Any]) -> None:
    from rich.markup import escape

    for key, value in values.items():
        if isinstance(value, dict):
            part = value.get("part")
            label = f"[bold cyan]{key}[/]" + (f" = [green]{part}[/]" if part else "" if value else " = none")
            _grow(tree.add(label), {name: item for name, item in value.items() if name != "part"})
        else:
            tree.add(f"{key}: [yellow]{escape(json.dumps(value))}[/]")


def print_layers(spec: TaskSpec, layers: list[Any]) -> None:
    """Print the model's layers with output shapes and parameter counts."""
    from rich.console import Console
    from rich.table import Table

    title = f"input {list(spec.input_shape)}"
    table = Table("layer", "kind", "output", "parameters", title=title, title_justify="left")
    table.columns[3].justify = "right"
    for layer in layers:
        table.add_row(layer.name, layer.kind, str(list(layer.output_shape)), f"{layer.num_parameters:,}")
    table.add_section()
    table.add_row("total", "", "", f"{sum(layer.num_parameters for layer in layers):,}")
    Console().print(table)
