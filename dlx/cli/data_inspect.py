"""dlx data inspect"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dlx.core.types import Arrays, TaskSpec
    from dlx.hygiene.profile import Profile
    from dlx.report.section import Table as Cells

MAX_CLASSES, MAX_COLUMNS, MAX_TEXTS = 30, 40, 5
TEXT_BYTES = 200


class Inspected(NamedTuple):
    """What was found in a dataset; hygiene as measures/data.json holds it, drawn a PNG."""

    name: str
    fingerprint: str
    arrays: Arrays
    spec: TaskSpec
    profile: Profile
    hygiene: dict[str, Any]
    drawn: bytes | None


def run(args: argparse.Namespace) -> int:
    """Read, divide, preprocess and check data; print what was found and draw examples."""
    found = inspected(args.overrides)
    path = None if found.drawn is None else keep(found.drawn, Path(f"{found.name}-examples.png"))
    if args.json:
        from dlx.hygiene.data import plain

        print(json.dumps({"dataset": found.name, "fingerprint": found.fingerprint, "profile": plain(found.profile),
                          "hygiene": found.hygiene, "picture": None if path is None else str(path)}))
    else:
        show(found, path)
    return 0


def inspected(overrides: Sequence[str]) -> Inspected:
    """Read, divide, preprocess and check data."""
    import numpy as np

    from dlx.config.build import ANY_PACKAGE, build
    from dlx.config.compose import compose
    from dlx.config.saved import PART, to_saved
    from dlx.engine.data import begin_fingerprint, given_spec, prepare_arrays
    from dlx.engine.hygiene import hygiene
    from dlx.hygiene.profile import profile
    from dlx.report.examples import picture
    from dlx.run import Surroundings

    config = compose("train", overrides)
    saved = to_saved(config)
    parts = build(saved, [ANY_PACKAGE])
    arrays = parts.dataset.load(Surroundings.of(config).data_dir)
    placement = parts.device.place(0.0)
    placement.enter()
    data = prepare_arrays(parts, arrays, begin_fingerprint(arrays), placement, None)._replace(arrays=lambda: arrays)
    rows = {name: split.ids.numpy() for name, split in data.splits.items()}
    checked = hygiene(data, saved["preprocessing"], parts.metrics)
    spec = data.given
    chosen = parts.classes(arrays.targets, given_spec(parts.dataset, arrays))
    kept = arrays if chosen is None else arrays._replace(
        inputs=arrays.inputs[chosen.rows], targets=chosen.targets[chosen.rows],
        notes={name: note[chosen.rows] for name, note in arrays.notes.items()})
    places = rows if chosen is None else {name: np.searchsorted(chosen.rows, own) for name, own in rows.items()}
    return Inspected(str(saved["dataset"][PART]).rpartition(".")[2], data.fingerprint, kept, spec,
                     profile(kept.inputs, kept.targets, kept.notes, spec, places), checked,
                     picture(kept.inputs, kept.targets, spec))


def show(found: Inspected, path: Path | None) -> None:
    """Print what was found.

    Args:
        path: of the picture.
    """
    from rich.console import Console

    from dlx.report.checks import checks_of

    console = Console()
    print_profile(console, found.name, found.fingerprint, found.profile)
    print_texts(console, found.arrays, found.spec)
    print_checks(console, checks_of(found.hygiene))
    if path is not None:
        console.print(f"[bold]Examples[/]  {path}", highlight=False, soft_wrap=True)


def keep(drawn: bytes, path: Path) -> Path:
    """Write a picture beside what is there, never over it; the same picture is not written twice.

    Raises:
        StorageError: the folder cannot be written to.
    """
    from dlx.record import atomic

    number = 1
    while True:
        free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        if not free.exists():
            atomic.write_bytes(free, drawn)
            return free
        if free.is_file() and free.read_bytes() == drawn:
            return free
        number += 1


def print_profile(console: Console, name: str, digest: str, found: Profile) -> None:
    """Print what a dataset looks like: sizes and type, targets by split, columns, notes."""
    shape = f" {list(found.shape)}" if found.shape else ""
    what = "labels" if found.kind == "multilabel" else "classes"
    classes = f", {len(found.class_names)} {what}" if found.class_names else ""
    console.print(f"[bold]{name}[/]  {found.num_rows:,} rows, {found.layout}{shape} of {found.type}, "
                  f"{found.bytes / 2**20:,.1f} MiB; {found.kind}{classes}", highlight=False)
    console.print(f"SHA-256 {digest}", highlight=False, soft_wrap=True, style="dim")
    _print(console, "Targets", *target_cells(found))
    title = "Columns" if found.layout == "table" else "Inputs"
    some = "" if found.num_inspected == found.num_rows else f", of {found.num_inspected:,} rows"
    _print(console, f"{title}{some}", *column_cells(found))
    if found.notes:
        _print(console, "Notes of rows", ("note", "values", "first"),
               [(note.name, f"{note.values:,}", ", ".join(note.first)) for note in found.notes])


def target_cells(found: Profile) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Lay out targets: a row per class, or per split."""
    sizes = {split: own.num_rows for split, own in found.targets.items()}
    if found.kind not in ("classification", "multilabel"):
        numbers = ("least", "median", "most", "mean", "deviation") if found.kind == "regression" else ()
        return ("split", "rows", *numbers), [(split, f"{own.num_rows:,}", *(f"{value:.4g}" for value in own.numbers))
                                             for split, own in found.targets.items()]
    names = found.class_names or tuple(map(str, range(len(found.targets["all"].classes))))
    rows = [(name, f"{100 * found.targets['all'].classes[at] / max(1, found.num_rows):.1f}%",
             *(f"{own.classes[at]:,}" for own in found.targets.values())) for at, name in enumerate(names)]
    more = [(f"… {len(rows) - MAX_CLASSES} more",)] if len(rows) > MAX_CLASSES else []
    what = "class" if found.kind == "classification" else "label"
    return (what, "share", *sizes), [*rows[:MAX_CLASSES], *more, ("rows", "", *(f"{n:,}" for n in sizes.values()))]


