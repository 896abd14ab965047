"""How much each setting matters, by Optuna's estimators, and how much the seed does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.axes import Axis
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import value_axis

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

TITLE = "Importance of settings"
MIN_POINTS = 10
# Of a large table a forest of fewer trees says as much, in seconds instead of minutes.
NUM_TREES, FEW_TREES, MANY_POINTS = 64, 16, 200
MAX_POINTS = 600
COLUMNS = ("setting", "fANOVA, val", "PED-ANOVA, val", "fANOVA, gap", "PED-ANOVA, gap")
Shares = Mapping[str, float]


def section(sweep: Sweep) -> Section | None:
    """Write both estimates for val and for the gap, or say why they would mean nothing."""
    if not sweep.axes or not sweep.order:
        return None
    seed = seed_share(sweep.val)
    told = [] if seed is None else [
        f"The seed: {100 * seed:.1f}% of the variance of {sweep.ranked_by} over all runs lies between runs of one "
        f"configuration, that is, comes from the seed alone."]
    why = meaningless(sweep)
    if why is not None:
        return Section("importance", TITLE, (f"Skipped: {why}.",), tuple(told), values={"skipped": why, "seed": seed})
    means = {split: mean_over_seeds(values) for split, values in (("val", sweep.val), ("gap", sweep.gap))}
    found = {split: importances(sweep, values, _cost(sweep, split)) for split, values in means.items()}
    with draw.style():
        figure = _figure(sweep, found)
    return Section(
        key="importance", title=TITLE, points=tuple(told), notes=_basis(sweep), figures=(figure,),
        tables=(Table("Importance, by estimator", COLUMNS, _rows(found)),), values={**found, "seed": seed})


def meaningless(sweep: Sweep) -> str | None:
    """Say why importance cannot be estimated, or None where it can."""
    if len(sweep.axes) < 2:
        return "one setting varies, so all that is not the seed is its doing"
    if len(sweep.order) < MIN_POINTS:
        return f"{words.count(len(sweep.order), 'configuration')} are too few; {MIN_POINTS} are the least"
    for split, values in (("val", sweep.val), ("gap", sweep.gap)):
        means = mean_over_seeds(values)[list(sweep.order)]
        if not np.isfinite(means).all():
            return f"the {split} of some configurations was not measured"
        if np.ptp(means) == 0:
            return f"the {split} is the same everywhere"
    return None


def seed_share(values: Array) -> float | None:
    """Return the sum of squares within points over the total [P, S]; None without two runs of any point."""
    known = np.isfinite(values)
    repeated = values[known.sum(axis=1) > 1]
    finite = values[known]
    total = float(((finite - finite.mean()) ** 2).sum()) if finite.size else 0.0
    if not repeated.size or total == 0:
        return None
    return float(np.nansum((repeated - mean_over_seeds(repeated)[:, None]) ** 2)) / total


def _cost(sweep: Sweep, split: str) -> Callable[[float], float]:
    """Return what PED-ANOVA is to make small: a val that is good, a gap that is near 0."""
    if split == "gap":
        return abs
    return (lambda value: -value) if sweep.greater_is_better else (lambda value: value)


def importances(sweep: Sweep, means: Array, cost: Callable[[float], float]) -> dict[str, dict[str, float]]:
    """Ask both of Optuna's estimators about the means over seeds [P]; shares of 1 by setting."""
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    with _quiet():
        study, goal = make_study(sweep, means), make_study(sweep, np.array([cost(value) for value in means]))
        trees = NUM_TREES if len(study.trials) <= MANY_POINTS else FEW_TREES
        fanova = FanovaImportanceEvaluator(n_trees=trees, seed=0)
        found = {"fanova": get_param_importances(study, evaluator=fanova),
                 "ped_anova": get_param_importances(goal, evaluator=PedAnovaImportanceEvaluator())}
    return {name: {str(key): float(share) for key, share in shares.items()} for name, shares in found.items()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def make_study(sweep: Sweep, values: Array) -> Study:
    """Put a value per configuration [P] into a study in memory, the best first, at most 600 spread over the ranks."""
    import optuna

    ranks = np.unique(np.linspace(0, len(sweep.order) - 1, min(MAX_POINTS, len(sweep.order))).round().astype(int))
    chosen = [sweep.order[rank] for rank in ranks]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    spaces = {axis.key: distribution(axis) for axis in sweep.axes}
    for point in chosen:
        params = {axis.key: cell if axis.scale == "category" else axis.place(cell)
                  for axis, cell in zip(sweep.axes, sweep.points[point].cells, strict=True)}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=float(values[point])))
    return study


