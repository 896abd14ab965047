"""dlx sweep, from the command to the leaderboard, with runs that are really trained."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import only_run
from scipy import stats
from sweep_results import SWEEP, number, printed, rows_of, summaries, swept
from user_parts import LATE, write_late_loss

from dlx.cli.main import main
from dlx.record.folder import RunFolder
from dlx.record.safe_yaml import read_yaml
from dlx.sweep.frozen import read_plan
from dlx.sweep.plan import make_plan
from dlx.sweep.run import write_tables

QUICK = ("dataset=breast_cancer", "metric=[accuracy]", "epochs=1", "model=linear")
POINTS = list(product(["linear", "mlp"], [1e-4, 1e-2]))


def by_point(folder: Path) -> dict[tuple[str, float], list[dict]]:
    """Summaries of the sweep's runs by configuration, read from the run folders alone."""
    found: dict = {}
    for path in sorted((folder / "runs").iterdir()):
        config = read_yaml(path / "config.yaml")
        point = (config["model"]["part"], config["optimizer"]["lr"])
        found.setdefault(point, []).append(json.loads((path / "summary.json").read_text()))
    return found


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / folder.name))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
            and path.name != "run.lock"}


def test_sweep_leaves_its_tables_and_one_folder_per_run():
    folder = swept()
    assert {path.name for path in folder.iterdir()} == {"sweep.yaml", "overrides.txt", "runs.csv", "leaderboard.csv",
                                                        "runs", "run.lock", "report"}
    assert (folder / "overrides.txt").read_text().splitlines() == [f"runs_dir={folder.parent}", *SWEEP]
    plan = read_plan(folder)
    assert sorted(path.name for path in (folder / "runs").iterdir()) == sorted(run.hash for run in plan.runs)
    assert len(plan.runs) == 8
    assert folder.name.split("-")[2:4] == ["small", "sweep"]


def test_sweep_keeps_what_was_typed_for_each_run():
    for run in read_plan(swept()).runs:
        point = [f"model={run.saved['model']['part']}", f"seed={run.saved['seed']}"]
        typed = (swept() / "runs" / run.hash / "overrides.txt").read_text().splitlines()
        assert {*point, "epochs=2", "name=small"} <= {*typed}


def test_sweep_of_a_run_is_what_train_gives_alone(dlx):
    inside = swept() / "runs" / read_plan(swept()).runs[3].hash
    typed = [text for text in (inside / "overrides.txt").read_text().splitlines() if not text.startswith("runs_dir")]
    assert dlx("train", *typed, "report=none", "device.threads=1", "--json").code == 0
    alone = only_run()
    assert contents(alone).keys() == contents(inside).keys()
    for name in ("config.yaml", "metrics.csv", "predictions.csv", "summary.json", "checkpoints/best.safetensors",
                 "checkpoints/last.safetensors", "checkpoints/initial.safetensors"):
        assert (alone / name).read_bytes() == (inside / name).read_bytes(), name


def test_sweep_lists_every_run_with_its_numbers():
    found = summaries(swept())
    rows = rows_of(swept() / "runs.csv")
    assert [row["run"] for row in rows] == [run.hash for run in read_plan(swept()).runs]
    assert [(row["model"], float(row["optimizer.lr"]), row["seed"]) for row in rows] == [
        (model, lr, seed) for (model, lr), seed in product(POINTS, "01")]
    for row in rows:
        assert row["status"] == "done"
        for metric, split in product(("loss", "accuracy", "nll"), ("train_eval", "val", "test", "gap")):
            assert float(row[f"{split}_{metric}"]) == pytest.approx(number(found[row["run"]], metric, split), rel=1e-8)


def test_sweep_leaderboard_is_recomputed_from_the_run_folders():
    found = by_point(swept())
    assert {*found} == {*POINTS}
    rows = rows_of(swept() / "leaderboard.csv")
    for row in rows:
        members = found[row["model"], float(row["optimizer.lr"])]
        assert (row["runs_done"], row["runs"], len(members)) == ("2", "2", 2)
        for metric, split in product(("loss", "accuracy", "nll"), ("val", "gap")):
            sample = [number(member, metric, split) for member in members]
            low, high = stats.t.interval(0.95, 1, np.mean(sample), stats.sem(sample)) if np.ptp(sample) else sample
            shown = [float(row[f"{split}_{metric}_{part}"]) for part in ("mean", "low", "high")]
            assert shown == pytest.approx([np.mean(sample), low, high], rel=1e-7, abs=1e-9)