def column_cells(found: Profile) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Lay out columns."""
    rows = []
    for own in found.columns[:MAX_COLUMNS]:
        numbers = tuple("–" if value is None else f"{value:.3g}"
                        for value in (own.least, own.median, own.most, own.mean, own.deviation))
        top = "" if own.top is None else f"{own.top[0]} {100 * own.top[1]:.0f}%"
        rows.append((own.name, f"{own.missing:,}", f"{own.values:,}", *numbers, top))
    if len(found.columns) > MAX_COLUMNS:
        rows.append((f"… {len(found.columns) - MAX_COLUMNS} more",) + ("",) * 8)
    columns = ("name", "missing", "values", "least", "median", "most", "mean", "std", "mode")
    if not any(row[8] for row in rows):
        return columns[:8], [row[:8] for row in rows]
    return columns, rows


def print_texts(console: Console, arrays: Arrays, spec: TaskSpec) -> None:
    """Print the beginnings of some texts."""
    from rich.text import Text

    from dlx.core.ragged import Ragged
    from dlx.report.examples import chosen

    if spec.layout != "text" or not isinstance(arrays.inputs, Ragged):
        return
    console.print("[bold]Texts[/]")
    for row in [int(own[0]) for own in chosen(arrays.targets, spec, 1, MAX_TEXTS) if len(own)][:MAX_TEXTS]:
        start, end = arrays.inputs.offsets[row : row + 2]
        text = arrays.inputs.values[start : min(end, start + TEXT_BYTES)].tobytes().decode(errors="ignore")
        label = spec.class_names[int(arrays.targets[row])] if spec.kind == "classification" else f"row {row}"
        console.print(Text(f"  {label}: {' '.join(text.split())}"))
    console.print()


def print_checks(console: Console, checks: Any) -> None:
    """Print problems, remarks and what simple answers reach."""
    from rich.padding import Padding
    from rich.text import Text

    from dlx.report.parts.hygiene import baseline_tables, clean_sentence

    for table in (*checks.tables, *baseline_tables(checks, None)):
        _print_cells(console, table)
    console.print(Text("Problems" if checks.problems else clean_sentence(checks),
                       style="bold red" if checks.problems else "bold green"))
    for sentence in checks.problems:
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))
    if checks.remarks:
        console.print("[bold]Remarks[/]")
    for sentence in checks.remarks:
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))


def _print_cells(console: Console, table: Cells) -> None:
    _print(console, table.title, table.columns, table.rows)


def _print(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.text import Text

    console.print(f"\n[bold]{title}[/]", highlight=False)
    rows = list(rows)
    table = _table(columns, rows)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for index, column in enumerate(columns):
        is_text = index == 0 or column in ("first", "mode")
        longest = max((len(row[index]) for row in rows if index < len(row)), default=0)
        # A narrow terminal cuts names, not numbers.
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True, overflow="ellipsis",
                         min_width=min(9, longest) if is_text else max(len(column), longest))
    return table
