"""What a sweep's report says of runs that differ in their draws: bias and variance, ensembles, similar layers."""

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run
from report_sweeps import grid, load, measured, write_sweep

from dlx.cli.main import main
from dlx.core.measures import Measures
from dlx.measure.features import debiased_cka, gram
from dlx.record.measures import write_measures
from dlx.record.split_rows import write_split
from dlx.report.sweep import bias_variance, ensemble_gain, similarity
from dlx.report.sweep.details import folder_of
from dlx.report.sweep.members import axes_of, groups_of, shared
from dlx.report.sweep.render import render_sweep

QUICK = ("device.threads=1", "device.kind=cpu")
WIDTHS = ("8", "32", "128")
SEEDS = ("0", "1", "2", "3")
NUM = 60


def settings_of(key="dataset.train_seed", widths=WIDTHS, seeds=SEEDS):
    return grid({key: list(seeds), "model.width": list(widths)})


def outcome(setting):
    return measured(1.0 / float(setting.get("model.width", 1)) + 1e-3 * int(setting.get("seed", 0)))


def probabilities(setting, seed, num_classes=3):
    """Probabilities that are the sharper the wider the model, and targets of the same examples."""
    generator = np.random.default_rng(0)
    targets = generator.integers(num_classes, size=NUM)
    own = np.random.default_rng(seed)
    logits = np.eye(num_classes)[targets] * np.log(float(setting.get("model.width", 8))) + own.normal(
        size=(NUM, num_classes))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), targets


def write_rows(folder, ids, targets, predictions, probs=None, order=slice(None)):
    names = [] if probs is None else [f"prob_{index}" for index in range(probs.shape[1])]
    rows = [["test", int(row), f"{target:.9g}", f"{said:.9g}", *([] if probs is None else [
        f"{value:.9g}" for value in probs[place]])]
        for place, (row, target, said) in enumerate(zip(ids, targets, predictions, strict=True))]
    with open(folder / "predictions.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["split", "id", "target", "prediction", *names],
                                                         *rows[order]])


def classified(parent, settings=None, ids=lambda seed: np.arange(NUM), reverse=False, train=None, **changes):
    """Write a sweep with predictions of classes; returns its folder."""
    settings = settings_of() if settings is None else settings
    folder = write_sweep(parent, settings, outcome, **changes)
    for number, (setting, run) in enumerate(zip(settings, load(folder).files.runs, strict=True)):
        seed = int(setting.get("dataset.train_seed", setting.get("seed", number)))
        probs, targets = probabilities(setting, seed)
        kept = ids(seed)
        where = folder / "runs" / run.hash
        write_rows(where, kept, targets[kept], probs[kept].argmax(axis=1), probs[kept],
                   slice(None, None, -1) if reverse else slice(None))
        if train is not None:
            write_split(where / "split.npz", {"train": train(seed), "val": np.arange(3), "test": kept})
    return folder


def regressed(parent):
    settings = settings_of("seed", WIDTHS[:2], SEEDS[:3])
    folder = write_sweep(parent, settings, outcome)
    targets = np.random.default_rng(0).normal(size=NUM)
    said = {}
    for number, (setting, run) in enumerate(zip(settings, load(folder).files.runs, strict=True)):
        noise = np.random.default_rng(number).normal(size=NUM) / float(setting["model.width"])
        said.setdefault(setting["model.width"], []).append(targets + 0.5 + noise)
        write_rows(folder / "runs" / run.hash, np.arange(NUM), targets, said[setting["model.width"]][-1])
    return folder, targets, {width: np.array(rows) for width, rows in said.items()}


def test_groups_join_what_differs_in_draws_alone_best_val_first(tmp_path):
    sweep = load(classified(tmp_path))
    groups, left = groups_of(sweep, 3, 20)
    assert [group.name for group in groups] == ["model.width=128", "model.width=32", "model.width=8"]
    assert [len(group.runs) for group in groups] == [4, 4, 4]
    assert [axis.key for axis in axes_of(sweep)] == ["model.width"]
    assert left == ()
    kept, left = groups_of(sweep, 3, 2)
    assert len(kept) == 2
    assert left == ("Read are the 8 runs of the best 2 configurations on val; 4 more are left out.",)


