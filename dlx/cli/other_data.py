"""dlx evaluate RUN dataset=NAME: a saved run on another dataset than its own."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlx.cli.saved_models import Named
    from dlx.core.measures import Measure
    from dlx.engine.other_data import Compared, Other

_OF_DATASET = re.compile(r"[+~]*dataset([.=].*)?")


def compose_other(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any] | None]:
    """Take from overrides those of a dataset, and compose it as `dlx train` does, without what its preset changes else.

    Returns:
        The other overrides; and the dataset as saved configurations hold it, None where there is none.

    Raises:
        ConfigError: with every problem of the dataset.
    """
    from dlx.config.compose import compose
    from dlx.config.saved import to_part
    from dlx.core.errors import ConfigError

    own = [text for text in overrides if _OF_DATASET.fullmatch(text)]
    rest = [text for text in overrides if text not in own]
    if not own:
        return rest, None
    try:
        config = compose("train", own)
    except ConfigError as error:
        raise ConfigError(*(text.replace("dlx train ", "dlx evaluate RUN ") for text in error.problems)) from error
    return rest, to_part("dataset", config["dataset"])


def evaluate_other(args: argparse.Namespace, config: dict[str, Any], dataset: dict[str, Any]) -> int:
    """Measure, write it into the run folder if one was named, print."""
    from dlx.cli.saved_models import read_models
    from dlx.core.errors import ConfigError
    from dlx.engine.other_data import compare, measure_other
    from dlx.run import Surroundings

    if config["report"]:
        raise ConfigError("report and dataset are two things to do: dlx evaluate RUN report=… measures the run for its "
                          "report, dlx evaluate RUN dataset=… measures it on another dataset; run them one by one")
    if any(text.startswith("splits=") for text in args.overrides):
        raise ConfigError("splits are those of the run's own dataset; of another, rows=all or rows=test are measured")
    other = _other(dataset, config)
    named = read_models(args.checkpoint, config, args.overrides, args.trust)
    if named.is_ensemble:
        raise ConfigError("an ensemble cannot be measured on another dataset; measure its runs, one by one")
    data_dir = Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir
    measured = measure_other(named.models[0], other, data_dir, config["level"])
    compared = compare(measured, _own_test(args.checkpoint, named, config, data_dir))
    if args.checkpoint.is_dir():
        record(args.checkpoint, compared, dataset, config)
    result = {"checkpoint": named.name, "dataset": dataset, "rows": config["rows"], "level": config["level"],
              "metrics": [_as_plain(one, config["level"]) for one in compared]}
    if args.json:
        print(json.dumps(result))
    else:
        print_compared(named.name, other.called, compared, config["level"])
    return 0


def _other(dataset: dict[str, Any], config: dict[str, Any]) -> Other:
    from dlx.config.build import ANY_PACKAGE, make_dataset
    from dlx.core.errors import ConfigError
    from dlx.core.train_keys import INERT, divide_dataset
    from dlx.engine.classes import Classes
    from dlx.engine.other_data import Other

    rows, _ = divide_dataset(dataset)
    changed = [name for name, inert in INERT.items() if name != "classes" and rows.get(name, inert) != inert]
    if changed:
        raise ConfigError(*(f"dataset.{name} changes train rows, and nothing is trained here; leave it out"
                            for name in changed))
    return Other(f"dataset={dataset['part']}", make_dataset(dataset, [ANY_PACKAGE]), Classes(rows.get("classes")),
                 config["rows"])


def _own_test(given: Path, named: Named, config: dict[str, Any], data_dir: str) -> list[Any]:
    """Return the metrics on the run's own test split: as its summary has them, else measured again."""
    from dlx.engine.other_data import test_rows
    from dlx.engine.reevaluate import reevaluate
    from dlx.record import layout
    from dlx.record.safe_yaml import read_json

    path = given / layout.SUMMARY
    if config["checkpoint"] == "best" and path.is_file():
        summary = read_json(path)
        if summary.get("level") == config["level"]:
            return test_rows(summary["metrics"])
    return test_rows(reevaluate(named.models[0], data_dir, ["test"], config["level"], named.split_path)["metrics"])


