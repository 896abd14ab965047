"""Thousands of command lines, from almost right to random text: a result or one message, never a traceback.

In this process, with `--dry-run`: about 8 ms an example, of which half is OmegaConf and a third laying out the tree.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dlx.cli.main import main
from dlx.config import options
from dlx.config.names import known_keys

FOLDERS = [options.conf_dir()]
GROUPS = options.groups(FOLDERS)
CHOICES = {group: options.options(group, FOLDERS) for group in GROUPS}
KEYS = sorted({key for key, _ in known_keys("train", FOLDERS)})
# Importable and harmless: what is typed is trusted, and called.
TARGETS = [
    "dlx.model.mlp.MLP",
    "dlx.optimizer.adam.Adam",
    "dlx",
    "dlx.",
    ".MLP",
    "nosuch.Thing",
    "math.pi",
    "math.sqrt",
    "collections.OrderedDict",
    "torch.nn.Identity",
    "dlx.model.mlp.",
    "dlx..mlp.MLP",
    "dlx.model.mlp.Mlp",
    "ümläut.x",
]
ODD = [
    "",
    " ",
    "=",
    "==",
    "''",
    '""',
    "'",
    '"',
    "null",
    "true",
    "FALSE",
    "[]",
    "[[]]",
    "{}",
    "{a:1}",
    "{a:{b:[1,2]}}",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "[1",
    "1]",
    "a,b",
    ",",
    "[a,]",
    "\\",
    "\\'",
    "a\\=b",
    "~",
    "+",
    "?",
    "???",
    "*",
    "@",
    "nan",
    "inf",
    "-inf",
    "-0",
    "0",
    "1_000",
    "0x10",
    "1e400",
    "-1e400",
    "1e-400",
    "9" * 30,
    "9" * 400,
    "-" + "9" * 30,
    "0b1",
    ".5",
    "5.",
    "1:30",
    "2020-01-01",
    "None",
    "auto",
    "last",
    "best_val_loss",
    "best_val_nothing",
    "../../x",
    "/dev/null",
    "~/x",
    "\x00",
    "\x1b[31m",
    "\n",
    "a\nb",
    "\t",
    "é",
    "日本",
    "\u202e",
    "😀",
    "\ufeff",
    "x" * 3000,
    "[" * 60 + "]" * 60,
    "${seed}",
    "${epochs}",
    "${nothing}",
    "${model}",
    "${model.width}",
    "${seed",
    "${}",
    "${oc.env:HOME}",
    "${oc.env:NOT_SET_AT_ALL}",
    "${oc.decode:1}",
    "${oc.select:seed,3}",
    "${oc.dict.keys:model}",
    "${eval:1}",
    "${now:%Y}",
    "${${seed}}",
    "${.width}",
    "${..seed}",
    "$x",
    "range(3)",
    "range(0,1,0)",
    "choice(1,2)",
    "interval(0,1)",
    "glob(*)",
    "sort(3,1)",
    "shuffle(1,2)",
    "tag(a,1)",
    "int(3.5)",
    "int(x)",
    "float(1)",
    "str(1)",
    "bool(yes)",
    "json_str(1)",
    "extend_list(1)",
    "int(" * 40 + "1" + ")" * 40,
    "sort(a:1)",
    "choice()",
]


def typo(text: str) -> st.SearchStrategy[str]:
    """Change, drop, double or swap one character."""

    def change(at: int, how: int) -> str:
        at %= max(1, len(text))
        return [
            text[:at] + text[at + 1 :],
            text[:at] + text[at : at + 1] * 2 + text[at + 1 :],
            text[:at] + "x" + text[at + 1 :],
            text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
            text.upper(),
            text + "s",
            text + ".",
            "." + text,
        ][how]

    return st.builds(change, st.integers(0, 40), st.integers(0, 7))


values = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(ODD),
    st.integers(-3, 300).map(str),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(sorted({option for group in GROUPS for option in CHOICES[group]})),
    st.lists(st.one_of(st.sampled_from(ODD), st.integers(-2, 9).map(str)), max_size=4).map(
        lambda a: f"[{','.join(a)}]"
    ),
    st.text(max_size=12),
)
keys = st.one_of(
    st.sampled_from(KEYS),
    st.sampled_from(KEYS),
    st.sampled_from(GROUPS),
    st.sampled_from(KEYS + GROUPS).flatmap(typo),
    st.sampled_from(
        [
            "hydra",
            "hydra.run.dir",
            "hydra/launcher",
            "hydra.searchpath",
            "_target_",
            "defaults",
            "a.b.c",
            "..",
            ".",
            "workers",
            "experiment.x",
            "model.input_shape",
            "model.num_outputs",
            "x/y",
            "model/mlp",
            "regularizer.l2.strength",
            "preprocessing.none",
            "device._target_",
            "_self_",
        ]
    ),
    st.text(max_size=8),
)


@st.composite
def choice(draw) -> str:
    """Choose an option of a group, or several, or one that is not quite there."""
    group = draw(st.sampled_from(GROUPS))
    option = st.sampled_from(CHOICES[group])
    option = st.one_of(option, option, option.flatmap(typo))
    many = draw(st.lists(option, max_size=4))
    return draw(
        st.sampled_from(
            [
                f"{group}={draw(option)}",
                f"{group}=[{','.join(many)}]",
                f"{group}={','.join(many)}",
                f"~{group}",
                f"~{group}={draw(option)}",
                f"+{group}={draw(option)}",
                f"++{group}={draw(option)}",
                f"{group}@x={draw(option)}",
                f"{group}@x:y={draw(option)}",
            ]
        )
    )


@st.composite
def assignment(draw) -> str:
    """Set a key to a value, with a prefix now and then."""
    prefix = draw(st.sampled_from(["", "", "", "", "+", "++", "~", "+++", "!", "@", " "]))
    package = draw(st.sampled_from(["", "", "", "", "", "@x", "@:x", "@_global_", "@"]))
    equals = draw(st.sampled_from(["=", "=", "=", "=", "==", "", " = ", ":"]))
    return f"{prefix}{draw(keys)}{package}{equals}{draw(values)}"


def plain() -> st.SearchStrategy[str]:
    """Set a number of a part that is usually right."""
    number = st.one_of(st.integers(0, 200).map(str), st.floats(1e-6, 0.9).map(repr))
    return st.builds("{}={}".format, st.sampled_from(KEYS), number)


def target() -> st.SearchStrategy[str]:
    """Name code of one's own, that fits or does not."""
    return st.builds(
        "{}._target_={}".format,
        st.sampled_from(
            [
                "model",
                "optimizer",
                "loss",
                "dataset",
                "split",
                "schedule",
                "device",
                "metric.accuracy",
                "preprocessing.standardize",
            ]
        ),
        st.sampled_from(TARGETS),
    )


