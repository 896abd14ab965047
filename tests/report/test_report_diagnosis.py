"""Each kind of run gets its name, with the numbers that it rests on."""

import shlex

import numpy as np
import pytest
from report_runs import CONFIG, good_curves, make_rows, make_summary, measured, overfitting_curves

from dlx.report.diagnosing.diagnosis import diagnose
from dlx.report.diagnosing.finding import Baseline
from dlx.report.files import Status
from dlx.report.history import History
from dlx.report.summary import parse_summary

TENTH = Baseline("accuracy", 0.1, "always answering the most common class")
DONE = Status("done")
EPOCHS = np.arange(1, 31)


def diagnose_curves(train, val, *, summary=None, status=DONE, config=None, baseline=TENTH, overrides=(), **columns):
    raw = make_summary(0.99, 0.98) if summary is None else summary
    return diagnose(History.of(make_rows(train, val, **columns)), parse_summary(raw) if raw else None,
                    {**CONFIG, **(config or {})}, status, baseline, overrides)


def flat(train_accuracy, val_accuracy, half_width=0.02):
    """A summary whose train_eval and val accuracies are given."""
    return make_summary(train_accuracy, val_accuracy, val_accuracy, half_width=half_width)


def test_diagnose_good_fit_asks_for_another_seed():
    found = diagnose_curves(*good_curves())
    assert found.kind == "good_fit"
    assert found.commands == ("dlx train dataset=digits model=mlp optimizer=adam seed=1",)
    assert found.sentences[1].startswith(
        "Train_eval accuracy is 99.0%; always answering the most common class gives 10.0% on val.")


def test_diagnose_overfitting_states_rise_gap_and_kept_epoch():
    train, val = overfitting_curves()
    found = diagnose_curves(train, val, summary=make_summary())
    assert found.kind == "overfitting"
    end = float(np.mean(val[-3:]))
    rise = f"averaged {end:.3f} over the last 3 epochs, {100 * (end / min(val) - 1):.0f}% higher"
    assert f"lowest, {min(val):.3f}, after epoch 17 and {rise}; train_eval loss went from" in found.sentences[1]
    assert "gap -2.3 pt [-4.1, -0.5] (95% Wilson interval, n = 360); the interval excludes 0." in found.sentences[2]
    assert found.sentences[3] == "The checkpoint kept is from epoch 17, before that rise."
    assert found.commands[0] == "dlx train dataset=digits model=mlp optimizer=adam regularizer=[dropout,early_stopping]"


def test_diagnose_overfitting_is_not_claimed_where_the_interval_includes_zero():
    summary = flat(0.98, 0.97, half_width=0.03)
    summary["gaps"] = [gap for gap in summary["gaps"] if gap["metric"] == "accuracy"]
    assert diagnose_curves(*overfitting_curves(), summary=summary).kind == "good_fit"


def test_diagnose_overfitting_is_not_claimed_where_val_loss_rose_by_less_than_a_tenth():
    train = 0.03 + 2.0 * np.exp(-EPOCHS / 4)
    val = 0.5 + 2.0 * np.exp(-EPOCHS / 4) + 0.002 * np.maximum(0, EPOCHS - 14)
    assert diagnose_curves(train, val, summary=make_summary()).kind == "good_fit"


def test_diagnose_never_looks_at_test():
    good, bad = (diagnose_curves(*good_curves(), summary=make_summary(0.99, 0.98, test)) for test in (0.97, 0.20))
    assert good == bad


def test_diagnose_wide_gap_without_a_rise():
    found = diagnose_curves(*good_curves(), summary=flat(1.0, 0.85))
    assert found.kind == "wide_gap"
    assert "gap -15.0 pt [-17.0, -13.0]" in found.sentences[1]


def test_diagnose_underfitting_compares_with_a_constant_answer():
    found = diagnose_curves(*good_curves(floor=1.0), summary=flat(0.55, 0.54))
    assert found.kind == "underfitting"
    assert "That is 50.0% of the way from there to perfect; below 75% is called poor here." in found.sentences[1]
    assert found.commands[0] == "dlx train dataset=digits model=mlp optimizer=adam model.width=256"


def test_diagnose_underfitting_of_a_linear_model_asks_for_hidden_layers_and_less_regularization():
    found = diagnose_curves(*good_curves(floor=1.0), summary=flat(0.55, 0.54),
                            config={"model": {"part": "linear"}, "regularizer": {"l2": {"part": "l2"}}})
    assert found.commands == ("dlx train dataset=digits model=linear optimizer=adam regularizer=none",
                              "dlx train dataset=digits model=mlp optimizer=adam regularizer=[l2]")