def record(folder: Path, compared: Sequence[Compared], dataset: dict[str, Any], config: dict[str, Any]) -> None:
    """Write what was measured into measures/ of a run, where the same again replaces it, and its report anew."""
    from dlx.core.measures import Measures
    from dlx.record import layout
    from dlx.record.folder import RunFolder
    from dlx.record.measures import write_measures
    from dlx.report.parts.other_words import PREFIX
    from dlx.report.render import render
    from dlx.report.shift import DEFINITIONS

    short = re.sub(r"[^a-z0-9_]", "_", str(dataset["part"]).rpartition(".")[2].lower())[:30]
    said = json.dumps([dataset, config["rows"], config["checkpoint"]], sort_keys=True)
    name = f"{PREFIX}{short}_{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    numbers = [number for one in compared for number in _numbers(one, config["checkpoint"])]
    details = {"dataset": _described(dataset), "rows": config["rows"]}
    with RunFolder(folder):
        write_measures(folder, name, Measures(numbers, details, settings={"dataset": dataset}, definitions={
            number.name: DEFINITIONS[number.name] for number in numbers}))
        if (folder / layout.REPORT).is_dir():
            render(folder)


def _described(dataset: dict[str, Any]) -> str:
    """Name a dataset: with the file it is read from, or else with the numbers that it is made by."""
    from dlx.core.train_keys import divide_dataset

    if dataset.get("path") is not None:
        return f"{dataset['part']} {dataset['path']}"
    made = [f"{name} {value}" for name, value in divide_dataset(dataset)[1].items() if type(value) in (int, float)]
    return f"{dataset['part']} ({', '.join(made)})" if made else str(dataset["part"])


def _numbers(one: Compared, checkpoint: str) -> list[Measure]:
    from dlx.core.measures import Measure

    numbers = []
    for name, row, split in (("other_value", one.other, ""), ("own_test", one.own, "test"),
                             ("other_difference", one.difference, "")):
        if row is None:
            continue
        number = Measure(name, row.value, split, checkpoint, {"metric": row.metric}, n=row.n)
        interval = row.interval
        if number.value is None:
            number = Measure(name, None, split, checkpoint, {"metric": row.metric}, n=row.n,
                             method="undefined: the metric is, on such rows")
        elif interval is not None and interval.low == interval.low:
            number = number.within(interval)
        numbers.append(number)
    return numbers


def _as_plain(one: Compared, level: float) -> dict[str, Any]:
    from dlx.engine.summary import as_record

    parts = {"own_test": one.own, "difference": one.difference}
    found = {name: None if row is None else {key: value for key, value in as_record(row, level).items() if key in
                                             ("value", "low", "high", "method", "n")} for name, row in parts.items()}
    return {**{key: value for key, value in as_record(one.other, level).items() if key != "split"}, **found}


def print_compared(checkpoint: str, called: str, compared: Sequence[Compared], level: float) -> None:
    """Print each metric on the other dataset, on the run's own test split, and the difference."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dlx.report import words

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, title_justify="left",
                  title=escape(f"{checkpoint} on {called}, n = {compared[0].other.n:,}"))
    for column in ("metric", "other data", "own test", "difference"):
        table.add_column(column, overflow="fold")
    for one in compared:
        cells = [words.interval(row.metric, *_bounds(row)) if row is not None else "–" for row in (one.other, one.own)]
        gap = "–" if one.difference is None else words.difference(one.other.metric, *_bounds(one.difference))
        table.add_row(words.label(one.other.metric), *map(escape, (*cells, gap)))
    console = Console()
    console.print(table)
    console.print(f"Brackets hold {level:.0%} intervals; the difference takes both sets of rows as independent "
                  f"samples.", highlight=False)


def _bounds(row: Any) -> tuple[float, float | None, float | None]:
    interval = row.interval
    known = interval is not None and interval.low == interval.low
    return row.value, interval.low if known else None, interval.high if known else None
