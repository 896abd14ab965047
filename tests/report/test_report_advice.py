"""Commands repeat what was typed, with one thing changed."""

from report_runs import CONFIG

from dlx.report.diagnosing import advice
from dlx.report.diagnosing.finding import Case
from dlx.report.files import Status
from dlx.report.history import History


def case(*overrides, **config):
    return Case(History.of([]), None, {**CONFIG, **config}, Status("done"), None, overrides)


def text(command):
    return None if command is None else command.text


def test_command_keeps_what_was_typed_and_replaces_the_changed_key():
    run = case("model=mlp", "model.width=512", "optimizer.lr=0.1", "seed=3", optimizer={"part": "sgd", "lr": 0.1})
    assert text(advice.scale_lr(run, 0.1, "")) == \
        "dlx train dataset=digits model=mlp optimizer=sgd model.width=512 optimizer.lr=0.01 seed=3"


def test_command_drops_settings_of_a_part_that_is_replaced():
    run = case("model=linear", "model.bias=false", model={"part": "linear"})
    assert text(advice.choose(run, "model", "mlp", "")) == "dlx train dataset=digits model=mlp optimizer=adam"


def test_command_drops_settings_of_a_regularizer_that_goes_and_keeps_those_that_stay():
    run = case("regularizer=[l2,dropout]", "regularizer.l2.strength=0.1", "regularizer.dropout.rate=0.3",
               regularizer={"l2": {"part": "l2"}, "dropout": {"part": "dropout"}})
    assert text(advice.drop_regularizers(run, ("dropout",), "")) == \
        "dlx train dataset=digits model=mlp optimizer=adam regularizer=[l2] regularizer.l2.strength=0.1"


def test_command_names_regularizers_that_were_not_typed():
    run = case(regularizer={"dropout": {"part": "dropout", "rate": 0.2}})
    assert text(advice.next_seed(run, "")) == \
        "dlx train dataset=digits model=mlp optimizer=adam regularizer=[dropout] seed=1"


def test_command_of_an_experiment_leaves_its_parts_to_it():
    assert text(advice.scale_count(case("experiment=digits_cnn"), "epochs", 2, "")) == \
        "dlx train experiment=digits_cnn epochs=60"


def test_command_does_not_name_code_by_a_dotted_path():
    run = case("model=mine", model={"part": "mypackage.model.Mine"})
    assert text(advice.next_seed(run, "")) == "dlx train dataset=digits model=mine optimizer=adam seed=1"


def test_command_quotes_for_the_shell():
    assert text(advice.next_seed(case("name=a b;c"), "")) == \
        "dlx train dataset=digits model=mlp optimizer=adam 'name=a b;c' seed=1"


def test_advice_that_changes_nothing_is_none():
    run = case(schedule={"part": "cosine", "warmup_epochs": 2.0},
               regularizer={"gradient_clip": {"part": "gradient_clip"}})
    assert advice.warm_up(run, "") is None
    assert advice.choose(run, "schedule", "cosine", "") is None
    assert advice.add_regularizers(run, ("gradient_clip",), "") is None
    assert advice.drop_regularizers(run, ("dropout",), "") is None
    assert advice.scale_count(run, "model.stages", 2, "") is None
    assert advice.set_to(run, "model.activation", "relu", "") is None