override = st.one_of(choice(), choice(), assignment(), assignment(), plain(), plain(), target(), st.text(max_size=20))


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def dry_run(overrides: list[str]) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(["train", "--dry-run", *overrides])
        except SystemExit as leaving:
            code = leaving.code
    return code, out.getvalue(), err.getvalue()


def assert_answered(overrides: list[str]) -> None:
    """Exit code 0 with a result or 2 with one message; nothing on disk."""
    code, out, err = dry_run(overrides)
    assert code in (0, 2), err[-1000:]
    assert "Traceback" not in out + err
    assert (code == 0) == (err == ""), err[-1000:]
    assert code == 0 or err.startswith(("dlx: ", "usage: ")), err[-1000:]
    assert os.listdir() == []


@settings(
    max_examples=3000,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)
@given(st.lists(override, min_size=1, max_size=4))
def test_train_dry_run_of_any_overrides_answers_with_a_result_or_one_message(empty, overrides):
    assert_answered(overrides)


EXTREME = {
    "5,000 digits": "model.width=" + "9" * 5000,
    "5,000 digits, negative": "seed=-" + "9" * 5000,
    "5,000 digits in a list": "optimizer.betas=[" + "9" * 5000 + ",1]",
    "5,000 digits, quoted": "model.width='" + "9" * 5000 + "'",
    "exponent of 5,000 digits": "optimizer.lr=1e" + "9" * 5000,
    "20,000 digits after the point": "optimizer.lr=0." + "1" * 20_000,
    "key of 5,000 letters": "a" * 5000 + "=1",
    "key of 5,000 dots": "." * 5000 + "=1",
    "key of 5,000 parts": "a." * 5000 + "a=1",
    "option of 5,000 letters": "model=" + "x" * 5000,
    "option with a path": "model=../../../etc/passwd",
    "absolute option": "model=/etc/passwd",
    "option of a group above": "model=../optimizer/adam",
    "list of options with a path": "regularizer=[../model/mlp]",
    "brackets without end": "a=" + "[" * 3000,
    "3,000 nested lists": "a=" + "[" * 3000 + "]" * 3000,
    "3,000 nested mappings": "a=" + "{a:" * 3000 + "1" + "}" * 3000,
    "3,000 nested functions": "a=" + "int(" * 3000 + "1" + ")" * 3000,
    "300 nested interpolations": "model.width=" + "${" * 300 + "seed" + "}" * 300,
    "interpolation of 20,000 letters": "model.width=${" + "a" * 20_000 + "}",
    "bytes that are no text": "name=\udcff",
    "quoted bytes that are no text": "name='\udcff'",
    "quoted bytes in a path": "runs_dir='\udcff'",
    "a NUL": "runs_dir=a\0b",
    "sweep over 10**9 values": "seed=range(1000000000)",
    "file as config dir": "--config-dir=/etc/passwd",
    "no config dir": "--config-dir=/nowhere",
    "empty config dir name": "--config-dir=",
    "NUL in config dir": "--config-dir=a\0b",
    "batch that no machine counts": "batch_size=" + "9" * 30,
    "threads that no machine has": "device.threads=" + "9" * 9,
}


@pytest.mark.parametrize("text", EXTREME.values(), ids=EXTREME)
def test_train_dry_run_of_an_extreme_override_answers_with_a_result_or_one_message(text, empty):
    assert_answered([text])


def test_train_dry_run_of_values_that_lead_to_each_other_answers_with_one_message(empty):
    assert_answered(["split.seed=${split.val_fraction}", "split.val_fraction=${seed}", "seed=${split.seed}"])


def test_train_dry_run_of_a_thousand_overrides_answers_with_a_result(empty):
    assert dry_run([f"seed={number}" for number in range(1000)])[0] == 0