def test_diagnose_underfitting_of_a_regression_in_squared_error():
    summary = make_summary(task="regression", class_names=[], metrics=[
        measured("rmse", "train_eval", 9.0, greater_is_better=False),
        measured("rmse", "val", 9.1, (8.5, 9.8), greater_is_better=False)],
        gaps=[measured("rmse", "val", 0.1, (-0.5, 0.8), greater_is_better=False)])
    config = {"loss": {"part": "mse"}}
    poor, fair = (diagnose_curves(*good_curves(), summary=summary, config=config,
                                  baseline=Baseline("rmse", spread, "always answering the mean"))
                  for spread in (10.0, 18.0))
    assert poor.kind == "underfitting"
    assert "That is 19.0% of the way from there to perfect, in squared error" in poor.sentences[1]
    assert fair.kind == "good_fit"
    assert "at most 25% worse" in fair.sentences[0]


def test_diagnose_slow_doubles_the_epochs():
    train = 2.3 - 0.05 * EPOCHS
    found = diagnose_curves(train, train + 0.02)
    assert found.kind == "slow"
    assert found.sentences[1].startswith("Over the last 7 epochs the train_eval loss fell from 1.15 to 0.800: 24% of")
    assert found.commands == ("dlx train dataset=digits model=mlp optimizer=adam epochs=60",
                              "dlx train dataset=digits model=mlp optimizer=adam optimizer.lr=0.003")


def test_diagnose_oscillating_counts_the_rises():
    train = 0.5 + 2.0 * np.exp(-EPOCHS / 3) + np.where(EPOCHS % 2 == 0, 0.4, 0.0)
    found = diagnose_curves(train, train + 0.02)
    assert found.kind == "oscillating"
    assert "In the last 15 epochs the train_eval loss rose 8 times" in found.sentences[1]
    assert found.commands[1] == "dlx train dataset=digits model=mlp optimizer=adam schedule=cosine"


def test_diagnose_oscillating_is_not_claimed_for_tiny_ripples():
    train = 0.001 + 2.0 * np.exp(-EPOCHS / 2) + np.where(EPOCHS % 2 == 0, 0.001, 0.0)
    assert diagnose_curves(train, train + 0.02).kind == "good_fit"


def test_diagnose_diverged_names_step_and_reason():
    found = diagnose(History.of([]), None, CONFIG, Status("diverged", "the loss of step 7 was not finite", 7, 0))
    assert found.kind == "diverged"
    assert found.sentences == (
        "The loss stopped being a finite number at step 7, and training ended there.",
        "First step with a loss that is not finite: 7, in epoch 0.",
        "Reason given in status.json: the loss of step 7 was not finite",
        "No epoch ended with a finite training loss, so there is no curve to show.",
        "Learning rate: 0.001.",
    )
    assert found.commands == ("dlx train dataset=digits model=mlp optimizer=adam optimizer.lr=0.0001",
                              "dlx train dataset=digits model=mlp optimizer=adam regularizer=[gradient_clip]",
                              "dlx train dataset=digits model=mlp optimizer=adam schedule.warmup_epochs=1")


@pytest.mark.parametrize(("train", "sentence"), [
    ([1.0, 2.0, float("nan")], "The loss stopped being a finite number, and training ended there."),
    ([0.5, 0.6, 1.5], "The training loss ended 3.0 times as high as after the first epoch."),
    ([90.0, 70.0, 80.0], "Train_eval loss ended at 80.0, where equal probabilities for all classes give 2.30."),
])
def test_diagnose_diverged_by_its_losses(train, sentence):
    found = diagnose_curves(train, train)
    assert (found.kind, found.sentences[0]) == ("diverged", sentence)


def test_diagnose_one_epoch_is_unclear():
    found = diagnose_curves([2.0], [2.1], config={"epochs": 1})
    assert found.kind == "unclear"
    assert "1 epoch cannot show whether training levelled off." in found.sentences
    assert found.commands[0] == "dlx train dataset=digits model=mlp optimizer=adam epochs=10"


def test_diagnose_few_val_examples_are_unclear():
    found = diagnose_curves(*good_curves(), summary=flat(0.99, 0.90, half_width=0.12))
    assert found.kind == "unclear"
    assert "The gap looks wide, but its interval includes 0: 360 val examples cannot tell." in found.sentences
    assert found.commands[0].endswith("split.val_fraction=0.3")


def test_diagnose_without_summary_claims_nothing_about_the_gap():
    found = diagnose_curves(*overfitting_curves(), summary={})
    assert found.kind == "unclear"
    assert "summary.json is missing, so no interval says whether a gap is more than chance." in found.sentences


