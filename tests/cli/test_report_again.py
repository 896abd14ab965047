"""dlx evaluate RUN report=…: a report that is measured again says what that of training said."""

import json

import pytest
from conftest import only_run


def numbers(run):
    """Every number of a report but those that count how often test was opened, and the seconds."""
    report = json.loads((run / "report/report.json").read_text())
    return [{key: value for key, value in number.items() if key != "seconds"} for number in report["numbers"]
            if number["name"] != "test_openings" and "looks" not in number["of"]]


@pytest.mark.parametrize("overrides", [
    ("model=cnn", "model.width=4", "model.norm=batch", "epochs=2"),
    ("dataset=diabetes", "epochs=3"),
], ids=" ".join)
def test_report_measured_again_has_the_same_numbers(dlx, overrides):
    assert dlx("train", *overrides, "device.threads=1", "device=cpu").code == 0
    run = only_run()
    before = numbers(run)
    assert len(before) > 100
    assert dlx("evaluate", str(run), "report=standard", "device.threads=1", "device=cpu").code == 0
    assert numbers(run) == before