def test_groups_read_no_more_runs_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr("dlx.report.sweep.members.MAX_RUNS", 9)
    sweep = load(classified(tmp_path))
    groups, left = groups_of(sweep, 3, 20)
    assert sum(len(group.runs) for group in groups) == 8
    assert "4 more are left out" in left[0]
    monkeypatch.setattr("dlx.report.sweep.members.MAX_RUNS", 3)
    (only,), left = groups_of(sweep, 3, 20)
    assert len(only.runs) == 3
    assert "9 more are left out" in left[0]


def test_bias_variance_of_classes_is_what_the_definitions_give(tmp_path):
    found = bias_variance.section(load(classified(tmp_path)))
    own = found.values["configurations"][0]
    probs = np.stack([probabilities({"model.width": "128"}, seed)[0] for seed in range(4)])
    targets = probabilities({}, 0)[1]
    mean = np.exp(np.log(probs).mean(axis=0))
    mean /= mean.sum(axis=1, keepdims=True)
    assert own["configuration"] == {"model.width": "128"}
    assert own["bias"]["value"] == pytest.approx(-np.log(mean[np.arange(NUM), targets]).mean(), abs=1e-7)
    assert own["variance"]["value"] == pytest.approx((mean * np.log(mean / probs)).sum(axis=2).mean(), abs=1e-7)
    nll = -np.log(probs[:, np.arange(NUM), targets]).mean()
    assert own["bias"]["value"] + own["variance"]["value"] == pytest.approx(nll, abs=1e-7)
    assert own["mean_loss"]["value"] == pytest.approx(nll, abs=1e-7)
    assert own["bias"]["low"] < own["bias"]["value"] < own["bias"]["high"]
    assert own["zero_one"]["error"]["value"] == pytest.approx((probs.argmax(axis=2) != targets).mean())
    assert [figure.name for figure in found.figures] == ["bias_variance"]
    assert found.sentences[0].startswith("model.width=128, the best on val: of its mean test NLL over 4 runs, ")


def test_bias_variance_of_numbers_adds_up_and_says_what_s_minus_1_gives(tmp_path):
    folder, targets, said = regressed(tmp_path)
    own = bias_variance.section(load(folder)).values["configurations"][1]
    rows = said["8"]
    variance = rows.var(axis=0).mean()
    assert own["loss"] == "squared"
    assert own["mean_loss"]["value"] == pytest.approx(((rows - targets) ** 2).mean(), rel=1e-7)
    assert own["variance"]["value"] == pytest.approx(variance, rel=1e-7)
    assert own["unbiased"]["variance"] == pytest.approx(1.5 * variance, rel=1e-7)
    assert own["unbiased"]["bias"] == pytest.approx(((rows.mean(axis=0) - targets) ** 2).mean() - variance / 2,
                                                    rel=1e-6)
    assert own["bias"]["value"] + own["variance"]["value"] == pytest.approx(own["mean_loss"]["value"], rel=1e-9)


def test_sections_do_not_depend_on_the_order_of_examples(tmp_path):
    one, other = (load(classified(tmp_path / name, reverse=reverse)) for name, reverse in (("a", False), ("b", True)))
    for part in (bias_variance, ensemble_gain):
        assert part.section(one).values == part.section(other).values


@pytest.mark.parametrize(("train", "expected"), [
    (lambda seed: np.arange(10), "Runs of a configuration differ in dataset.train_seed, and were trained on the same "
                                 "rows: variance is of initialization, order"),
    (lambda seed: np.arange(10) + 5 * seed, "two of them share 25.0% of their train rows on average: variance is of "
                                            "train rows too.")])
def test_bias_variance_says_what_was_drawn_anew(tmp_path, train, expected):
    assert expected in " ".join(bias_variance.section(load(classified(tmp_path, train=train))).sentences)


def test_bias_variance_uses_the_examples_that_all_runs_have(tmp_path):
    sweep = load(classified(tmp_path, ids=lambda seed: np.arange(5 * seed, 40 + 5 * seed - 10 * (seed == 3))))
    found = bias_variance.section(sweep)
    assert "have 25 test examples in common, and it takes 30" in found.sentences[0]
    assert found.values["configurations"] == []
    assert ensemble_gain.section(sweep) is None
    wider = load(classified(tmp_path / "wider", ids=lambda seed: np.arange(5 * seed, 45 + 5 * seed)))
    found = bias_variance.section(wider)
    assert found.values["configurations"][0]["num_examples"] == 30
    assert "those that all runs of a configuration have" in found.notes[1]
    assert ensemble_gain.section(wider) is None


