"""Sweep folders that someone made to do harm, and grids that no machine can run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pytest
from run_files import once
from user_parts import CONFIG_DIR, write_user_parts
from warm_dlx import server

from dlx.record import layout


def make_sweep(cwd: Path) -> None:
    """Run a small sweep."""
    arguments = ["seed=0,1", "model.width=8", "epochs=1", "metric=[accuracy]", "workers=1", "--json"]
    assert server().run("sweep", *arguments, cwd=cwd).code == 0


def test_resume_of_a_sweep_needs_trust_for_a_users_part(tmp_path):
    write_user_parts(tmp_path)
    result = server().run("sweep", CONFIG_DIR, "model=net", "seed=0,1", "epochs=1", "--dry-run", cwd=tmp_path)
    assert result.code == 0, result
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    make_plan_file(tmp_path, sweep)
    result = server().run("resume", str(sweep), "workers=1", cwd=tmp_path)
    assert result.code in (3, 5), result
    assert "--trust" in result.err
    assert "Traceback" not in result.err


def make_plan_file(cwd: Path, sweep: Path) -> None:
    """Write the plan of a sweep over a user's part, as `dlx sweep` would have."""
    from dlx.sweep.frozen import write_plan
    from dlx.sweep.plan import make_plan

    before = Path.cwd()
    os.chdir(cwd)
    try:
        write_plan(sweep, make_plan(["model=net", "seed=0,1", "epochs=1"], Path("conf")))
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    "grid",
    [
        ["seed=range(1000000000)"],
        ["seed=range(1000)", "batch_size=range(1,1000)"],
        [f"seed={','.join(map(str, range(1000)))}", "epochs=range(1,1000)"],
    ],
    ids=["one axis", "two ranges", "a list and a range"],
)
def test_sweep_over_too_many_points_is_refused_at_once(grid, tmp_path):
    result = server().start("sweep", "--dry-run", *grid, cwd=tmp_path, memory=2**30).wait(10)
    assert result.code == 2
    assert "100,000" in result.err
    assert result.cpu_seconds < 2


PLANS = {
    "nothing": "",
    "a list": "[]",
    "no runs": "format: 2\naxes: []\ncommon: {}\nruns: []\n",
    "runs that are text": "format: 2\naxes: []\ncommon: {}\nruns: x\n",
    "runs that are null": "format: 2\naxes: []\ncommon: {}\nruns: null\n",
    "a run that is text": "format: 2\naxes: []\ncommon: {}\nruns: [x]\n",
    "a run without values": "format: 2\naxes: []\ncommon: {}\nruns: [{hash: a}]\n",
    "a hash that is a path": "format: 2\naxes: []\ncommon: {}\nruns: [{hash: ../../x, values: {}}]\n",
    "a hash that is an absolute path": "format: 2\naxes: []\ncommon: {}\nruns: [{hash: /tmp/x, values: {}}]\n",
    "another format": "format: 99\naxes: []\ncommon: {}\nruns: []\n",
    "no format": "axes: []\ncommon: {}\nruns: []\n",
    "interpolation": "format: 2\naxes: []\ncommon: {name: '${oc.env:HOME}'}\nruns: []\n",
    "tag": "format: 2\naxes: []\ncommon: !!python/object/apply:os.getcwd []\nruns: []\n",
    "alias bomb": "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]\n",
    "target": "format: 2\naxes: []\ncommon: {model._target_: os.getcwd}\nruns: []\n",
    "keys that contradict": "format: 2\naxes: []\ncommon: {a: 1, a.b: 2}\nruns: [{hash: x, values: {}}]\n",
    "keys of dots": "format: 2\naxes: []\ncommon: {..: 1}\nruns: [{hash: x, values: {}}]\n",
    "key of 100,000 dots": "format: 2\naxes: []\ncommon: {'"
    + "a." * 100_000
    + "a': 1}\nruns: [{hash: x, values: {}}]\n",
}


