"""The completion scripts, in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typing_shell import environment, line_after

from dlx.config import options

MODELS = options.options("model", [options.conf_dir()])
SHELLS = ("bash", "zsh", "fish")
DRIVE = """
source <(dlx completion bash)
COMP_LINE=$1 COMP_POINT=${2:-${#1}}
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_dlx
printf '%s\\n' "${COMPREPLY[@]}"
"""


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def shell_output(cwd: Path, *command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment(cwd),
                          timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def runs(workdir):
    """runs/ with a run and a sweep; a folder with a space in its name."""
    for name, mark in {"runs/first": "config.yaml", "runs/sweep": "sweep.yaml", "my runs/r1": "config.yaml"}.items():
        (workdir / name).mkdir(parents=True)
        (workdir / name / mark).touch()
    return workdir


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_a_script_without_syntax_errors(dlx, workdir, shell):
    needs(shell)
    script = dlx("completion", shell)
    assert script.code == 0
    assert "dlx complete" in script.out
    (workdir / "script").write_text(script.out)
    assert shell_output(workdir, shell, "-n", "script") == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_help_says_how_to_install(dlx, shell):
    assert f"dlx completion {shell}" in dlx("completion", "-h").out


def test_completion_of_another_shell_is_refused(dlx):
    result = dlx("completion", "tcsh")
    assert result.code == 2
    assert "invalid choice: 'tcsh'" in result.err


# COMP_WORDS is what bash makes of the line: "=" and ":" are words of their own.
@pytest.mark.parametrize(("line", "words", "expected"), [
    ("dlx tra", ["dlx", "tra"], ["train"]),
    ("dlx train model=", ["dlx", "train", "model", "="], MODELS),
    ("dlx train model=ml", ["dlx", "train", "model", "=", "ml"], ["mlp"]),
    ("dlx train optimizer.ep", ["dlx", "train", "optimizer.ep"], ["optimizer.eps="]),
    ("dlx train  optimizer=sgd   optimizer.m", ["dlx", "train", "optimizer", "=", "sgd", "optimizer.m"],
     ["optimizer.momentum="]),
    ("dlx train regularizer=[dropout,max", ["dlx", "train", "regularizer", "=", "[dropout,max"], ["[dropout,max_norm"]),
    ("dlx train 'regularizer=[dropout,max", ["dlx", "train", "'regularizer=[dropout,max"],
     ["regularizer=[dropout,max_norm"]),
    ('dlx train regularizer="[dropout,max', ["dlx", "train", "regularizer", "=", '"[dropout,l'], ["[dropout,max_norm"]),
    ("dlx sweep model=mlp,c", ["dlx", "sweep", "model", "=", "mlp,c"], ["mlp,cnn"]),
    ("dlx evaluate ", ["dlx", "evaluate", ""], ["runs/first", "runs/sweep/runs/"]),
    ("dlx evaluate my\\ runs/", ["dlx", "evaluate", "my\\ runs/"], ["my\\ runs/r1"]),
    ("dlx evaluate 'my runs/", ["dlx", "evaluate", "'my runs/"], ["my runs/r1"]),
    ("dlx train --d", ["dlx", "train", "--d"], ["--dry-run"]),
    ("dlx train epochs=3 model=ml", ["dlx", "train", "epochs", "=", "3", "model", "=", "ml"], ["mlp"]),
])
def test_bash_replaces_what_follows_a_word_break(runs, line, words, expected):
    needs("bash")
    reply = shell_output(runs, "bash", "-c", DRIVE, "bash", line, "", *words)
    assert [text for text in reply.split("\n") if text] == expected


def test_bash_completes_up_to_the_cursor(runs):
    needs("bash")
    line = "dlx train model=ml seed=1"
    reply = shell_output(runs, "bash", "-c", DRIVE, "bash", line, str(len("dlx train model=ml")),
                         "dlx", "train", "model", "=", "ml")
    assert reply.split() == ["mlp"]


@pytest.mark.parametrize(("keys", "expected"), [
    ("dlx train mo\t=ml\t", "dlx train model=mlp "),
    ("dlx train 'regularizer=[dropout,max\t", "dlx train 'regularizer=[dropout,max_norm'"),
    ("dlx train regularizer=[dropout,max\t,early\t]", "dlx train regularizer=[dropout,max_norm,early_stopping]"),
    ("dlx train optimizer.ep\t1e-3", "dlx train optimizer.eps=1e-3"),
    ("dlx evaluate my\\ runs/\t", "dlx evaluate my\\ runs/r1 "),
    ("dlx evaluate runs/s\t", "dlx evaluate runs/sweep/runs/"),
    ("dlx train data_dir=ru\t", "dlx train data_dir=runs/"),
    ("dlx train optimizer.lr=ru\t", "dlx train optimizer.lr=ru"),
])
def test_bash_completes_at_the_tab_key(runs, keys, expected):
    needs("bash")
    assert line_after("bash", keys, runs) == expected


@pytest.mark.parametrize(("keys", "expected"), [
    ("dlx tra\tmodel=ml\t", "dlx train model=mlp "),
    ("dlx train 'regularizer=[dropout,max\t", "dlx train 'regularizer=[dropout,max_norm"),
    ("dlx train optimizer.ep\t1e-3", "dlx train optimizer.eps=1e-3"),
    ("dlx evaluate my\\ runs/\t", "dlx evaluate my\\ runs/r1 "),
    ("dlx train data_dir=ru\t", "dlx train data_dir=runs/"),
])
def test_zsh_completes_at_the_tab_key(runs, keys, expected):
    needs("zsh")
    assert line_after("zsh", keys, runs) == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("dlx tra", ["train"]),
    ("dlx train model=", [f"model={name}" for name in MODELS]),
    ("dlx train 'regularizer=[dropout,max", ["regularizer=[dropout,max_norm"]),
    ("dlx train optimizer=sgd optimizer.m", ["optimizer.momentum="]),
    ("dlx evaluate my\\ runs/", ["my runs/r1"]),
    ("dlx resume ", ["runs/first", "runs/sweep"]),
    ("dlx train data_dir=r", ["data_dir=runs/"]),
    ("dlx train optimizer.lr=r", []),
])
def test_fish_offers_whole_words(runs, line, expected):
    needs("fish")
    # -- keeps fish from reading the line as an option of its own.
    script = "dlx completion fish | source; complete -C $argv[1]"
    offered = shell_output(runs, "fish", "--no-config", "-c", script, "--", line).splitlines()
    assert [text.split("\t")[0] for text in offered] == expected
