"""The loss along random directions from the weights, and along the lines between checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx.core.measures import Measure
from dlx.core.types import Split
from dlx.measure.landscape import barrier, filter_normalized, steps
from dlx.measure.weight_space import WeightSpace
from dlx.report.measuring.flat.ground import NOT_FINITE, Found, Ground, finite, has_last, space_of
from dlx.report.measuring.flat.other import model_of

PATHS = (("initial", "best"), ("best", "last"))


def plane(ground: Ground, half: int, reach: float) -> Found:
    """Measure loss and error on a plane through the weights, along two filter-normalized directions."""
    weights = ground.space.weights
    parts = ground.space.parts(weights)
    directions = [filter_normalized(parts, ground.space.parts(ground.draw("direction", number))) for number in (0, 1)]
    places = steps(half, reach)
    asked = [[ground.space.ask(weights + x * directions[0] + y * directions[1], ground.examples)
              for x in places.tolist()] for y in places.tolist()]
    losses = np.array([[point.loss for point in row] for row in asked])
    details: dict[str, Any] = {"places": finite(places), "losses": finite(losses)}
    if ground.is_classification:
        details["errors"] = finite(np.array([[1 - (point.accuracy or 0.0) for point in row] for row in asked]))
    return Found([_rise(ground, losses, half, index, reach) for index in sorted({half, max(1, half // 2)})],
                 {"plane": details})


def _rise(ground: Ground, losses: np.ndarray, half: int, index: int, reach: float) -> Measure:
    around = [losses[half, half + index], losses[half, half - index], losses[half + index, half],
              losses[half - index, half]]
    return ground.measure("loss_rise", float(np.mean(around)) - ground.clean.loss,
                          {"distance": round(reach * index / half, 6)}, num_draws=2)


def paths(ground: Ground, half: int, num_examples: int, reference: Path | None) -> Found:
    """Measure the loss along the lines between checkpoints, and to a reference run, on train examples and val."""
    subject = ground.subject
    space = space_of(subject, ground.space.dtype, None)
    parts = {"train_eval": ground.examples, "val": space.examples(subject.splits["val"], num_examples)}
    numbers: list[Measure] = []
    details: dict[str, Any] = {}
    skipped: list[str] = []
    models = {name: subject.model(name) for name in ("initial", "best") + (("last",) if has_last(subject) else ())}
    if reference is not None:
        models["reference"] = model_of(reference, subject.model("best"))
    for names in (*PATHS, *([("best", "reference")] if reference is not None else [])):
        if "last" in names and not has_last(subject):
            skipped.append("Training diverged, so there is no last checkpoint and no path to it.")
            continue
        ends = [space.flat(models[name]) for name in names]
        if torch.equal(*ends):
            skipped.append(f"The {names[0]} checkpoint is also the {names[1]} one: there is no path between them.")
            continue
        title = " to ".join(names)
        details[title] = {}
        for split, examples in parts.items():
            number, details[title][split] = _path(space, ends, half, examples, title, split)
            numbers.append(number)
    return Found(numbers, {"paths": details}, skipped)


def _path(space: WeightSpace, ends: list[torch.Tensor], half: int, examples: Split, title: str, split: str
          ) -> tuple[Measure, dict[str, Any]]:
    shares = steps(half, 0.5) + 0.5
    asked = [space.ask((1 - share) * ends[0] + share * ends[1], examples) for share in shares.tolist()]
    losses = np.array([point.loss for point in asked])
    details = {"shares": finite(shares), "losses": finite(losses), "n": len(examples.ids)}
    if asked[0].accuracy is not None:
        details["accuracies"] = finite(np.array([point.accuracy for point in asked]))
    is_finite = bool(np.isfinite(losses).all())
    value = barrier(shares, losses) if is_finite else None
    return Measure("barrier", value, split, "best", {"path": title}, method=None if is_finite else NOT_FINITE,
                   n=len(examples.ids)), details
