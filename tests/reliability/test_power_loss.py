"""A loss of power: what vouches for other files is named after they are durable."""

from __future__ import annotations

import os

from disk_events import disk_events

from dlx.record import layout


def test_a_summary_that_stands_vouches_for_durable_files(monkeypatch, dlx, workdir):
    with disk_events(monkeypatch) as events:
        assert dlx("train", "epochs=1", "device.threads=1").code == 0
    (run,) = (workdir / "runs").glob("*/")
    stands = events.index(("name", layout.SUMMARY))
    before = events[:stands]
    assert ("folder", run.name) in events[stands:]
    for name in (layout.PREDICTIONS, layout.BEST, layout.LAST, layout.INITIAL, layout.CONFIG):
        assert ("content", f".{name}.{os.getpid()}.tmp") in before
        assert before.index(("content", f".{name}.{os.getpid()}.tmp")) < before.index(("name", name))
    assert ("content", layout.METRICS) in before
    assert before.index(("name", layout.LAST)) < len(before) - before[::-1].index(("folder", layout.CHECKPOINTS))
