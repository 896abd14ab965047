"""A section of the user's own: measured, kept with its definitions, and shown."""

import json
from pathlib import Path

from conftest import only_run

CODE = '''"""A section that counts."""

from dlx.core.measures import Definition, Measure, Measures

DEFINITIONS = {"num_wrong": Definition("Test examples that are classified wrongly.", "somebody", 3)}


class Mine:
    """Counts errors."""

    def __init__(self, factor):
        self.factor = factor

    def measure(self, subject):
        outcome = subject.said("test").outcome
        wrong = int((outcome.scores.argmax(axis=1) != outcome.targets).sum())
        return Measures([Measure("num_wrong", self.factor * wrong, "test", n=len(outcome.targets))])
'''


def test_section_of_the_users_own_is_measured_and_shown(dlx, workdir, monkeypatch):
    (workdir / "counting_section.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(workdir))
    (workdir / "conf/report").mkdir(parents=True)
    (workdir / "conf/report/mine.yaml").write_text(
        "# @package report.mine\n_target_: counting_section.Mine\nfactor: 10\n")
    result = dlx("train", "--config-dir", "conf", "report=[mine]", "model=linear", "epochs=2", "device.threads=1")
    assert result.code == 0, result.err
    run = only_run()
    report = json.loads((run / "report/report.json").read_text())
    (number,) = report["numbers"]
    rows = [line.split(",")[2:4] for line in (run / "predictions.csv").read_text().splitlines()
            if line.startswith("test")]
    assert number["value"] == 10 * sum(target != said for target, said in rows)
    assert (number["section"], number["definition_version"]) == ("mine", 3)
    assert report["definitions"]["mine.num_wrong"]["source"] == "somebody"
    assert report["measured"]["mine"]["settings"] == {"factor": 10}
    page = (run / "report/report.html").read_text()
    assert "num wrong" in page
    assert "Test examples that are classified wrongly." in page
    before = Path(run / "report/report.json").read_bytes()
    assert dlx("report", str(run)).code == 0
    assert Path(run / "report/report.json").read_bytes() == before


def test_what_a_kill_left_half_written_is_gone_after_a_report(dlx):
    assert dlx("train", "model=linear", "epochs=1", "device.threads=1", "report=[gap]").code == 0
    run = only_run()
    leftover = run / "measures/.gap.json.123.tmp"
    leftover.write_text("{")
    (run / "report/report.html").unlink()
    assert dlx("resume", str(run)).code == 0
    assert (run / "report/report.html").is_file()
    assert not leftover.exists()