def test_sweep_report_ranks_as_the_leaderboard_does():
    rows = rows_of(swept() / "leaderboard.csv")
    report = json.loads((swept() / "report" / "report.json").read_text())
    sections = {section["key"]: section["values"] for section in report["sections"]}
    found = sections["leaderboard"]["rows"]
    assert [list(row["point"].values()) for row in found] == [[row["model"], row["optimizer.lr"]] for row in rows]
    for split, bound in product(("val", "gap"), ("low", "high")):
        assert [row[split][bound] for row in found] == pytest.approx([float(row[f"{split}_accuracy_{bound}"])
                                                                      for row in rows])
    best = dict(zip(["model", "optimizer.lr"], found[0]["point"].values(), strict=True))
    runs = [row for row in rows_of(swept() / "runs.csv") if {key: row[key] for key in best} == best]
    assert sections["result"]["test"]["value"] == pytest.approx(np.mean([float(row["test_accuracy"]) for row in runs]))


def test_report_of_a_sweep_writes_the_same_bytes_again(dlx, tmp_path):
    folder = copied(swept(), tmp_path)
    before = contents(folder)
    shutil.rmtree(folder / "report")
    result = dlx("report", str(folder))
    assert (result.code, result.err) == (0, "")
    assert contents(folder) == before
    verdict = json.loads(before["report/report.json"])["verdict"]
    assert result.out == f"{verdict}\n{folder}/report/report.html\n"
    printed_json = json.loads(dlx("report", str(folder), "--json").out)
    assert printed_json == {"folder": str(folder), **json.loads(before["report/report.json"])}


def test_sweep_ranks_by_the_selection_metric_on_val():
    found = by_point(swept())
    means = {point: np.mean([number(member, "accuracy", "val") for member in members])
             for point, members in found.items()}
    rows = rows_of(swept() / "leaderboard.csv")
    ranked = [means[row["model"], float(row["optimizer.lr"])] for row in rows]
    assert ranked == sorted(means.values(), reverse=True)
    assert printed()["ranked_by"] == "val_accuracy"


def test_sweep_leaderboard_does_not_change_with_test(tmp_path):
    folder = copied(swept(), tmp_path)
    for path in (folder / "runs").glob("*/summary.json"):
        facts = json.loads(path.read_text())
        for row in facts["metrics"]:
            if row["split"] == "test":
                row["value"] = 1 - row["value"]
        path.write_text(json.dumps(facts))
    write_tables(folder, read_plan(folder))
    assert rows_of(folder / "leaderboard.csv") == rows_of(swept() / "leaderboard.csv")
    assert rows_of(folder / "runs.csv") != rows_of(swept() / "runs.csv")


def test_sweep_json_is_the_leaderboard():
    said, rows = printed(), rows_of(swept() / "leaderboard.csv")
    assert said.keys() == {"folder", "ranked_by", "leaderboard"}
    assert said["folder"] == str(swept())
    for row, text in zip(said["leaderboard"], rows, strict=True):
        assert row["point"] == {"model.part": text["model"], "optimizer.lr": float(text["optimizer.lr"])}
        assert row["val"]["accuracy"][0] == pytest.approx(float(text["val_accuracy_mean"]), rel=1e-8)


def test_resume_of_a_finished_sweep_shows_it_and_changes_nothing(dlx, tmp_path):
    folder = copied(swept(), tmp_path)
    before = contents(folder)
    result = dlx("resume", str(folder), "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {**printed(), "folder": str(folder)}
    assert contents(folder) == before
    text = dlx("resume", str(folder))
    assert "8 runs, 8 done before" in text.err
    best = printed()["leaderboard"][0]["point"]
    assert f"Best on val  model={best['model.part']} optimizer.lr={best['optimizer.lr']:.9g}\n" in text.out
    assert "Its test  accuracy " in text.out


def test_resume_of_a_sweep_runs_only_what_is_missing_to_the_same_bytes(dlx, tmp_path):
    folder = copied(swept(), tmp_path)
    before = contents(folder)
    gone = read_plan(folder).runs[5].hash
    shutil.rmtree(folder / "runs" / gone)
    (folder / "leaderboard.csv").unlink()
    times = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}
    result = dlx("resume", str(folder), "--json")
    assert (result.code, result.err) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    after = contents(folder)
    assert after.keys() == before.keys()
    # The report says how long it took.
    differing = ("timing.csv", "status.json", "provenance.json", "dlx.log", "report.json", "report.md", "report.html")
    assert [name for name in after if after[name] != before[name] and not name.endswith(differing)] == []


