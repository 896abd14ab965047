"""From parts and data to a model, its optimizer and its step."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from dlx.core.device import Placement
from dlx.core.errors import ConfigError
from dlx.core.random import keyed_global
from dlx.core.types import OnBatch, OnGradient, OnHistory, OnModel, Penalty, ScalesTarget, TaskSpec
from dlx.engine import history
from dlx.engine.data import Prepared
from dlx.engine.evaluate import Evaluator
from dlx.engine.flat import flatten
from dlx.engine.parts import Parts
from dlx.engine.step import Step, bind_noise

Hook = TypeVar("Hook")


def build_model(parts: Parts, spec: TaskSpec, placement: Placement) -> nn.Module:
    """Make the model with its initial weights, as regularizers want it, on the device.

    The weights are drawn in float32 on the CPU whatever the device, so that they are the same bits everywhere.
    """
    with keyed_global(parts.settings.seed, "init"):
        model = on_model(parts, parts.model(spec.input_shape, spec.num_outputs))
    return model.to(placement.device, placement.dtype)


def meta_model(parts: Parts, spec: TaskSpec) -> nn.Module:
    """Make the model without memory and without draws: to count, and to check that the parts fit together."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return on_model(parts, parts.model(spec.input_shape, spec.num_outputs))


def on_model(parts: Parts, model: nn.Module) -> nn.Module:
    """Let regularizers change the model, in their order."""
    for _, hook in hooks(parts, OnModel):
        model = hook.on_model(model)
    return model


def hooks(parts: Parts, kind: type[Hook]) -> list[tuple[str, Hook]]:
    """Return the regularizers that have a hook, by name."""
    return [(name, part) for name, part in parts.regularizers.items() if isinstance(part, kind)]


def flops_per_step(parts: Parts, spec: TaskSpec) -> float:
    """Return the floating-point operations of one training step: three times those of the forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    model = meta_model(parts, spec).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(parts.settings.batch_size, *spec.input_shape, device="meta"))
    return 3.0 * float(counter.get_total_flops())


def build_step(parts: Parts, model: nn.Module, placement: Placement) -> Step:
    """Join model, loss, optimizer and regularizers into a step."""
    params = [param for param in model.parameters() if param.requires_grad]
    vector = flatten(params)
    return Step(
        seed=parts.settings.seed,
        forward=torch.compile(model) if placement.compile else model,
        params=params,
        vector=vector,
        loss=parts.loss,
        optimizer=parts.optimizer([vector]),
        precision=placement.precision,
        noise=bind_noise(model, placement.device),
        on_batch=hooks(parts, OnBatch),
        penalties=[hook for _, hook in hooks(parts, Penalty)],
        on_gradient=[hook for _, hook in hooks(parts, OnGradient)],
    )


def build_evaluator(parts: Parts, model: nn.Module, data: Prepared, placement: Placement) -> Evaluator:
    """Join model, loss and metrics into the one evaluation."""
    return Evaluator(model, parts.loss, history.streamed(parts.metrics), data.spec, data.target_shift,
                     data.target_scale, placement.precision)


def check_parts(parts: Parts) -> None:
    """Check, without data, that the parts can work together.

    Raises:
        ConfigError: every combination that cannot, together.
    """
    problems: list[str] = []
    spec, columns = parts.dataset.spec(), history.directions(parts.metrics)
    problems += _kind_problems(parts, spec)
    for _, rule in hooks(parts, OnHistory):
        problems += [f"regularizer.early_stopping.monitor must be one of {', '.join(columns)}, got {column!r}"
                     for column in rule.columns() if column not in columns]
    for check in (lambda: history.selected_column(parts.settings.selection, columns), parts.device.check,
                  lambda: meta_model(parts, spec)):
        try:
            check()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)


def _kind_problems(parts: Parts, spec: TaskSpec) -> list[str]:
    wanted: dict[str, tuple[str, ...]] = {
        f"loss={_name(parts.loss)}": parts.loss.kinds,
        **{f"metric={name}": (metric.kind,) for name, metric in parts.metrics.items()},
    }
    if spec.kind != "regression":
        wanted |= {f"preprocessing={name}": ("regression",) for name, part in parts.preprocessing.items()
                   if isinstance(part, ScalesTarget)}
    task = f"dataset={_name(parts.dataset)} is a {spec.kind}"
    return [f"{part} is for {' and '.join(kinds)}, {task}; {_fitting(spec)}" for part, kinds in wanted.items()
            if spec.kind not in kinds]


def _fitting(spec: TaskSpec) -> str:
    if spec.kind == "regression":
        return "use loss=mse metric=[rmse,mae,r2]"
    return "use loss=cross_entropy metric=[accuracy,nll,top_k,macro_f1,roc_auc]"


def _name(part: object) -> str:
    return type(part).__module__.rsplit(".", 1)[-1]
