"""The written report of a sweep: whole, safe and the same bytes, whatever the sweep came to."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from report_sweeps import grid, load, measured, noisy_grid, sampled, write_sweep
from test_report_render import HOSTILE, PNG, Page, read

from dlx.core.errors import ArtefactError
from dlx.report.sweep.render import render_sweep

AXES = {"model": ["mlp", "cnn"], "optimizer.lr": ["0.001", "0.01", "0.1"]}
ALL = {"result", "next", "leaderboard", "effects", "interactions", "importance", "parallel", "tradeoff", "optimism",
       "failures", "facts", "seeds"}


def sections(folder):
    return {section["key"]: section for section in json.loads(read(folder, "report.json"))["sections"]}


def commands(folder):
    return [item["command"] for item in sections(folder)["next"]["commands"]]


def by_lr(best, values=("0.001", "0.01", "0.1"), noise=0.0, **changes):
    """A sweep of learning rates over seeds, of which one is best by far."""
    def outcome(setting):
        distance = abs(values.index(setting["optimizer.lr"]) - values.index(best))
        return measured(0.5 + distance + noise * int(setting["seed"]) * (-1) ** distance)
    settings = grid({"optimizer.lr": values, "seed": ["0", "1", "2"]})
    return lambda parent: write_sweep(parent, settings, outcome, typed=["seed=range(3)"], **changes)


def test_render_sweep_says_the_same_in_three_forms(tmp_path):
    folder = noisy_grid(tmp_path, AXES, num_seeds=5)
    sweep = load(folder)
    report = render_sweep(folder)
    best = sweep.order[0]
    value = sweep.estimate("val", best)
    verdict = report.document.verdict
    assert verdict.startswith(f"Best of 6: {sweep.name(best)}, with val loss {value.value:.3f} "
                              f"[{value.low:.3f}, {value.high:.3f}] over 5 runs; ")
    assert json.loads(read(folder, "report.json"))["verdict"] == verdict
    assert f"**{verdict}**" in read(folder, "report.md")
    assert verdict in read(folder, "report.html")
    assert set(sections(folder)) == ALL - {"failures"}
    assert sections(folder)["result"]["values"]["test"]["value"] == pytest.approx(sweep.values("test")[best].mean())


def test_render_sweep_states_method_number_and_limits_of_every_section(tmp_path):
    folder = noisy_grid(tmp_path, AXES)
    render_sweep(folder)
    for key, section in sections(folder).items():
        if key not in ("facts", "importance"):
            assert [note.partition(":")[0] for note in section["notes"]] == ["Method", "From", "Cannot say"], key
            assert re.search(r"24 runs", section["notes"][1])


def test_render_sweep_names_what_is_not_distinguishable(tmp_path):
    values = {"a": [0.50, 0.60, 0.55], "b": [0.52, 0.58, 0.57], "c": [1.5, 1.6, 1.55]}
    folder = write_sweep(tmp_path, grid({"model": ["c", "b", "a"], "seed": ["0", "1", "2"]}), lambda setting: measured(
        values[setting["model"]][int(setting["seed"])]))
    verdict = render_sweep(folder).document.verdict
    assert verdict.endswith("over 3 runs; not distinguishable from 1 other.")
    assert sections(folder)["result"]["values"]["tied"] == ["model=b"]
    assert "- Not distinguishable from 1 configuration: model=b." in read(folder, "report.md")


def test_render_sweep_whose_best_is_apart_from_all(tmp_path):
    folder = by_lr("0.01", noise=1e-3)(tmp_path)
    assert render_sweep(folder).document.verdict.endswith("; distinguishable from all 2 others.")


@pytest.mark.parametrize(("best", "values", "expected"), [
    ("0.1", ("0.001", "0.01", "0.1"), "optimizer.lr=0.1,1,10"),
    ("0.001", ("0.001", "0.01", "0.1"), "optimizer.lr=0.001,0.0001,1e-05"),
    ("64", ("16", "32", "64"), "optimizer.lr=64,128,256"),
    ("30", ("10", "20", "30"), "optimizer.lr=30,40,50"),
    ("256", ("16", "32", "64", "128", "256"), "optimizer.lr=256,512,1024"),
    ("512", ("8", "64", "512"), "optimizer.lr=512,4096,32768"),
    ("12", tuple(map(str, range(1, 13))), "optimizer.lr=12,13,14"),
    ("0.01", ("0.001", "0.01", "0.1"), None),
    ("0", ("0", "0.1", "0.2"), None),
])
def test_next_extends_a_range_whose_end_is_best(tmp_path, best, values, expected):
    folder = by_lr(best, values, noise=1e-3)(tmp_path)
    render_sweep(folder)
    found = [command for command in commands(folder) if "optimizer.lr" in command]
    assert found == ([] if expected is None else [f"dlx sweep {expected} 'seed=range(3)'"])


@pytest.mark.parametrize(("key", "values"), [("dropout.rate", ("0.5", "0.7", "0.9")),
                                             ("optimizer.momentum", ("0.5", "0.99"))])
def test_next_does_not_extend_a_rate_beyond_1(tmp_path, key, values):
    folder = write_sweep(tmp_path, grid({key: values, "seed": ["0", "1"]}), lambda setting: measured(
        float(values[-1]) - float(setting[key]) + 0.001 * int(setting["seed"])))
    render_sweep(folder)
    assert all(float(value) < 1 for command in commands(folder) for value in
               re.search(rf"{key}=(\S+)", command)[1].split(","))


def test_next_gives_the_seeds_that_would_decide(tmp_path):
    # Paired differences 0.02, -0.01, 0.02: mean 0.01, sd 0.01732; statsmodels asks for 26 pairs.
    values = {"a": [0.50, 0.60, 0.55], "b": [0.52, 0.59, 0.57]}
    folder = write_sweep(tmp_path, grid({"model": ["a", "b"], "seed": ["0", "1", "2"]}), lambda setting: measured(
        values[setting["model"]][int(setting["seed"])]))
    render_sweep(folder)
    assert commands(folder) == ["dlx sweep model=a,b 'seed=range(26)'"]


@pytest.mark.parametrize(("seeds", "token"), [
    (("0", "1"), "'seed=range(2)'"), (("4", "5", "6"), "'seed=range(4,7)'"), (("0", "3"), "seed=0,3")])
def test_next_keeps_the_seeds_of_the_sweep(tmp_path, seeds, token):
    folder = write_sweep(tmp_path, grid({"optimizer.lr": ["0.1", "1"], "seed": seeds}), lambda setting: measured(
        float(setting["optimizer.lr"]) + 0.001 * int(setting["seed"])))
    render_sweep(folder)
    assert commands(folder) == [f"dlx sweep optimizer.lr=0.1,0.01,0.001 {token}"]


def test_next_says_where_no_number_of_seeds_would_decide(tmp_path):
    values = {"a": [0.50, 0.60, 0.55], "b": [0.40, 0.70, 0.5501]}
    folder = write_sweep(tmp_path, grid({"model": ["a", "b"], "seed": ["0", "1", "2"]}), lambda setting: measured(
        values[setting["model"]][int(setting["seed"])]))
    render_sweep(folder)
    assert commands(folder) == []
    assert sections(folder)["next"]["sentences"] == [
        "Not even 200 seeds would tell the best from model=b: take the one that is simpler or cheaper."]


def test_next_asks_for_seeds_where_there_are_none(tmp_path):
    folder = noisy_grid(tmp_path, {"model": ["mlp", "cnn"]}, num_seeds=1)
    render_sweep(folder)
    assert commands(folder) == ["dlx sweep model=mlp,cnn 'seed=range(5)'"]


@pytest.mark.parametrize("settings", [[{"seed": "0"}], [{"model": "mlp"}], [{"seed": "0"}, {"seed": "1"}]])
def test_render_sweep_of_one_configuration(tmp_path, settings):
    folder = write_sweep(tmp_path, settings, lambda setting: measured(0.5 + 0.1 * int(setting.get("seed", 0))))
    verdict = render_sweep(folder).document.verdict
    assert verdict.startswith("The only configuration: ")
    text = read(folder, "report.json")
    assert "NaN" not in text
    assert "nan" not in read(folder, "report.md")


def test_render_sweep_without_seeds_has_no_intervals(tmp_path):
    folder = noisy_grid(tmp_path, AXES, num_seeds=1)
    render_sweep(folder)
    assert "[" not in re.sub(r"!\[.*?\]\(.*?\)", "", read(folder, "report.md"))
    assert sections(folder)["result"]["values"]["val"]["low"] is None
    assert "too few seeds to compare it with 5 others" in read(folder, "report.md")
    assert "nan" not in read(folder, "report.md")


def test_render_sweep_of_one_axis(tmp_path):
    folder = noisy_grid(tmp_path, {"optimizer.lr": ["0.001", "0.01"]})
    render_sweep(folder)
    found = sections(folder)
    assert found["interactions"]["sentences"] == ["Skipped: one setting varies, so there is no pair."]
    assert found["importance"]["sentences"][0].startswith("Skipped: one setting varies")


def test_render_sweep_of_a_regression_with_greater_better(tmp_path):
    folder = noisy_grid(tmp_path, AXES, metric="r2")
    verdict = render_sweep(folder).document.verdict
    assert verdict.startswith("Best of 6: model=cnn optimizer.lr=0.1, with val R² ")
    assert "higher is better" in read(folder, "report.md")


def test_render_sweep_with_failures_says_what_they_share(tmp_path):
    def outcome(setting):
        if setting["optimizer.lr"] == "1" or setting == {"model": "mlp", "optimizer.lr": "0.1", "seed": "0"}:
            return ("diverged", "the loss of step 3 was not finite") if setting["optimizer.lr"] == "1" else ("oom", "")
        return measured(0.4 + 0.1 * float(setting["optimizer.lr"]) + 0.01 * int(setting["seed"]))
    settings = grid({"model": ["mlp", "cnn"], "optimizer.lr": ["0.1", "1"], "seed": ["0", "1", "2"]})
    folder = write_sweep(tmp_path, settings, outcome)
    render_sweep(folder)
    found = sections(folder)["failures"]
    assert len(found["values"]["runs"]) == len(found["tables"][0]["rows"]) == 7
    assert found["points"] == ["6 of these 7 have optimizer.lr=1, of whose 6 runs they are 100%."]
    assert ["diverged", "the loss of step 3 was not finite"] in [row[2:] for row in found["tables"][0]["rows"]]
    assert sections(folder)["interactions"]["sentences"][0].startswith(
        "Skipped: the design is not balanced: 7 runs of the 12 combinations of settings and seeds are missing.")
    assert "Of 12 runs, 1 oom, 6 diverged; they are in no mean" in read(folder, "report.md")
    assert found["notes"][0].startswith("Method:")


@pytest.mark.parametrize("status", ["failed", "diverged", "missing"])
def test_render_sweep_of_which_nothing_is_done(tmp_path, status):
    folder = write_sweep(tmp_path, grid(AXES), lambda setting: (status, "because"))
    assert render_sweep(folder).document.verdict == f"No run is done: 6 {status}."
    assert set(sections(folder)) == {"result", "failures", "facts"}


def test_render_sweep_with_metrics_that_were_not_measured(tmp_path):
    def outcome(setting):
        val = None if setting["model"] == "cnn" else 0.5 + 0.1 * int(setting["seed"])
        return {"train_eval_loss": 0.1, "val_loss": val, "test_loss": None, "gap_loss": None, "val_roc_auc": None}
    folder = write_sweep(tmp_path, grid({"model": ["mlp", "cnn", "linear"], "seed": ["0", "1"]}), outcome)
    assert render_sweep(folder).document.verdict.startswith("Best of 2: model=mlp, with val loss 0.55")
    assert "It has no test value." in read(folder, "report.md")
    assert "nan" not in read(folder, "report.md")


ODD = {
    "all equal": (grid({"model": ["a", "b"], "optimizer.lr": ["0.1", "0.2"], "seed": ["0", "1"]}), "loss"),
    "uneven seeds": ([{"model": model, "seed": str(seed)} for model, number in (("a", 1), ("b", 5), ("c", 2))
                      for seed in range(number)], "noise"),
    "a setting of one model alone": ([{"model": "mlp", "model.width": "64"}, {"model": "mlp", "model.width": "128"},
                                      {"model": "linear", "model.width": ""}], "noise"),
    "many settings": ([{f"k{index}": str(level) for index, level in enumerate(levels)}
                       for levels in np.random.default_rng(1).integers(3, size=(25, 14))], "noise"),
    "many names": (grid({"model": [f"a-long-name-of-a-model-{index}" for index in range(40)]}), "noise"),
    "a seed for every point": ([{"optimizer.lr": f"{0.013 * (index + 1):.5g}", "seed": str(index)}
                                for index in range(30)], "noise"),
    "numbers that are equal": ([{"optimizer.lr": "0.1"}, {"optimizer.lr": "0.10"}, {"optimizer.lr": "1e-1"}], "noise"),
    "zero among ratios, negative levels": (grid({"x": ["-1", "-2", "3"], "y": ["0", "1e-6", "1e-3"]}), "noise"),
    "values that span everything": (grid({"optimizer.lr": ["1e-30", "1", "1e30"], "seed": ["0", "1"]}), "huge"),
    "a gap that is missing": (grid({"model": ["a", "b", "c"], "optimizer.lr": ["1", "2", "3", "4"]}), "no gap"),
}


@pytest.mark.parametrize("name", ODD)
def test_render_sweep_of_any_shape_is_whole_and_has_no_nan(tmp_path, name):
    settings, kind = ODD[name]
    generator = np.random.default_rng(0)

    def outcome(setting):
        noise = float(generator.normal())
        found = measured({"loss": 0.5, "huge": 1e38 * noise}.get(kind, noise))
        return {**found, "gap_loss": None} if kind == "no gap" and setting["model"] == "a" else found
    folder = write_sweep(tmp_path, settings, outcome)
    report = render_sweep(folder)
    assert f"Best of {len(load(folder).order):,}: " in report.document.verdict
    json.loads(read(folder, "report.json"), parse_constant=pytest.fail)
    assert not re.search(r"\b(nan|inf)\b", read(folder, "report.md"))
    assert {"result", "next", "leaderboard", "facts"} <= set(sections(folder))
    assert len(Page(read(folder, "report.html")).all("img")) == len(list((folder / "report" / "figures").iterdir()))


def test_render_sweep_limits_its_tables_and_says_so(tmp_path):
    folder = sampled(tmp_path, 120, num_axes=6, failing=0.3)
    render_sweep(folder)
    found = sections(folder)
    done, failed = len(load(folder).order), 120 - len(load(folder).order)
    assert len(found["leaderboard"]["parts"][0]["tables"][0]["rows"]) == 30
    assert f"The table shows the best 30; {done - 30} configurations more" in read(folder, "report.md")
    assert f"The table shows the first 25; {failed - 25} runs more" in read(folder, "report.md")
    assert len(found["leaderboard"]["values"]["rows"]) == done


def test_render_sweep_page_holds_every_figure_with_a_finding_as_alt(tmp_path):
    folder = noisy_grid(tmp_path, {**AXES, "regularizer": ["none", "l2"]})
    render_sweep(folder)
    text = read(folder, "report.html")
    images = Page(text).all("img")
    names = {path.stem for path in (folder / "report" / "figures").iterdir()}
    assert names == {"leaderboard", "main_effects", "interactions", "importance", "parallel_coordinates",
                     "val_against_gap", "seeds"}
    assert len(images) == len(names)
    assert all(path.read_bytes().startswith(PNG) for path in (folder / "report" / "figures").iterdir())
    assert all(len(image["alt"]) > 40 and re.search(r"\d", image["alt"]) for image in images)
    assert not re.search(r"https?:|//", re.sub(r'"data:image/png;base64,[^"]*"', "", text))


def test_render_sweep_escapes_hostile_names(tmp_path):
    names = [HOSTILE, "a|b", "$x^2$ 日本", '"><img src=x onerror=alert(1)>', "[x](http://e)", "</style><script>"]
    settings = grid({f"model.{HOSTILE}": names, "seed": ["0", "1"]})

    def outcome(setting):
        if setting["seed"] == "1" and names.index(setting[f"model.{HOSTILE}"]) > 3:
            return "failed", f"{HOSTILE} | {names[3]}"
        return measured(0.5 + 0.1 * names.index(setting[f"model.{HOSTILE}"]) + 0.01 * int(setting["seed"]))
    folder = write_sweep(tmp_path, settings, outcome, typed=[f"name={HOSTILE}"])
    render_sweep(folder)
    page = Page(read(folder, "report.html"))
    assert page.all("script") == []
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    markdown = read(folder, "report.md")
    assert "<script" not in re.sub(r"^    .*$", "", markdown, flags=re.MULTILINE).replace(r"\<script", "")
    assert r"a\|b" in markdown
    assert "[x](http" not in re.sub(r"^    .*$", "", markdown, flags=re.MULTILINE)


def test_render_sweep_twice_gives_the_same_bytes(tmp_path):
    one, two = (sampled(tmp_path, 30, num_seeds=2, name=name) for name in ("one", "two"))
    for folder in (one, two, one):
        render_sweep(folder)
    first, second = ({path.relative_to(folder): path.read_bytes() for path in sorted((folder / "report").rglob("*.*"))}
                     for folder in (one, two))
    assert len(first) == 9
    assert first == second


def test_render_sweep_needs_no_engine(tmp_path):
    folder = noisy_grid(tmp_path, AXES)
    unwanted = ("torch", "pandas", "sklearn", "optuna", "hydra", "omegaconf", "dlx.engine", "dlx.sweep",
                "matplotlib.pyplot")
    code = (f"import sys, pathlib; from dlx.report.sweep.render import render_sweep; "
            f"render_sweep(pathlib.Path({str(folder)!r})); print([name for name in {unwanted!r} if name in "
            f"sys.modules])")
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(("name", "old", "new", "message"), [
    ("runs.csv", "0.", "x.", "could not convert"),
    ("runs.csv", "run,", "walk,", "its rows do not fit its header"),
    ("runs.csv", ",done,", ",", "its rows do not fit its header"),
    ("sweep.yaml", "runs:", "walks:", "is not a plan"),
    ("sweep.yaml", "format: 1", "format: ${oc.env:HOME}", "interpolation is not allowed"),
])
def test_read_sweep_refuses_what_is_damaged(tmp_path, name, old, new, message):
    folder = noisy_grid(tmp_path, {"model": ["mlp", "cnn"]}, 2)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(ArtefactError, match=re.escape(message)):
        render_sweep(folder)


def test_read_sweep_refuses_a_run_that_is_a_path(tmp_path):
    folder = noisy_grid(tmp_path, {"model": ["mlp", "cnn"]}, 2)
    lines = (folder / "runs.csv").read_text().splitlines()
    (folder / "runs.csv").write_text("\n".join([lines[0], "../../etc" + lines[1][12:], *lines[2:]]) + "\n")
    with pytest.raises(ArtefactError, match="is no run of the plan"):
        render_sweep(folder)


def test_read_sweep_refuses_a_folder_that_is_no_sweep(tmp_path):
    with pytest.raises(ArtefactError, match=r"is not a sweep folder: it has no sweep\.yaml"):
        render_sweep(tmp_path)


def test_runs_that_differ_by_nothing_shown_are_repetitions(tmp_path):
    folder = noisy_grid(tmp_path, {"model": ["mlp", "cnn"]}, 2)
    text = (folder / "runs.csv").read_text().replace(",1,done", ",0,done")
    (folder / "runs.csv").write_text(text)
    sweep = load(folder)
    assert sweep.seeds == ("0", "0 again 1")
    assert np.isfinite(sweep.val).all()
