"""The first screen in a terminal."""

import io

import pytest
from report_runs import good_curves, make_rows, make_summary, write_digits, write_run
from rich.console import Console

from dlx.report.files import read_run
from dlx.report.summary import parse_summary
from dlx.report.terminal import gap_table, print_short


def printed(print_to, width):
    text = io.StringIO()
    print_to(Console(file=text, width=width))
    return text.getvalue()


@pytest.mark.parametrize("width", [75, 80, 100, 160])
def test_gap_table_is_at_most_100_columns_wide_and_loses_nothing(width):
    summary = parse_summary(make_summary())
    text = printed(lambda console: console.print(gap_table(summary, min(width, 100))), width)
    assert max(map(len, text.splitlines())) <= min(width, 100)
    for cell in ("99.8%", "97.5%", "[95.7, 99.3]", "-2.9 pt", "[-4.7, -1.1]", "[0.061, 0.180]"):
        assert cell in text
    assert "…" not in text


def test_gap_table_folds_rather_than_cuts_where_there_is_no_room():
    text = printed(lambda console: console.print(gap_table(parse_summary(make_summary()), 50)), 50)
    assert max(map(len, text.splitlines())) <= 50
    assert "…" not in text
    assert {"[95.7,", "99.3]", "[-4.7,", "-1.1]"} <= set(text.split())


def test_gap_table_keeps_value_and_interval_together_where_they_fit():
    summary = make_summary()
    for key in ("metrics", "gaps"):
        summary[key] = [item for item in summary[key] if item["metric"] == "accuracy"]
    text = printed(lambda console: console.print(gap_table(parse_summary(summary), 120)), 120)
    assert "97.5% [95.7, 99.3]" in text
    assert "-2.3 pt [-4.1, -0.5]" in text


def test_print_short_begins_with_the_first_sentences_and_ends_with_whole_commands(tmp_path):
    run = read_run(write_digits(tmp_path))
    text = printed(lambda console: print_short(run, console), 70)
    assert text.startswith("Test accuracy is 96.9% [95.1, 98.7]; the gap to the training examples")
    assert "What happened      Overfitting: " in text
    assert "  dlx train dataset=digits model=mlp optimizer=adam regularizer=[dropout,early_stopping]\n" in text


def test_print_short_fits_a_screen(tmp_path):
    run = read_run(write_digits(tmp_path))
    lines = printed(lambda console: print_short(run, console), 100).splitlines()
    assert len(lines) <= 36
    assert max(len(line) for line in lines if "dlx train" not in line) <= 100


def test_gap_table_leaves_out_what_another_row_says(tmp_path):
    summary = make_summary()
    for key in ("metrics", "gaps"):
        losses = [item for item in summary[key] if item["metric"] == "nll"]
        others = [item for item in summary[key] if item["metric"] == "accuracy"]
        summary[key] = [{**item, "metric": "loss"} for item in losses] + others + losses
    text = printed(lambda console: console.print(gap_table(parse_summary(summary), 100)), 100)
    assert "NLL" in text
    assert "loss" not in text


def test_print_short_without_a_summary(tmp_path):
    status = {"status": "failed", "reason": "[red]boom[/red]"}
    run = read_run(write_run(tmp_path, make_rows(*good_curves()), status=status))
    text = printed(lambda console: print_short(run, console), 100)
    assert text.startswith("Unfinished (failed): the run did not reach its end")
    assert "[red]boom[/red]" in text
