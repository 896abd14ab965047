"""The gap section: its numbers again by other ways, its counter, its words."""

import csv
import json
import math

import numpy as np
import pytest
from conftest import only_run
from part_files import make
from trained_runs import KINDS, QUICK, copied, subject, trained

from dlx.cli.main import main
from dlx.core.intervals import clopper_pearson_upper, newcombe
from dlx.record import layout
from dlx.record.measures import read_measures, write_measures
from dlx.record.openings import read_openings
from dlx.report.files import read_run
from dlx.report.sections.gap import section

SMALL = ("dataset=digits", "model=mlp", "model.width=16", "epochs=3", "batch_size=128")


def measured(own):
    return make("report", "gap").measure(own)


def summary_of(folder):
    return json.loads((folder / layout.SUMMARY).read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_best_equals_the_summary_exactly(kind):
    folder = trained(*KINDS[kind])
    found, summary = measured(subject(folder)), summary_of(folder)
    for name, rows in (("metric", summary["metrics"]), ("gap", summary["gaps"])):
        assert len(found.every(name, checkpoint="best")) == len(rows)
        for row in rows:
            item = found.find(name, row["split"], metric=row["metric"])
            assert (item.value, item.low, item.high, item.method, item.n, item.num_draws) == tuple(
                row[key] for key in ("value", "low", "high", "method", "n", "num_draws"))
    for row in summary["selection_optimism"]:
        assert found.find("selection_optimism", metric=row["metric"]).value == row["value"]


@pytest.mark.parametrize("kind", KINDS)
def test_last_equals_evaluate_of_the_last_checkpoint(kind, capsys):
    folder = trained(*KINDS[kind])
    found = measured(subject(folder))
    summary = summary_of(folder)
    if not found.every("metric", checkpoint="last"):
        assert summary["selection"]["epoch"] == summary["epochs_run"]
        assert "its weights are those of the best one" in found.skipped[0]
        return
    assert main(["evaluate", str(folder), "checkpoint=last", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["metrics"]
    known = {row["metric"]: row["value"] for row in rows if row["split"] == "train_eval"}
    assert len(found.every("metric", checkpoint="last")) == len(rows)
    for row in rows:
        item = found.find("metric", row["split"], "last", metric=row["metric"])
        assert item.value == pytest.approx(row["value"], rel=1e-9)
        assert (item.method, item.n, item.num_draws) == (row["method"], row["n"], row["num_draws"])
        gap = found.find("gap", row["split"], "last", metric=row["metric"])
        assert (gap is None) == (row["split"] == "train_eval")
        for field in () if row["low"] is None else ("value", "low", "high"):
            assert getattr(item, field) == pytest.approx(row[field], rel=1e-9)
            assert getattr(gap, field) == pytest.approx(row[field] - known[row["metric"]], rel=1e-9, abs=1e-12)


def test_last_that_is_the_best_is_not_repeated():
    found = measured(subject(trained(*SMALL, "selection=last")))
    assert found.every("metric", checkpoint="last") == []
    assert found.skipped[0] == ("The last checkpoint was not measured apart: its weights are those of the best one, of "
                                "epoch 3.")


def test_last_of_a_run_that_diverged_is_not_measured(tmp_path):
    folder = copied(trained(*SMALL), tmp_path / "run")
    (folder / layout.CHECKPOINTS / layout.LAST).unlink()
    found = measured(subject(folder))
    assert found.every("metric", checkpoint="last") == []
    assert found.skipped[0] == "The last checkpoint was not measured: the run kept none, as one that diverged."


def counts(folder):
    with open(folder / layout.PREDICTIONS, newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = {split: [row["target"] != row["prediction"] for row in rows if row["split"] == split]
             for split in ("val", "test")}
    return {split: (sum(own), len(own)) for split, own in wrong.items()}


def test_guarantees_and_optimism_are_those_of_the_counts_in_predictions(tmp_path):
    folder = copied(trained(*SMALL), tmp_path / "run")
    found, known = make("report", "gap", delta=0.1).measure(subject(folder)), counts(folder)
    errors, n = known["test"]
    assert found.find("error", "test", metric="accuracy").value == errors / n
    bounds = {bound: found.find("error_bound", "test", metric="accuracy", bound=bound, looks=1)
              for bound in ("Clopper-Pearson", "Hoeffding")}
    assert bounds["Clopper-Pearson"].value == clopper_pearson_upper(errors, n, 0.9)
    assert bounds["Hoeffding"].value == pytest.approx(errors / n + math.sqrt(math.log(10) / (2 * n)))
    assert {(item.level, item.n) for item in bounds.values()} == {(0.9, n)}
    optimism = found.find("selection_optimism", metric="accuracy")
    wrong_on_val, num_val = known["val"]
    expected = newcombe(num_val - wrong_on_val, num_val, n - errors, n, summary_of(folder)["level"])
    assert (optimism.low, optimism.high) == expected[:2]


def test_guarantees_are_of_metrics_that_count_examples_alone():
    found = measured(subject(trained(*KINDS["sequence"])))
    assert {item.of["metric"] for item in found.every("error_bound")} == {"exact_match"}
    assert found.skipped[-1].startswith("No guarantee is given for token accuracy, loss")
    regression = measured(subject(trained(*KINDS["regression"])))
    assert regression.every("error_bound") == regression.every("error") == []
    assert regression.skipped[-1] == ("No guarantee is given for RMSE, loss, MAE, R²: it takes a metric that counts "
                                      "examples as right or wrong.")


class Poisoned:
    """A subject whose test split the model gets all wrong."""

    def __init__(self, own):
        self._own = own

    def __getattr__(self, name):
        return getattr(self._own, name)

    def said(self, split, checkpoint="best"):
        said = self._own.said(split, checkpoint)
        if split != "test":
            return said
        wrong = said.outcome._replace(targets=(said.outcome.targets + 1) % 10)
        return said._replace(losses=np.full_like(said.losses, 1e6), outcome=wrong)


def test_a_poisoned_test_split_changes_no_number_of_others():
    folder = trained(*KINDS["images"], "optimizer.lr=0.03", "epochs=12")
    clean, poisoned = measured(subject(folder)), measured(Poisoned(subject(folder)))
    assert clean.every("metric", split="test", checkpoint="last") != []
    for one, other in zip(clean.numbers, poisoned.numbers, strict=True):
        touched = one.split == "test" and one.checkpoint == "last"
        assert touched or one == other


def train(runs, *overrides):
    assert main(["train", f"runs_dir={runs}", *QUICK, *SMALL, "split.seed=0", *overrides, "--json"]) == 0


def openings_of(folder):
    return measured(subject(folder)).find("test_openings", "test", "")


def test_every_run_that_opens_test_is_on_record_once(tmp_path, capsys):
    for overrides in (["seed=0", "name=a"], ["seed=1", "name=b"], ["seed=1", "name=c"], ["split.seed=1", "name=d"]):
        train(tmp_path, *overrides)
    runs = {path.name.split("-")[2]: path for path in tmp_path.glob("*/")}
    assert {item.run for item in read_openings(tmp_path).all} == {path.name for path in runs.values()}
    # b and c are one model; d has another test split.
    assert {name: openings_of(path).value for name, path in runs.items()} == {"a": 2, "b": 2, "c": 2, "d": 1}
    assert main(["evaluate", str(runs["a"]), "splits=[val]", "checkpoint=initial"]) == 0
    assert main(["evaluate", str(runs["a"])]) == 0
    assert openings_of(runs["b"]).value == 2
    assert main(["evaluate", str(runs["a"]), "splits=[test]", "checkpoint=initial"]) == 0
    found = measured(subject(runs["b"]))
    assert found.find("test_openings", "test", "").value == 3
    errors, n = counts(runs["b"])["test"]
    bound = found.find("error_bound", "test", metric="accuracy", bound="Clopper-Pearson", looks=3)
    assert bound.value == clopper_pearson_upper(errors, n, 1 - 0.05 / 3)
    assert bound.level == 0.95
    capsys.readouterr()
    assert main(["evaluate", str(runs["b"]), "report=gap"]) == 0
    text = (runs["b"] / layout.REPORT / layout.REPORT_MARKDOWN).read_text()
    assert "3 models of this runs folder were measured on this test split so far, this one included" in text
    assert "test_openings" not in summary_of(runs["b"])


def test_runs_of_a_sweep_are_on_record_where_the_sweep_lies(tmp_path):
    assert main(["sweep", f"runs_dir={tmp_path}", *QUICK, *SMALL, "split.seed=0", "seed=0,1,2", "--json"]) == 0
    (sweep,) = tmp_path.glob("*/")
    found = read_openings(tmp_path)
    assert {item.run for item in found.all} == {f"{sweep.name}/runs/{path.name}" for path in (sweep / "runs").iterdir()}
    assert len(found.all) == 3
    assert not (sweep / "runs" / layout.OPENINGS).exists()
    assert openings_of(next((sweep / "runs").iterdir())).value == 3


def test_an_ensemble_is_one_more_model(tmp_path, capsys):
    for seed in ("0", "1"):
        train(tmp_path, f"seed={seed}")
    runs = [str(path) for path in tmp_path.glob("*/")]
    assert main(["ensemble", *runs, f"runs_dir={tmp_path}", "--json"]) == 0
    ensemble = json.loads(capsys.readouterr().out.splitlines()[-1])["folder"]
    assert len(read_openings(tmp_path).all) == 3
    assert main(["evaluate", ensemble]) == 0
    assert len(read_openings(tmp_path).all) == 3


def test_a_record_that_cannot_be_written_ends_no_run(tmp_path, capsys):
    (tmp_path / layout.OPENINGS).mkdir()
    train(tmp_path, "report=gap")
    (run,) = (path for path in tmp_path.glob("*/") if path.name != layout.OPENINGS)
    assert json.loads((run / layout.STATUS).read_text())["status"] == "done"
    assert "that test was opened is on no record: cannot write" in (run / layout.LOG).read_text()
    found = read_measures(run)["gap"]
    assert found.find("test_openings", "test", "").value is None
    assert "How often test was opened is not known: " in found.skipped[-1]
    assert {item.of["looks"] for item in found.every("error_bound")} == {1}
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json"]) == 0
    assert capsys.readouterr().err.startswith("that test was opened is on no record: cannot")


def test_damaged_lines_are_said_and_not_counted(tmp_path):
    train(tmp_path)
    with (tmp_path / layout.OPENINGS).open("a") as file:
        file.write('torn {"split"\n')
    run = only_run(tmp_path)
    found = measured(subject(run))
    assert (found.find("test_openings", "test", "").value, found.details["damaged_lines"]) == (1, 1)
    write_measures(run, "gap", found)
    guarantees = section(read_run(run)).parts[0]
    assert guarantees.sentences[-1] == "1 line of test_openings.jsonl could not be read and is not counted."


def test_section_says_guarantee_first_and_shows_last_beside_best(tmp_path):
    folder = copied(trained(*KINDS["images"], "optimizer.lr=0.03", "epochs=12"), tmp_path / "run")
    found = measured(subject(folder))
    write_measures(folder, "gap", found)
    shown = section(read_run(folder))
    errors, n = counts(folder)["test"]
    bound = 100 * clopper_pearson_upper(errors, n, 0.95)
    assert shown.sentences[1] == (
        f"With 95% confidence the expected error of this model on new examples is below {bound:.1f}% "
        f"(Clopper-Pearson, {errors} errors in {n} test examples), provided that test chose nothing.")
    assert [table.title for table in shown.tables] == ["Metrics and gaps",
                                                       "The same at the last checkpoint, of epoch 12"]
    item = found.find("metric", "test", "last", metric="accuracy")
    row = next(row for row in shown.tables[1].rows if row[0] == "accuracy")
    assert row[3] == f"{100 * item.value:.1f}% [{100 * item.low:.1f}, {100 * item.high:.1f}]"
    assert shown.figures[0].alt.startswith("Gap in accuracy at the best checkpoint: on val ")
    assert "; at the last: on val " in shown.figures[0].alt
    table = shown.parts[0].tables[0]
    assert table.rows[0][:3] == ("accuracy", f"{errors} of {n}: {100 * errors / n:.1f}%", f"{bound:.1f}%")


def test_section_of_a_run_without_measures_is_the_table_alone():
    shown = section(read_run(trained(*KINDS["images"])))
    assert [table.title for table in shown.tables] == ["Metrics and gaps"]
    assert shown.figures == shown.parts == ()
