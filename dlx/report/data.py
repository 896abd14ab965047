"""Whether the data can be trusted: duplicates, leaks, shifts, and simple answers beside the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dlx.core.measures import Definition, Measure, Measures

if TYPE_CHECKING:
    from dlx.core.subject import Subject

Raw = Mapping[str, Any]
_SHARED = ("Rows of the split that {} `in` has, too: how many; n rows were looked at. Equal is byte for byte, "
           "of what the dataset gives.")
_NEAR = ("rows that lie closer to one of the other than 0.13 of the median distance of a row to its nearest, by "
         "Euclidean distance of the inputs after preprocessing, and are not equal to it")
_CLEANLAB = "threshold as in cleanlab 2.9, datalab/internal/issue_manager/duplicate.py"

DEFINITIONS: dict[str, Definition] = {
    "equal_rows_in_split": Definition(_SHARED.format("the split")),
    "near_rows_in_split": Definition(f"As equal_rows_in_split, of {_NEAR}.", _CLEANLAB),
    "repeated_rows": Definition("Rows that are equal, byte for byte, to an earlier one of their split."),
    "nearly_repeated_rows": Definition(f"As repeated_rows, of {_NEAR}.", _CLEANLAB),
    "leaked_rows": Definition("Rows of the split that train has, equal or near; see equal_rows_in_split."),
    "conflicting_rows": Definition("Rows of all splits that have an equal row with another target."),
    "most_right": Definition("The largest share of all rows that a function of the inputs can be right on, as equal "
                             "rows have different targets."),
    "shift_auc": Definition(
        "Area under the ROC curve of a ridge regression on whether a row is of the split or of train, in 5 folds, on "
        "the rows that each leaves out; n rows of both together. 0.5 where they cannot be told apart.",
        "Lopez-Paz and Oquab 2017, classifier two-sample test"),
    "shift_p_value": Definition(
        "p-value of shift_auc, one-sided, by num_draws permutations of sides within folds, after Holm's correction of "
        "it together with those of targets and of the order of rows."),
    "shifted_properties": Definition(
        "Properties of inputs, of n, that are distributed differently in the split and train: Kolmogorov and Smirnov's "
        "test, or chi-squared of categories; false discovery rate 0.01.", "Benjamini and Hochberg 1995"),
    "target_shift_p_value": Definition(
        "p-value of chi-squared, or of Kolmogorov and Smirnov's test of a regression, that targets of the split and of "
        "train are distributed alike, after Holm's correction; see shift_p_value; n rows of both together."),
    "baseline": Definition(
        "The metric of a simple answer that is made from train: majority, stratified (random with the proportions of "
        "train, expected value), nearest (one neighbour), linear (logistic or ridge regression on inputs)."),
    "model_minus_baseline": Definition(
        "Accuracy, or root mean squared error, of the model minus that of a simple answer on the same n rows; the "
        "interval is of this difference, by resampling rows whole."),
    "without_leaked": Definition("The metric of the model on the n rows of the split that are not leaked_rows."),
}


class Data:
    """Whether the data can be trusted: duplicates, leaks, shifts, and simple answers beside the model."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run. Details are all that was found, as `Subject.check_data` gives it."""
        found = subject.check_data()
        return Measures(tuple(numbers_of(found)), found)


def numbers_of(found: Raw) -> Iterator[Measure]:
    """Yield the numbers among findings."""
    yield from _copies(found)
    yield from _shifts(found["shifts"], found["num_rows"])
    for own in found["baselines"]:
        # None has none: a neighbour has no probabilities.
        if own["value"] is not None:
            yield Measure("baseline", own["value"], own["split"], "", {"baseline": own["baseline"],
                                                                       "metric": own["metric"]}, n=own["n"])
    for own in found["against"]:
        yield Measure("model_minus_baseline", own["difference"], own["split"], "best",
                      {"baseline": own["baseline"], "metric": own["measure"]}, own["low"], own["high"], own["method"],
                      own["level"], own["n"], own.get("num_draws", 0))
    for own in found["without_leaked"]:
        yield Measure("without_leaked", own["value_without"], own["split"], "best", {"metric": own["metric"]},
                      method="undefined: train has every row" if own["value_without"] is None else None,
                      n=own["n_without"])


def _copies(found: Raw) -> Iterator[Measure]:
    for names, own in ((("equal_rows_in_split", "repeated_rows"), found["duplicates"]),
                       (("near_rows_in_split", "nearly_repeated_rows"), found["near"])):
        for label, count in own["across"].items():
            split, _, other = label.partition(" in ")
            yield _count(names[0], count, split, {"in": other})
        for split, count in own["within"].items():
            yield _count(names[1], count, "train_eval" if split == "train" else split, {})
    for split, count in found["leaked"].items():
        yield _count("leaked_rows", count, split, {"in": "train"})
    clashes = found["conflicts"]
    if clashes is not None:
        yield _count("conflicting_rows", clashes["rows"], "", {})
        yield Measure("most_right", clashes["most_right"], "", "", n=clashes["rows"]["of"])


def _count(name: str, count: Raw, split: str, of: Mapping[str, str]) -> Measure:
    return Measure(name, count["found"], split, "", of, n=count["of"])


def _shifts(shifts: Raw, num_rows: Mapping[str, int]) -> Iterator[Measure]:
    for split, own in shifts.items():
        told, labels = own["classifier"], own["labels"]
        if told is not None:
            yield Measure("shift_auc", told["auc"], split, "", n=told["num_rows"])
            yield Measure("shift_p_value", told["adjusted"], split, "", n=told["num_rows"],
                          num_draws=told["num_permutations"])
        yield Measure("shifted_properties", len(own["properties"]), split, "", n=own["num_properties"])
        if labels is not None:
            yield Measure("target_shift_p_value", labels["q_value"], split, "", n=num_rows["train"] + num_rows[split])
