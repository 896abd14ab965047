"""Tables of a report for a paper or a spreadsheet: CSV and LaTeX; and every number in long form."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dlx.core.measures import Measures
from dlx.report.section import Document, Section, Table
from dlx.report.to_json import flat

LONGEST_NAME = 40
# What TeX would interpret, and signs that its standard fonts lack. Brackets: after a line's end they are an argument.
LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}", "–": "--", "—": "---", "−": "$-$",
    "×": r"$\times$", "·": r"$\cdot$", "²": "$^2$", "³": "$^3$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$",
    "≈": r"$\approx$", "→": r"$\rightarrow$", "√": r"$\surd$", "∞": r"$\infty$", "…": r"\ldots{}", "σ": r"$\sigma$",
    "λ": r"$\lambda$", "ε": r"$\varepsilon$", "γ": r"$\gamma$", "τ": r"$\tau$", "α": r"$\alpha$", "β": r"$\beta$",
    "ρ": r"$\rho$", "μ": r"$\mu$", "Δ": r"$\Delta$", "∈": r"$\in$", "‖": r"$\Vert$",
})


class Exported(NamedTuple):
    """A table as files hold it. name: without suffix, <section>-<number in it>-<title>."""

    name: str
    csv: str
    latex: str


def tables(document: Document) -> Iterator[Exported]:
    """Write every table of a report, in reading order."""
    for section in document.sections:
        for number, table in enumerate(_all(section), start=1):
            name = f"{slug(section.key)}-{number}-{slug(table.title)}".rstrip("-")
            yield Exported(name, to_csv([table.columns, *table.rows]), to_latex(table, name))


def _all(section: Section) -> Iterator[Table]:
    yield from section.tables
    for part in section.parts:
        yield from _all(part)


def slug(text: str) -> str:
    """Return a part of a file name: lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_NAME].rstrip("-")


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Write rows, the first the header; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def to_latex(table: Table, name: str) -> str:
    """Write a table in the style of booktabs, whole: \\input it where it shall float."""
    align = "l" + ("l" if len(table.columns) == 2 else "r") * (len(table.columns) - 1)
    lines = ["% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{escape(table.title)}}}",
             rf"\label{{tab:{name}}}", rf"\begin{{tabular}}{{{align}}}", r"\toprule", _line(table.columns), r"\midrule",
             *map(_line, table.rows), r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Take the meaning from what TeX would interpret, and the line breaks."""
    return " ".join(text.split()).translate(LATEX)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"


def numbers_csv(measures: Mapping[str, Measures]) -> str:
    """Write every measured number as a row: the columns of report.json's numbers, but for seconds; `of` as JSON."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in flat(measures)]
    cells = [[json.dumps(cell) if isinstance(cell, dict) else cell for cell in row.values()] for row in rows]
    return to_csv([list(rows[0]) if rows else [], *cells])