def test_runs_with_other_targets_are_not_compared(tmp_path):
    folder = classified(tmp_path)
    sweep = load(folder)
    group = groups_of(sweep, 3, 20)[0][0]
    path = folder_of(sweep, group.runs[1]) / "predictions.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    rows[1][2] = str((int(rows[1][2]) + 1) % 3)
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    assert shared(sweep, group) == "the runs learnt other targets of the same test examples"
    found = bias_variance.section(sweep)
    assert len(found.values["configurations"]) == 2
    assert "1 configuration left out: the runs learnt other targets" in " ".join(found.sentences)


@pytest.mark.parametrize("seeds", [["0"], ["0", "1"]])
def test_bias_variance_needs_three_runs_and_an_ensemble_two(tmp_path, seeds):
    sweep = load(classified(tmp_path, settings_of(seeds=seeds)))
    assert bias_variance.section(sweep) is None
    assert (ensemble_gain.section(sweep) is None) == (len(seeds) == 1)
    assert similarity.section(sweep) is None


def test_sections_of_a_sweep_without_predictions_are_absent(tmp_path):
    sweep = load(write_sweep(tmp_path, settings_of(), outcome))
    assert [part.section(sweep) for part in (bias_variance, ensemble_gain, similarity)] == [None, None, None]


def test_ensemble_gain_is_what_the_mean_of_probabilities_gains(tmp_path):
    found = ensemble_gain.section(load(classified(tmp_path)))
    own = found.values["configurations"][0]
    probs = np.stack([probabilities({"model.width": "128"}, seed)[0] for seed in range(4)])
    targets = probabilities({}, 0)[1]
    chosen = probs[:, np.arange(NUM), targets]
    assert own["loss_by_size"]["1"] == pytest.approx(-np.log(chosen).mean(), abs=1e-7)
    assert own["loss_by_size"]["4"] == pytest.approx(-np.log(chosen.mean(axis=0)).mean(), abs=1e-7)
    assert own["gain"]["value"] == pytest.approx(own["loss_by_size"]["1"] - own["loss_by_size"]["4"], abs=1e-9)
    assert own["gain"]["low"] > 0
    assert own["accuracy"]["ensemble"] == pytest.approx((probs.mean(axis=0).argmax(axis=1) == targets).mean())
    pairs = [(probs[i].argmax(axis=1) != probs[j].argmax(axis=1)).mean() for i in range(4) for j in range(i)]
    assert own["diversity"]["disagreement"] == pytest.approx(np.mean(pairs), abs=1e-9)


def test_ensemble_gain_gives_a_command_only_where_all_runs_have_the_same_rows(tmp_path):
    folder = classified(tmp_path / "same", settings_of("seed"), train=lambda seed: np.arange(10))
    sweep = load(folder)
    command, = ensemble_gain.section(sweep).commands
    runs = [str(folder / "runs" / run.hash) for run in groups_of(sweep, 2, 1)[0][0].runs]
    assert command.text == " ".join(["dlx ensemble", *runs])
    other = ensemble_gain.section(load(classified(tmp_path / "other", train=lambda seed: np.arange(10) + seed)))
    assert other.commands == ()
    assert "these were trained on different ones" in " ".join(other.sentences)
    alone = classified(tmp_path / "alone", settings_of("seed", ["8"]), train=lambda seed: np.arange(10))
    assert ensemble_gain.section(load(alone)).commands[0].text == f"dlx ensemble {alone}"


