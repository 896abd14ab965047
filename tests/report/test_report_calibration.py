"""The calibration section: its numbers can be recomputed from predictions.csv, its words say what they say."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from part_files import make
from report_runs import write_run
from sklearn.metrics import log_loss
from trained_runs import KINDS, copied, subject, trained

from dlx.core import intervals
from dlx.core.intervals import proportion
from dlx.core.random import numpy_generator
from dlx.core.subject import Examples
from dlx.core.types import Outcome, TaskSpec
from dlx.measure import calibration, conformal, selective, temperature
from dlx.record.measures import write_measures
from dlx.report.files import read_run
from dlx.report.measuring import calibration_numbers as numbers
from dlx.report.sections.calibration import section

AFTER = {"after": "temperature"}


class Given:
    """A subject whose predictions are given: logits or predictions [N, ...] and targets, by split."""

    seed, level = 0, 0.95

    def __init__(self, kind="classification", **splits):
        outputs = next(iter(splits.values()))[0]
        self.given = TaskSpec(kind, "table", (1,), outputs.shape[-1] if outputs.ndim > 1 else 1)
        self._said, self.splits = {}, {}
        for name, (own, targets) in splits.items():
            probs = {"classification": lambda own=own: temperature.scaled_probs(own, 1.0),
                     "multilabel": lambda own=own: 1 / (1 + np.exp(-own))}.get(kind, lambda own=own: own)()
            logits = None if kind == "multilabel" else own
            self._said[name] = Examples(np.zeros(len(own)), Outcome(probs, targets), logits)
            self.splits[name] = type("Rows", (), {"ids": np.arange(len(own))})

    def said(self, split, checkpoint="best"):
        return self._said[split]


def drawn(num, factor=1.0, num_classes=4, seed=0, scale=3.0):
    """Return logits, and targets that the logits over `factor` tell truly."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=scale, size=(num, num_classes))
    probs = temperature.scaled_probs(logits, factor)
    return logits, (generator.random((num, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(max=num_classes - 1)


def measure(own, **changes):
    return make("report", "calibration", **changes).measure(own)


def shown(own, tmp_path, **changes):
    """Return the section of a subject as it is shown."""
    write_measures(folder := write_run(tmp_path), "calibration", measure(own, **changes))
    return section(read_run(folder))


@pytest.fixture(scope="module")
def run():
    folder = trained(*KINDS["images"])
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = {}
    for split in ("val", "test"):
        own = sorted((row for row in rows if row["split"] == split), key=lambda row: int(row["id"]))
        probs = np.array([[float(value) for key, value in row.items() if key.startswith("prob_")] for row in own])
        files[split] = probs, np.array([int(row["target"]) for row in own]), np.array([int(row["prediction"])
                                                                                       for row in own])
    return subject(folder), files


def test_every_number_can_be_recomputed_from_the_predictions(run):
    own, files = run
    found = measure(own)
    fitted = temperature.fit_temperature(np.log(files["val"][0]), files["val"][1])
    assert found.find("temperature", "val").value == pytest.approx(fitted, abs=1e-6)
    for split, (probs, targets, predicted) in files.items():
        scaled = temperature.scaled_probs(np.log(probs), fitted)
        for said, of in ((probs, {}), (scaled, AFTER)) if split == "test" else ((probs, {}),):
            one_hot = np.eye(10)[targets]
            expected = {"nll": log_loss(targets, said / said.sum(axis=1, keepdims=True), labels=range(10)),
                        "brier": ((said - one_hot) ** 2).sum(axis=1).mean(),
                        "accuracy": (predicted == targets).mean(), "mean_confidence": said.max(axis=1).mean()}
            expected["overconfidence"] = expected["mean_confidence"] - expected["accuracy"]
            forecasts = calibration.forecasts(said, predicted, 15)
            errors = calibration.errors(forecasts, calibration.observed_hits(forecasts, targets))[0]
            expected |= dict(zip(calibration.ERRORS, errors.tolist(), strict=True))
            for name, value in expected.items():
                assert found.find(name, split, **of).value == pytest.approx(value, abs=1e-6), (name, split)
        ranked = selective.ranked(probs.max(axis=1).round(9), predicted != targets)
        assert found.find("aurc", split).value == pytest.approx(selective.aurc(ranked), abs=1e-12)
    assert found.find("nll_change", "test").value == pytest.approx(
        found.find("nll", "test", **AFTER).value - found.find("nll", "test").value)


def test_thresholds_and_sets_can_be_recomputed_from_the_predictions(run):
    own, files = run
    found = measure(own)
    (val, truths, _), (probs, targets, predicted) = files["val"], files["test"]
    most = np.sort(1 - val.round(9)[np.arange(len(truths)), truths])[int(np.ceil((len(truths) + 1) * 0.9)) - 1]
    sets = 1 - probs.round(9) <= most
    covered = sets[np.arange(len(targets)), targets]
    assert found.find("conformal_coverage", "test", coverage=0.9).value == covered.mean()
    assert found.find("conformal_set_size", "test", coverage=0.9).value == sets.sum(axis=1).mean()
    assert found.find("conformal_empty_sets", "test", coverage=0.9).value == (~sets.any(axis=1)).mean()
    low, high = conformal.coverage_range(len(truths), len(targets), 0.9, 0.95)
    assert found.find("conformal_expected_low", "test", coverage=0.9).value == low
    assert found.find("conformal_expected_high", "test", coverage=0.9).value == high
    for risk in numbers.RISKS:
        least = found.find("threshold", "val", risk=risk).value
        if least is None:
            continue
        answered = probs.max(axis=1) >= least
        assert found.find("threshold_coverage", "test", risk=risk).value == answered.mean()
        # As `dlx predict --abstain-below` compares, with what was not rounded.
        assert (own.said("test").outcome.scores.max(axis=1) >= least).mean() == answered.mean()
        assert found.find("threshold_risk", "test", risk=risk).value == (predicted != targets)[answered].mean()


def test_nll_and_accuracy_are_those_of_the_summary(run):
    own, _ = run
    found = measure(own)
    for name in ("nll", "accuracy"):
        for split in ("val", "test"):
            kept = next(row for row in own.summary["metrics"] if (row["metric"], row["split"]) == (name, split))
            measured = found.find(name, split)
            assert [getattr(measured, key) for key in ("value", "low", "high")] == pytest.approx(
                [kept[key] for key in ("value", "low", "high")], rel=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_temperature_leaves_the_accuracy_as_it_is_to_the_bit(ties):
    logits, targets = drawn(400, 3.0, scale=1.0)
    logits = logits.round() if ties else logits
    found = measure(Given(val=(logits[:200], targets[:200]), test=(logits[200:], targets[200:])))
    assert found.find("temperature", "val").value not in (1.0, *(temperature.LOWEST, temperature.HIGHEST))
    assert found.find("accuracy", "test", **AFTER).value == found.find("accuracy", "test").value
    assert found.find("accuracy", "test").value == (logits[200:].argmax(axis=1) == targets[200:]).mean()


def test_test_plays_no_part_in_what_is_fitted():
    val, (logits, targets) = drawn(300, 2.0), drawn(300, seed=1)
    fitted = [measure(Given(val=val, test=(logits, own))) for own in (targets, (targets + 1) % 4)]
    for name, of in (("temperature", {}), ("threshold", {"risk": 0.05}), ("conformal_threshold", {"coverage": 0.9})):
        assert fitted[0].find(name, "val", **of) == fitted[1].find(name, "val", **of)


def test_draws_are_keyed_by_the_seed_of_the_run():
    own = Given(val=drawn(200), test=drawn(200, seed=1))
    name = "ece_null_mean"
    first, again = (measure(own).find(name, "test").value for _ in range(2))
    own.seed = 1
    assert first == again != measure(own).find(name, "test").value
    forecasts = calibration.forecasts(own.said("test").outcome.scores, own.said("test").logits.argmax(axis=1), 15)
    draws, _ = calibration.null(forecasts, 1000, numpy_generator(0, "calibration", 1))
    assert first == draws[:, 0].mean()


def test_interval_of_overconfidence_covers():
    """Targets are drawn from a truth that differs from what the model says by a known amount."""
    generator, inside, num_sets = np.random.default_rng(0), 0, 2_000
    confidence = generator.beta(8, 0.5, size=200)
    truth = np.clip(confidence - 0.05 * generator.random(200), 0, 1)
    for _ in range(num_sets):
        bounds = proportion(int((generator.random(200) < truth).sum()), 200, 0.95)
        inside += confidence.mean() - bounds.high <= (confidence - truth).mean() <= confidence.mean() - bounds.low
    assert inside / num_sets >= 0.94


def coverage(num_sets, n=300):
    """Return how often intervals of nll, brier and their changes by a temperature hold the means of 200,000."""
    generator, (logits, targets) = np.random.default_rng(0), drawn(200_000, 1.5)
    before, after = (temperature.scaled_probs(logits, own) for own in (1.0, 1.5))
    columns = [score(before, targets) for score in numbers.SCORES.values()]
    columns += [score(after, targets) - own for score, own in zip(numbers.SCORES.values(), columns, strict=True)]
    inside = np.zeros(len(columns))
    for _ in range(num_sets):
        rows = generator.integers(0, len(targets), n)
        for at, own in enumerate(intervals.means([column[rows] for column in columns], 0.95, 0)):
            inside[at] += own.low <= columns[at].mean() <= own.high
    return inside / num_sets


def test_intervals_of_scores_and_their_changes_cover():
    assert (coverage(150) >= 0.92).all()


@pytest.mark.slow
def test_intervals_of_scores_and_their_changes_cover_as_often_as_they_say():
    assert (coverage(3_000) >= 0.94).all()


def test_overconfidence_is_said_to_be_more_than_chance(tmp_path):
    found = shown(Given(val=drawn(600, 3.0), test=drawn(600, 3.0, seed=1)), tmp_path)
    assert found.sentences[0].endswith(": overconfident.")
    assert found.sentences[1].endswith("(p < 0.001): more than chance explains.")
    assert found.points[0].startswith("A temperature of ")
    assert "softens the probabilities" in found.points[0]


def test_true_probabilities_are_said_to_be_no_more_than_chance_off(tmp_path):
    found = shown(Given(val=drawn(600), test=drawn(600, seed=2)), tmp_path)
    assert found.sentences[0].endswith("an interval that includes 0.")
    assert found.sentences[1].endswith(": no more than chance explains.")


def test_threshold_is_told_as_predict_takes_it(tmp_path):
    own = Given(val=drawn(900), test=drawn(900, seed=1))
    told = shown(own, tmp_path).points[1]
    least = measure(own).find("threshold", "val", risk=0.01).value
    assert f"dlx predict RUN ROWS --abstain-below {least:.10g} does that." in told


def test_val_without_errors_has_a_temperature_at_the_bound_and_no_need_to_abstain(tmp_path):
    logits = drawn(100)[0]
    found = shown(Given(val=(logits, logits.argmax(axis=1)), test=drawn(100, seed=1)), tmp_path)
    assert found.points[0].startswith("The best temperature on val is the bound of the search, 0.01, as it is where "
                                      "all of val is right: of no use.")
    assert found.points[1].startswith("Abstaining is not needed for at most 1% wrong answers")


def test_hopeless_confidence_is_said_to_be_no_reason_to_answer(tmp_path):
    logits = drawn(100)[0]
    found = shown(Given(val=(logits, logits.argmin(axis=1)), test=drawn(100, seed=1)), tmp_path)
    assert found.points[1].startswith("Abstaining does not help enough")
    assert [table.title for table in found.tables if table.title.startswith("Abstaining")] == []


def test_few_val_examples_are_a_reason_for_no_sets(tmp_path):
    own = Given(val=drawn(8), test=drawn(50, seed=1))
    found = measure(own)
    assert found.skipped == ("Conformal prediction is not measured: 8 val examples are too few for a coverage of 90%.",)
    assert found.every("conformal_coverage") == []
    assert len(shown(own, tmp_path).points) == 2


def test_one_example_has_numbers_without_intervals(tmp_path):
    own = Given(val=drawn(1), test=drawn(1, seed=1))
    assert measure(own).find("nll", "test").method == "undefined: one value"
    assert shown(own, tmp_path).tables[0].rows


def test_what_is_not_finite_is_not_measured(tmp_path):
    logits, targets = drawn(20)
    logits[3, 1] = np.nan
    for kind, truths in (("classification", targets), ("multilabel", np.eye(4)[targets]), ("regression", logits * 0)):
        found = measure(Given(kind, val=(logits, truths), test=(logits, truths)))
        assert found.skipped == ("Calibration is not measured: what the model says is not finite.",)
        assert found.numbers == ()


@pytest.mark.parametrize("kind", ["sequence", "transcription"])
def test_positions_are_not_measured(kind, tmp_path):
    found = shown(Given(kind, val=drawn(20), test=drawn(20)), tmp_path)
    assert found.sentences == (f"Calibration is measured of one class, one value or labels per example, and this run "
                               f"predicts a {kind}.",)


def test_intervals_of_a_regression_hold_what_they_promise(tmp_path):
    generator = np.random.default_rng(0)
    values = {split: (generator.normal(size=500), generator.normal(size=500)) for split in ("val", "test")}
    own = Given("regression", **values)
    found = measure(own)
    misses = {split: np.abs(said - truth) for split, (said, truth) in values.items()}
    most = np.sort(misses["val"])[451 - 1]
    assert found.find("conformal_threshold", "val", coverage=0.9).value == most
    assert found.find("conformal_width", "test", coverage=0.9).value == 2 * most
    assert found.find("conformal_coverage", "test", coverage=0.9).value == (misses["test"] <= most).mean()
    assert f"Intervals of the prediction ± {most:.2f}, made on val to hold 90% of targets" in \
        shown(own, tmp_path).sentences[0]


def test_labels_are_measured_over_all_pairs(tmp_path):
    generator = np.random.default_rng(0)
    logits, draws = generator.normal(size=(200, 3)), generator.random((200, 3))
    truths = (draws < 1 / (1 + np.exp(-logits))).astype(int)
    own = Given("multilabel", val=(logits, truths), test=(logits, truths))
    found, probs = measure(own), 1 / (1 + np.exp(-logits))
    nats = -np.log(np.where(truths == 1, probs, 1 - probs))
    assert found.find("nll", "test").value == pytest.approx(nats.mean())
    assert found.find("nll", "test").n == 200
    assert found.find("brier", "test").value == pytest.approx(((probs - truths) ** 2).mean())
    assert found.find("label_ece", "test").value == pytest.approx(
        calibration.binary_error(probs.ravel(), truths.ravel(), 15))
    assert shown(own, tmp_path).sentences[0].startswith("On test the probabilities of labels have an ECE of 0.0")


def test_figures_show_the_bins_of_the_numbers(run):
    own, _ = run
    found = measure(own)
    for name, split, of in (("val", "val", {}), ("test", "test", {}), ("after", "test", AFTER)):
        bins = {key: np.array(value) for key, value in found.details["bins"][name].items()}
        n = found.find("ece", split, **of).n
        assert bins["counts"].sum() == n
        assert np.abs(bins["right"] - bins["counts"] * bins["confidence"]).sum() / n == pytest.approx(
            found.find("ece", split, **of).value)
        assert bins["right"].sum() / n == found.find("accuracy", split, **of).value
        assert (bins["band_low"] <= bins["band_high"]).all()
    curve = found.details["curves"]["test"]
    assert curve["coverage"][-1] == 1.0
    assert curve["risk"][-1] == pytest.approx(1 - found.find("accuracy", "test").value)


def test_section_has_words_and_figures_and_the_report_its_numbers(run, tmp_path):
    own, _ = run
    folder = copied(own.folder, tmp_path / "run")
    write_measures(folder, "calibration", replace(measure(own), settings={"num_bins": 15}))
    found = section(read_run(folder))
    assert [figure.name for figure in found.figures] == ["reliability_test", "risk_coverage"]
    assert [table.columns[0] for table in found.tables] == ["split", "error", "wrong on val at most"]
    assert len(found.tables[1].rows) == 12
    json.dumps(dict(found.values))


def test_section_of_a_run_that_was_not_measured_is_not_there(tmp_path):
    assert section(read_run(write_run(tmp_path))) is None