@pytest.mark.parametrize("state", ["interrupted", "failed", "oom", "running"])
def test_diagnose_unfinished_training_is_not_judged(state):
    found = diagnose_curves(*overfitting_curves(), summary={}, status=Status(state, "a reason"))
    assert found.kind == "unfinished"
    assert "Reason given in status.json: a reason" in found.sentences
    smaller = "dlx train dataset=digits model=mlp optimizer=adam batch_size=32"
    assert found.commands == ((smaller,) if state == "oom" else ())


def test_diagnose_vanishing_gradients():
    found = diagnose_curves(*good_curves(), grad_ratio=[1e-5] * 30,
                            config={"model": {**CONFIG["model"], "activation": "sigmoid"}})
    assert [item.kind for item in found.others] == ["vanishing_gradient"]
    assert "median 1e-05 over 30 epochs" in found.others[0].evidence[0]
    assert [command.text.split()[-1] for command in found.others[0].commands] == [
        "model.activation=relu", "model.norm=batch", "model.depth=1"]


def test_diagnose_exploding_gradients_by_growth():
    found = diagnose_curves(*good_curves(), grad_norm_mean=[2.0] * 30, grad_norm_max=[3.0] * 20 + [600.0] + [3.0] * 9)
    assert [item.kind for item in found.others] == ["exploding_gradient"]
    assert found.others[0].evidence == (
        "The largest gradient norm, 600 in epoch 21, is 300 times the mean of epoch 1, 2.",)
    assert found.others[0].commands[0].text.endswith("regularizer=[gradient_clip]")


def test_diagnose_exploding_gradients_by_ratio_and_by_a_norm_that_is_not_finite():
    found = diagnose_curves(*good_curves(), grad_ratio=[5e3] * 30, grad_norm_max=[3.0] * 29 + [float("inf")])
    assert [item.kind for item in found.others] == ["exploding_gradient"]
    assert found.others[0].evidence[1] == "The gradient norm was not finite in epoch 30."


def test_diagnose_dead_units():
    found = diagnose_curves(*good_curves(), dead_fraction=[0.05] * 15 + [0.41] * 15)
    assert [item.kind for item in found.others] == ["dead_units"]
    assert found.others[0].evidence[0].startswith(
        "41.0% of the ReLU units are 0 on all training examples at the end, 5.0%")


def test_diagnose_healthy_gradients_are_not_named():
    found = diagnose_curves(*good_curves(), grad_ratio=[0.8] * 30, grad_norm_mean=[2.0] * 30, grad_norm_max=[5.0] * 30,
                            dead_fraction=[0.1] * 30)
    assert found.others == ()


def test_diagnose_gradients_that_shrink_as_training_ends_are_not_exploding():
    shrinking = list(np.exp(-EPOCHS / 2))
    found = diagnose_curves(*good_curves(), grad_norm_mean=shrinking, grad_norm_max=[3 * norm for norm in shrinking])
    assert found.others == ()


def every_command():
    slow, shaky = 2.3 - 0.05 * EPOCHS, 0.5 + 2.0 * np.exp(-EPOCHS / 3) + np.where(EPOCHS % 2 == 0, 0.4, 0.0)
    bad = {"grad_ratio": [1e-5] * 30, "grad_norm_mean": [1.0] * 30, "grad_norm_max": [1e3] * 30,
           "dead_fraction": [1.0] * 30}
    found = [
        diagnose_curves(*good_curves(), **bad), diagnose_curves(*overfitting_curves(), summary=make_summary()),
        diagnose_curves(*overfitting_curves(), summary=make_summary(), config={"model": {"part": "linear"}}),
        diagnose_curves(*overfitting_curves(), summary=make_summary(),
                        config={"regularizer": {"dropout": {"part": "dropout", "rate": 0.2}}}),
        diagnose_curves(slow, slow), diagnose_curves(shaky, shaky),
        diagnose_curves([1.0, 2.0, float("nan")], [1.0] * 3),
        diagnose_curves(*good_curves(floor=1.0), summary=flat(0.55, 0.54)), diagnose_curves([2.0], [2.1]),
    ]
    return sorted({command for diagnosis in found for command in diagnosis.commands})


def test_diagnose_only_proposes_commands_that_compose():
    from dlx.config.build import ANY_PACKAGE, build
    from dlx.config.compose import compose
    from dlx.config.saved import to_saved

    commands = every_command()
    assert len(commands) >= 18
    for command in commands:
        program, verb, *overrides = shlex.split(command)
        assert (program, verb) == ("dlx", "train")
        build(to_saved(compose("train", overrides)), [ANY_PACKAGE])
