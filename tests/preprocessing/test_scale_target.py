"""ScaleTarget: trained in scaled units, measured in the target's own."""

import numpy as np
import pytest
import torch
from part_files import parts
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from small_runs import session, table, train

from dlx.core.errors import ConfigError
from dlx.preprocessing.scale_target import ScaleTarget
from dlx.record.safe_yaml import read_json

SCALED = ("dataset=diabetes", "preprocessing=[standardize,scale_target]", "model=linear")


def test_scale_target_shift_and_scale_are_mean_and_deviation_of_train_targets():
    data = session(parts(*SCALED)).data
    targets = parts(*SCALED).dataset.load("").targets[data.splits["train"].ids.numpy()].astype(np.float64)
    assert data.target_shift == pytest.approx(targets.sum() / len(targets), rel=1e-12)
    assert data.target_scale == pytest.approx(np.sqrt(((targets - targets.mean()) ** 2).mean()), rel=1e-12)
    assert data.splits["train"].targets.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert data.splits["train"].targets.double().var(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_scale_target_of_constant_targets_only_centres():
    statistics = ScaleTarget().fit(np.zeros((4, 1)), np.full(4, 7.1, np.float32), table("regression").spec())
    assert ScaleTarget().target_scale(statistics) == (pytest.approx(7.1, rel=1e-6), 1.0)


def test_scale_target_of_classes_is_refused():
    with pytest.raises(ConfigError, match="preprocessing=scale_target needs a regression"):
        ScaleTarget().fit(np.zeros((4, 1)), np.arange(4), table("classification").spec())


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_scale_target_metrics_equal_scikit_learn_on_unscaled_predictions(split):
    built = session(parts(*SCALED))
    data = built.data
    part = data.splits[split]
    truth = parts(*SCALED).dataset.load("").targets[part.ids.numpy()].astype(np.float64)
    with torch.inference_mode():
        own = built.model(part.inputs)[:, 0].double().numpy() * data.target_scale + data.target_shift
    outcome, measured = built.predict(part).outcome, built.measure(part)
    for name, twin in (("rmse", root_mean_squared_error), ("mae", mean_absolute_error), ("r2", r2_score)):
        assert built.parts.metrics[name].value(outcome) == pytest.approx(twin(truth, own), rel=1e-6)
        if name in measured:
            assert measured[name] == pytest.approx(twin(truth, own), rel=1e-5)
    assert measured["loss"] * data.target_scale**2 == pytest.approx(((own - truth) ** 2).mean(), rel=1e-5)


def test_scale_target_outcome_has_the_targets_that_the_dataset_gave():
    built = session(parts(*SCALED))
    for split in built.data.splits.values():
        given = parts(*SCALED).dataset.load("").targets[split.ids.numpy()]
        assert built.predict(split).outcome.targets.astype(np.float32).tolist() == given.tolist()


def test_scale_target_makes_training_the_same_whatever_the_unit_of_the_target(tmp_path):
    made, data = parts(*SCALED, "epochs=5"), table("regression", own_test=True)
    runs = {}
    for name, unit in (("one", 1.0), ("other", 1024.0)):
        in_unit = data.with_arrays(targets=data.arrays.targets * np.float32(unit))
        runs[name] = {(row["metric"], row["split"]): row["value"]
                      for row in read_json(train(made, tmp_path / name, in_unit) / "summary.json")["metrics"]}
    for (metric, split), value in runs["one"].items():
        unit = {"rmse": 1024.0, "mae": 1024.0}.get(metric, 1.0)
        assert runs["other"][metric, split] == pytest.approx(value * unit, rel=1e-5)


def test_scale_target_and_linear_model_reach_least_squares(tmp_path):
    data = table("regression", num_features=3, own_test=True)
    made = parts(*SCALED, "optimizer=sgd", "optimizer.lr=0.2", "batch_size=1000", "epochs=300", "selection=last")
    path = train(made, tmp_path / "run", data)
    test = data.arrays.test_ids
    rows = session(made, data).data.splits["train"].ids.numpy()
    twin = LinearRegression().fit(data.arrays.inputs[rows], data.arrays.targets[rows])
    expected = root_mean_squared_error(data.arrays.targets[test], twin.predict(data.arrays.inputs[test]))
    found = {(row["metric"], row["split"]): row["value"] for row in read_json(path / "summary.json")["metrics"]}
    assert found["rmse", "test"] == pytest.approx(expected, rel=1e-4)
