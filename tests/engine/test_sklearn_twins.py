"""Whole runs against estimators of scikit-learn that solve the same problem."""

from dataclasses import replace

import numpy as np
import pytest
from part_files import parts
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier
from small_runs import best, session, table, train

from dlx.record.safe_yaml import read_json


def metric_of(path, metric, split):
    (value,) = (row["value"] for row in read_json(path / "summary.json")["metrics"]
                if (row["metric"], row["split"]) == (metric, split))
    return value


def test_run_of_linear_model_with_l2_converges_to_ridge_regression(tmp_path):
    strength, data = 0.1, table("regression", num_features=4, own_test=True)
    made = replace(parts("dataset=diabetes", "model=linear", "regularizer=[l2]", f"regularizer.l2.strength={strength}",
                         "optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0", "batch_size=1000", "epochs=200",
                         "selection=last", "device.precision=float64"), dataset=data)
    built = session(made)
    train_split, test = built.data.splits["train"], built.data.splits["test"]
    path = train(made, tmp_path / "run")
    # mean (Xw - y)² + strength/2 |w|², times the number of examples, is ridge with alpha = strength/2 · N.
    twin = Ridge(alpha=strength / 2 * len(train_split.ids)).fit(train_split.inputs.numpy(), train_split.targets.numpy())
    weights = best(path).tensors
    np.testing.assert_allclose(weights["model/head.weight"][0].numpy(), twin.coef_, rtol=1e-6)
    assert weights["model/head.bias"].item() == pytest.approx(twin.intercept_, abs=1e-8)
    residual = (twin.predict(test.inputs.numpy()) - test.targets.numpy()) * built.data.target_scale
    assert metric_of(path, "rmse", "test") == pytest.approx(np.sqrt(np.mean(residual**2)), rel=1e-6)


SEEDS = range(3)


@pytest.mark.parametrize(("overrides", "settings"), [
    ((), {"hidden_layer_sizes": (128,), "learning_rate_init": 0.001}),
    (("model.width=48", "model.depth=2", "model.activation=tanh", "model.init=xavier", "optimizer=sgd",
      "optimizer.lr=0.05", "optimizer.momentum=0.9"),
     {"hidden_layer_sizes": (48, 48), "activation": "tanh", "solver": "sgd", "learning_rate_init": 0.05,
      "momentum": 0.9, "nesterovs_momentum": False}),
])
def test_run_of_mlp_reaches_the_accuracy_of_scikit_learns(tmp_path, overrides, settings):
    ours, theirs = [], []
    for seed in SEEDS:
        made = parts(f"seed={seed}", "split.seed=0", "epochs=30", "selection=last", *overrides)
        built = session(made)
        splits = {name: (split.inputs.flatten(1).numpy(), split.targets.numpy())
                  for name, split in built.data.splits.items()}
        ours.append(metric_of(train(made, tmp_path / str(seed)), "accuracy", "test"))
        twin = MLPClassifier(alpha=0.0, batch_size=64, max_iter=30, tol=0.0, n_iter_no_change=1000, random_state=seed,
                             **settings)
        with pytest.warns(match="Maximum iterations"):
            twin.fit(*splits["train"])
        theirs.append(twin.score(*splits["test"]))
    assert min(theirs) > 0.95
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)
