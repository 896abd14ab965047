"""Label issues as cleanlab finds them, and tests of errors as statsmodels computes them: a script for errors.json."""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("errors.json")
NUM, NUM_CLASSES = 240, 4


def labelled():
    """Return probabilities [240, 4] and labels of which one in eight is wrong; no example has class 3 as label."""
    generator = np.random.default_rng(0)
    classes = generator.integers(0, NUM_CLASSES - 1, NUM)
    logits = 2.5 * np.eye(NUM_CLASSES)[classes] + generator.normal(size=(NUM, NUM_CLASSES))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = generator.random(NUM) < 1 / 8
    return probs.round(6), np.where(wrong, (classes + 1) % (NUM_CLASSES - 1), classes)


def counted():
    """Return a confusion matrix in which every class is confused with every other."""
    return np.random.default_rng(1).poisson(4, (5, 5)) + np.diag([30, 25, 40, 20, 35]) + 1


def spread():
    """Return residuals and predictions, the larger the more spread."""
    generator = np.random.default_rng(2)
    prediction = generator.uniform(1, 3, 120).round(6)
    return (prediction * generator.normal(size=120)).round(6) + 0.3, prediction


def values():
    """Return what cleanlab and statsmodels say."""
    import cleanlab
    import statsmodels
    from cleanlab.count import compute_confident_joint, get_confident_thresholds
    from cleanlab.filter import find_label_issues
    from statsmodels.stats.contingency_tables import SquareTable
    from statsmodels.stats.diagnostic import het_breuschpagan

    probs, labels = labelled()
    ranked = find_label_issues(labels, probs, filter_by="confident_learning",
                               return_indices_ranked_by="self_confidence", n_jobs=1)
    homogeneity = SquareTable(counted(), shift_zeros=False).homogeneity()
    residuals, prediction = spread()
    exog = np.stack([np.ones(len(prediction)), prediction], axis=1)
    statistic, p_value, *_ = het_breuschpagan(residuals - residuals.mean(), exog, robust=True)
    return {"made_with": {"cleanlab": cleanlab.__version__, "statsmodels": statsmodels.__version__},
            "probs": probs.tolist(), "labels": labels.tolist(),
            "thresholds": get_confident_thresholds(labels, probs).tolist(),
            "joint": compute_confident_joint(labels, probs, calibrate=False).tolist(),
            "calibrated": compute_confident_joint(labels, probs, calibrate=True).tolist(),
            "candidates": np.asarray(ranked).tolist(), "counts": counted().tolist(),
            "homogeneity": [float(homogeneity.statistic), int(homogeneity.df), float(homogeneity.pvalue)],
            "residuals": residuals.tolist(), "prediction": prediction.tolist(),
            "breusch_pagan": [float(statistic), float(p_value)]}


if __name__ == "__main__":
    FILE.write_text(json.dumps(values()) + "\n")
