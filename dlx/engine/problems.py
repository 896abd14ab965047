"""Which parts cannot work together, said before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args, get_type_hints

import torch
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.features import PLURALS
from dlx.core.hooks import Ascends, ChangesWithHistory, FollowsHistory, OnGradient, OnHistory
from dlx.core.losses import ComparesExamples, KnowsTrain, ReadsOutputs
from dlx.core.types import ScalesTarget, SearchesLoss, TaskSpec
from dlx.core.wording import alternatives
from dlx.engine import history
from dlx.engine.build import hooks, known_spec, meta_model, minimised, option_of
from dlx.engine.parts import Parts


def part_problems(parts: Parts, broken: Collection[str] = ()) -> list[str]:
    """Say, without data, which parts cannot work together.

    Args:
        broken: groups that could not be made; what depends on them is not checked.
    """
    columns = {} if "metric" in broken else history.directions(parts.metrics)
    checks: list[tuple[set[str], Callable[[], list[str]]]] = [
        ({"metric"}, lambda: _monitor_problems(parts, columns, broken)),
        ({"metric", "regularizer"}, lambda: _restored_problems(parts, columns)),
        ({"regularizer"}, lambda: _conflicts(parts.regularizers)),
        (set(), lambda: _accumulation_problems(parts)),
        ({"model", "optimizer", "regularizer"}, lambda: _search_problems(parts)),
        ({"metric"}, lambda: _said(lambda: history.selected_column(parts.settings.selection, columns))),
        ({"loss", "regularizer"}, lambda: _said(lambda: minimised(parts))),
        ({"device"}, lambda: _said(parts.device.check)),
        ({"device", "loss"}, lambda: _comparison_problems(parts)),
        ({"loss", "regularizer"}, lambda: _reading_problems(parts)),
    ]
    problems = [problem for needed, check in checks if not needed & {*broken} for problem in check()]
    if "dataset" in broken:
        return problems
    try:
        spec = parts.given()
    except ConfigError as error:
        return [*error.problems, *problems]
    return problems if spec is None else task_problems(parts, spec, broken) + problems


def _restored_problems(parts: Parts, columns: Mapping[str, bool]) -> list[str]:
    rule = parts.settings.selection
    wanted = [(name, history.SELECTION_PREFIX + column) for name, hook in hooks(parts, OnHistory)
              if getattr(hook, "restore", False) for column in hook.columns() if column in columns]
    return [f"regularizer.{name}.restore=true keeps the weights of selection={best}, and the run's are those of "
            f"selection={rule}; use selection={best} or regularizer.{name}.restore=false"
            for name, best in wanted if best != rule]


def _conflicts(regularizers: Mapping[str, object]) -> list[str]:
    return [f"regularizer=[{name},{other}]: {reason}; leave one out" for name, part in regularizers.items()
            for other, reason in getattr(part, "CONFLICTS", {}).items() if other in regularizers]


def _comparison_problems(parts: Parts) -> list[str]:
    """Say why a loss that compares the examples of a batch would not see all of them."""
    if not isinstance(parts.loss, ComparesExamples):
        return []
    divided = {"device.processes": parts.device.processes, "accumulation_steps": parts.settings.accumulation_steps}
    return [f"loss={option_of(parts.loss)} compares the examples of a batch, which {key}={count} divides; set it to 1"
            for key, count in divided.items() if count > 1]


def _reading_problems(parts: Parts) -> list[str]:
    """Say which regularizers take outputs or targets for something that a loss does not."""
    loss, compares = f"loss={option_of(parts.loss)}", isinstance(parts.loss, ComparesExamples)
    named = parts.regularizers.items()
    found = [f"regularizer={name} reads outputs as logits, and those of {loss} are none; leave it out"
             for name, part in named if getattr(part, "reads_logits", False)
             and (compares or isinstance(parts.loss, ReadsOutputs))]
    return found + [f"regularizer={name} mixes examples, and {loss} compares examples of one class each; leave it out"
                    for name, part in named if getattr(part, "mixes", False) and compares]


def task_problems(parts: Parts, spec: TaskSpec, broken: Collection[str] = (), seen: TaskSpec | None = None
                  ) -> list[str]:
    """Say which parts are not for a task.

    Args:
        spec: of the data as the dataset gives it.
        seen: as the model sees it, where preprocessing is fitted.
    """
    checks: list[tuple[set[str], Callable[[], list[str]]]] = [
        (set(), lambda: _kind_problems(parts, spec, broken)),
        ({"preprocessing"}, lambda: _scaled_problems(parts, spec)),
        ({"preprocessing", "regularizer"}, lambda: _regularizer_problems(parts, seen)),
        ({"preprocessing", "loss"}, lambda: _said(lambda: _check_loss(parts, seen))),
        ({"preprocessing", "model", "regularizer"}, lambda: _said(lambda: _check_model(parts, broken, seen))),
        ({"preprocessing", "model", "regularizer", "device"}, lambda: _said(lambda: _check_channels_last(parts, seen))),
    ]
    return [problem for needed, check in checks if not needed & {*broken} for problem in check()]


def _monitor_problems(parts: Parts, columns: Collection[str], broken: Collection[str]) -> list[str]:
    """Say which parts read columns that the history has not."""
    readers: list[tuple[str, str, Any]] = [("regularizer", f"regularizer.{name}", rule)
                                           for name, rule in hooks(parts, OnHistory)]
    readers += [(group, group, part) for group, part in (("schedule", parts.schedule), ("optimizer", parts.optimizer))
                if isinstance(part, FollowsHistory | ChangesWithHistory)]
    return [f"{key}.monitor must be one of {', '.join(columns)}, got {column!r}" for group, key, part in readers
            if group not in broken for column in part.columns() if column not in columns]


def _search_problems(parts: Parts) -> list[str]:
    """Say what changes a gradient that the optimizer wants to be that of the loss in all parameters."""
    if not isinstance(parts.optimizer, SearchesLoss):
        return []
    names = dict.fromkeys([name for name, _ in hooks(parts, OnGradient)] + [name for name, _ in hooks(parts, Ascends)])
    frozen = [f"model.freeze: {parts.optimizer.ALONE}, all of them; leave it out"] if parts.freeze.patterns else []
    optimizer = f"optimizer={option_of(parts.optimizer)}"
    return frozen + [f"regularizer={name} changes the gradient, and {optimizer} needs that of the loss; leave it out"
                     for name in names]


def _accumulation_problems(parts: Parts) -> list[str]:
    parts_of_batch, size = parts.settings.accumulation_steps, parts.settings.batch_size
    return [] if parts_of_batch <= size else [
        f"accumulation_steps must be at most batch_size={size}, got {parts_of_batch}: a part of a batch has an example"]


def _said(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except ConfigError as error:
        return list(error.problems)
    return []


def _check_loss(parts: Parts, seen: TaskSpec | None) -> None:
    """Raise ConfigError where a loss is not for so many classes."""
    spec = seen or known_spec(parts)
    if isinstance(parts.loss, KnowsTrain) and spec is not None and spec.kind in parts.loss.kinds:
        parts.loss.knowing([torch.zeros(1, dtype=torch.int64)], spec)


def _check_model(parts: Parts, broken: Collection[str], seen: TaskSpec | None) -> None:
    spec = seen or known_spec(parts)
    if spec is None:
        return
    model = meta_model(parts, spec)
    parts.freeze.check(model, None if "optimizer" in broken else parts.optimizer)
    if "optimizer" not in broken:
        parts.param_groups.check(model, parts.optimizer)
    if parts.settings.batch_size == 1 and any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules()):
        raise ConfigError("batch_size=1 cannot train with model.norm=batch: one example has no variance; use "
                          "batch_size=2 or more, or model.norm=layer")


def _check_channels_last(parts: Parts, seen: TaskSpec | None) -> None:
    spec = (seen or known_spec(parts)) if parts.device.channels_last else None
    if spec is not None and not any(isinstance(layer, nn.Conv2d) for layer in meta_model(parts, spec).modules()):
        raise ConfigError(f"device.channels_last=true is for models with convolutions of images, and model="
                          f"{option_of(parts.model)} has none; leave it out")


def _kind_problems(parts: Parts, spec: TaskSpec, broken: Collection[str]) -> list[str]:
    """Say in one sentence which loss and metrics are for other tasks, and all that makes the parts fit."""
    wrong: dict[tuple[str, ...], list[str]] = {}
    if "loss" not in broken and spec.kind not in parts.loss.kinds:
        wrong[parts.loss.kinds] = [f"loss={option_of(parts.loss)}"]
    metrics = {} if "metric" in broken else parts.metrics
    for kind in dict.fromkeys(metric.kind for metric in metrics.values() if metric.kind != spec.kind):
        wrong[(kind,)] = [*wrong.get((kind,), []), *_of_kind(parts, kind)]
    said = [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} for {' and '.join(kinds)}"
            for kinds, names in wrong.items()]
    task = f"dataset={option_of(parts.dataset)} is a {spec.kind}"
    return [f"{', '.join(said)}, {task}; {_fitting(parts, spec, broken)}"] if said else []


def _of_kind(parts: Parts, kind: str) -> list[str]:
    names = [name for name, metric in parts.metrics.items() if metric.kind == kind]
    return [f"metric={names[0]}" if len(names) == 1 else f"metric=[{','.join(names)}]"]


def _regularizer_problems(parts: Parts, seen: TaskSpec | None) -> list[str]:
    try:
        spec = seen or known_spec(parts)
    except ConfigError:
        # That is said beside the model.
        return []
    if spec is None:
        return []
    problems = []
    for name, part in parts.regularizers.items():
        layouts, kinds = getattr(part, "layouts", (spec.layout,)), getattr(part, "kinds", (spec.kind,))
        if spec.layout not in layouts:
            problems.append(f"regularizer={name} is for {' and '.join(PLURALS[layout] for layout in layouts)}, and the "
                            f"model sees {PLURALS[spec.layout]}; leave it out")
        if spec.kind not in kinds:
            problems.append(f"regularizer={name} is for {alternatives(kinds)}, dataset={option_of(parts.dataset)} is a "
                            f"{spec.kind}; leave it out")
    return problems


def _scaled_problems(parts: Parts, spec: TaskSpec) -> list[str]:
    return [] if spec.kind == "regression" else [
        f"preprocessing={name} is for regression, dataset={option_of(parts.dataset)} is a {spec.kind}: class labels "
        f"have no scale; leave it out" for name, part in parts.preprocessing.items() if isinstance(part, ScalesTarget)]


def _fitting(parts: Parts, spec: TaskSpec, broken: Collection[str]) -> str:
    use = {"regression": "use loss=mse metric=[rmse,mae,r2]",
           "classification": "use loss=cross_entropy metric=[accuracy,nll,top_k,macro_f1,roc_auc]",
           "sequence": "use loss=cross_entropy metric=[token_accuracy,exact_match,perplexity]",
           "multilabel": "use loss=bce metric=[label_accuracy,label_macro_f1,label_micro_f1,subset_accuracy]",
           "transcription": "use loss=ctc metric=[error_rate]"}[spec.kind]
    scales = any(isinstance(part, ScalesTarget) for part in parts.preprocessing.values())
    if spec.kind == "regression" and "preprocessing" not in broken and not scales:
        use += f" preprocessing=[{','.join([*parts.preprocessing, 'scale_target'])}]"
    other = {"regression": "classification", "classification": "regression"}.get(spec.kind)
    if other in get_args(get_type_hints(type(parts.dataset).__init__).get("task")):
        use += f"; or, if its target is to be a {other}, dataset.task={other}"
    return use