def test_similarity_is_the_debiased_cka_of_each_two_runs(tmp_path):
    settings = settings_of("seed", ["8"], SEEDS[:3])
    folder = write_sweep(tmp_path, settings, outcome)
    grams = {}
    base = np.random.default_rng(9).normal(size=(12, 4))
    for number, run in enumerate(load(folder).files.runs):
        generator = np.random.default_rng(number)
        grams[number] = {layer: gram(base @ generator.normal(size=(4, 6)) + generator.normal(size=(12, 6)))
                         for layer in ("first", "penultimate")}
        content = {"ids": list(range(12)), "gram": {layer: matrix[np.triu_indices(12)].tolist()
                                                    for layer, matrix in grams[number].items()}}
        write_measures(folder / "runs" / run.hash, "representation", Measures((), {"similarity": content}))
    own, = similarity.section(load(folder)).values["configurations"]
    pairs = [(i, j) for i in range(3) for j in range(i + 1, 3)]
    expected = [debiased_cka(grams[i]["penultimate"], grams[j]["penultimate"]) for i, j in pairs]
    found = own["layers"]["penultimate"]["debiased_cka"]
    assert [found["mean"], found["lowest"], found["highest"]] == pytest.approx(
        [np.mean(expected), min(expected), max(expected)], abs=1e-9)
    crossed = [debiased_cka(grams[i]["first"], grams[j]["penultimate"]) for i in range(3) for j in range(3) if i != j]
    assert own["between_layers"][0][1] == pytest.approx(np.mean(crossed), abs=1e-9)
    assert own["between_layers"][0][1] == pytest.approx(own["between_layers"][1][0], abs=1e-12)


def test_a_sweep_of_seeds_says_what_dlx_ensemble_then_measures(tmp_path, capsys):
    assert main(["sweep", f"runs_dir={tmp_path / 'sweeps'}", *QUICK, "model=mlp", "model.width=8,16", "epochs=2",
                 "seeds=3", "split.seed=0", "report=[representation]"]) == 0
    folder = only_run(tmp_path / "sweeps")
    document = render_sweep(folder).document
    found = {section.key: section for section in document.sections}
    order = [section.key for section in document.sections]
    places = [order.index(key) for key in ("tradeoff", "bias_variance", "ensemble_gain", "similarity", "optimism")]
    assert places == sorted(places)
    assert [len(item["layers"]) > 0 for item in found["similarity"].values["configurations"]] == [True, True]
    command, = found["ensemble_gain"].commands
    capsys.readouterr()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main([*command.text.split()[1:], f"runs_dir={tmp_path / 'joined'}", "device.kind=cpu", "--json"]) == 0
    summary = json.loads(said.getvalue())
    own = found["ensemble_gain"].values["configurations"][0]
    gain, = [row for row in summary["gain"] if (row["metric"], row["split"]) == ("nll", "test")]
    whole, = [row for row in summary["metrics"] if (row["metric"], row["split"]) == ("nll", "test")]
    assert own["gain"]["value"] == pytest.approx(-gain["value"], abs=1e-6)
    assert own["gain"]["low"] == pytest.approx(-gain["high"], abs=1e-6)
    assert own["loss_by_size"]["3"] == pytest.approx(whole["value"], abs=1e-6)
    assert own["diversity"] == pytest.approx({row["metric"]: row["value"] for row in summary["diversity"]
                                              if row["split"] == "test"}, abs=1e-6)
    written = json.loads((Path(folder) / "report" / "report.json").read_text())
    assert {"bias_variance", "ensemble_gain", "similarity"} <= {section["key"] for section in written["sections"]}


def test_sections_show_no_losses_of_classes_beside_losses_of_numbers(tmp_path):
    settings = grid({"seed": SEEDS[:3], "dataset": ["digits", "diabetes"]})
    folder = write_sweep(tmp_path, settings, lambda setting: measured(1.0 + (setting["dataset"] == "diabetes")))
    for number, (setting, run) in enumerate(zip(settings, load(folder).files.runs, strict=True)):
        probs, targets = probabilities(setting, number)
        is_class = setting["dataset"] == "digits"
        write_rows(folder / "runs" / run.hash, np.arange(NUM), targets,
                   probs.argmax(axis=1) if is_class else probs[:, 0], probs if is_class else None)
    for part in (bias_variance, ensemble_gain):
        own, = part.section(load(folder)).values["configurations"]
        assert own["configuration"] == {"dataset": "digits"}


def test_folds_that_are_tested_on_other_rows_have_no_bias_and_variance(tmp_path):
    folder = classified(tmp_path, grid({"split.fold": ["0", "1", "2"], "model.width": ["8", "32"]}),
                        ids=lambda number: np.arange(20 * (number // 2), 20 * (number // 2) + 20))
    sweep = load(folder)
    assert bias_variance.section(sweep) is None
    assert ensemble_gain.section(sweep) is None
