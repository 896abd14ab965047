"""What layers make of inputs."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlx.core.measures import Measure, Measures
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.section import Figure, Section, Table

OF_LAYERS = {"effective_rank": "effective rank", "participation_ratio": "participation ratio",
             "stable_rank": "stable rank", "intrinsic_dimension": "intrinsic dimension"}
COLLAPSE = {"nc1": "NC1: spread within classes", "nc2_norms": "NC2: unequal lengths of class means",
            "nc2_angles": "NC2: unequal angles of class means", "nc3": "NC3: head against class means",
            "nc4": "NC4: not the class of the nearest mean"}
BOXES = ((0.75, 1.05, 4.75, 0.5), (5.1, 1.05, 0.3, 0.5))
LONGEST = 18


def section(run: RunFiles) -> Section | None:
    """Tabulate and draw ranks and dimensions of layers, and neural collapse; None where nothing was measured."""
    found = run.measures.get("representation")
    if found is None:
        return None
    layers = [str(item.of["layer"]) for item in found.every("effective_rank", split="test")]
    with draw.style():
        figures = (_figure(found, layers),) if layers else ()
    tables = [*([_layer_table(found, layers)] if layers else []), *_collapse_table(found)]
    return Section("representation", "Representation", tuple(_sentences(found, layers)), tuple(found.skipped),
                   tuple(tables), figures, notes=(
        "These numbers describe this model; small differences between runs are noise. They depend on how many examples "
        "are looked at, so compare runs with the same number.",) if layers else ())


def _sentences(found: Measures, layers: list[str]) -> list[str]:
    told = []
    last = [item for item in found.every("effective_rank", split="test") if item.of["layer"] == layers[-1]] if layers \
        else []
    if last and last[0].value is not None:
        told.append(f"What the head gets has {last[0].of['width']} dimensions, of which test examples use about "
                    f"{words.number(last[0].value)} (effective rank, n = {last[0].n:,}).")
    pair = [found.find("nc1", split) for split in ("train_eval", "test")]
    values = [item.value for item in pair if item is not None]
    if len(values) == 2 and None not in values:
        told.append(f"Within a class, features spread {words.number(values[0])} times as much as classes lie apart on "
                    f"train_eval, {words.number(values[1])} times on test (NC1): the ratio says how much of the "
                    f"collapse carries over to new examples.")
    return told


def _layer_table(found: Measures, layers: list[str]) -> Table:
    rows = []
    for layer in layers:
        own = {(item.name, item.split): item for item in found.numbers if item.of.get("layer") == layer}
        width = next(iter(own.values())).of["width"]
        rows.append((layer, f"{width:,}", *(_pair(own, name) for name in OF_LAYERS)))
    return Table("Layers, on train_eval / test", ("layer", "dimensions", *OF_LAYERS.values()), tuple(rows))


def _pair(own: dict[tuple[str, str], Measure], name: str) -> str:
    return " / ".join(_number(own.get((name, split))) for split in ("train_eval", "test"))


def _number(item: Measure | None) -> str:
    return "–" if item is None or item.value is None else words.number(item.value)


def _collapse_table(found: Measures) -> list[Table]:
    rows = [(title, *(_number(found.find(name, split)) for split in ("train_eval", "test")))
            for name, title in COLLAPSE.items() if found.find(name, "test") is not None]
    if not rows:
        return []
    rows += [(COLLAPSE[of_means].replace("class means", "rows of the head"), _number(found.find(name)), "–")
             for name, of_means in (("nc2_weight_norms", "nc2_norms"), ("nc2_weight_angles", "nc2_angles"))]
    return [Table("Neural collapse: 0 is complete", ("measure", "train_eval", "test"), tuple(rows))]


def _figure(found: Measures, layers: list[str]) -> Figure:
    canvas = draw.figure(8.9, 3.8)
    for box, name in zip(BOXES, ("effective_rank", "intrinsic_dimension"), strict=True):
        area = draw.axes(canvas, box, f"{words.title(OF_LAYERS[name])} by layer", "", OF_LAYERS[name])
        _panel(area, found, layers, name)
    known = {item.of["layer"]: item for item in found.every("effective_rank", split="test")}
    told = [f"{layer} {_number(known.get(layer))}" for layer in layers]
    return Figure("representation_layers", draw.png(canvas),
                  f"Effective rank on test from the first layer to the last: {', '.join(told)}.",
                  "From the first layer to what the head gets. A rank far below the number of dimensions, or one that "
                  "shrinks more on train_eval than on test, says that features are made for the training examples.")


def _panel(area: Axes, found: Measures, layers: list[str], name: str) -> None:
    for split, mark in (("train_eval", "o"), ("test", "s")):
        values = {item.of["layer"]: item.value for item in found.every(name, split=split) if item.value is not None}
        places = [place for place, layer in enumerate(layers) if layer in values]
        area.plot(places, [values[layers[place]] for place in places], color=draw.COLORS[split], marker=mark,
                  markersize=5, label=split, linestyle="-" if split == "test" else "--")
    area.set_xticks(range(len(layers)), [draw.plain(layer, LONGEST) for layer in layers], rotation=35, ha="right")
    area.set_ylim(0, 1.1 * area.get_ylim()[1])
    area.yaxis.set_major_locator(MaxNLocator(5))
    area.legend(loc="best")
