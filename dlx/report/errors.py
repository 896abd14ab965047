"""What the model gets wrong: classes, the most confident mistakes, labels that may be wrong, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dlx.core.measures import Definition, Measures
from dlx.core.ranges import Range

if TYPE_CHECKING:
    from dlx.core.subject import Subject

_EXACT = "interval by Wilson, or by Clopper and Pearson where n < 100 or none or all are right"
_SAID = "a label is said where its probability is above 1/2"
_NORTHCUTT = "Northcutt, Jiang and Chuang 2021, JAIR 70; cleanlab 2.9"

DEFINITIONS: dict[str, Definition] = {
    # Of a classification.
    "recall": Definition(f"Share of the n examples of a class that were given it; {_EXACT}. The class given is the "
                         "most probable one."),
    "precision": Definition(f"Share of the n examples that were given a class that are of it; {_EXACT}."),
    "worst_recall": Definition(
        "The lowest recall of the K classes that have examples, of equal ones that with most. As the lowest of K it "
        "tends to lie below what the class reaches on new data; its interval, as of recall, is at level 1 - (1 - "
        "level) / K, so that those of all classes hold at once with probability `level`.", "Bonferroni's inequality"),
    "worst_recall_p_value": Definition(
        "1 - (1 - P[X <= h])^K, X ~ Binomial(n, accuracy), h of the n examples of the worst of K classes right: how "
        "likely some class is as surprising where all are equally hard. A small value says that they are not.",
        "Sidak 1967"),
    "balanced_accuracy": Definition(
        "Mean of recalls over the K classes that have examples; interval low = mean - sqrt(sum_c (r_c - l_c)^2) / K, "
        "high likewise, from those of recalls.", "Zou and Donner 2008, Statistics in Medicine 27"),
    "mcc": Definition("Matthews' correlation of several classes, R_K, from the confusion matrix; no interval.",
                      "Gorodkin 2004; as sklearn.metrics.matthews_corrcoef"),
    "distribution_p_value": Definition(
        "p-value that classes are said as often as they occur: chi2 = d' S^- d, d = row sums - column sums of the "
        "confusion matrix, S_ii = n_i. + n_.i - 2 n_ii, S_ij = -n_ij - n_ji, degrees of freedom the rank of S. Targets "
        "and predictions are of the same examples, which a chi-squared test of two samples would ignore; n is the "
        "number of mistakes, which alone tell.", "Stuart 1955, Maxwell 1970; statsmodels SquareTable.homogeneity"),
    "label_candidates": Definition(
        "Examples of val and test together whose label may be wrong: off the diagonal of the confident joint, and "
        "their label is not the most probable class. An example counts as of class j where p_j >= t_j - 1e-6, t_j the "
        "mean of p_j over the examples labelled j; of the most probable class where several are so.", _NORTHCUTT),
    "label_candidates_by_chance": Definition(
        "The mean number of label_candidates where every label is drawn anew from the model's probabilities, so that "
        "it is right as far as the model knows; thresholds are those of the drawn labels. low and high are "
        "the (1 -+ level)/2 quantiles of draws. A model that is surer than it should be makes it too small.",
        "a parametric bootstrap"),
    "label_error_share": Definition(
        "Estimated share of wrong labels: 1 - the trace of the confident joint, at least 1 on its diagonal, whose rows "
        "are scaled to the shares of labels.", _NORTHCUTT),
    # Of a regression.
    "mean_residual": Definition("Mean of prediction - target, in the target's units; interval by Student's t."),
    "residual_quantile": Definition("Quantile of prediction - target, linear between order statistics; interval "
                                    "between two order statistics.", "scipy.stats.quantile_test"),
    "breusch_pagan": Definition(
        "LM = n R^2 of the regression of (e - mean e)^2 on 1 and the prediction, e = prediction - target: whether the "
        "spread of residuals changes with the prediction.", "Breusch and Pagan 1979, studentized as Koenker 1981"),
    "breusch_pagan_p_value": Definition("p-value of breusch_pagan: chi-squared with one degree of freedom."),
    "residual_correlation": Definition(
        "Spearman's correlation of prediction - target with a column of the table as the dataset gives it, without "
        "rows that lack it; of all numeric columns those with the largest absolute values.", "scipy.stats.spearmanr"),
    "residual_correlation_p_value": Definition("p-value of residual_correlation, after Holm's correction over all "
                                               "numeric columns of the split.", "Holm 1979"),
    # Of sequences, transcriptions and labels.
    "exact_match": Definition(f"Share of sequences of a range of lengths that are right at every position; {_EXACT}."),
    "position_accuracy": Definition(f"Share of right answers at a position, counted from 1, of those that are asked; "
                                    f"{_EXACT}. Of more than 64 positions 64, evenly spaced."),
    "error_rate": Definition("Mean over transcriptions of a range of lengths of edit distance / number of labels; "
                             "interval by Student's t."),
    "label_recall": Definition(f"Share of the n examples with a label for which it is said; {_SAID}; {_EXACT}."),
    "label_precision": Definition(f"Share of the n examples for which a label is said that have it; {_SAID}; "
                                  f"{_EXACT}."),
    "label_f1": Definition(f"2 TP / (2 TP + FP + FN) of a label; {_SAID}; no interval."),
}


class Errors:
    """What the model gets wrong: classes, the most confident mistakes, labels that may be wrong, residuals.

    Args:
        num_mistakes: most confident mistakes, or largest residuals, that are kept with their rows.
        num_candidates: examples that are kept of those whose label may be wrong.
        num_features: columns that residuals go with.
    """

    def __init__(self, num_mistakes: Annotated[int, Range("[1, 100]")],
                 num_candidates: Annotated[int, Range("[1, 1000]")],
                 num_features: Annotated[int, Range("[1, 100]")]) -> None:
        self.num_mistakes = num_mistakes
        self.num_candidates = num_candidates
        self.num_features = num_features

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.report.measuring import class_errors, part_errors, value_errors

        kind = subject.spec.kind
        if kind == "classification":
            return class_errors.measure(subject, self.num_mistakes, self.num_candidates)
        if kind == "regression":
            return value_errors.measure(subject, self.num_mistakes, self.num_features)
        return part_errors.measure(subject)
