"""Early stopping: hand-written histories, and runs against a brute-force reading of metrics.csv."""

from dataclasses import replace

import pytest
from part_files import make, parts
from small_runs import digits, metrics, train

from dlx.core.errors import ConfigError
from dlx.core.hooks import History
from dlx.record.safe_yaml import read_json

COLUMNS = {"val_loss": False, "val_accuracy": True}


def stopping_epoch(values, monitor="val_loss", **changes):
    """The epoch after which training ends, or None."""
    rule = make("regularizer", "early_stopping", monitor=monitor, **changes)
    for epoch in range(1, len(values) + 1):
        if rule.should_stop(History([{monitor: value} for value in values[:epoch]], COLUMNS)) is not None:
            return epoch
    return None


@pytest.mark.parametrize(("values", "patience", "min_delta", "epoch"), [
    ([3, 2, 1, 1.5, 1.4, 1.3], 1, 0.0, 4),
    ([3, 2, 1, 1.5, 1.4, 1.3], 3, 0.0, 6),
    ([3, 2, 1, 1.5, 1.4, 1.3], 4, 0.0, None),
    ([3, 2, 1, 1.5, 0.9, 1.3, 1.2], 2, 0.0, 7),
    ([1, 1, 1, 1], 2, 0.0, 3),  # a tie is no improvement
    ([1, 2, 1, 1], 3, 0.0, 4),
    ([4, 3, 2, 1, 0], 1, 1.0, 2),  # better by exactly min_delta is no improvement
    ([4, 2.9, 1.8, 0.7], 1, 1.0, None),
    ([1.0, 0.8, 0.6, 0.4, 0.2], 1, 0.5, 2),
    ([1.0, 0.8, 0.6, 0.4, 0.2], 3, 0.5, None),  # measured against the best, not against the epoch before
    ([1.0, 0.8, 0.6, 0.45, 0.4, 0.3, 0.2], 3, 0.5, 7),
    ([None, None, None], 3, 0.0, 3),
    ([2, None, 1, None, None], 2, 0.0, 5),
    ([None, 5, None, 4, None, 6], 2, 0.0, 6),
    ([2, None, 1, None, None], 3, 0.0, None),
    ([], 1, 0.0, None),
    ([7], 1, 0.0, None),
])
def test_early_stopping_ends_at_the_documented_epoch(values, patience, min_delta, epoch):
    assert stopping_epoch(values, patience=patience, min_delta=min_delta) == epoch
    negated = [None if value is None else -value for value in values]
    assert stopping_epoch(negated, "val_accuracy", patience=patience, min_delta=min_delta) == epoch


def test_early_stopping_says_what_has_not_improved():
    rule = make("regularizer", "early_stopping", monitor="val_accuracy", patience=2, min_delta=0.01)
    rows = [{"val_accuracy": value} for value in (0.5, 0.505, 0.5)]
    assert rule.should_stop(History(rows, COLUMNS)) == (
        "early_stopping: val_accuracy has not improved by more than 0.01 for 2 epochs")


@pytest.mark.parametrize("monitor", ["train_loss", "test_loss", "val_nonsense", "gap_loss", "train_eval_accuracy",
                                     "val_roc_auc"])
def test_early_stopping_on_anything_but_a_column_of_val_is_refused(monitor):
    with pytest.raises(ConfigError) as refused:
        parts("regularizer=[early_stopping]", f"regularizer.early_stopping.monitor={monitor}")
    assert str(refused.value) == ("regularizer.early_stopping.monitor must be one of val_loss, val_accuracy, val_nll, "
                                  f"val_top_k, got {monitor!r}")


def first_epoch_without_patience(values, patience, min_delta, greater_is_better):
    """The first epoch with `patience` epochs since the last that beat all before it by more than min_delta."""
    better = [value if greater_is_better else -value for value in values]
    champion, since = better[0], 0
    for epoch, value in enumerate(better[1:], start=2):
        champion, since = (value, 0) if value > champion + min_delta else (champion, since + 1)
        if since == patience:
            return epoch
    return None


@pytest.mark.parametrize(("monitor", "patience", "min_delta"), [
    ("val_loss", 1, 0.0), ("val_loss", 2, 0.02), ("val_accuracy", 3, 0.0), ("val_accuracy", 2, 0.03)])
def test_early_stopping_ends_a_run_where_its_metrics_say(monitor, patience, min_delta, tmp_path):
    common = ("epochs=60", "batch_size=8", "optimizer=sgd", "optimizer.lr=0.3", "optimizer.momentum=0.0",
              "model.width=16")
    free = replace(parts(*common), dataset=digits(100, own_test=True))
    stopped = replace(parts(*common, "regularizer=[early_stopping]", f"regularizer.early_stopping.monitor={monitor}",
                            f"regularizer.early_stopping.patience={patience}",
                            f"regularizer.early_stopping.min_delta={min_delta}",
                            "regularizer.early_stopping.restore=false"), dataset=free.dataset)
    whole, path = metrics(train(free, tmp_path / "free")), train(stopped, tmp_path / "stopped")
    expected = first_epoch_without_patience(whole[monitor].tolist(), patience, min_delta, monitor == "val_accuracy")
    assert expected is not None
    assert expected < 60
    assert metrics(path).equals(whole[:expected])
    summary = read_json(path / "summary.json")
    assert summary["epochs_run"] == expected
    assert summary["stop_reason"].startswith(f"early_stopping: {monitor} has not improved")
    assert summary["selection"]["epoch"] == whole["val_loss"][:expected].idxmin() + 1


@pytest.mark.parametrize(("monitor", "selection"), [("val_accuracy", "best_val_loss"), ("val_loss", "last")])
def test_early_stopping_that_restores_wants_the_rule_that_keeps_the_best_epoch(monitor, selection):
    own = ("regularizer=[early_stopping]", f"regularizer.early_stopping.monitor={monitor}")
    with pytest.raises(ConfigError) as refused:
        parts(*own, f"selection={selection}")
    assert str(refused.value) == (
        f"regularizer.early_stopping.restore=true keeps the weights of selection=best_{monitor}, and the run's are "
        f"those of selection={selection}; use selection=best_{monitor} or regularizer.early_stopping.restore=false")
    assert parts(*own, f"selection=best_{monitor}").settings.selection == f"best_{monitor}"
    assert parts(*own, f"selection={selection}",
                 "regularizer.early_stopping.restore=false").settings.selection == selection


def test_early_stopping_that_restores_keeps_the_weights_of_the_monitored_epoch(tmp_path):
    made = parts("epochs=40", "batch_size=8", "optimizer=sgd", "optimizer.lr=0.3", "model.width=16",
                 "selection=best_val_accuracy", "regularizer=[early_stopping]",
                 "regularizer.early_stopping.monitor=val_accuracy", "regularizer.early_stopping.patience=3")
    path = train(made, tmp_path / "run", digits(100, own_test=True))
    epoch = metrics(path)["val_accuracy"].idxmax() + 1
    assert read_json(path / "summary.json")["selection"]["epoch"] == epoch == len(metrics(path)) - 3
