"""dlx compare: two configurations over seeds and on the same examples, recomputed from the run folders."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from trained_runs import trained

SMALL = ("dataset=wine", "epochs=6", "batch_size=32")
SEEDS = ("0", "1", "2")


def run_of(model, seed, *more):
    return trained(*SMALL, f"model={model}", f"seed={seed}", "split.seed=0", *more)


@pytest.fixture(scope="module")
def folders():
    return [str(run_of(model, seed)) for model in ("linear", "mlp") for seed in SEEDS]


def accuracy(folder):
    summary = json.loads((folder / "summary.json").read_text())
    return next(row["value"] for row in summary["metrics"] if (row["metric"], row["split"]) == ("accuracy", "test"))


def right(folder):
    with open(folder / "predictions.csv") as file:
        rows = {int(row["id"]): row["target"] == row["prediction"] for row in csv.DictReader(file)
                if row["split"] == "test"}
    return np.array([rows[key] for key in sorted(rows)], float)


def test_compare_of_two_models_over_seeds_gives_the_paired_tests(dlx, folders):
    result = dlx("compare", *folders, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert (found["first"]["name"], [other["name"] for other in found["others"]]) == ("model=linear", ["model=mlp"])
    expected = np.array([accuracy(run_of("mlp", seed)) - accuracy(run_of("linear", seed)) for seed in SEEDS])
    over = found["others"][0]["over_seeds"]
    assert over["differences"] == pytest.approx(expected)
    test = scipy.stats.ttest_1samp(expected, 0)
    assert over["paired_t"]["p_value"] == pytest.approx(test.pvalue)
    assert [over["low"], over["high"]] == pytest.approx([*test.confidence_interval(0.95)])
    assert found["others"][0]["holm_p_value"] == pytest.approx(test.pvalue)
    shown = found["others"][0]["on_examples"]
    per_example = np.mean([right(run_of("mlp", seed)) - right(run_of("linear", seed)) for seed in SEEDS], axis=0)
    assert shown["difference"] == pytest.approx(per_example.mean())
    assert (shown["n"], shown["num_seeds"], shown["mcnemar"]) == (len(per_example), 3, None)


def test_compare_of_two_runs_is_mcnemars(dlx):
    one, other = run_of("linear", 0), run_of("mlp", 0)
    found = json.loads(dlx("compare", str(one), str(other), "--json").out)
    first, second = right(one).astype(bool), right(other).astype(bool)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    expected = scipy.stats.binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert found["others"][0]["on_examples"]["mcnemar"]["p_value"] == pytest.approx(expected)
    assert "one seed says nothing of training again" in found["verdicts"][0]


def test_compare_prints_its_verdict_and_writes_a_report(dlx, folders, workdir):
    result = dlx("compare", *folders, "-o", "out")
    assert result.code == 0
    assert "model=mlp" in result.out
    page = (workdir / "out/report/report.html").read_text()
    assert "Comparison of 2 configurations" in page
    assert (workdir / "out/report/figures/comparison.png").stat().st_size > 5000


def test_compare_names_what_sets_configurations_apart(dlx):
    runs = [run_of("mlp", 0, f"optimizer.lr={lr}") for lr in ("0.01", "0.001")]
    found = json.loads(dlx("compare", *map(str, runs), "--json").out)
    assert [found["first"]["name"], found["others"][0]["name"]] == ["optimizer.lr=0.01", "optimizer.lr=0.001"]


def test_compare_with_a_wide_margin_finds_equivalence(dlx, folders):
    found = json.loads(dlx("compare", *folders, "--json", "--margin", "100").out)
    assert found["others"][0]["over_seeds"]["equivalence"]["p_value"] < 1e-4


@pytest.mark.parametrize(("arguments", "words"), [
    (["{0}", "{0}"], "are the same run: name it once"),
    (["{0}", "{1}"], "these runs have one: they differ by seed alone"),
    (["{0}", "{3}", "--metric", "acuracy"], "--metric must be one that every run has on test: accuracy"),
    (["{0}", "{3}", "--level", "1"], "--level must be in (0, 1), got 1.0"),
    (["{0}", "{3}", "--margin", "0"], "--margin must be in (0, inf), got 0.0"),
])
def test_compare_refuses_what_is_no_comparison(dlx, folders, arguments, words):
    result = dlx("compare", *(text.format(*folders) for text in arguments))
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_compare_refuses_a_folder_that_is_no_run(dlx, folders, workdir):
    result = dlx("compare", folders[0], str(workdir))
    assert result.code == 3
    assert "is not a run folder" in result.err


@pytest.mark.parametrize("width", [80, 200])
def test_compare_of_several_fits_the_terminal_verdicts_first(dlx, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    runs = [str(run_of(model, seed, f"optimizer.lr={lr}", "optimizer=adam")) for lr in ("0.01", "0.001")
            for model in ("linear", "mlp") for seed in ("0", "1")]
    lines = dlx("compare", *runs).out.splitlines()
    assert max(map(len, lines)) <= width
    heading = next(place for place, line in enumerate(lines) if line.split()[:1] == ["configuration"])
    assert sum(line.startswith("• ") for line in lines[:heading]) == 3
    # No name, number or heading is cut or broken.
    assert "…" not in "".join(lines)
    assert ("Wilcoxon" in lines[heading]) == (width == 200)
    assert ("A wider terminal shows all tests" in lines[-1]) == (width == 80)


def test_compare_of_a_sweep_takes_its_first_configuration_for_the_first(dlx):
    assert dlx("sweep", *SMALL, "model=mlp,linear", "seeds=2", "split.seed=0", "name=order", "workers=1").code == 0
    (folder,) = Path().glob("runs/*order*")
    found = json.loads(dlx("compare", str(folder), "--json").out)
    assert (found["first"]["name"], found["others"][0]["name"]) == ("model=mlp", "model=linear")
