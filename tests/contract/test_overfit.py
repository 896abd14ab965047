"""Every model with every loss that it fits learns one batch by heart. B batch, L positions, C classes, K outputs."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from part_files import code_and_arguments, make, option_names

from dlx.core.errors import ConfigError
from dlx.core.losses import KnowsTrain, SizesOutputs
from dlx.core.random import keyed_global
from dlx.core.types import TaskSpec
from dlx.engine.build import made_for

ROWS, CLASSES = 8, 4
# Of one input, by layout: as few numbers as tell the rows apart.
SHAPES = {"table": (10,), "series": (7, 4), "tokens": (7,), "image": (1, 8, 8)}
KINDS = ("classification", "multilabel", "regression", "sequence", "transcription")
SPECS = [TaskSpec(kind, layout, shape, 1 if kind == "regression" else CLASSES, vocabulary_size=30)
         for kind in KINDS for layout, shape in SHAPES.items()]
SMALL = {"width": 16, "depth": 1, "architecture": "shufflenet_v2_x0_5"}
MODELS, LOSSES = option_names("model"), option_names("loss")


def small(option):
    code, arguments = code_and_arguments("model", option)
    return partial(code, **{**arguments, **{name: value for name, value in SMALL.items() if name in arguments}})


def accepts(option, spec):
    try:
        with torch.device("meta"):
            made_for(small(option), spec)
    except ConfigError:
        return False
    return True


# The first layout that a model takes for a kind of task.
FITTING = {(model, kind): next((spec for spec in SPECS if spec.kind == kind and accepts(model, spec)), None)
           for model in MODELS for kind in KINDS}
TOGETHER = [(model, loss, kind) for model in MODELS for loss in LOSSES for kind in make("loss", loss).kinds
            if FITTING[model, kind] is not None]


def batch(spec):
    """Random inputs, no two of which begin alike, and targets that are not a function of any one position."""
    draw = torch.Generator().manual_seed(0)
    if spec.layout == "tokens":
        inputs = torch.randint(1, spec.vocabulary_size, (ROWS, *spec.input_shape), generator=draw)
        inputs[:, 0] = torch.arange(1, ROWS + 1)
    else:
        inputs = torch.randn(ROWS, *spec.input_shape, generator=draw)
    if spec.layout == "series":
        inputs[:, :, -1] = 1
    labels = torch.arange(ROWS)
    targets = {"classification": labels % CLASSES, "regression": torch.linspace(-1, 1, ROWS),
               "multilabel": (labels[:, None] >> torch.arange(CLASSES)) % 2,
               "sequence": torch.randint(CLASSES, (ROWS, spec.input_shape[0]), generator=draw),
               "transcription": torch.randint(1, CLASSES, (ROWS, 2), generator=draw)}
    return inputs, targets[spec.kind]


def least(loss, shape, targets):
    """The least mean loss that any outputs at all reach on the targets."""
    outputs = torch.zeros(shape).normal_(std=0.1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimizer = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        value = loss(outputs, targets).mean()
        value.backward()
        optimizer.step()
    return value.item()


def test_every_model_and_every_loss_is_overfitted():
    assert {model for model, _, _ in TOGETHER} == {*MODELS}
    assert {loss for _, loss, _ in TOGETHER} == {*LOSSES}


@pytest.mark.parametrize(("model_name", "loss_name", "kind"), TOGETHER)
def test_model_overfits_one_batch(model_name, loss_name, kind):
    spec, loss = FITTING[model_name, kind], make("loss", loss_name)
    inputs, targets = batch(spec)
    asked = replace(spec, num_outputs=loss.num_outputs(spec)) if isinstance(loss, SizesOutputs) else spec
    loss = loss.knowing([targets], spec) if isinstance(loss, KnowsTrain) else loss
    with keyed_global(0, "init"):
        model = made_for(small(model_name), asked)
    goal = least(loss, model(inputs).shape, targets) + 0.03
    optimizer, value = torch.optim.Adam(model.parameters(), lr=0.02), math.inf
    for _ in range(600):
        losses = loss(model(inputs), targets).mean()
        value = losses.item()
        if value < goal:
            break
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
    assert value < goal
