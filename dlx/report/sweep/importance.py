"""How much each setting and the seed matter, by the share of the variance and by Optuna's estimators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.axes import Axis
from dlx.report.sweep.basis import basis, runs_and_points
from dlx.report.sweep.decompose import decompose, to_grid
from dlx.report.sweep.points import Array, Sweep, mean_over_seeds
from dlx.report.sweep.scales import value_axis

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

TITLE = "Importance of settings"
MIN_POINTS = 10
# Of the largest val: what single precision cannot tell apart.
SAME = 1e-6
# Of a large table a forest of fewer trees says as much, in seconds instead of minutes.
NUM_TREES, FEW_TREES, MANY_POINTS = 64, 16, 200
MAX_POINTS = 400
# Optuna asks for at least 5 configurations among the best; in a grid they are a tenth from 50 on.
NUM_BEST, MIN_PED_POINTS = 5, 50
INTERACTIONS = "interactions"
ESTIMATORS = {"exact": "variance share", "fanova": "fANOVA", "ped_anova": "PED-ANOVA"}
METHODS = {
    "exact": "Variance share: the functional analysis of variance of the complete grid, between configurations.",
    "fanova": "fANOVA (Hutter et al. 2014, Optuna): share of the variance over all the space, from a random forest; "
              "main effects scaled to 100%.",
    "ped_anova": "PED-ANOVA (Watanabe et al. 2023, Optuna): what sets the best tenth, or the best 5, apart; for the "
                 "gap "
                 "those that are closest to 0.",
}
Shares = Mapping[str, float]


def section(sweep: Sweep) -> Section | None:
    """Write both estimates for val and for the gap, or say why they would mean nothing."""
    if not sweep.axes or not sweep.order:
        return None
    seed = seed_share(sweep.val)
    told = [] if seed is None else [
        f"The {sweep.repetition}: {100 * seed:.1f}% of the variance of {sweep.ranked_by} over all runs lies "
        f"between runs of one configuration, that is, comes from the {sweep.repetition} alone."]
    why = meaningless(sweep)
    if why is not None:
        return Section("importance", TITLE, (f"Skipped: {why}.",), tuple(told), values={"skipped": why, "seed": seed})
    found = {split: importances(sweep, split) for split in ("val", "gap")}
    with draw.style():
        figure = _figure(sweep, found)
    columns = ("setting", *(f"{ESTIMATORS[name]}, {split}" for split in found for name in found[split]))
    return Section(
        key="importance", title=TITLE, points=tuple(told), notes=_basis(sweep, found["val"]), figures=(figure,),
        tables=(Table("Importance, by estimator", columns, _rows(found)),), values={**found, "seed": seed})


def meaningless(sweep: Sweep) -> str | None:
    """Say why importance cannot be estimated, or None where it can."""
    if len(sweep.axes) < 2:
        return f"one setting varies, so all that is not the {sweep.repetition} is its doing"
    if len(sweep.order) < MIN_POINTS:
        return f"{words.count(len(sweep.order), 'configuration')} are too few; {MIN_POINTS} are the least"
    for split, values in (("val", sweep.val), ("gap", sweep.gap)):
        means = mean_over_seeds(values)[list(sweep.order)]
        if not np.isfinite(means).all():
            return f"the {split} of some configurations was not measured"
        if np.ptp(means) <= SAME * np.abs(mean_over_seeds(sweep.val)[list(sweep.order)]).max():
            return f"the {split} is the same everywhere, to rounding"
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


def importances(sweep: Sweep, split: str) -> dict[str, Shares]:
    """Return shares of 1 by setting, by estimator, from means over seeds.

    On a complete grid the functional analysis of variance is a sum over the grid, so no forest has to guess it.
    """
    means = mean_over_seeds(sweep.values(split))
    found: dict[str, Shares] = {"exact": exact_shares(sweep, means)} if sweep.is_grid else {
        "fanova": fanova(sweep, means)}
    if not sweep.is_grid or len(sweep.points) >= MIN_PED_POINTS:
        cost = _cost(sweep, split)
        found["ped_anova"] = ped_anova(sweep, np.array([cost(value) for value in means]))
    return found


def exact_shares(sweep: Sweep, means: Array) -> Shares:
    """Return the settings' shares of the variance between the points [P] of a complete grid, and the interactions'."""
    terms = decompose(to_grid(sweep, means[:, None]), tuple(axis.key for axis in sweep.axes))
    shares = {term.name: term.share or 0.0 for term in terms if len(term.axes) == 1}
    return {**shares, INTERACTIONS: max(0.0, 1.0 - sum(shares.values()))}


def fanova(sweep: Sweep, means: Array) -> Shares:
    """Ask Optuna's random forest about values [P], scaled by a power of two: it takes small differences for none."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    with _quiet():
        study = make_study(sweep, np.ldexp(means, -int(np.log2(np.nanstd(means)))))
        trees = NUM_TREES if len(study.trials) <= MANY_POINTS else FEW_TREES
        return _plain(get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=trees, seed=0)))


