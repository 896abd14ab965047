"""Whether the runs of a configuration that differ in what was drawn come to the same representations.

L layers, N examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from dlx.measure.similarity import debiased_cka, from_upper, plain_cka
from dlx.report import draw, words
from dlx.report.section import Figure, Section, Table
from dlx.report.sweep.basis import basis
from dlx.report.sweep.details import measures_of
from dlx.report.sweep.files import Run
from dlx.report.sweep.members import Group, groups_of
from dlx.report.sweep.points import Sweep

MAX_GROUPS = 20
# Pairs grow with the square.
MAX_COMPARED = 20
MIN_EXAMPLES = 4
MAX_WRITTEN = 10
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """One configuration.

    Args:
        layers: L names, from input to output.
        debiased, plain: linear CKA of layers of two runs, by pair of runs [P, L, L], the layer of the first by row.
    """

    group: Group
    layers: tuple[str, ...]
    num_runs: int
    num_examples: int
    debiased: Array
    plain: Array

    def of(self, layer: int) -> Array:
        """Return the debiased CKA of a layer with itself in another run, by pair of runs."""
        return np.asarray(self.debiased[:, layer, layer])

    @property
    def mean(self) -> Array:
        """The debiased CKA of every two layers [L, L], the mean over ordered pairs of runs: symmetric."""
        both: Array = np.concatenate([self.debiased, self.debiased.transpose(0, 2, 1)]).mean(axis=0)
        return both


def section(sweep: Sweep) -> Section | None:
    """Compare layers between runs; None where no two runs of a configuration kept their Gram matrices."""
    groups, left = groups_of(sweep, 2, MAX_GROUPS)
    found = [own for own in (_found(sweep, group) for group in groups) if own is not None]
    if not found:
        return None
    best = found[0]
    with draw.style():
        figures = (_figure(best),)
    runs = sum(own.num_runs for own in found)
    return Section(
        "similarity", "Similarity of representations between runs", (*_sentences(best), *left), figures=figures,
        notes=basis(
            f"linear CKA of the outputs of a layer in two runs, on the same test examples (Kornblith et al. 2019), by "
            f"the unbiased estimator of HSIC (Song et al. 2012). 1 is equal up to rotation and scale, about 0 is "
            f"unrelated. Plain CKA is biased upwards where examples are few. At most {MAX_COMPARED} runs of a "
            f"configuration are compared.",
            f"{words.count(runs, 'run')} done, of {words.count(len(found), 'configuration')}, with "
            f"{words.count(best.num_examples, 'test example')}, in measures/representation.json.",
            "whether layers do the same with what they hold: CKA sees the directions of large variance, and runs with "
            "a high CKA may still predict differently."),
        parts=(Section("similarity_numbers", "Numbers", tables=(_table(found),)),),
        values={"configurations": [_values(own) for own in found]})


def _found(sweep: Sweep, group: Group) -> Found | None:
    """Compare the runs that kept the same layers on the same examples as the first that kept any."""
    kept = [own for own in (_grams(sweep, run) for run in group.runs[:MAX_COMPARED]) if own is not None]
    same = [grams for ids, grams in kept if ids == kept[0][0] and list(grams) == list(kept[0][1])]
    if len(same) < 2:
        return None
    layers = tuple(same[0])
    stacked = np.stack([grams[layer] for grams in same for layer in layers])
    if stacked.shape[1] < MIN_EXAMPLES:
        return None
    return Found(group, layers, len(same), stacked.shape[1], _by_pair(debiased_cka(stacked), len(layers)),
                 _by_pair(plain_cka(stacked), len(layers)))


def _grams(sweep: Sweep, run: Run) -> tuple[list[int], dict[str, Array]] | None:
    """Return ids and the Gram matrix of every layer; None where the run kept none."""
    measured = measures_of(sweep, run).get("representation")
    kept = None if measured is None else measured.details.get("similarity")
    if not kept or not kept["gram"]:
        return None
    return list(kept["ids"]), {str(name): from_upper(np.asarray(upper, np.float64))
                               for name, upper in kept["gram"].items()}


def _by_pair(values: Array, num_layers: int) -> Array:
    """Return blocks [P, L, L] of a matrix [S L, S L] for each two runs."""
    num_runs = len(values) // num_layers
    blocks = values.reshape(num_runs, num_layers, num_runs, num_layers).transpose(0, 2, 1, 3)
    pairs: Array = blocks[np.triu_indices(num_runs, 1)]
    return pairs


def _spread(values: Array) -> str:
    """Write a mean over pairs with its range; what has no variation has no CKA."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return "–"
    if known.size == 1:
        return f"{known[0]:.3f}"
    return f"{known.mean():.3f} ({known.min():.3f} to {known.max():.3f})"


