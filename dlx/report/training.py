"""How training went: curves, gradients and updates of layers, dead units, and what to try next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from dlx.core.measures import Definition, Measure, Measures
from dlx.core.ranges import Count, Range

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.subject import Subject
    from dlx.measure.units import Units
    from dlx.report.layers import Layers

_LAYER = ("A layer is a weight of two axes or more, named as its parameter is, without .weight; the step is the last "
          "of the epoch, as in layers.csv.")
DEFINITIONS: dict[str, Definition] = {
    "num_epochs": Definition("Epochs that were finished: rows of metrics.csv."),
    "best_epoch": Definition("Epoch, from 1, whose weights the selection rule kept; it sees val alone."),
    "minimised_loss": Definition("train_loss of metrics.csv in the last epoch: what training minimised, penalties and "
                                 "augmentation included, averaged over the examples as they were met."),
    "epoch_loss": Definition("Mean loss over a split after the epoch of the checkpoint, from metrics.csv: eval mode, "
                             "no augmentation, no penalty, with averaged weights where a regularizer averages."),
    "gradient_norm": Definition(f"L2 norm of the gradient that the optimizer followed at one step: after clipping, and "
                                f"of SAM at the point it climbed to. {_LAYER}"),
    "gradient_norm_median": Definition(f"Median over the epochs of the layer's gradient_norm. {_LAYER}"),
    "gradient_ratio": Definition(f"Median over the epochs of the layer's gradient_norm over that of the last layer "
                                 f"that was trained. {_LAYER}", "Glorot and Bengio 2010"),
    "update_ratio": Definition(f"L2 norm of what one step added to the weight, decay included, over the L2 norm of the "
                               f"weight after it. {_LAYER}", "Karpathy, makemore part 3, 2022: about 1e-3 is healthy"),
    "update_ratio_median": Definition(f"Median over the epochs of the layer's update_ratio. {_LAYER}"),
    "update_ratio_early": Definition(f"Median of the layer's update_ratio over the first quarter of the epochs, "
                                     f"rounded down, at least one. {_LAYER}"),
    "dead_units": Definition("Share of the units of ReLUs that are 0 on all examples measured (at most num_examples, "
                             "the subset of the conventions), at all positions; a unit of a convolution is a channel. "
                             "Of a layer: the module with weights computed last before the activation; without one, "
                             "of all such units."),
    "saturated_units": Definition("Share of the units of sigmoids with |h - 0.5| > 0.45, or of tanhs with |h| > 0.9, "
                                  "at no less than the share saturated_share of the examples measured and their "
                                  "positions. Layers as for dead_units; the gates of an LSTM or GRU are not seen, the "
                                  "states of model=rnn are.", "Glorot and Bengio 2010"),
}
NAMES = {"relu": "dead_units", "sigmoid": "saturated_units", "tanh": "saturated_units"}
ROWS = 256


class Training:
    """How training went: curves, gradients and updates of layers, dead units, and what to try next.

    Args:
        num_examples: train examples, at most, on which dead and saturated units are looked for.
        saturated_share: of a unit's values that are saturated in a saturated unit, in (0, 1].
    """

    def __init__(self, num_examples: Count, saturated_share: Annotated[float, Range("(0, 1]")]) -> None:
        self.num_examples = num_examples
        self.saturated_share = saturated_share

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.record import layout
        from dlx.record.layers import read_layers
        from dlx.report.layers import Layers

        layers = Layers.of(read_layers(subject.folder / layout.LAYERS))
        units, num_examples = self._units(subject)
        numbers = [*_course(subject), *(() if layers is None else _of_layers(layers)), *_of_units(units, num_examples)]
        skipped = () if layers is not None else (
            "Gradients and updates of layers are not known: the run did not keep layers.csv, which is written while it "
            "trains and its report has training.",)
        without = () if units else ("Dead and saturated units were not counted: the model has no ReLU, sigmoid or tanh "
                                    "layer.",)
        return Measures(numbers, {"num_units": {layer.layer: layer.num_units for layer in units}}, (*skipped, *without))

    def _units(self, subject: Subject) -> tuple[list[Units], int]:
        import torch

        from dlx.core.subject import apart
        from dlx.measure.units import idle_units

        split = subject.splits["train_eval"]
        rows = torch.tensor(apart(split.ids.tolist(), self.num_examples))

        def batches() -> Iterator[Tensor]:
            for own in torch.split(rows, ROWS):
                yield split.inputs.index_select(0, own.to(split.inputs.device))

        return idle_units(subject.model(), batches(), self.saturated_share), len(rows)


def _course(subject: Subject) -> Iterator[Measure]:
    from dlx.record import layout
    from dlx.record.table import read_rows

    rows = read_rows(subject.folder / layout.METRICS)
    best = int(subject.summary["selection"]["epoch"])
    yield Measure("num_epochs", len(rows), checkpoint="last")
    yield Measure("best_epoch", best)
    yield _known("minimised_loss", rows[-1]["train_loss"], "not finite", checkpoint="last")
    for checkpoint, row in (("best", rows[best - 1]), ("last", rows[-1])):
        for split in ("train_eval", "val"):
            value = row[f"{split}_loss"]
            yield _known("epoch_loss", value, "not finite", split=split, checkpoint=checkpoint)


def _of_layers(layers: Layers) -> Iterator[Measure]:
    epoch = int(layers.epochs[-1])
    for name, matrix in (("gradient_norm", layers.gradients), ("update_ratio", layers.updates)):
        for layer, value in zip(layers.names, matrix[-1], strict=True):
            yield _layer(name, value, layer, checkpoint="last", epoch=epoch)
    for name, values in (("gradient_norm_median", layers.gradient_medians()),
                         ("gradient_ratio", layers.gradient_ratios()),
                         ("update_ratio_median", layers.update_medians()),
                         ("update_ratio_early", layers.early_updates())):
        for layer, value in zip(layers.names, values, strict=True):
            yield _layer(name, value, layer)


def _layer(name: str, value: float, layer: str, checkpoint: str = "", **of: int) -> Measure:
    return _known(name, value, "the weight was frozen, or the number is not finite", checkpoint=checkpoint,
                  of={"layer": layer, **of})


def _known(name: str, value: float | None, why: str, **rest: Any) -> Measure:
    is_known = value is not None and math.isfinite(value)
    return Measure(name, value if is_known else None, method=None if is_known else f"undefined: {why}", **rest)


def _of_units(units: list[Units], num_examples: int) -> Iterator[Measure]:
    for name in ("dead_units", "saturated_units"):
        own = [layer for layer in units if NAMES[layer.function] == name]
        for layer in own:
            yield Measure(name, layer.num_idle / layer.num_units, "train_eval",
                          of={"layer": layer.layer}, n=num_examples)
        if own:
            share = sum(layer.num_idle for layer in own) / sum(layer.num_units for layer in own)
            yield Measure(name, share, "train_eval", n=num_examples)
