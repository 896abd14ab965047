"""The model on data that differs from train: corruptions, reweighted test sets, other datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlx.core.measures import Definition, Measures
from dlx.core.ranges import Count

if TYPE_CHECKING:
    from dlx.core.subject import Subject

HENDRYCKS = "Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, 2019"
_ERROR = "An error is 1 − metric where greater is better, else the metric; of the first metric that was measured."
DEFINITIONS: dict[str, Definition] = {
    "clean": Definition(
        "The metric on the examples that are corrupted, without corruption: all of test, or num_examples of them, "
        "the subset of the conventions. Its interval is that of summary.json."),
    "corrupted": Definition(
        "The metric on the same examples, corrupted as the dataset gives them and before preprocessing, whose "
        "statistics stay those of train. What is done at each severity is in the details; what it needs of train is "
        "of at most 10,000 rows. Each draw is a hash of the example's id, the name of the corruption and the severity, "
        "so two runs see the same rows.",
        "levels of images of one channel: Mu and Gilmer, MNIST-C, 2019; of others: CIFAR-10-C, " + HENDRYCKS),
    "corruption_mean": Definition(
        "Mean over the five severities of the metric. Interval: bootstrap of examples, drawn whole."),
    "corruption_drop": Definition(
        "Mean over the five severities of the metric, minus the metric on the same examples without corruption. "
        "Interval: bootstrap of examples, drawn whole, so that both terms are paired."),
    "corrupted_mean": Definition(
        "Mean over corruptions and severities of the metric; 1 − it is, of accuracy, the mean corruption error without "
        "a reference. Interval: bootstrap of examples, drawn whole.", HENDRYCKS),
    "corrupted_drop": Definition(
        "Mean over corruptions and severities of the metric, minus the metric without corruption. Interval: bootstrap "
        "of examples, drawn whole."),
    "corruption_error": Definition(
        f"CE of a corruption, relative to a reference run: Σ over severities of the error / Σ of the reference's. "
        f"{_ERROR}", HENDRYCKS),
    "relative_corruption_error": Definition(
        f"Σ over severities of (error − error without corruption) / the same of the reference. {_ERROR}", HENDRYCKS),
    "mean_corruption_error": Definition(f"mCE: mean over corruptions of the corruption error. {_ERROR}", HENDRYCKS),
    "relative_mean_corruption_error": Definition(
        f"Mean over corruptions of the relative corruption error. {_ERROR}", HENDRYCKS),
    "actual": Definition("Accuracy on all of test: what the predictions below are compared with."),
    "predicted": Definition(
        "Accuracy on test as predicted from val, without the targets of test. by inputs: Σ w·hit / Σ w over at most "
        "num_examples of val, w the importance weights; interval: bootstrap of val with the weights as they are. by "
        "bbse and em: Σ over classes of the estimated share · recall on val; interval of bbse: bootstrap of val and "
        "test.",
        "Lipton, Wang and Smola 2018; Saerens, Latinne and Decaestecker 2002"),
    "effective_sample_size": Definition(
        "(Σ w)² / Σ w² of the importance weights of val: n where val and test look alike.",
        "Kish, Survey sampling, 1965"),
    "domain_auc": Definition(
        "Area under the ROC curve of telling test from val by a logistic regression (L2, C = 1, features "
        "standardized and cut off at ± 3) on the first principal components of the inputs as the model takes them, of "
        "tokens of their shares: one for every 40 rows, at most 32; rows in the order of ids, row i of a split in fold "
        "i mod 5, each asked of the fit to the other folds. Its odds, times n_val / n_test, are the importance "
        "weights.",
        "Bickel, Brückner and Scheffer, Discriminative learning under covariate shift, 2009"),
    "label_share": Definition(
        "Share of a class in test. by true: as counted. by bbse: w_j · P_val(y = j), w = C⁻¹ μ, C[i, j] = "
        "P_val(predicted i, y = j), μ[i] = P_test(predicted i), negative shares set to 0 and all divided by their sum; "
        "interval: of 1,000 resamples of val and test the wider on each side of percentiles and of value ± z standard "
        "deviations. by em: the fixed point of q_j ← mean over test of "
        "p_j q_j / π_j over its sum over classes, π the shares of train.",
        "Lipton, Wang and Smola 2018; Saerens, Latinne and Decaestecker 2002"),
    "label_distance": Definition("Total variation distance, half of Σ |share − share in val|, of the shares in test."),
    "other_value": Definition(
        "The metric on rows of another dataset, preprocessed with the statistics of the run's train rows; see dlx "
        "evaluate RUN dataset=NAME. Its interval is that of summary.json."),
    "own_test": Definition("The metric on the run's own test split, at the same checkpoint: that of summary.json."),
    "other_difference": Definition(
        "The metric on another dataset minus that on the run's own test split. Interval: from those of both, which are "
        "independent samples: d − √((v₁ − l₁)² + (u₂ − v₂)²) to d + √((u₁ − v₁)² + (v₂ − l₂)²), v, l and u value and "
        "bounds of the other dataset (1) and of test (2).",
        "Newcombe 1998, method 10; Zou and Donner, MOVER, 2008"),
}


class Shift:
    """The model on data that differs from train: corruptions, reweighted test sets, other datasets.

    Args:
        num_examples: of test that are corrupted, and of val and test each that are told apart, at most.
        reference: a run folder whose errors under corruption this run's are divided by; null for none.
    """

    def __init__(self, num_examples: Count, reference: str | None) -> None:
        self.num_examples, self.reference = num_examples, reference

    def check(self) -> None:
        """Check, before anything is measured, that the reference run was.

        Raises:
            ConfigError: it was not, or is no run.
        """
        from dlx.report.measuring.relative import read_reference

        if self.reference is not None:
            read_reference(Path(self.reference))

    def measure(self, subject: Subject) -> Measures:
        """Measure a run.

        Raises:
            ConfigError: the reference run was not measured, or on other examples.
        """
        from dlx.report.measuring.corrupted import measure_corruptions
        from dlx.report.measuring.relative import relative_errors
        from dlx.report.measuring.reweighted import measure_reweighted

        corrupted = measure_corruptions(subject, self.num_examples)
        relative = [] if self.reference is None else relative_errors(corrupted, Path(self.reference))
        weighted = measure_reweighted(subject, self.num_examples)
        return Measures((*corrupted.numbers, *relative, *weighted.numbers), {**corrupted.details, **weighted.details},
                        (*corrupted.skipped, *weighted.skipped))
