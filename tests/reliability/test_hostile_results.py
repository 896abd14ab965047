"""status.json, summary.json and the other files that are read back, made to do harm."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_run import assert_harmless, drop, make_killed, make_place, no_escapes, put

from dlx.record import layout


@pytest.fixture
def place(tmp_path_factory, tmp_path):
    return make_place(tmp_path_factory.getbasetemp(), tmp_path)


@pytest.fixture
def killed(place):
    return make_killed(place)


ANY_JSON = {
    "nothing": "",
    "no json": "{",
    "list": "[]",
    "text": '"x"',
    "null": "null",
    "number": "1",
    "empty mapping": "{}",
    "nested 100,000 deep": "[" * 100_000,
    "nested 100,000 deep in a key": '{"status": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "number of 5,000 digits": '{"status": ' + "9" * 5000 + "}",
    "no UTF-8": "\udcff",
    "70 MB": " " * (70 * 2**20),
    "class": '{"__class__": "evil.Model", "_target_": "evil.Model", "status": "${oc.env:DLX_SECRET}"}',
}
STATUSES = {
    **ANY_JSON,
    "status that is a list": '{"status": ["done"]}',
    "status that is null": '{"status": null}',
    "status that is unknown": '{"status": "hacked", "reason": "x"}',
    "status with markup": '{"status": "[/red]", "reason": "[/x] [link=file:///etc/passwd]a[/link]"}',
    "status with escapes": json.dumps({"status": "\x1b]0;title\x07", "reason": "\x1b[2J\x1b[31m\r\n"}),
    "status with the environment": '{"status": "${oc.env:DLX_SECRET}", "reason": "${oc.env:DLX_SECRET}"}',
    "failed with markup": '{"status": "failed", "reason": "expected [/x] or [bold", "time": 0}',
    "failed with escapes": json.dumps({"status": "failed", "reason": "\x1b]0;title\x07\x1b[2J", "time": 0}),
    "reason that is a list": '{"status": "failed", "reason": [1], "time": 0}',
    "reason of a megabyte": '{"status": "failed", "reason": "' + "x" * 2**20 + '", "time": 0}',
    "time that is text": '{"status": "failed", "time": "now"}',
    "time of 1e300": '{"status": "failed", "time": 1e300}',
    "time of -1e18": '{"status": "failed", "time": -1e18}',
    "time that is no number": '{"status": "failed", "time": NaN}',
    "time of 400 digits": '{"status": "failed", "time": ' + "9" * 400 + "}",
    "diverged with markup": '{"status": "diverged", "reason": {"a": "[/x]"}}',
}
SPECIALS: dict[str, Callable[[Path], object]] = {
    "named pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "link to an endless device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "sparse file of 64 GB": lambda path: os.truncate(path, 2**36),
}


@pytest.mark.parametrize("case", STATUSES)
def test_status_json_that_is_hostile_is_refused_or_shown(case, killed):
    killed.file(layout.STATUS).write_bytes(STATUSES[case].encode(errors="surrogateescape"))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert no_escapes(result.out)
    if "damaged" in result.out:
        assert_harmless(killed, killed.call("resume", str(killed.run)))
        assert_harmless(killed, killed.call("report", str(killed.run)), codes=(0, 3))


@pytest.mark.slow
@pytest.mark.parametrize("case", STATUSES)
def test_status_json_that_is_hostile_harms_neither_resume_nor_report(case, killed):
    killed.file(layout.STATUS).write_bytes(STATUSES[case].encode(errors="surrogateescape"))
    for command in ("report", "resume", "report"):
        result = killed.call(command, str(killed.run))
        assert_harmless(killed, result, codes=(0, 2, 3))
        assert no_escapes(result.out + result.err)


@pytest.mark.parametrize("case", SPECIALS)
def test_status_json_that_is_no_file_is_refused_or_listed_as_damaged(case, killed):
    SPECIALS[case](killed.file(layout.STATUS))
    result = killed.call("runs")
    assert_harmless(killed, result, codes=(0,))
    assert "damaged" in result.out
    assert_harmless(killed, killed.call("resume", str(killed.run)))


HUGE = int("9" * 400)


def summary(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return write


SUMMARIES: dict[str, Callable[[Path], object]] = {
    **{
        name: (lambda path, text=text: path.write_bytes(text.encode(errors="surrogateescape")))
        for name, text in ANY_JSON.items()
    },
    **SPECIALS,
    "another format": summary(put("format", 2)),
    "no metrics": summary(drop("metrics")),
    "metrics that are text": summary(put("metrics", "x")),
    "metrics that are empty": summary(put("metrics", [])),
    "metrics of text": summary(put("metrics", ["x"])),
    "gaps that are null": summary(put("gaps", None)),
    "gaps of an unknown metric": summary(lambda content: content["gaps"][0].update(metric="x")),
    "value that is text": summary(lambda content: [row.update(value="x") for row in content["metrics"]]),
    "value of 400 digits": summary(lambda content: [row.update(value=HUGE) for row in content["metrics"]]),
    "value that is a list": summary(lambda content: [row.update(value=[1]) for row in content["metrics"]]),
    "value that is no number": summary(lambda content: [row.update(value=float("nan")) for row in content["metrics"]]),
    "value that is null": summary(lambda content: [row.update(value=None) for row in content["metrics"]]),
    "level of 400 digits": summary(put("level", HUGE)),
    "level that is null": summary(put("level", None)),
    "count of 400 digits": summary(put("num_parameters", HUGE)),
    "epochs that are infinite": summary(put("epochs_run", float("inf"))),
    "examples that are a list": summary(put("num_examples", [1])),
    "markup and script": summary(
        lambda content: content.update(
            name="<script>alert(1)</script>[/red]",
            stop_reason="[/x]<img src=x onerror=alert(1)>",
            model="../../../etc/passwd",
        )
    ),
    "environment": summary(lambda content: content.update(name="${oc.env:DLX_SECRET}", dataset="${oc.env:DLX_SECRET}")),
    "escapes": summary(lambda content: content.update(name="\x1b]0;x\x07", model="\x1b[2J")),
    "100,000 metrics": summary(
        lambda content: content["metrics"].extend(
            [{**content["metrics"][0], "metric": f"m{i}"} for i in range(100_000)]
        )
    ),
}


@pytest.mark.parametrize("case", SUMMARIES)
def test_summary_json_that_is_hostile_is_refused_or_shown(case, place):
    SUMMARIES[case](place.file(layout.SUMMARY))
    for arguments, codes in (
        (["runs"], (0,)),
        (["report", str(place.run)], (0, 3)),
        (["resume", str(place.run)], (0, 3)),
    ):
        result = place.call(*arguments)
        assert_harmless(place, result, codes)
        assert no_escapes(result.out + result.err)
    html = place.file(f"{layout.REPORT}/{layout.REPORT_HTML}")
    assert "<script>alert" not in html.read_text()
    assert "<img src=x onerror" not in html.read_text()


TABLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    f"{name}: {case}": (name, change)
    for name in (layout.METRICS, layout.PREDICTIONS)
    for case, change in {
        **SPECIALS,
        "no UTF-8": lambda path: path.write_bytes(b"a,b\n\xff,1\n"),
        "NUL": lambda path: path.write_bytes(b"a,b\n\0,1\n"),
        "text for numbers": lambda path: path.write_text(path.read_text().replace("0.", "x")),
        "cell of a megabyte": lambda path: path.write_text(f"epoch,x\n1,{'9' * 2**20}\n"),
        "row too long": lambda path: path.write_text(path.read_text() + "1," * 1000 + "\n"),
        "row too short": lambda path: path.write_text(path.read_text() + "1\n"),
        "header twice": lambda path: path.write_text("epoch,epoch\n1,1\n"),
        "quote without end": lambda path: path.write_text('epoch,"x\n1,1\n'),
        "infinite": lambda path: path.write_text("epoch,train_eval_loss,val_loss\n1,inf,nan\n2,-inf,1e308\n"),
        "only a header": lambda path: path.write_text(path.read_text().splitlines()[0] + "\n"),
        "empty": lambda path: path.write_text(""),
    }.items()
}
TABLES |= {
    f"{name}: {case}": (name, change)
    for name in (layout.PROVENANCE, layout.OVERRIDES)
    for case, change in {
        **SPECIALS,
        "no UTF-8": lambda path: path.write_bytes(b"\xff"),
        "list": lambda path: path.write_text("[1]"),
        "deep": lambda path: path.write_text('{"a": ' * 300),
        "deep and closed": lambda path: path.write_text('{"a": ' * 900 + "1" + "}" * 900),
        "script": lambda path: path.write_text('{"a": "<script>alert(1)</script>", "b": "${oc.env:DLX_SECRET}"}'),
    }.items()
}


# Each is read in the same way whatever is in it; a report takes a third of a second.
QUICK = ("metrics.csv", "predictions.csv: n", "predictions.csv: s", "provenance.json: named", "overrides.txt: s")


@pytest.mark.parametrize(
    "case", [case if case.startswith(QUICK) else pytest.param(case, marks=pytest.mark.slow) for case in TABLES]
)
def test_other_file_that_is_hostile_is_refused_or_shown_by_report(case, place):
    name, change = TABLES[case]
    change(place.file(name))
    result = place.call("report", str(place.run))
    assert_harmless(place, result, codes=(0, 3))
    assert no_escapes(result.out + result.err)
    assert "<script>alert" not in place.file(f"{layout.REPORT}/{layout.REPORT_HTML}").read_text()


TIMINGS = {
    "text": "epoch,train_seconds\nx,y\n",
    "NUL": "\0" * 4096,
    "torn": "epoch,train_seconds,measure_seconds\n1,0.1,0.1\n2,0.",
    "no epoch": "a,b\n1,2\n",
    "other columns": "epoch,x\n1,1\n",
}


@pytest.mark.parametrize("case", TIMINGS)
def test_resume_goes_on_where_timing_csv_is_damaged(case, killed):
    # It holds wall-clock seconds alone: a power cut that damaged it must not end the run.
    killed.file(layout.TIMING).write_text(TIMINGS[case])
    assert_harmless(killed, killed.call("resume", str(killed.run)), codes=(0,))


@pytest.mark.parametrize(
    "name",
    [
        layout.LOCK,
        layout.LOG,
        layout.METRICS,
        layout.TIMING,
        layout.STATUS,
        layout.SUMMARY,
        layout.PREDICTIONS,
        f"{layout.CHECKPOINTS}/{layout.BEST}",
        f"{layout.REPORT}/{layout.REPORT_HTML}",
    ],
)
def test_resume_writes_to_nothing_that_a_link_in_the_folder_points_to(name, killed):
    victim = killed.cwd / "victim"
    content = killed.file(layout.STATUS).read_bytes() if name == layout.STATUS else b"precious"
    victim.write_bytes(content)
    killed.file(name).unlink(missing_ok=True)
    killed.file(name).symlink_to(victim)
    result = killed.call("resume", str(killed.run))
    assert "Traceback" not in result.err, result.err[-1500:]
    assert victim.read_bytes() == content, f"dlx resume wrote to what {name} points to"


def test_a_good_run_is_listed_beside_damaged_ones(place):
    for number, text in enumerate(("a: &a [1]\nb: *a", "", "name: ${oc.env:HOME}")):
        damaged = place.run.with_name(f"2020-damaged-{number}")
        shutil.copytree(place.run, damaged)
        (damaged / layout.CONFIG).write_text(text)
    result = place.call("runs", "--json")
    assert_harmless(place, result, codes=(0,))
    assert sorted(row["status"] for row in json.loads(result.out)) == ["damaged"] * 3 + ["done"]