@pytest.mark.parametrize("case", PLANS)
def test_resume_refuses_a_plan_that_is_hostile(case, tmp_path):
    (tmp_path / layout.SWEEP).write_text(PLANS[case])
    result = server().start("resume", str(tmp_path), cwd=tmp_path, memory=2**30).wait(15)
    assert "Traceback" not in result.err, result.err[-800:]
    assert result.code == 3, result
    assert result.cpu_seconds < 2
    assert os.environ["HOME"] not in result.err.replace(str(tmp_path), "")


def forged_plan(cwd: Path, sweep: Path, change: Callable[[dict], None]) -> None:
    """Write a plan whose runs are hostile and whose hashes are right."""
    from dlx.config.saved import config_hash
    from dlx.sweep.frozen import write_plan
    from dlx.sweep.plan import HASH_DIGITS, Plan, PlannedRun, make_plan

    saved = make_plan(["seed=0", "epochs=1"], None).runs[0].saved
    change(saved)
    write_plan(sweep, Plan((PlannedRun(config_hash(saved, HASH_DIGITS), (), saved),), ("seed",), ((0,),)))


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved["model"].update(part="os.getcwd"),
        lambda saved: saved["model"].update(width=10**9),
        lambda saved: saved["model"].update(width="x"),
        lambda saved: saved.update(selection=7),
        lambda saved: saved.update(seed="x"),
        lambda saved: saved.update(metric="x"),
    ],
    ids=["dotted part", "width of 10**9", "text for a number", "selection", "seed", "metric"],
)
def test_resume_refuses_a_sweep_whose_runs_are_hostile_before_it_starts_workers(change, tmp_path):
    forged_plan(tmp_path, tmp_path, change)
    result = server().start("resume", str(tmp_path), "workers=1", cwd=tmp_path).wait(30)
    assert "Traceback" not in result.err, result.err[-800:]
    assert result.code == 3, result
    assert result.cpu_seconds < 2


HOSTILE_RESULTS = {
    "status of nothing": (layout.STATUS, "{}"),
    "status that is a list": (layout.STATUS, '{"status": ["done"]}'),
    "summary of nothing": (layout.SUMMARY, "{}"),
    "summary of text": (layout.SUMMARY, '{"metrics": "x", "gaps": "x"}'),
    "summary of odd values": (
        layout.SUMMARY,
        '{"metrics": [{"metric": ["x"], "split": "val", "value": 1, "greater_is_better": 1}], "gaps": []}',
    ),
    "summary of text values": (
        layout.SUMMARY,
        '{"metrics": [{"metric": "accuracy", "split": "val", "value": "x", "greater_is_better": 1}], "gaps": []}',
    ),
    "summary of huge values": (
        layout.SUMMARY,
        '{"metrics": [{"metric": "accuracy", "split": "val", "value": '
        + "9" * 400
        + ', "greater_is_better": 1}], "gaps": []}',
    ),
}


def some(cases: Iterable[str], quick: Collection[str]) -> list[object]:
    """Mark all but a few as slow: each starts a worker."""
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("case", some(HOSTILE_RESULTS, {"status that is a list", "summary of odd values"}))
def test_resume_of_a_sweep_with_a_hostile_result_file_answers_without_a_traceback(case, tmp_path, tmp_path_factory):
    source = once(tmp_path_factory.getbasetemp(), "hostile-sweep", make_sweep)
    shutil.copytree(next(path.parent for path in source.glob(f"runs/*/{layout.SWEEP}")), tmp_path / "sweep")
    name, text = HOSTILE_RESULTS[case]
    (next((tmp_path / "sweep" / layout.RUNS).iterdir()) / name).write_text(text)
    result = server().start("resume", str(tmp_path / "sweep"), "workers=1", cwd=tmp_path).wait(60)
    assert "Traceback" not in result.out + result.err, (result.out + result.err)[-1500:]
    assert result.code in (0, 3, 5), result
