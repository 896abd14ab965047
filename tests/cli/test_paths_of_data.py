"""Where a user's data lies, however it is written, survives in saved runs: resume, evaluate, predict and sweeps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_runs import values
from conftest import only_run
from dataset_files import table

from dlx.record.safe_yaml import read_yaml

QUICK = ("dataset.target=label", "dataset.notes=[person]", "metric=[accuracy]", "epochs=1", "model.width=4", "--json")
# What is typed, and where the file is, below the current folder, two folders below HOME.
PATHS = {
    "plain": ("people.csv", "people.csv"),
    "absolute": ("{here}/people.csv", "people.csv"),
    "parent": ("../people.csv", "../people.csv"),
    "through a parent": ("data/../people.csv", "people.csv"),
    "home": ("~/people.csv", "../../people.csv"),
    "blanks": ("my data/people 1.csv", "my data/people 1.csv"),
    "accents": ("données/人.csv", "données/人.csv"),
    "accents and blanks": ("données 1/人.csv", "données 1/人.csv"),
    "signs": ("'a,b=[1]: #%!.csv'", "a,b=[1]: #%!.csv"),
    "quotes": ("'it\\'s.csv'", "it's.csv"),
    "dash": ("-people.csv", "-people.csv"),
    "number": ("'2024'", "2024"),
    "null": ("'null'", "null"),
}


@pytest.fixture
def here(workdir, monkeypatch):
    """A current folder two folders below HOME."""
    folder = workdir / "home/user/work"
    (folder / "data").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(workdir / "home/user").removesuffix("/user"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("case", PATHS)
def test_data_at_any_path_is_found_again_by_saved_runs(case, here, dlx):
    typed, place = PATHS[case]
    file = Path(os.path.normpath(here / place))
    file.parent.mkdir(exist_ok=True)
    table().to_csv(file, index=False)
    given = ("dataset=csv", f"dataset.path={typed.format(here=here)}", *QUICK)
    trained = dlx("train", *given)
    assert (trained.code, trained.err) == (0, "")
    run = str(only_run())
    saved = read_yaml(Path(run) / "config.yaml")["dataset"]["path"]
    assert os.path.normpath(here / os.path.expanduser(saved)) == str(file)
    assert dlx("resume", run).code == 0
    again = dlx("evaluate", run, "--json")
    assert again.code == 0, again.err
    assert values(json.loads(again.out)["metrics"]) == pytest.approx(values(json.loads(trained.out)["metrics"]))
    assert dlx("predict", run, "--", str(file)).code == 0
    if case == "home":
        # The process from which workers are made has the HOME of the test that came first.
        return
    swept = dlx("sweep", *given, "optimizer.lr=0.1,0.01", "workers=1", "runs_dir=sweeps")
    assert swept.code == 0, swept.err
    sweep = only_run(Path("sweeps"))
    assert dlx("resume", str(sweep)).code == 0


@pytest.mark.parametrize("typed", ["${oc.env:HOME}/people.csv", "'${seed}.csv'"])
def test_a_path_with_an_interpolation_is_no_path_of_data(typed, here, dlx):
    result = dlx("train", "dataset=csv", f"dataset.path={typed}", *QUICK)
    assert result.code in (2, 4)
    assert "Traceback" not in result.err
    assert not (here / "runs").exists()
