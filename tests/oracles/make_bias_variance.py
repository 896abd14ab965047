"""Bias and variance as mlxtend computes them: run as a script to write bias_variance.json."""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("bias_variance.json")
NUM_ROUNDS = 7


class Kept:
    """An estimator that keeps what it predicts."""

    def __init__(self, estimator):
        self.estimator, self.said = estimator, []

    def fit(self, inputs, targets):
        self.estimator.fit(inputs, targets)
        return self

    def predict(self, inputs):
        self.said.append(self.estimator.predict(inputs))
        return self.said[-1]


def decomposed(estimator, data, loss):
    from mlxtend.evaluate import bias_variance_decomp

    kept = Kept(estimator)
    error, bias, variance = bias_variance_decomp(kept, *data, loss=loss, num_rounds=NUM_ROUNDS, random_seed=0)
    return {"predictions": np.array(kept.said).tolist(), "targets": data[3].tolist(), "error": float(error),
            "bias": float(bias), "variance": float(variance)}


def values():
    """Return what mlxtend says, and of which predictions: of trees on bootstrap samples."""
    import mlxtend
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    generator = np.random.default_rng(0)
    train, test = generator.normal(size=(60, 2)), generator.normal(size=(80, 2))

    def data(of):
        return train, of(train), test, of(test)

    classes = data(lambda inputs: (inputs.sum(axis=1) > 0).astype(int) + (inputs[:, 0] > 0.8))
    numbers = data(lambda inputs: np.sin(2 * inputs[:, 0]) + inputs[:, 1])
    return {"made_with": {"mlxtend": mlxtend.__version__},
            "zero_one": decomposed(DecisionTreeClassifier(random_state=0), classes, "0-1_loss"),
            "squared": decomposed(DecisionTreeRegressor(max_depth=4, random_state=0), numbers, "mse")}


if __name__ == "__main__":
    FILE.write_text(json.dumps(values()) + "\n")
