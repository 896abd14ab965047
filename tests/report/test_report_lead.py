"""The first screen: a sentence for each question, of what was measured."""

import pytest
from report_runs import class_predictions, good_curves, make_rows, make_summary, measured, write_digits, write_run

from dlx.core.measures import Measure, Measures
from dlx.record.measures import write_measures
from dlx.report.diagnosing.diagnosis import diagnose_run
from dlx.report.files import read_run
from dlx.report.lead import lead


def told(folder):
    run = read_run(folder)
    return {item.topic: item for item in lead(run, diagnose_run(run))}


def test_lead_says_how_well_how_sure_what_happened_and_what_next(tmp_path):
    said = told(write_digits(tmp_path))
    assert list(said) == ["result", "certainty", "cause", "next"]
    assert said["result"].text == ("Test accuracy is 96.9% [95.1, 98.7]; the gap to the training examples (99.8%) is "
                                   "-2.9 pt [-4.7, -1.1].")
    assert said["certainty"].text.startswith(
        "Brackets are 95% Wilson intervals from n = 360 examples; they speak of this one trained model: one seed (0) "
        "cannot say how much another would differ")
    assert said["cause"].text.startswith("Overfitting: ")
    assert said["next"].command == ("dlx train dataset=digits model=mlp optimizer=adam "
                                    "regularizer=[dropout,early_stopping]")


def with_numbers(parent, **sections):
    folder = write_digits(parent)
    for name, numbers in sections.items():
        write_measures(folder, name, Measures(numbers))
    return told(folder)


@pytest.mark.parametrize(("openings", "said"), [
    (1, "would differ; no other model was measured on this test split."),
    (12, "would differ; 12 models were measured on this test split, and whatever was chosen after seeing it is "
         "flattered by it."), (None, "would differ.")])
def test_lead_says_how_often_test_was_opened(tmp_path, openings, said):
    number = Measure("test_openings", openings, "test", "", method=None if openings else "undefined: no file")
    assert with_numbers(tmp_path, gap=[number])["certainty"].text.endswith(said)


def test_lead_does_not_cry_over_a_slight_error_that_is_certain(tmp_path):
    numbers = [Measure("ece", 0.007, "test", n=10_000), Measure("ece_p_value", 0.003, "test")]
    assert with_numbers(tmp_path, calibration=numbers)["trust"].text == (
        "Probabilities are close to what they say, though off by more than chance explains (calibration error 0.7%, "
        "p = 0.003).")


@pytest.mark.parametrize(("p_value", "bounds", "said"), [
    (0.4, (0.01, 0.03), "Probabilities are what they say as far as 360 examples can tell (calibration error 2.5%, "
                        "p = 0.4)."),
    (0.001, (0.01, 0.03), "Probabilities are not what they say: confidence is 2.0 points above accuracy [1.0, 3.0] "
                          "(calibration error 2.5%, p = 0.001)."),
    (0.000999, (0.01, 0.03), "Probabilities are not what they say: confidence is 2.0 points above accuracy [1.0, 3.0] "
                             "(calibration error 2.5%, p < 0.001)."),
    (0.001, (-0.01, 0.03), "Probabilities are not what they say (calibration error 2.5%, p = 0.001).")])
def test_lead_says_whether_probabilities_can_be_trusted(tmp_path, p_value, bounds, said):
    numbers = [Measure("ece", 0.025, "test", n=360), Measure("ece_p_value", p_value, "test"),
               Measure("overconfidence", 0.02, "test", low=bounds[0], high=bounds[1], method="t", level=0.95)]
    assert with_numbers(tmp_path, calibration=numbers)["trust"].text == said


def test_lead_says_how_far_confidence_lies_below_accuracy(tmp_path):
    numbers = [Measure("ece", 0.234, "test", n=360), Measure("ece_p_value", 0.0005, "test"),
               Measure("overconfidence", -0.234, "test", low=-0.249, high=-0.209, method="t", level=0.95)]
    assert with_numbers(tmp_path, calibration=numbers)["trust"].text == (
        "Probabilities are not what they say: confidence is 23.4 points below accuracy [20.9, 24.9] (calibration error "
        "23.4%, p < 0.001).")


def test_lead_of_a_run_without_test_speaks_of_val(tmp_path):
    summary = make_summary()
    for key in ("metrics", "gaps"):
        summary[key] = [item for item in summary[key] if item["split"] != "test"]
    said = told(write_run(tmp_path, make_rows(*good_curves()), summary, class_predictions()))
    assert said["result"].text.startswith("Val accuracy is 97.5% [95.7, 99.3]; the gap")


def test_lead_without_an_interval_or_a_gap_says_so(tmp_path):
    summary = make_summary(metrics=[measured("r2", "test", 0.5, None, 40)], gaps=[], selection_optimism=[])
    said = told(write_run(tmp_path, make_rows(*good_curves()), summary))
    assert said["result"].text == "Test R² is 0.500."
    assert said["certainty"].text.startswith("No interval was made for n = 40 examples; ")


def test_lead_of_a_run_that_measured_nothing_says_what_happened(tmp_path):
    said = told(write_run(tmp_path, status={"status": "diverged", "step": 3, "epoch": 0, "reason": "lr 10"}))
    assert list(said) == ["cause", "next"]
    assert said["cause"].text == (
        "Diverged: the loss stopped being a finite number at step 3, and training ended there.")
