"""A reader that looks as often as it can while a run is in progress never sees half a file."""

from __future__ import annotations

import json

import pytest
from run_files import find_run, whole_rows
from warm_dlx import server

from dlx.record import layout
from dlx.record.table import read_rows

# A row per 2 ms, about 300 bytes each: many rows lie across pages of a file.
OVERRIDES = ["model.width=4", "batch_size=1078", "metric=[accuracy]", "checkpoint_seconds=0.05"]


def raw(path):
    """Read as any program may. What follows the last line break is a row that is still being written: the kernel shows
    a write that lies across two pages of a file in two parts."""
    header, _, rows = path.read_bytes().rpartition(b"\n")[0].partition(b"\n")
    count = rows.count(b"\n") + 1 if rows else 0
    if rows:
        last = rows[rows.rfind(b"\n") + 1 :]
        number, _, others = last.partition(b",")
        whole_rows(header + b"\n1," + others + b"\n")
        assert int(number) == count
    return range(count)


def by_dlx(path):
    """Read as dlx does for a report of a run in progress."""
    rows = read_rows(path)
    for number, row in enumerate(rows, start=1):
        assert row["epoch"] == number
        assert None not in (row["train_loss"], row["val_loss"], row["weight_norm"]), row
        # Both are written with 9 digits; a number that was cut differs from its neighbours' sum.
        gap = row["val_loss"] - row["train_eval_loss"]
        assert abs(gap - row["gap_loss"]) < 1e-6, row
        assert len(row) == len(rows[0])
    return rows


def watch(tmp_path, epochs, see):
    """Read until the run is over; return how often, and the numbers of rows seen."""
    child = server().start("train", *OVERRIDES, f"epochs={epochs}", "--json", cwd=tmp_path)
    reads, seen, statuses = 0, [0], set()
    while child.poll() is None:
        run = find_run(tmp_path)
        if run is None or not (run / layout.METRICS).is_file():
            continue
        for _ in range(50):
            rows = see(run / layout.METRICS)
            assert len(rows) >= seen[-1], "rows went away"
            seen.append(len(rows))
            status = json.loads((run / layout.STATUS).read_bytes())
            assert {"status", "pid", "time"} <= status.keys()
            statuses.add(status["status"])
            for name in (layout.SUMMARY, f"{layout.REPORT}/{layout.REPORT_JSON}"):
                if (run / name).is_file():
                    json.loads((run / name).read_bytes())
            reads += 1
    assert child.wait().code == 0, child.result
    assert seen[-1] == epochs or len(whole_rows((run / layout.METRICS).read_bytes())) == epochs
    assert "running" in statuses
    return reads, sorted(set(seen))


@pytest.mark.parametrize("see", [by_dlx])
def test_reader_sees_whole_rows_and_whole_json_at_any_instant(see, tmp_path):
    reads, seen = watch(tmp_path, 400, see)
    assert reads > 200
    assert len(seen) > 50


@pytest.mark.slow
def test_reader_sees_whole_rows_and_whole_json_for_many_epochs(tmp_path):
    reads, seen = watch(tmp_path, 5000, raw)
    assert reads > 1000
    assert len(seen) > 500
