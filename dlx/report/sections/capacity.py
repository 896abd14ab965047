"""How large the model is: sizes, norms by layer, margins. See dlx.report.capacity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dlx.core.measures import Measure, Measures
from dlx.report import words
from dlx.report.files import RunFiles
from dlx.report.parts import margin_figure
from dlx.report.section import Section, Table

PREFIXES = "kMGTPE"
# Of three digits, so that 999,600 is 1 M.
ROUNDED = -math.log10(0.9995)
# Rows of the table of layers, at most.
LONGEST = 48
SIZES = {
    "parameters": "parameters", "parameters_trained": "of these trained", "forward_flops": "FLOPs, forward, an example",
    "training_flops": "FLOPs, forward and backward, an example", "training_step_flops": "FLOPs of a training step",
    "parameter_bytes": "memory of parameters", "optimizer_bytes": "memory of the optimizer's state",
    "activation_bytes": "memory of activations, an example", "training_bytes": "memory of a training step, about",
}
NORMS = {
    "weight_norm": "‖w‖, all parameters", "distance_from_init": "‖w − w₀‖, distance from the initial ones",
    "sum_squared_frobenius": "Σ ‖W‖²F", "sum_squared_distance": "Σ ‖W − W₀‖²F",
    "log_product_frobenius": "ln Π ‖W‖²F", "log_product_spectral": "ln Π ‖W‖²₂",
    "frobenius_over_spectral": "Σ ‖W‖²F / ‖W‖²₂", "spectral_complexity": "spectral complexity (Jiang), ln",
    "log_bartlett_complexity": "spectral complexity (Bartlett) without margin, ln", "path_norm": "path norm, l2",
    "log_normalized_gamma": "ln of γ / Π ‖W‖₂",
}
CAVEATS = (
    "These norms rank runs of one sweep and are no verdict on a single run: where learning rate or batch size vary, "
    "many of them rise as the gap falls (Jiang et al. 2019; Dziugaite et al. 2020).",
    "Products and sums run over all layers as if they stood in a row. Of networks with shortcuts, attention, "
    "recurrence or normalization by an example's own statistics they bound nothing.",
)
LAYER_COLUMNS = ("layer", "kind", "shape", "weights", "‖W‖F", "‖W‖₂", "stable rank", "‖W − W₀‖F", "relative")


def section(run: RunFiles) -> Section | None:
    """Write, draw and tabulate it; None where nothing was measured."""
    found = run.measures.get("capacity")
    if found is None or not (found.numbers or found.skipped):
        return None
    figure = margin_figure.figure(found)
    return Section(
        key="capacity", title="Capacity", sentences=tuple(_sentences(run, found)), tables=tuple(_tables(found)),
        points=tuple(found.skipped),
        figures=() if figure is None else (figure,), notes=tuple(_notes(found)),
        values={item.name: item.value for item in found.numbers if not item.of and item.checkpoint == "best"})


def large(value: float, unit: str = "") -> str:
    """Write a size with a prefix, 11.2 M or 45.1 MB; whole numbers below 10,000 as they are."""
    if abs(value) < 10_000:
        return f"{value:,.0f} {unit}".rstrip()
    power = min(len(PREFIXES), int((math.log10(abs(value)) + ROUNDED) // 3))
    return f"{value / 1000**power:.3g} {PREFIXES[power - 1]}{unit}"


def _sentences(run: RunFiles, found: Measures) -> Iterator[str]:
    count, flops = (_value(found, name) for name in ("parameters", "forward_flops"))
    train = None if run.summary is None else run.summary.num_examples.get("train")
    if count is not None and flops is not None:
        each = "" if not train else f", {words.number(count / train)} for each train example"
        yield f"The model has {large(count)} parameters{each}, and takes {large(flops)} FLOPs for an example."
    distance, start = found.find("distance_from_init"), found.find("weight_norm", checkpoint="initial")
    if distance is not None and distance.value is not None and start is not None and start.value:
        share = words.percent(distance.value / start.value)
        yield (f"Training moved the weights by {words.number(distance.value)}, {share}% of the norm that they started "
               f"from.")
    tenth = {split: item.value for split in margin_figure.SPLITS
             if (item := found.find("margin_quantile", split, level=0.1)) is not None and item.value is not None}
    if tenth:
        told = ", ".join(f"{words.number(value)} on {split}" for split, value in tenth.items())
        yield f"A tenth of margins lies below {told}; where a margin is negative, the answer is wrong."


def _tables(found: Measures) -> Iterator[Table]:
    sizes = tuple((label, large(value, _unit(name))) for name, label in SIZES.items()
                  if (value := _value(found, name)) is not None)
    if sizes:
        yield Table("Sizes", ("what", "size"), sizes)
    norms = tuple((label, _written(item)) for name, label in NORMS.items() if (item := _first(found, name)) is not None)
    if norms:
        yield Table("Norms", ("norm", "value"), norms)
    rows = _layer_rows(found)
    if rows:
        yield Table("Layers", LAYER_COLUMNS, tuple(rows))
    margins = tuple(_margin_row(found, split) for split in margin_figure.SPLITS
                    if found.every("margin_quantile", split=split))
    if margins:
        levels = [f"{100 * level:g}%" for level in _levels(found)]
        yield Table("Quantiles of margins", ("split", *levels, "negative"), margins)


def _unit(name: str) -> str:
    return "B" if name.endswith("bytes") else ""


def _value(found: Measures, name: str) -> float | None:
    item = _first(found, name)
    return None if item is None else item.value


def _first(found: Measures, name: str) -> Measure | None:
    return next((item for item in found.numbers if (item.name, item.checkpoint) == (name, "best") and not item.of),
                None)


def _written(item: Measure) -> str:
    return words.number(item.value) if item.value is not None else item.method or "undefined"


def _facts(found: Measures) -> list[Mapping[str, Any]]:
    return [item for item in found.details.get("layers", ()) if isinstance(item, Mapping)]


def _shown(found: Measures) -> list[Mapping[str, Any]]:
    """Return the layers to tabulate: those with most weights where they are too many, in their order."""
    facts = _facts(found)
    if len(facts) <= LONGEST:
        return facts
    least = sorted((int(item["weights"]) for item in facts), reverse=True)[LONGEST - 1]
    return [item for item in facts if int(item["weights"]) >= least][:LONGEST]


def _layer_rows(found: Measures) -> list[tuple[str, ...]]:
    by_layer: dict[str, dict[str, Measure]] = {}
    for item in found.numbers:
        if "layer" in item.of:
            by_layer.setdefault(str(item.of["layer"]), {})[item.name] = item
    names = ("frobenius_norm", "spectral_norm", "stable_rank", "layer_distance_from_init", "layer_relative_distance")
    return [(str(item["name"]), str(item["kind"]), "×".join(map(str, item["shape"])), f"{int(item['weights']):,}",
             *(_cell(by_layer.get(str(item["name"]), {}).get(name)) for name in names)) for item in _shown(found)]


def _cell(item: Measure | None) -> str:
    return "–" if item is None or item.value is None else words.number(item.value)


def _levels(found: Measures) -> list[float]:
    return sorted({float(item.of["level"]) for item in found.numbers if item.name == "margin_quantile"})


def _margin_row(found: Measures, split: str) -> tuple[str, ...]:
    share = found.find("margin_negative_share", split)
    return (split, *(_cell(found.find("margin_quantile", split, level=level)) for level in _levels(found)),
            "–" if share is None or share.value is None else f"{words.percent(share.value)}%")


def _notes(found: Measures) -> Iterator[str]:
    facts = _facts(found)
    if facts:
        yield from CAVEATS
        if folded := found.details.get("folded"):
            yield (f"Batch normalization is folded into the layer before it ({int(folded):,} of them), so that its "
                   f"statistics count in norms and distances of layers, though not in ‖w − w₀‖.")
        if len(facts) > LONGEST:
            yield f"Of {len(facts):,} layers those {LONGEST} with the most weights are shown."
        rough = [item for item in facts if float(item["tolerance"]) > 1e-6]
        if rough:
            yield (f"The spectral norms of {words.count(len(rough), 'large convolution')} may be larger by up to "
                   f"{100 * max(float(item['tolerance']) for item in rough):g}%.")
        yield ("‖W‖₂ of a convolution is that of the map it computes on its images, with its padding; ‖W‖F and stable "
               "rank are those of its kernel. A multiplication and an addition are 2 FLOPs.")
