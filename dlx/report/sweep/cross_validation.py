"""Fold by fold: what one configuration, the best, came to on each."""

from __future__ import annotations

import numpy as np

from dlx.report import words
from dlx.report.section import Section, Table
from dlx.report.sweep.basis import basis
from dlx.report.sweep.points import Array, Sweep

LEAK = ("how the chosen configuration does on rows that played no part in the choice: what one fold tests on is val of "
        "others (split=nested keeps them apart); nor ")
COLUMNS = ("fold", "train_eval", "val", "test", "gap on test")


def section(sweep: Sweep) -> Section | None:
    """Tabulate the ranking metric by fold, with means; None for a sweep without folds."""
    if sweep.overlap is None or not sweep.order:
        return None
    best = sweep.order[0]
    columns = {split: sweep.values(split)[best] for split in ("train_eval", "val", "test")}
    columns["gap on test"] = columns["test"] - columns["train_eval"]
    mean = {name: sweep.estimated(values, "test" if "test" in name else "val") for name, values in columns.items()}
    told = mean["test"].written(sweep.metric)
    of = f" of {sweep.name(best)}" if sweep.axes else ""
    return Section(
        key="cross_validation", title="Cross-validation",
        sentences=(f"Test {words.label(sweep.metric)}{of}, as the mean over {words.count(mean['test'].n, 'fold')}: "
                   f"{told}.",),
        tables=(Table(f"{words.label(sweep.metric)} by fold", COLUMNS, (*_rows(sweep, columns), (
            "mean", *(mean[name].written(sweep.metric) for name in ("train_eval", "val", "test")),
            mean["gap on test"].difference(sweep.metric)))),),
        notes=basis(
            f"mean ± t s √(1/J + n_test/n_train) over J folds, 95% (Nadeau and Bengio 2003, the corrected resampled "
            f"t test); here n_test/n_train is {sweep.overlap.ratios['test']:.3g}. Folds share most of their train "
            f"examples, so s/√J alone would be too narrow.",
            f"{words.count(mean['test'].n, 'fold')}, each trained on other rows; {words.label(sweep.metric)} is "
            f"measured at the checkpoint that val chose.",
            f"{LEAK if sweep.axes and any(name.startswith('fold ') for name in sweep.seeds) else ''}"
            "how one of the models does on new data: the mean is of the way to train, on train sets of this size. The "
            "correction is itself approximate; no unbiased estimate of this variance is known."),
        values={"folds": list(sweep.seeds), "ratios": dict(sweep.overlap.ratios),
                "by_fold": {name: [float(value) if np.isfinite(value) else None for value in values]
                            for name, values in columns.items()},
                "mean": {name: own._asdict() for name, own in mean.items()}})


def _rows(sweep: Sweep, columns: dict[str, Array]) -> list[tuple[str, ...]]:
    rows = []
    for index, fold in enumerate(sweep.seeds):
        values = [own[index] if np.isfinite(own[index]) else None for own in columns.values()]
        rows.append((fold, *(words.measured(sweep.metric, value) for value in values[:-1]),
                     words.difference(sweep.metric, values[-1], None, None)))
    return rows
