"""The written report: its numbers are those of the files, its page is safe and stands alone."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from report_runs import class_predictions, good_curves, make_rows, make_summary, measured, write_digits, write_run

from dlx.report import draw
from dlx.report.render import render

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def read(folder, name):
    return (folder / "report" / name).read_text(encoding="utf-8")


def values(folder, key):
    return next(section["values"] for section in every_section(folder) if section["key"] == key)


def every_section(folder):
    """List the sections of a report and the parts of them."""
    waiting, found = json.loads(read(folder, "report.json"))["sections"], []
    while waiting:
        found.append(waiting.pop(0))
        waiting = found[-1]["parts"] + waiting
    return found


def test_render_gap_numbers_equal_the_summary(tmp_path):
    folder = write_digits(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    report = render(folder)
    for kind in ("metrics", "gaps"):
        written = values(folder, "gap")[kind]
        assert [{name: item[name] for name in known} for item, known in zip(written, summary[kind], strict=True)] == \
            summary[kind]
    assert report.diagnosis.kind == json.loads(read(folder, "report.json"))["diagnosis"] == "overfitting"


def test_render_verdict_and_table_in_markdown_and_page(tmp_path):
    folder = write_digits(tmp_path)
    render(folder)
    verdict = ("Test accuracy is 96.9% [95.1, 98.7]; the gap to the training examples (99.8%) is -2.9 pt "
               "[-4.7, -1.1].")
    row = "| accuracy | 99.8% | 97.5% [95.7, 99.3] | 96.9% [95.1, 98.7] | -2.3 pt [-4.1, -0.5] | -2.9 pt [-4.7, -1.1] |"
    markdown, page = read(folder, "report.md"), read(folder, "report.html")
    assert f"**{verdict}**" in markdown
    assert row in markdown
    assert verdict in page
    assert '97.5% <span class="interval">[95.7, 99.3]</span>' in page
    assert "NLL: 95% intervals, BCa bootstrap, 9,999 draws, n = 360 on val, n = 360 on test." in markdown
    assert "dlx train dataset=digits model=mlp optimizer=adam regularizer=[dropout,early_stopping]" in page


def test_render_confusion_counts_equal_a_loop(tmp_path):
    predictions = class_predictions(100, 3, 0.3)
    folder = write_run(tmp_path, make_rows(*good_curves()), make_summary(class_names=["a", "b", "c"]), predictions,
                       header=["a", "b", "c"])
    render(folder)
    counts = np.zeros((3, 3), dtype=int)
    for split, _, target, prediction, *_ in predictions:
        counts[target, prediction] += split == "test"
    assert values(folder, "confusion")["counts"] == counts.tolist()
    assert f"On test, {np.trace(counts)} of 100 examples were given their class" in read(folder, "report.md")


def test_render_regression_residuals(tmp_path):
    rows = [[split, index, float(index), index + (1.0 if index % 2 else -2.0)] for split in ("val", "test")
            for index in range(30)]
    summary = make_summary(task="regression", class_names=[], selection_optimism=[], metrics=[
        measured("rmse", "train_eval", 1.5, greater_is_better=False),
        measured("rmse", "test", 1.58, (1.2, 2.0), 30, False, "BCa bootstrap")],
        gaps=[measured("rmse", "test", 0.08, (-0.3, 0.5), 30, False, "BCa bootstrap")])
    folder = write_run(tmp_path, make_rows(*good_curves(), metric="rmse"), summary, rows, header=[])
    render(folder)
    found = values(folder, "residuals")["test"]
    assert found == {"n": 30, "mean": -0.5, "median": -0.5, "sd": 1.5, "rmse": pytest.approx(2.5**0.5)}
    assert ("**Test RMSE is 1.58 [1.20, 2.00]; the gap to the training examples (1.50) is +0.080 [-0.300, 0.500].**"
            in read(folder, "report.md"))
    assert {path.name for path in (folder / "report" / "figures").iterdir()} == {
        "training_history.png", "gap_over_epochs.png", "residuals_test.png"}


def test_render_page_stands_alone(tmp_path):
    folder = write_digits(tmp_path)
    render(folder)
    text = read(folder, "report.html")
    page = Page(text)
    assert not re.search(r"https?:|//", re.sub(r'"data:image/png;base64,[^"]*"', "", text))
    assert "url(" not in text
    assert "@import" not in text
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    assert all(link["href"].startswith("#") for link in page.all("a"))
    assert "prefers-color-scheme: dark" in text
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_render_page_holds_every_figure_with_a_finding_as_alt(tmp_path):
    folder = write_digits(tmp_path)
    render(folder)
    images = Page(read(folder, "report.html")).all("img")
    files = {path.read_bytes() for path in (folder / "report" / "figures").iterdir()}
    inside = {base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) for image in images}
    assert inside == files
    assert len(files) == 3
    assert all(data.startswith(PNG) for data in files)
    assert all(len(image["alt"]) > 40 and re.search(r"\d", image["alt"]) for image in images)


def test_render_escapes_hostile_names(tmp_path):
    names = [HOSTILE, "a|b", "$x^2$ 日本", '"><img src=x onerror=alert(1)>']
    folder = write_run(tmp_path, make_rows(*good_curves()), make_summary(class_names=names, name=HOSTILE, model="[x](http://e)"),
                       class_predictions(60, 4, 0.4), header=names, overrides=["name=<b>"],
                       status={"reason": "</style><script>"})
    render(folder)
    text = read(folder, "report.html")
    assert "<script" not in text
    assert Page(text).all("script") == []
    assert len(Page(text).all("img")) == 3
    markdown = read(folder, "report.md")
    assert "<script" not in markdown.replace(r"\<script", "")
    assert r"a\|b" in markdown
    assert "[x](http" not in markdown


def test_render_twice_gives_the_same_bytes(tmp_path):
    one, two = write_digits(tmp_path, "one"), write_digits(tmp_path, "two")
    for folder in (one, two, one):
        render(folder)
    first, second = ({path.relative_to(folder): path.read_bytes() for path in sorted((folder / "report").rglob("*.*"))}
                     for folder in (one, two))
    assert len(first) == 6
    assert first == second
    assert b"Software" not in first[next(path for path in first if path.suffix == ".png")]


def test_render_diverged_before_the_first_epoch(tmp_path):
    folder = write_run(tmp_path, status={"status": "diverged", "step": 3, "epoch": 0, "reason": "lr 10"})
    report = render(folder)
    assert report.summary is None
    assert report.document.verdict == (
        "Diverged: the loss stopped being a finite number at step 3, and training ended there.")
    markdown = read(folder, "report.md")
    assert "metrics.csv is missing: no epoch was recorded, so there are no curves." in markdown
    assert "dlx train dataset=digits model=mlp optimizer=adam optimizer.lr=0.0001" in markdown


def test_render_diverged_with_losses_that_are_not_finite(tmp_path):
    train, nan = [2.3, 5.0, 3e4, np.nan], [2.4, np.nan, np.nan, np.nan]
    folder = write_run(tmp_path, make_rows(train, nan, grad_norm_mean=[1.0, 9.0, 1e4, np.nan]),
                       status={"status": "diverged", "step": 68, "epoch": 4})
    assert render(folder).diagnosis.kind == "diverged"
    json.loads(read(folder, "report.json"), parse_constant=pytest.fail)
    assert len(Page(read(folder, "report.html")).all("img")) == 2


@pytest.mark.parametrize("num_classes", [2, 30, 40])
def test_render_one_epoch_and_any_number_of_classes(tmp_path, num_classes):
    names = [f"class {index}" for index in range(num_classes)]
    folder = write_run(tmp_path, make_rows([2.0], [2.1]), make_summary(class_names=names, epoch=1),
                       class_predictions(30, num_classes, 0.2), header=names)
    assert render(folder).diagnosis.kind == "unclear"
    assert (folder / "report" / "figures" / "confusion_test.png").read_bytes().startswith(PNG)


def test_render_undefined_interval_says_why(tmp_path):
    summary = make_summary()
    summary["metrics"].append({**measured("roc_auc", "test", None), "method": "undefined: the split lacks class 3"})
    folder = write_run(tmp_path, make_rows(*good_curves()), summary)
    render(folder)
    assert "No interval for ROC AUC (n = 360 on test): the split lacks class 3." in read(folder, "report.md")


def test_render_chosen_sections_alone(tmp_path):
    folder = write_digits(tmp_path)
    render(folder, ["gap", "facts"])
    assert [section["key"] for section in json.loads(read(folder, "report.json"))["sections"]] == ["gap", "facts"]


def test_render_needs_no_engine(tmp_path):
    folder = write_digits(tmp_path)
    unwanted = ("torch", "pandas", "sklearn", "dlx.engine", "matplotlib.pyplot")
    code = (f"import sys, pathlib; from dlx.report.render import render; render(pathlib.Path({str(folder)!r})); "
            f"print([name for name in {unwanted!r} if name in sys.modules])")
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_render_history_with_gaps_in_it(tmp_path):
    nan = float("nan")
    folder = write_run(tmp_path, make_rows([nan, 1.0, nan], [nan] * 3), status={"status": "interrupted"})
    assert render(folder).diagnosis.kind == "unfinished"
    assert (folder / "report" / "figures" / "training_history.png").read_bytes().startswith(PNG)


def test_long_names_are_shortened_where_they_do_not_differ():
    names = [f"A_name_without_breaks_{number:03d}" for number in range(3)]
    assert [draw.plain(name, 16) for name in names] == ["A_name_wit…s_000", "A_name_wit…s_001", "A_name_wit…s_002"]
    assert draw.plain("A_name_wit…s_000", 16) == "A_name_wit…s_000"
