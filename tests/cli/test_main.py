"""dlx itself: help, version, unknown commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dlx as package
from dlx.cli.main import COMMANDS

OPTIONS = {
    "train": ["--config-dir", "--dry-run", "--json"], "sweep": ["--config-dir", "--dry-run", "--json"],
    "find-lr": ["--config-dir", "--json"], "evaluate": ["--trust", "--json"],
    "ensemble": ["--trust", "--json"], "predict": ["--trust", "--json", "--output", "--abstain-below"],
    "resume": ["--trust", "--json"], "report": ["--pdf", "--latex", "--json"], "runs": ["--json"],
    "list": ["--config-dir", "--json"], "show": ["--config-dir", "--json"], "validate": ["--config-dir"],
    "compare": ["--metric", "--split", "--margin", "--output", "--json"],
    "export": ["--format", "--output", "--trust", "--json"],
    "completion": ["bash", "zsh", "fish"], "data": ["inspect", "fetch", "clean", "--json"],
}


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_help_lists_every_command_with_examples(dlx, arguments):
    result = dlx(*arguments)
    assert (result.code, result.err) == (0, "")
    for name, text in COMMANDS.items():
        assert f"  {name}" in result.out
        assert text in result.out
    assert "dlx train model=cnn" in result.out
    assert "complete " not in result.out.replace("shell completion", "")


@pytest.mark.parametrize("arguments", [("-V",), ("--version",)])
def test_version_is_printed(dlx, arguments):
    assert dlx(*arguments) == (0, f"dlx {package.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_mentions_its_options(dlx, command):
    for flag in ("-h", "--help"):
        result = dlx(command, flag)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(f"usage: dlx {command} ")
        assert all(option in result.out for option in OPTIONS[command])
        assert not [line for line in result.out.splitlines() if len(line) > 120]


@pytest.mark.parametrize("command", ["train", "sweep", "find-lr", "show", "validate"])
def test_help_of_a_command_with_overrides_shows_their_grammar(dlx, command):
    out = dlx(command, "-h").out
    for example in ("model=cnn", "optimizer.lr=3e-4", "regularizer=[dropout,l2]"):
        assert example in out


def test_help_version_list_and_completion_import_nothing_heavy(tmp_path):
    code = ("import sys; from dlx.cli.main import COMMANDS, main\n"
            "for line in [['-h'], ['--version'], ['list'], ['list', 'model', '--json'], ['completion', 'bash'],\n"
            "             ['complete', 'train', ''], ['runs'], ['nothing'], *([name, '-h'] for name in COMMANDS)]:\n"
            "    try:\n        main(line)\n    except SystemExit:\n        pass\n"
            "    heavy = {'torch', 'numpy', 'sklearn', 'pandas', 'matplotlib', 'hydra', 'scipy'} & sys.modules.keys()\n"
            "    assert not heavy, (line, heavy)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "hint"), [
    ("trian", "; did you mean train?"), ("swep", "; did you mean sweep?"), ("eval", "; did you mean evaluate?"),
    ("lst", "; did you mean list?"), ("frobnicate", ""), ("--verbose", ""), ("", ""),
])
def test_unknown_command_suggests_the_near_one_and_lists_all(dlx, name, hint):
    assert dlx(name) == (2, "", f"dlx: unknown command {name}{hint}\n     Commands: {', '.join(COMMANDS)}\n")


@pytest.mark.parametrize("arguments", [["train", "--nope"], ["train", "--dry"], ["runs", "a", "b"], ["report"],
                                       ["list", "model", "--config-dir"]])
def test_wrong_usage_exits_with_2_and_shows_the_usage(dlx, arguments):
    result = dlx(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"usage: dlx {arguments[0]} ")


def test_options_may_stand_between_overrides(dlx):
    middle = dlx("show", "model=linear", "--json", "seed=3")
    assert middle == dlx("show", "model=linear", "seed=3", "--json")
    assert middle == dlx("show", "--json", "model=linear", "seed=3")
    assert middle.code == 0


def test_reader_that_goes_away_is_no_error(dlx_process):
    done = subprocess.run(f"{sys.executable} -m dlx list model | true; echo ${{PIPESTATUS[0]}}", shell=True,
                          executable="/bin/bash", capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() == "0"