def ped_anova(sweep: Sweep, costs: Array) -> Shares:
    """Ask Optuna what sets the best apart by costs [P], of which less is better: a tenth of them, but at least 5."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    with _quiet():
        study = make_study(sweep, costs)
        quantile = max(0.1, min(0.5, NUM_BEST / len(study.trials)))
        return _plain(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile)))


def _plain(shares: Mapping[str, float]) -> Shares:
    return {str(key): float(share) for key, share in shares.items()}


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
    """Put a value per configuration [P] into a study in memory, the best first, at most 400 spread over the ranks."""
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
    return tuple((key, *(f"{100 * shares[key]:.1f}%" if key in shares else "–" for by_name in found.values()
                         for shares in by_name.values())) for key in _order(found))


def _order(found: Mapping[str, Mapping[str, Shares]]) -> list[str]:
    first = next(iter(found["val"].values()))
    return sorted(first, key=lambda key: (key == INTERACTIONS, -first[key], key))


def _basis(sweep: Sweep, found: Mapping[str, Shares]) -> tuple[str, ...]:
    cut = f" {MAX_POINTS} of them, spread over the ranks, were used." if len(sweep.order) > MAX_POINTS else ""
    how = "on means over seeds; the seed is not a setting. " + " ".join(METHODS[name] for name in found)
    few = "" if "ped_anova" in found else (f" What sets the best apart is not estimated from fewer than "
                                           f"{MIN_PED_POINTS} "
                                           f"configurations of a grid.")
    return basis(how, runs_and_points(sweep) + cut, f"what matters outside of the values that were tried, and "
                                                    f"why.{few}")


def _figure(sweep: Sweep, found: Mapping[str, Mapping[str, Shares]]) -> Figure:
    keys = _order(found)
    height = 1.15 + 0.36 * len(keys)
    canvas = draw.figure(8.9, height)
    for split, left, right in (("val", 2.1, 3.75), ("gap", 5.6, 0.35)):
        title = words.title(sweep.ranked_by) if split == "val" else f"Gap in {words.label(sweep.metric)}"
        area = draw.axes(canvas, (left, 0.5, right, 0.62), title, "share", "")
        for index, (name, shares) in enumerate(found[split].items()):
            thick = 0.64 / len(found[split])
            area.barh(np.arange(len(keys)) - 0.32 + (index + 0.5) * thick, [100 * shares.get(key, 0.0) for key in keys],
                      height=thick, color=(draw.BLUE, draw.ORANGE)[index], label=ESTIMATORS[name])
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
                  "Shares of 100%. Where two estimators differ, a setting matters for being bad more than for being "
                  "among the best, or the other way round." if len(found["val"]) > 1 else
                  "Shares of the variance between configurations, 100% together.")


def _alt(sweep: Sweep, found: Mapping[str, Mapping[str, Shares]]) -> str:
    name, shares = next(iter(found["val"].items()))
    told = ", ".join(f"{key} {100 * shares[key]:.0f}%" for key in _order(found)[:3])
    return f"Importance for {sweep.ranked_by} by {ESTIMATORS[name]}: {told}."