def distribution(axis: Axis) -> BaseDistribution:
    """Describe an axis to Optuna."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if axis.scale == "category":
        return CategoricalDistribution(axis.levels)
    return FloatDistribution(axis.numbers[0], axis.numbers[-1], log=axis.scale == "log")


def _rows(found: Mapping[str, Mapping[str, Shares]]) -> tuple[tuple[str, ...], ...]:
    return tuple((key, *(f"{100 * found[split][name][key]:.1f}%" for split in ("val", "gap")
                         for name in ("fanova", "ped_anova"))) for key in _order(found))


def _order(found: Mapping[str, Mapping[str, Shares]]) -> list[str]:
    return sorted(found["val"]["fanova"], key=lambda key: (-found["val"]["fanova"][key], key))


def _basis(sweep: Sweep) -> tuple[str, ...]:
    few = "" if len(sweep.order) >= 50 else (f" The best tenth of {len(sweep.order)} configurations is few: take "
                                             f"PED-ANOVA as a hint.")
    cut = f" {MAX_POINTS} of them, spread over the ranks, were used." if len(sweep.order) > MAX_POINTS else ""
    return basis(
        "Optuna's estimators on means over seeds. fANOVA (Hutter et al. 2014): share of the variance over all the "
        "space, main effects scaled to 100%, from a random forest. PED-ANOVA (Watanabe et al. 2023): what sets the best "
        "tenth apart; for the gap, those with a gap closest to 0. The seed is not a setting.", runs_and_points(sweep) + cut,
        f"what matters outside of the ranges that were searched, and why.{few}")


def _figure(sweep: Sweep, found: Mapping[str, Mapping[str, Shares]]) -> Figure:
    keys = _order(found)
    height = 1.15 + 0.36 * len(keys)
    canvas = draw.figure(8.9, height)
    for split, left, right in (("val", 2.1, 3.75), ("gap", 5.6, 0.35)):
        title = words.title(sweep.ranked_by) if split == "val" else f"Gap in {words.label(sweep.metric)}"
        area = draw.axes(canvas, (left, 0.5, right, 0.62), title, "share", "")
        for name, shift, color in (("fanova", -0.17, draw.BLUE), ("ped_anova", 0.17, draw.ORANGE)):
            area.barh(np.arange(len(keys)) + shift, [100 * found[split][name][key] for key in keys], height=0.32,
                      color=color, label={"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}[name])
        area.set_xlim(0, 100)
        value_axis(area.xaxis, None)
        area.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        area.set_ylim(len(keys) - 0.45, -0.55)
        area.tick_params(axis="y", length=0)
        area.set_yticks(range(len(keys)), [draw.plain(key, 26) for key in keys] if split == "val" else [""] * len(keys))
        area.grid(visible=False, axis="y")
    canvas.legend(*canvas.axes[0].get_legend_handles_labels(), loc="upper left", ncols=2, borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(0.2 / 8.9, 1 - 0.12 / height))
    return Figure("importance", draw.png(canvas), _alt(sweep, found),
                  "Shares of 100% by estimator. Where the two differ, a setting matters for being bad more than for "
                  "being among the best, or the other way round.")


def _alt(sweep: Sweep, found: Mapping[str, Mapping[str, Shares]]) -> str:
    first: Sequence[str] = _order(found)[:3]
    told = ", ".join(f"{key} {100 * found['val']['fanova'][key]:.0f}%" for key in first)
    return f"Importance for {sweep.ranked_by} by fANOVA: {told}."