def test_resume_of_an_altered_sweep_is_refused(dlx, tmp_path):
    folder = copied(swept(), tmp_path)
    text = (folder / "sweep.yaml").read_text()
    (folder / "sweep.yaml").write_text(text.replace("epochs: 2", "epochs: 3"))
    result = dlx("resume", str(folder))
    assert (result.code, result.out) == (3, "")
    assert f"{folder}/sweep.yaml was altered" in result.err


def test_runs_of_a_sweep_folder_are_listed(dlx):
    rows = json.loads(dlx("runs", str(swept()), "--json").out)
    assert {row["run"] for row in rows} == {run.hash for run in read_plan(swept()).runs}
    assert {row["status"] for row in rows} == {"done"}


def test_run_of_a_sweep_is_evaluated_like_any_other(dlx):
    run = read_plan(swept()).runs[0].hash
    result = dlx("evaluate", str(swept() / "runs" / run), "splits=[val]", "--json")
    assert result.code == 0
    value, = (row["value"] for row in json.loads(result.out)["metrics"] if row["metric"] == "accuracy")
    assert value == number(summaries(swept())[run], "accuracy", "val")


def test_sweep_with_a_diverging_run_exits_with_5_and_finishes_the_others(dlx):
    overrides = ("dataset=diabetes", "epochs=2", "optimizer=sgd", "optimizer.lr=1e-3,1e30")
    result = dlx("sweep", *overrides)
    folder = only_run()
    good, bad = (run.hash for run in read_plan(folder).runs)
    assert result.code == 5
    assert (f"dlx: 1 of 2 runs failed; the others are complete. dlx resume {folder} tries again those that can "
            f"succeed\n     runs/{bad}  diverged: training diverged: the loss of step 1 was not finite, at lr 1e+30; "
            f"try a smaller optimizer.lr, ") in result.err
    assert "Traceback" not in result.err
    assert {row["run"]: row["status"] for row in rows_of(folder / "runs.csv")} == {good: "done", bad: "diverged"}
    assert [(row["optimizer.lr"], row["runs_done"]) for row in rows_of(folder / "leaderboard.csv")] == [
        ("0.001", "1"), ("1e+30", "0")]
    assert "Best on val  optimizer.lr=0.001\n" in result.out

    # What diverged would diverge again.
    before = contents(folder)
    assert dlx("resume", str(folder), "--json").code == 5
    assert contents(folder) == before


def test_sweep_of_runs_that_all_fail_names_no_best(dlx):
    result = dlx("sweep", "dataset=diabetes", "epochs=2", "optimizer=sgd", "optimizer.lr=1e30", "seed=1,2")
    assert result.code == 5
    assert "Best on val" not in result.out
    assert "2 of 2 runs failed" in result.err
    assert "the others are complete" not in result.err


def test_sweep_tries_a_failed_run_again(dlx, workdir):
    write_late_loss(workdir)
    result = dlx("sweep", *LATE, "seed=1,2", "epochs=1")
    assert result.code == 5
    first, second = (run.hash for run in read_plan(only_run()).runs)
    assert result.err.count("failed: late is not here") == 1
    assert result.err.endswith(f"     runs/{second}  as runs/{first}\n")
    again = dlx("resume", str(only_run()), "--trust", "late_parts")
    assert again.code == 5
    assert f"runs/{first}  failed: late is not here" in again.err
    (workdir / "late").touch()
    assert dlx("resume", str(only_run()), "--trust", "late_parts").code == 0


def test_sweep_dry_run_shows_the_plan_and_starts_nothing(dlx, workdir):
    arguments = ("sweep", *SWEEP, "--dry-run")
    rows = json.loads(dlx(*arguments, "--json").out)
    assert [(row["model"], float(row["optimizer.lr"]), row["seed"]) for row in rows] == [
        (model, lr, seed) for (model, lr), seed in product(POINTS, "01")]
    assert [row["run"] for row in rows] == [run.hash for run in read_plan(swept()).runs]
    text = dlx(*arguments)
    assert (text.code, text.err) == (0, "")
    assert "8 runs" in text.out
    assert all(row["run"] in text.out for row in rows)
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(("overrides", "count", "why"), [
    (["model=linear,mlp", "seed=1"], 2, "no other run has its shape"),
    (["model=linear,mlp", "seed=1,2", "members=1"], 4, "members=1"),
    (["seed=1,2,3", "workers=3"], 3, "3 workers have no more than one such run each"),
])
def test_sweep_dry_run_says_why_runs_train_alone(dlx, overrides, count, why):
    text = dlx("sweep", *QUICK[:3], *overrides, "--dry-run").out
    first = make_plan([*QUICK[:3], *overrides], None).runs[0].hash
    assert f"{count} runs alone, {first} for one: {why}\n" in text


