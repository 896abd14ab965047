"""The shift section: numbers recomputed outside of it, errors relative to a reference, and its words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from part_files import make
from sklearn import metrics as sk
from trained_runs import KINDS, copied, subject, trained

from dlx.core.errors import ConfigError
from dlx.core.measures import Measure, Measures
from dlx.core.subject import apart, check_sections
from dlx.measure.corruption.images import image_corruptions
from dlx.record import checkpoint
from dlx.record.measures import write_measures
from dlx.report.files import read_run
from dlx.report.measuring.relative import relative_errors
from dlx.report.sections.shift import section
from dlx.report.shift import Shift

DIGITS = KINDS["images"]


@pytest.fixture(scope="module")
def measured():
    return make("report", "shift").measure(subject(trained(*DIGITS)))


def outputs(run, images):
    """Probabilities of the one-layer MLP of a run for images as the dataset gives them, in NumPy alone."""
    state = {key: tensor.double().numpy() for key, tensor in
             checkpoint.load(run / "checkpoints/best.safetensors").tensors.items()}
    rows = (images - state["preprocessing/standardize/mean"]) / state["preprocessing/standardize/scale"]
    hidden = rows.reshape(len(rows), -1) @ state["model/layers.0.weight"].T + state["model/layers.0.bias"]
    logits = np.maximum(hidden, 0) @ state["model/layers.3.weight"].T + state["model/layers.3.bias"]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_numbers_without_corruption_are_those_of_the_summary(measured):
    summary = json.loads((trained(*DIGITS) / "summary.json").read_text())
    own = {row["metric"]: row for row in summary["metrics"] if row["split"] == "test"}
    for metric in ("accuracy", "nll", "top_k"):
        found = measured.find("clean", "test", metric=metric)
        assert (found.value, found.low, found.high) == pytest.approx(
            (own[metric]["value"], own[metric]["low"], own[metric]["high"]), abs=1e-9)


@pytest.mark.parametrize(("name", "severity"), [("gaussian_noise", 3), ("rotate", 5), ("contrast", 1)])
def test_corrupted_numbers_are_recomputed_from_the_rows(measured, name, severity):
    own = subject(trained(*DIGITS))
    ids = np.sort(own.splits["test"].ids.numpy())
    rows = own.rows(ids)
    corruption = {one.name: one for one in image_corruptions(1)}[name]
    probs = outputs(trained(*DIGITS), corruption(rows, ids, severity))
    targets = own.said("test").outcome.targets[np.argsort(own.splits["test"].ids.numpy())]
    accuracy, nll = (measured.find("corrupted", "test", metric=metric, corruption=name, severity=severity)
                     for metric in ("accuracy", "nll"))
    assert accuracy.value == pytest.approx(sk.accuracy_score(targets, probs.argmax(axis=1)), abs=1e-12)
    assert nll.value == pytest.approx(sk.log_loss(targets, probs, labels=range(10)), rel=1e-5)
    assert accuracy.method == "Wilson"


def test_means_and_drops_are_those_of_the_severities(measured):
    every = []
    for corruption in image_corruptions(1):
        values = [measured.find("corrupted", "test", metric="nll", corruption=corruption.name, severity=severity).value
                  for severity in range(1, 6)]
        every += values
        mean, drop = (measured.find(f"corruption_{kind}", "test", metric="nll", corruption=corruption.name)
                      for kind in ("mean", "drop"))
        clean = measured.find("clean", "test", metric="nll").value
        assert mean.value == pytest.approx(np.mean(values))
        assert drop.value == pytest.approx(np.mean(values) - clean)
        assert mean.low < mean.value < mean.high
        assert drop.low <= drop.value <= drop.high
    assert measured.find("corrupted_mean", "test", metric="nll").value == pytest.approx(np.mean(every))


def test_intervals_of_regressions_have_roots_of_means():
    """The RMSE is no mean: that of means of its parts is drawn, and holds the value."""
    found = make("report", "shift").measure(subject(trained(*KINDS["regression"])))
    for metric in ("rmse", "mae"):
        for number in found.every("corruption_mean", metric=metric):
            assert number.low < number.value < number.high, number


def test_some_examples_are_the_same_whatever_the_order():
    own = subject(trained(*DIGITS))
    found = Shift(50, None).measure(own)
    ids = own.splits["test"].ids.numpy()
    places = apart(ids.tolist(), 50)
    hits = own.said("test").outcome.scores[places].argmax(axis=1) == own.said("test").outcome.targets[places]
    assert found.find("clean", "test", metric="accuracy").value == hits.mean()
    assert (found.details["num_examples"], found.details["of_examples"]) == (50, len(ids))


def test_shares_of_classes_are_recomputed_from_what_the_model_says(measured):
    own = subject(trained(*DIGITS))
    val, test = (own.said(split).outcome for split in ("val", "test"))
    confusion = sk.confusion_matrix(val.targets, val.scores.argmax(axis=1)).T / len(val.targets)
    predicted = np.bincount(test.scores.argmax(axis=1), minlength=10) / len(test.targets)
    shares = np.clip(np.linalg.solve(confusion, predicted) * confusion.sum(axis=0), 0, None)
    shares /= shares.sum()
    found = {number.of["class"]: number for number in measured.every("label_share", by="bbse")}
    np.testing.assert_allclose([found[str(name)].value for name in range(10)], shares, atol=1e-9)
    recalls = np.diag(confusion) / confusion.sum(axis=0)
    assert measured.find("predicted", "test", by="bbse").value == pytest.approx(shares @ recalls)
    assert all(number.low <= number.value <= number.high for number in found.values())


def made(errors, clean=0.1, examples="x", metric="accuracy"):
    """Measures with the errors of two corruptions."""
    numbers = [Measure("clean", 1 - clean, "test", of={"metric": metric})]
    numbers += [Measure("corrupted", 1 - error, "test", of={"metric": metric, "corruption": name, "severity": at + 1})
                for name, own in errors.items() for at, error in enumerate(own)]
    details = {"headline": metric, "greater_is_better": {metric: True}, "examples": examples,
               "corruptions": [{"name": name, "text": "", "levels": []} for name in errors]}
    return Measures(numbers, details)


def test_corruption_errors_are_ratios_of_sums(tmp_path):
    own = made({"blur": [0.2, 0.2, 0.3, 0.3, 0.5], "noise": [0.1, 0.1, 0.1, 0.2, 0.5]})
    write_measures(tmp_path, "shift", made({"blur": [0.3, 0.3, 0.4, 0.5, 0.5], "noise": [0.2] * 5}, clean=0.05))
    found = {(number.name, number.of.get("corruption")): number.value for number in relative_errors(own, tmp_path)}
    assert found == {
        ("corruption_error", "blur"): pytest.approx(1.5 / 2), ("corruption_error", "noise"): pytest.approx(1.0),
        ("mean_corruption_error", None): pytest.approx(0.875),
        ("relative_corruption_error", "blur"): pytest.approx((1.5 - 0.5) / (2 - 0.25)),
        ("relative_corruption_error", "noise"): pytest.approx((1.0 - 0.5) / (1 - 0.25)),
        ("relative_mean_corruption_error", None): pytest.approx((1 / 1.75 + 0.5 / 0.75) / 2)}


def test_a_run_relative_to_itself_is_one(measured, tmp_path):
    write_measures(tmp_path, "shift", measured)
    for number in relative_errors(measured, tmp_path):
        assert number.value == pytest.approx(1), number


def test_corruption_error_of_a_perfect_reference_is_undefined(tmp_path):
    write_measures(tmp_path, "shift", made({"blur": [0.0] * 5}, clean=0.0))
    found = relative_errors(made({"blur": [0.1] * 5}), tmp_path)
    assert all(number.value is None and number.method.startswith("undefined") for number in found)


@pytest.mark.parametrize(("reference", "message"), [
    (None, "report.shift.reference={folder} was not measured on corrupted data; first run: dlx evaluate {folder} "
           "'report=[shift]'"),
    (made({"blur": [0.1] * 5}, examples="y"), "report.shift.reference={folder} was measured on other examples than "),
    (made({"noise": [0.1] * 5}), "report.shift.reference={folder} was measured on other corruptions than "),
    (made({"blur": [0.1] * 5}, metric="exact_match"), "report.shift.reference={folder} was measured on another metric"),
])
def test_reference_that_cannot_be_one_is_refused(tmp_path, reference, message):
    (tmp_path / "config.yaml").touch()
    if reference is not None:
        write_measures(tmp_path, "shift", reference)
    with pytest.raises(ConfigError) as caught:
        relative_errors(made({"blur": [0.1] * 5}), tmp_path)
    assert str(caught.value).startswith(message.format(folder=tmp_path))


def shown(measures, tmp_path):
    folder = copied(trained(*DIGITS), tmp_path / "run")
    write_measures(folder, "shift", measures)
    return section(read_run(folder))


def test_words_say_the_finding_first(measured, tmp_path):
    part = shown(measured, tmp_path).parts[0]
    mean, clean = (measured.find(name, "test", metric="accuracy") for name in ("corrupted_mean", "clean"))
    assert part.sentences[0].startswith(f"Averaged over 12 corruptions at five severities, accuracy is "
                                        f"{100 * mean.value:.1f}% [")
    assert f"{100 * clean.value:.1f}% [" in part.sentences[0]
    assert [figure.name for figure in part.figures] == ["corruption_severities", "corruption_examples"]
    assert len(part.tables[0].rows) == 12
    notes = shown(measured, tmp_path / "again").notes
    assert notes == ("Under corruptions only metrics that are means over examples were measured, not macro F1, ROC "
                     "AUC.",)


def test_words_of_a_reference(measured, tmp_path):
    write_measures(tmp_path, "shift", measured)
    numbers = (*measured.numbers, *relative_errors(measured, tmp_path))
    part = shown(replace(measured, numbers=numbers, settings={"reference": "runs/one"}), tmp_path).parts[0]
    assert part.points[0].startswith("Relative to the reference run runs/one, the mean corruption error (mCE) is 100.0%"
                                     ": below")
    assert [row[1:] for row in part.tables[2].rows] == [("100.0%", "100.0%")] * 12


def test_a_run_that_was_not_measured_has_no_such_section():
    assert section(read_run(trained(*DIGITS))) is None


def test_a_reference_that_is_no_run_is_refused_before_anything_is_measured(tmp_path):
    section = make("report", "shift", reference=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"report.shift.reference must be the folder of a run, or null, got"):
        check_sections({"shift": section})
    check_sections({"shift": make("report", "shift"), "gap": make("report", "gap")})
