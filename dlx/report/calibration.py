"""Whether probabilities are what they say: NLL, Brier score, calibration errors, temperature, abstaining, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dlx.core.measures import Definition, Measures
from dlx.core.ranges import Fraction, Range

if TYPE_CHECKING:
    from dlx.core.subject import Subject

ROUNDED = "Probabilities are rounded to 9 decimals before they are sorted, binned or compared. "
CHANCE = ("of num_draws sets of targets drawn from the model's own probabilities, independently over examples: what it "
          "would be if they were true (Bröcker & Smith 2007; Vaicenavicius et al. 2019).")
AFTER = " With after = temperature: of softmax(logits / T), the predicted classes staying as they are."
LABELS = "Of multilabel: over all pairs of an example and a label, "
ERRORS = {
    "ece": Definition(
        f"{ROUNDED}Σ_b n_b/n · |share right in b − mean confidence in b| over bins ((b−1)/num_bins, b/num_bins] of the "
        f"confidence, the probability of the predicted class; edges in float64, a confidence of 0 is in the first bin."
        f"{AFTER}", "Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017"),
    "ece_equal_mass": Definition(
        f"{ROUNDED}As ece, but bin ⌊num_bins · rank / n⌋, ranks from 0 by ascending confidence, ties by ascending id."
        f"{AFTER}", "Nguyen & O'Connor 2015; adaptive bins of the confidence"),
    "mce": Definition(
        f"{ROUNDED}The largest |share right in b − mean confidence in b| over the bins of ece with examples, however "
        f"few.{AFTER}", "Naeini, Cooper & Hauskrecht 2015"),
    "classwise_ece": Definition(
        f"{ROUNDED}Mean over classes c of Σ_b n_b/n · |share of class c in b − mean p_c in b|, all examples in bins of "
        f"p_c as wide as those of ece.{AFTER}", "Kull et al. 2019"),
}
DEFINITIONS: dict[str, Definition] = {
    "nll": Definition(
        f"Mean of −log p(target), p at least 2⁻⁵², as the metric nll.{AFTER} {LABELS}−log of the probability given to "
        f"what is true of the label. Interval: bootstrap of examples."),
    "brier": Definition(
        f"Mean of Σ_c (p_c − 1[c = target])², a sum over all classes, in [0, 2].{AFTER} {LABELS}(p − 1[it has it])², "
        f"in [0, 1]. Interval: bootstrap of examples.", "Brier 1950"),
    "accuracy": Definition("Share of examples whose predicted class is the target."),
    "mean_confidence": Definition(f"Mean probability of the predicted class.{AFTER}"),
    "overconfidence": Definition(
        "mean_confidence − accuracy, above 0 where the model is surer than right. Interval: mean_confidence, taken as "
        "known for these inputs, minus the bounds of accuracy; at least as wide as needed, since errors differ in "
        f"probability (Hoeffding 1956).{AFTER}"),
    **ERRORS,
    **{f"{name}_null_mean": Definition(f"Mean of {name} {CHANCE}") for name in ERRORS},
    **{f"{name}_null_q975": Definition(f"97.5% quantile of {name} {CHANCE}") for name in ERRORS},
    **{f"{name}_p_value": Definition(f"(1 + number of draws with at least the observed {name}) / (1 + num_draws), "
                                     f"{CHANCE}", "Phipson & Smyth 2010") for name in ERRORS},
    "label_ece": Definition(
        f"{ROUNDED}Over all pairs of an example and a label: Σ_b n_b/n · |share with the label in b − mean p in b| "
        f"over num_bins bins ((b−1)/num_bins, b/num_bins] of p."),
    "temperature": Definition(
        "T in [1/100, 100] with the least mean of −log softmax(logits / T)[target] on val, by bounded Brent search on "
        "log T; 1 where no T is better. Logits may be the logarithms of the probabilities: they differ by a constant "
        "per example.", "Guo et al. 2017"),
    "nll_change": Definition("nll after temperature − nll. Interval: bootstrap of the examples' differences."),
    "brier_change": Definition("brier after temperature − brier. Interval: bootstrap of the examples' differences."),
    "aurc": Definition(
        f"{ROUNDED}Mean over k = 1 … n of the share of wrong ones among the k examples of highest confidence, ties by "
        f"ascending id.", "Geifman, Uziel & El-Yaniv 2019"),
    "coverage_at_risk": Definition(
        f"{ROUNDED}Largest k/n such that at most the share `risk` of the k most confident examples is wrong, ties by "
        f"ascending id; 0 without one. Chosen with the split's own targets, so it flatters.",
        "Geifman & El-Yaniv 2017"),
    "risk_at_coverage": Definition(
        f"{ROUNDED}Share of wrong ones among the ⌈coverage · n⌉ most confident examples, ties by ascending id."),
    "threshold": Definition(
        f"{ROUNDED}Of the confidences from which on to answer those with at most the share `risk` wrong on val, the "
        f"one that answers most, examples of equal confidence together; of numbers that answer the same val examples "
        f"the one with the fewest decimals. 0: all are answered.", "Geifman & El-Yaniv 2017"),
    "threshold_coverage": Definition("Share of test examples whose confidence is at least the threshold for `risk`."),
    "threshold_risk": Definition("Share of wrong ones among the test examples answered with the threshold for `risk`."),
    "conformal_threshold": Definition(
        "The k-th smallest score on val, k = ⌈(n + 1) · coverage⌉. Score: 1 − p(target), p rounded to 9 decimals; of a "
        "regression |target − prediction|, in the target's units.", "Vovk, Gammerman & Shafer 2005; Lei et al. 2018"),
    "conformal_coverage": Definition(
        "Share of test examples whose target is in the set {c: 1 − p_c ≤ conformal_threshold}; of a regression within "
        "conformal_threshold of the prediction."),
    "conformal_expected_low": Definition(
        "The (1 − level)/2 quantile of conformal_coverage if val and test are exchangeable and scores have no ties: of "
        "a beta-binomial over the m test examples with parameters k and n + 1 − k, divided by m; level is that of the "
        "run's intervals.", "Angelopoulos & Bates 2023, section 3.2"),
    "conformal_expected_high": Definition("The (1 + level)/2 quantile, see conformal_expected_low."),
    "conformal_set_size": Definition("Mean number of classes in the set. Interval: bootstrap of examples."),
    "conformal_empty_sets": Definition("Share of test examples whose set is empty."),
    "conformal_width": Definition("Width of every interval of a regression, 2 · conformal_threshold."),
}


class Calibration:
    """Whether probabilities are what they say.

    Args:
        num_bins: of calibration errors.
        num_draws: of targets, for what errors are by chance.
        coverage: promised for conformal sets and intervals.
    """

    def __init__(self, num_bins: Annotated[int, Range("[2, 1000]")], num_draws: Annotated[int, Range("[20, 100000]")],
                 coverage: Fraction) -> None:
        self.num_bins = num_bins
        self.num_draws = num_draws
        self.coverage = coverage

    def measure(self, subject: Subject) -> Measures:
        """Measure val and test at the best checkpoint."""
        from dlx.report.measuring import calibration_numbers as numbers

        match subject.given.kind:
            case "classification":
                return numbers.of_classes(subject, self.num_bins, self.num_draws, self.coverage)
            case "regression":
                return numbers.of_values(subject, self.coverage)
            case "multilabel":
                return numbers.of_labels(subject, self.num_bins)
            case kind:
                return Measures(skipped=(f"Calibration is measured of one class, one value or labels per example, and "
                                         f"this run predicts a {kind}.",))
