"""The forms of a report beside its page: strict JSON with every number, tables for papers, figures as lines."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from report_runs import write_digits

from dlx.cli.main import main
from dlx.core.measures import Definition, Measure, Measures
from dlx.record.measures import write_measures
from dlx.report import draw
from dlx.report.render import render
from dlx.report.section import Document, Section, Table
from dlx.report.to_json import to_json
from dlx.report.to_tables import escape, slug, tables, to_latex
from dlx.report.write import Extras

KEYS = {"section", "name", "value", "split", "checkpoint", "of", "low", "high", "method", "level", "n", "num_draws",
        "definition_version", "seconds"}


@pytest.fixture
def measured(tmp_path):
    """A run that a section was measured of which is defined here."""
    known = {"ece": Definition("mean distance of confidence and accuracy over bins", "Naeini 2015", 3)}
    folder = write_digits(tmp_path)
    numbers = (Measure("ece", 0.03, "test", low=0.01, high=0.05, method="bootstrap", level=0.95, n=360, num_draws=99),
               Measure("ece", None, "val", of={"class": "3"}, method="undefined: no example"))
    write_measures(folder, "binned", Measures(numbers, {}, ("No logits: temperature needs them.",), {"bins": 15}, 0.25,
                                              known))
    return folder


def read_json(folder):
    return json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_json_lists_every_number_with_all_that_is_known_of_it(measured):
    render(measured)
    report = read_json(measured)
    first, second = report["numbers"]
    assert first.keys() == second.keys() == KEYS
    assert first == {"section": "binned", "name": "ece", "value": 0.03, "split": "test", "checkpoint": "best",
                     "of": {}, "low": 0.01, "high": 0.05, "method": "bootstrap", "level": 0.95, "n": 360,
                     "num_draws": 99, "definition_version": 3, "seconds": 0.25}
    assert (second["value"], second["of"], second["method"]) == (None, {"class": "3"}, "undefined: no example")
    assert report["definitions"]["binned.ece"] == {
        "text": "mean distance of confidence and accuracy over bins", "source": "Naeini 2015", "version": 3}
    assert {"key", "subset", "share", "bootstrap"} <= report["conventions"].keys()
    assert report["measured"] == {"binned": {"settings": {"bins": 15}, "seconds": 0.25,
                                                  "skipped": ["No logits: temperature needs them."]}}
    assert [told["topic"] for told in report["lead"]] == ["result", "certainty", "cause", "next"]


def test_json_differs_in_seconds_alone(measured):
    texts = []
    for seconds in (0.25, 1.5):
        own = json.loads((measured / "measures" / "binned.json").read_text())
        (measured / "measures" / "binned.json").write_text(json.dumps({**own, "seconds": seconds}))
        render(measured)
        texts.append((measured / "report" / "report.json").read_text())
    first, second = (re.sub(r'"seconds": [0-9.]+', "", text) for text in texts)
    assert first == second
    assert texts[0] != texts[1]


def test_json_takes_numbers_of_a_section_that_is_not_of_dlx(tmp_path):
    folder = write_digits(tmp_path)
    for name in ("mine", "write"):
        write_measures(folder, name, Measures((Measure("x", 1.0),)))
    render(folder)
    assert [(item["section"], item["definition_version"]) for item in read_json(folder)["numbers"]] == [
        ("mine", None), ("write", None)]


def test_json_has_null_for_what_is_not_finite():
    section = Section("one", "One", values={"bad": [float("nan"), float("inf"), 1.5]})
    report = json.loads(to_json(Document("t", "v", "d", (section,)), "figures"), parse_constant=pytest.fail)
    assert report["sections"][0]["values"] == {"bad": [None, None, 1.5]}


def test_page_defines_the_numbers_of_the_run_and_says_what_was_not_measured(measured):
    render(measured)
    page = (measured / "report" / "report.html").read_text(encoding="utf-8")
    assert "mean distance of confidence and accuracy over bins" in page
    assert "a number that this run has not" not in page
    assert "Binned: No logits: temperature needs them." in page


def test_tables_and_numbers_are_written_for_papers_where_asked(measured):
    render(measured)
    assert not (measured / "report" / "tables").exists()
    render(measured, extras=Extras(tables=True))
    folder = measured / "report" / "tables"
    with open(folder / "gap-1-metrics-and-gaps.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["metric", "train_eval", "val", "test", "gap on val", "gap on test"]
    assert rows[1][:4] == ["accuracy", "99.8%", "97.5% [95.7, 99.3]", "96.9% [95.1, 98.7]"]
    latex = (folder / "gap-1-metrics-and-gaps.tex").read_text(encoding="utf-8")
    assert r"accuracy & 99.8\% & 97.5\% {[}95.7, 99.3{]} & 96.9\% {[}95.1, 98.7{]} &" in latex
    assert {path.stem for path in folder.glob("*.csv")} - {"numbers"} == {path.stem for path in folder.glob("*.tex")}
    numbers = list(csv.DictReader(io.StringIO((folder / "numbers.csv").read_text(encoding="utf-8"))))
    assert set(numbers[0]) == KEYS - {"seconds"}
    assert [(row["value"], json.loads(row["of"])) for row in numbers] == [("0.03", {}), ("", {"class": "3"})]


def test_latex_is_whole_and_means_nothing_that_a_file_says():
    table = Table(r"Loss & \input{x}", ("a_b", "c"), ((r"\write18{ls}", "50% [1, 2]"), ("[0, 1]", "#$~^{}")))
    text = to_latex(table, "gap-1-loss")
    assert text.splitlines()[1:] == [
        r"\begin{table}", r"\centering", r"\caption{Loss \& \textbackslash{}input\{x\}}", r"\label{tab:gap-1-loss}",
        r"\begin{tabular}{ll}", r"\toprule", r"a\_b & c \\", r"\midrule",
        r"\textbackslash{}write18\{ls\} & 50\% {[}1, 2{]} \\",
        r"{[}0, 1{]} & \#\$\textasciitilde{}\textasciicircum{}\{\} \\", r"\bottomrule", r"\end{tabular}",
        r"\end{table}"]
    assert escape("λ ≤ 2 ×\n10²") == r"$\lambda$ $\leq$ 2 $\times$ 10$^2$"


def test_tables_have_names_that_are_file_names_and_differ():
    same = Table("Über / ../x: 90%", ("a", "b"), (("1", "2"),))
    document = Document("t", "v", "d", (Section("one", "One", tables=(same, same)),
                                        Section("two", "Two", parts=(Section("in", "In", tables=(same,)),))))
    assert [table.name for table in tables(document)] == ["one-1-uber-x-90", "one-2-uber-x-90", "two-1-uber-x-90"]
    assert slug("日本") == ""


def drawn():
    with draw.style():
        canvas = draw.figure(3, 2)
        area: Axes = draw.axes(canvas, (0.6, 0.5, 0.1, 0.4), "A title", "x", "y")
        area.plot(np.arange(5), np.arange(5) ** 2)
        return draw.png(canvas)


def test_figure_as_lines_is_the_same_bytes_with_its_fonts_and_without_a_date():
    one, two = drawn(), drawn()
    assert one.pdf == two.pdf
    assert two.png == one.png, "whichever form is made first"
    assert one.pdf.startswith(b"%PDF")
    assert b"/FontFile2" in one.pdf
    assert b"/Type3" not in one.pdf
    assert not any(word in one.pdf for word in (b"CreationDate", b"ModDate", b"Matplotlib"))


def test_report_writes_figures_as_lines_where_asked(measured):
    figures = measured / "report" / "figures"
    render(measured)
    assert not list(figures.glob("*.pdf"))
    render(measured, extras=Extras(pdf=True))
    assert {path.stem for path in figures.glob("*.pdf")} == {path.stem for path in figures.glob("*.png")}


def test_report_command_needs_no_torch_and_says_what_it_can_write(tmp_path, capsys):
    folder = write_digits(tmp_path)
    code = (f"import sys; from dlx.cli.main import main; code = main(['report', {str(folder)!r}, '--latex', '--pdf']); "
            "print(code, [name for name in ('torch', 'sklearn', 'pandas') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    with pytest.raises(SystemExit):
        main(["report", "-h"])
    said = capsys.readouterr().out
    assert "--pdf" in said
    assert "--latex" in said
