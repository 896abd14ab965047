"""The rows of the table and how they are written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.table import Table
from timing import Ratio

Unit = Literal["seconds", "bytes"]


@dataclass(frozen=True)
class Row:
    """One comparison: medians, their ratio, and whether it is good enough; None for what is not known.

    Args:
        skipped: why it cannot be measured on this machine, which is no failure.
        unit: of what was measured.
    """

    name: str
    work: str
    peer: str
    dlx_figure: float | None
    peer_figure: float | None
    ratio: Ratio | None
    bar: float | None
    note: str | None
    skipped: str | None = None
    unit: Unit = "seconds"

    @property
    def met(self) -> bool | None:
        """Whether the ratio is within the bar."""
        return None if self.ratio is None or self.bar is None else self.ratio.median <= self.bar

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "ratio": None if self.ratio is None else self.ratio._asdict(), "met": self.met}


def table(rows: list[Row], machine: dict[str, Any]) -> Table:
    """Lay the rows out, and below them the machine and what did not run."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    processors = ", ".join(machine[kind] for kind in ("cpu", "gpu") if kind in machine)
    about = f"{processors}, one thread, load before {machine['load_before']}; {versions}"
    works = dict.fromkeys(f"{row.name}: {row.work}" for row in rows)
    notes = sorted({row.note for row in rows if row.note is not None})
    result = Table(title="dlx and its peers", caption="\n".join([*works, about, *notes]), caption_justify="left")
    for heading in ("work", "peer"):
        result.add_column(heading)
    for heading in ("dlx", "peer takes", "dlx ÷ peer", "least–greatest", "bar", "met"):
        result.add_column(heading, justify="right", no_wrap=True)
    previous = None
    for row in rows:
        if row.name != previous:
            result.add_section()
        result.add_row("" if row.name == previous else row.name, row.peer, *figures(row))
        previous = row.name
    return result


def figures(row: Row) -> tuple[str, ...]:
    """Write the numbers of a row."""
    bar = "–" if row.bar is None else f"≤ {number(row.bar)}"
    unknown = row.skipped or ("–" if row.bar is None else "not measured")
    verdict = {True: "yes", False: "no", None: unknown}[row.met]
    times = (quantity(row.dlx_figure, row.unit), quantity(row.peer_figure, row.unit))
    if row.ratio is None:
        return (*times, "–", "–", bar, verdict)
    return (*times, number(row.ratio.median), f"{number(row.ratio.low)}–{number(row.ratio.high)}", bar, verdict)


def number(ratio: float) -> str:
    """Write a ratio, a small one with a digit more."""
    return f"{ratio:.2f}" if ratio >= 0.2 else f"{ratio:.3f}"


def quantity(figure: float | None, unit: Unit) -> str:
    """Write seconds or bytes."""
    if figure is None:
        return "–"
    return duration(figure) if unit == "seconds" else f"{figure / 1e6:,.0f} MB"


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them, three digits."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