def test_sweep_lists_all_invalid_points_and_starts_nothing(dlx, workdir):
    result = dlx("sweep", "model=linear,cnn", "dataset=breast_cancer", "optimizer.lr=0.1,-1,-2", "metric=[accuracy]")
    assert (result.code, result.out) == (2, "")
    lines = [line.strip().removeprefix("dlx: ") for line in result.err.splitlines()]
    valid = "model={} dataset=breast_cancer optimizer.lr={} metric=[accuracy]: "
    images = "model=cnn needs images (C, H, W), got rows of shape (30,); use model=mlp or model=linear for tables"
    for model, lr in product(["linear", "cnn"], ["-1", "-2"]):
        assert f"{valid.format(model, lr)}optimizer.lr must be in (0, inf), got {lr}" in lines
    assert f"{valid.format('cnn', '0.1')}{images}" in lines
    assert not [line for line in lines if line.startswith(valid.format("linear", "0.1"))]
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize(("overrides", "message"), [
    (["optimizer.lr=interval(0.001,0.1)"],
     "optimizer.lr=interval(0.001,0.1): an interval has endless values, which search=random, qmc, tpe, cmaes "
     "and halving draw from; or list values, or use range(start,stop,step)"),
    (["seed=1,2", "optimzer.lr=1"], "unknown key optimzer.lr; did you mean optimizer.lr?"),
    (["seed=1,2", "workers=0"], "workers must be one of auto or a whole number in [1, inf), got 0"),
    (["seed=1,2", "workers=1,2"], "workers=1,2"),
    (["seed=1,2", "runs_dir=a,b"], "runs_dir=a,b"),
    (["model=glob(x*)"], "model=glob(x*) matches no option of model"),
    (["model@small=mlp,cnn"], "packages (@) are not used in dlx; write model=…"),
    (["+optimizer.lr=0.1,0.2"], "+optimizer.lr: keys cannot be added"),
])
def test_sweep_refuses_what_cannot_be_planned(dlx, workdir, overrides, message):
    result = dlx("sweep", *overrides, *QUICK[:3], "--dry-run")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert list(workdir.iterdir()) == []


def test_sweep_into_a_folder_that_cannot_be_written_exits_with_4(dlx, workdir):
    (workdir / "file").touch()
    result = dlx("sweep", *QUICK, "seed=1,2", "runs_dir=file")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("dlx: cannot write file: ")


def test_sweep_folder_in_use_is_not_resumed(dlx, tmp_path):
    folder = copied(swept(), tmp_path)
    with RunFolder(folder):
        result = dlx("resume", str(folder))
    assert result.code == 2
    assert f"{folder} is in use by process" in result.err


def test_sweep_with_a_users_part_trains_it(dlx, workdir):
    (workdir / "swept_parts.py").write_text(
        "import math\n\nfrom torch import nn\n\n\nclass Thin(nn.Module):\n"
        "    def __init__(self, input_shape, num_outputs, width: int):\n        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Linear(math.prod(input_shape), width), nn.ReLU(), "
        "nn.Linear(width, num_outputs))\n\n    def forward(self, x):\n        return self.layers(x.flatten(1))\n")
    (workdir / "swept_conf/model").mkdir(parents=True)
    (workdir / "swept_conf/model/thin.yaml").write_text("_target_: swept_parts.Thin\nwidth: 3\n")
    result = dlx("sweep", "--config-dir", str(workdir / "swept_conf"), *QUICK[:3], "model=thin", "model.width=2,3",
                 "--json")
    assert (result.code, result.err) == (0, "")
    assert [row["runs_done"] for row in rows_of(only_run() / "leaderboard.csv")] == ["1", "1"]
    shutil.rmtree(only_run() / "runs" / read_plan(only_run()).runs[0].hash)
    refused = dlx("resume", str(only_run()))
    assert refused.code in (3, 5)
    assert "swept_parts.Thin" in refused.err
    assert dlx("resume", str(only_run()), "--trust", "swept_parts", "--json").code == 0


@pytest.mark.slow
def test_sweep_in_a_process_keeps_streams_apart(dlx_process):
    result = dlx_process("sweep", *QUICK, "seed=1,2", "--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["ranked_by"] == "val_loss"


def test_sweep_is_what_main_returns(workdir, capsys):
    assert main(["sweep", *QUICK, "seed=1", "--dry-run", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