def _sentences(own: Found) -> list[str]:
    first, last = own.of(0), own.of(len(own.layers) - 1)
    pairs = words.count(len(own.debiased), "pair")
    told = [f"{own.group.name}: between runs, what the head gets ({own.layers[-1]}) has a debiased CKA of "
            f"{_spread(last)} over {pairs} of runs" + (
                f"; the first layer, {own.layers[0]}, of {_spread(first)}." if len(own.layers) > 1 else ".")]
    means = np.array([_mean(own.of(layer)) for layer in range(len(own.layers))], np.float64)
    if len(own.layers) > 2 and np.isfinite(means).all():
        told.append(f"Runs are least alike in {own.layers[int(means.argmin())]}, at {means.min():.3f}.")
    return told


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _table(found: Sequence[Found]) -> Table:
    rows = tuple((own.group.name, layer, str(own.num_runs), _spread(own.of(place)), _spread(own.plain[:, place, place]))
                 for own in found for place, layer in enumerate(own.layers))
    return Table("CKA of a layer between runs: mean over pairs, and range",
                 ("configuration", "layer", "runs", "debiased CKA", "plain CKA"), rows)


def _values(own: Found) -> dict[str, Any]:
    def plain(values: Array) -> dict[str, float | None]:
        known = values[np.isfinite(values)]
        found = (float(known.mean()), float(known.min()), float(known.max())) if known.size else (None, None, None)
        return dict(zip(("mean", "lowest", "highest"), found, strict=True))

    return {"configuration": own.group.cells, "num_runs": own.num_runs, "num_examples": own.num_examples,
            "layers": {layer: {"debiased_cka": plain(own.of(place)), "cka": plain(own.plain[:, place, place])}
                       for place, layer in enumerate(own.layers)},
            "between_layers": [[None if not np.isfinite(value) else float(value) for value in row]
                               for row in own.mean]}


def _figure(own: Found) -> Figure:
    count = len(own.layers)
    side = min(5.2, max(2.2, 0.5 * count))
    width, height = side + 3.5, side + 1.5
    canvas = draw.figure(width, height)
    area = draw.axes(canvas, (2.2, 1.15, 1.3, 0.35), "", "layer of another run", "layer of one run")
    # From white to a blue of the palette: darker is more alike, with every kind of colour vision and in print.
    colors = LinearSegmentedColormap.from_list("alike", ["#FFFFFF", draw.BLUE])
    shown = area.imshow(own.mean, vmin=0.0, vmax=1.0, cmap=colors, aspect="equal", interpolation="nearest")
    area.grid(visible=False)
    names = [draw.plain(layer, 16) for layer in own.layers]
    step = -(-count // 20)
    area.set_yticks(range(0, count, step), names[::step])
    area.set_xticks(range(0, count, step), names[::step], rotation=90 if count > 6 else 30,
                    ha="center" if count > 6 else "right", rotation_mode="default" if count > 6 else "anchor")
    if count <= MAX_WRITTEN:
        for row in range(count):
            for column in range(count):
                value = own.mean[row, column]
                area.text(column, row, f"{value:.2f}" if np.isfinite(value) else "–", ha="center", va="center",
                          fontsize=9, color="white" if value > 0.6 else draw.INK)
    bar = canvas.add_axes(((2.2 + side + 0.3) / width, 1.15 / height, 0.18 / width, side / height))
    canvas.colorbar(shown, cax=bar, label="debiased CKA")
    diagonal = [_mean(own.of(layer)) for layer in range(count)]
    return Figure("similarity", draw.png(canvas),
                  f"Debiased CKA of layers between runs of {own.group.name}: from {diagonal[0]:.2f} for "
                  f"{own.layers[0]} to {diagonal[-1]:.2f} for {own.layers[-1]}.",
                  f"{own.group.name}: mean debiased CKA of two layers over {words.count(len(own.debiased), 'pair')} of "
                  f"runs. On the diagonal the same layer in two runs.")
