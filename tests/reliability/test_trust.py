"""Code of the user's own: taken from what is typed, and for a saved run only with --trust."""

from __future__ import annotations

import json
import shutil

import pytest
from run_files import assert_same_result, find_run, forge, once
from user_parts import CONFIG_DIR, MODULE, write_user_parts
from warm_dlx import server

from dlx.record import layout

TRAIN = ["train", CONFIG_DIR, "model=net", "epochs=2", "batch_size=256", "metric=[accuracy]", "--json"]


def make_run(cwd):
    write_user_parts(cwd)
    result = server().run(*TRAIN, cwd=cwd)
    assert result.code == 0, result


@pytest.fixture
def cwd(tmp_path_factory, tmp_path):
    """A current folder with a user's module and a run that used it."""
    source = once(tmp_path_factory.getbasetemp(), "trust", make_run)
    shutil.copytree(source, tmp_path / "cwd", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "cwd"


def best(cwd):
    return find_run(cwd) / layout.CHECKPOINTS / layout.BEST


def assert_refused(result):
    assert result.code == 3, result.out + result.err
    assert "--trust" in result.err
    assert "Traceback" not in result.err
    assert not any(name.endswith(f"{MODULE}.py") for name in result.modules)


def test_evaluate_takes_a_users_part_with_trust_alone(cwd):
    assert_refused(server().run("evaluate", str(find_run(cwd)), cwd=cwd))
    result = server().run("evaluate", str(find_run(cwd)), "--trust", MODULE, "--json", cwd=cwd)
    assert result.code == 0, result.err
    summary = json.loads((find_run(cwd) / layout.SUMMARY).read_text())
    assert json.loads(result.out)["metrics"] == summary["metrics"]


@pytest.mark.parametrize("trusted", ["my", "mymodel", "mymodelsx", "torch", "", "*", "mymodels.Net", "Mymodels", "."])
def test_evaluate_is_not_moved_by_trust_in_another_name(trusted, cwd):
    assert_refused(server().run("evaluate", str(find_run(cwd)), "--trust", trusted, cwd=cwd))


def test_resume_takes_a_users_part_with_trust_alone(cwd, tmp_path):
    shutil.copytree(find_run(cwd), tmp_path / "reference")
    run = find_run(cwd)
    folder = run / layout.CHECKPOINTS
    (folder / layout.LAST).rename(folder / "step-000000000001.safetensors")
    (run / layout.SUMMARY).unlink()
    (run / layout.STATUS).write_text(json.dumps({"status": "running", "epoch": 0, "pid": 1, "time": 0.0}))
    assert_refused(server().run("resume", str(run), cwd=cwd))
    result = server().run("resume", str(run), "--trust", MODULE, "--json", cwd=cwd)
    assert result.code == 0, result.err
    assert_same_result(run, tmp_path / "reference")


@pytest.mark.parametrize(
    "part",
    [
        f"{MODULE}.system",
        f"{MODULE}.os.system",
        f"{MODULE}.torch.load",
        f"{MODULE}.nn.Linear",
        f"{MODULE}.__builtins__.eval",
        f"{MODULE}.pathlib.Path",
    ],
)
def test_trust_in_a_module_is_none_in_what_it_imports(part, cwd):
    # Trust names a package; what that package happens to import, such as os.system, is not code of that package.
    forge(best(cwd), lambda state: state["config"].update(model={"part": part, "command": f"touch {cwd}/canary"}))
    result = server().run("evaluate", str(find_run(cwd)), "--trust", MODULE, cwd=cwd)
    assert result.code in (2, 3), result.out + result.err
    assert "Traceback" not in result.err
    assert not (cwd / "canary").exists()


def test_trust_in_a_module_does_not_run_what_it_imports_with_arguments_of_the_file(cwd):
    # A loss is called with the file's arguments as it is built.
    forge(
        best(cwd),
        lambda state: state["config"].update(loss={"part": f"{MODULE}.system", "command": f"touch {cwd}/canary"}),
    )
    result = server().run("evaluate", str(find_run(cwd)), "--trust", MODULE, cwd=cwd)
    assert not (cwd / "canary").exists(), "os.system ran a command that the checkpoint names"
    assert result.code == 3, result.out + result.err


@pytest.mark.parametrize(
    "part",
    [f"{MODULE}.Missing", f"{MODULE}.", f".{MODULE}.Net", f"{MODULE}..Net", f"{MODULE}.sub.Net", f"{MODULE}.__doc__"],
)
def test_trusted_name_that_is_no_part_is_refused_with_one_message(part, cwd):
    forge(best(cwd), lambda state: state["config"]["model"].update(part=part))
    result = server().run("evaluate", str(find_run(cwd)), "--trust", MODULE, cwd=cwd)
    assert result.code in (2, 3), result.out + result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("key", ["model", "dataset"])
def test_trusted_code_of_the_wrong_kind_is_refused_with_one_message(key, cwd):
    forge(best(cwd), lambda state: state["config"].update({key: {"part": f"{MODULE}.Leaves", "leave": False}}))
    result = server().run("evaluate", str(find_run(cwd)), "--trust", MODULE, cwd=cwd)
    assert "Traceback" not in result.err, result.err[-600:]
    assert result.code in (2, 3), result.out + result.err
