"""What a classification gets wrong. N examples, C classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlx.core.measures import Measure, Measures
from dlx.core.random import numpy_generator
from dlx.measure.confusion import (
    Share,
    balanced_accuracy,
    confusion,
    marginal_homogeneity,
    mcc,
    precisions,
    recalls,
    worst_class,
)
from dlx.measure.label_issues import LabelIssues, candidates_by_chance, find_label_issues, margins
from dlx.report.measuring.held_out import LEFT_OUT, Answers, answers, shown_rows

if TYPE_CHECKING:
    from dlx.core.subject import Subject

NUM_DRAWS = 200
OF_TRAIN = ("Labels of train were not searched for wrong ones: that needs probabilities of models that were not "
            "trained on them, as those of folds, which a single run lacks.")


def measure(subject: Subject, num_mistakes: int, num_candidates: int) -> Measures:
    """Measure classes, the most confident mistakes and labels that may be wrong."""
    given, spec = answers(subject), subject.spec
    found = [own.at(np.flatnonzero(np.isfinite(own.scores).all(axis=1))) for own in given]
    left_out = [LEFT_OUT.format(len(own.ids) - len(kept.ids), own.split)
                for own, kept in zip(given, found, strict=True) if len(kept.ids) < len(own.ids)]
    found = [own for own in found if len(own.ids)]
    if not found:
        return Measures(skipped=tuple(left_out))
    names = [spec.class_names[at] if spec.class_names else str(at) for at in range(spec.num_outputs)]
    numbers = [item for own in found for item in _classes(own, names, subject.level)]
    joined = _joined(found)
    issues = find_label_issues(joined.scores, joined.targets)
    numbers += _labels(joined, issues, subject.seed, subject.level)
    splits = {row: own.split for own in found for row in own.ids.tolist()}
    wrong = mistakes(joined, issues, splits, num_mistakes)
    doubted = candidates(joined, issues, splits, num_candidates)
    details = {"mistakes": wrong, "candidates": doubted,
               "rows": shown_rows(subject, [item["id"] for item in (*wrong, *doubted)])}
    return Measures(tuple(numbers), details, (*left_out, OF_TRAIN))


def _labels(joined: Answers, issues: LabelIssues, seed: int, level: float) -> Iterator[Measure]:
    count = len(joined.ids)
    chance = candidates_by_chance(joined.scores, numpy_generator(seed, "label-issues"), NUM_DRAWS, level)
    yield Measure("label_candidates", len(issues.candidates), n=count)
    yield Measure("label_candidates_by_chance", chance.mean, low=chance.low, high=chance.high, level=level, n=count,
                  method="quantiles of draws", num_draws=NUM_DRAWS)
    yield Measure("label_error_share", issues.share, n=count)


def _joined(found: Sequence[Answers]) -> Answers:
    """Put splits together, in the order of ids."""
    ids, scores, targets = (np.concatenate([getattr(own, name) for own in found])
                            for name in ("ids", "scores", "targets"))
    return Answers("", ids, scores, targets).at(np.argsort(ids, kind="stable"))


def _classes(own: Answers, names: Sequence[str], level: float) -> Iterator[Measure]:
    counts = confusion(own.targets, own.scores.argmax(axis=1), len(names))
    for name, shares in (("recall", recalls(counts, level)), ("precision", precisions(counts, level))):
        for class_name, share in zip(names, shares, strict=True):
            yield _share(name, share, own.split, class_name)
    worst = worst_class(counts, level)
    yield _share("worst_recall", worst.share, own.split, names[worst.number])
    yield Measure("worst_recall_p_value", worst.p_value, own.split, n=len(own.ids))
    balanced = balanced_accuracy(counts, level)
    yield Measure("balanced_accuracy", balanced.value, own.split).within(balanced.interval)
    correlation = mcc(counts)
    yield Measure("mcc", correlation, own.split, n=len(own.ids),
                  method="undefined: targets or predictions are of one class" if correlation is None else None)
    found = marginal_homogeneity(counts)
    yield Measure("distribution_p_value", None if found is None else found.p_value, own.split,
                  n=0 if found is None else found.n, method="undefined: no mistakes" if found is None else None)


def _share(name: str, share: Share, split: str, class_name: str) -> Measure:
    return Measure(name, share.value, split, of={"class": class_name}).within(share.interval)


def mistakes(joined: Answers, issues: LabelIssues, splits: dict[int, str], most: int) -> list[dict[str, Any]]:
    """Return the mistakes that the model is surest of, the surest first; of equal ones that with the lowest id."""
    doubted = set(issues.candidates.tolist())
    said, rows = joined.scores.argmax(axis=1), np.arange(len(joined.ids))
    sure = joined.scores[rows, said]
    wrong = np.flatnonzero(said != joined.targets)
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    return [{"split": splits[int(joined.ids[at])], "id": int(joined.ids[at]), "target": int(joined.targets[at]),
             "prediction": int(said[at]), "confidence": float(sure[at]),
             "of_target": float(joined.scores[at, joined.targets[at]]), "doubted": int(at) in doubted} for at in chosen]


def candidates(joined: Answers, issues: LabelIssues, splits: dict[int, str], most: int) -> list[dict[str, Any]]:
    """Return examples whose label may be wrong, that with the least probable label first."""
    spread = margins(joined.scores, joined.targets)
    return [{"split": splits[int(joined.ids[at])], "id": int(joined.ids[at]), "target": int(joined.targets[at]),
             "seems": int(issues.seems[at]), "of_target": float(joined.scores[at, joined.targets[at]]),
             "of_other": float(joined.scores[at, issues.seems[at]]), "margin": float(spread[at])}
            for at in issues.candidates[:most]]
