"""From parts and data to a model, its optimizer and its step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from torch import Tensor, nn

from dlx.core.attention import SelfAttention
from dlx.core.device import Placement
from dlx.core.errors import ConfigError
from dlx.core.features import PLURALS, category_columns
from dlx.core.hooks import Ascends, ChangesWithHistory, FollowsHistory, OnGradient, OnHistory, OnLoss, OnModel
from dlx.core.random import keyed_global
from dlx.core.types import (
    PER_POSITION,
    ChangesSpec,
    ComparesExamples,
    KnowsTrain,
    Loss,
    ModelPart,
    ReadsOutputs,
    ScalesTarget,
    SearchesLoss,
    SizesOutputs,
    TaskSpec,
)
from dlx.core.wording import alternatives
from dlx.engine import history
from dlx.engine.blank import BlankAfterEnd
from dlx.engine.modes import eval_mode
from dlx.engine.parts import Parts
from dlx.engine.source import Source

Hook = TypeVar("Hook")
# Layers whose products make up the work of a step.
COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNNBase, SelfAttention)
# Layouts that are of any length, with the preprocessing that makes something else of them.
RAW = {"text": "tokens of it: tokenize_char, tokenize_word, tokenize_bpe or tokenize_wordpiece",
       "audio": "spectrograms of it: [trim_pad,log_mel] or [trim_pad,mfcc]"}


def known_spec(parts: Parts) -> TaskSpec | None:
    """Return what a model will see; None where only the data tells it.

    Raises:
        ConfigError: a preprocessing that is for another layout.
    """
    spec = parts.given()
    for part in parts.preprocessing.values():
        if spec is not None and isinstance(part, ChangesSpec):
            spec = part.spec_after(spec, None)
    return spec


def build_model(parts: Parts, spec: TaskSpec, source: Source | None = None) -> nn.Module:
    """Make the model with its initial weights, as regularizers want it.

    The weights are drawn in float32 on the CPU whatever the device, so that they are the same bits everywhere.

    Args:
        source: saved weights that it takes; a run that goes on from a checkpoint needs none.
    """
    with keyed_global(parts.settings.seed, "init"):
        return _initialized(parts, spec, source)


def meta_model(parts: Parts, spec: TaskSpec, source: Source | None = None) -> nn.Module:
    """Make the model without memory and without draws: to count, and to check that the parts fit together."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return _initialized(parts, spec, source)


def _initialized(parts: Parts, spec: TaskSpec, source: Source | None) -> nn.Module:
    model = made_for(parts.model, asked_of(parts, spec))
    # A regularizer may rename parameters: saved weights are of the model before it or, if the run had it, after it.
    early = source is not None and source.has_names_of(model)
    if source is not None and early:
        source.give(model, spec)
    model = on_model(parts, model)
    if source is not None and not early:
        source.give(model, spec)
    return model


def asked_of(parts: Parts, spec: TaskSpec) -> TaskSpec:
    """Return the spec with as many outputs as the loss asks of a model."""
    return replace(spec, num_outputs=parts.loss.num_outputs(spec)) if isinstance(parts.loss, SizesOutputs) else spec


def made_for(model: ModelPart, spec: TaskSpec) -> nn.Module:
    """Make a model for inputs and targets of a kind.

    Raises:
        ConfigError: the model is not for inputs of this layout, or some of them are codes of categories.
    """
    if spec.layout in RAW:
        raise ConfigError(f"a model cannot take {spec.layout} as it is: add a preprocessing that makes "
                          f"{RAW[spec.layout]}")
    if (columns := category_columns(spec)).size:
        raise ConfigError(f"a model takes numbers and column {spec.columns[columns[0]].name} holds categories: add "
                          f"one_hot or ordinal to preprocessing")
    more = {"layout": spec.layout, "kind": spec.kind, "vocabulary_size": spec.vocabulary_size,
            "next_token": spec.next_token}
    # An argument of the same name that the user has set is the user's.
    taken = inspect.signature(model).parameters.keys() - getattr(model, "keywords", {}).keys()
    if spec.layout == "tokens" and "vocabulary_size" not in taken:
        raise ConfigError(f"model={_name(model)} takes numbers, not tokens: use model=bag, model=window, "
                          f"model=lstm, model=transformer or, of texts, preprocessing=[tfidf]")
    if spec.kind in PER_POSITION and "kind" not in taken:
        raise ConfigError(f"model={_name(model)} gives one answer for a whole input, and here every position "
                          f"wants one: use model=lstm or model=transformer")
    if spec.kind == "transcription" and spec.layout not in ("tokens", "series"):
        raise ConfigError(f"a transcription is of tokens or series, whose end is known, not of layout {spec.layout}")
    made = model(input_shape=spec.input_shape, num_outputs=spec.num_outputs,
                 **{name: value for name, value in more.items() if name in taken})
    return BlankAfterEnd(made, spec.layout) if spec.kind == "transcription" else made


def input_of_zeros(spec: TaskSpec, num_examples: int = 1) -> Tensor:
    """Return inputs [num_examples, *input_shape] of zeros, of the type that a model takes."""
    dtype = torch.int64 if spec.layout == "tokens" else torch.float32
    return torch.zeros(num_examples, *spec.input_shape, dtype=dtype)


def on_model(parts: Parts, model: nn.Module) -> nn.Module:
    """Let regularizers change the model, in their order."""
    for _, hook in hooks(parts, OnModel):
        model = hook.on_model(model)
    return model


def minimised(parts: Parts) -> Loss:
    """Return the loss of training, as regularizers want it."""
    loss = parts.loss
    for _, hook in hooks(parts, OnLoss):
        loss = hook.on_loss(loss)
    return loss


def hooks(parts: Parts, kind: type[Hook]) -> list[tuple[str, Hook]]:
    """Return the regularizers that have a hook, by name."""
    return [(name, part) for name, part in parts.regularizers.items() if isinstance(part, kind)]


def flops_per_step(model: nn.Module, spec: TaskSpec, batch_size: int) -> float:
    """Estimate the floating-point operations of a training step: three times the products of the forward pass.

    A weight of a linear, convolutional or recurrent layer is used once per position of the output, and every feature of
    attention twice per pair of positions: 2 operations each.

    Args:
        model: on the CPU; one example of zeros is passed through it.
    """
    products = 0.0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal products
        products += _products(layer, inputs, output)

    handles = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, COUNTED)]
    with eval_mode(model), torch.no_grad():
        model(input_of_zeros(spec))
    for handle in handles:
        handle.remove()
    return 3.0 * 2.0 * products * batch_size


def _products(layer: Any, inputs: tuple[Any, ...], output: Any) -> float:
    if isinstance(layer, SelfAttention):
        return float(2 * output.numel() * output.shape[1])
    if isinstance(layer, nn.RNNBase):
        # Of a packed sequence the steps that there are.
        given = inputs[0].data
        weights = sum(param.numel() for param in layer.parameters() if param.ndim > 1)
        return float(weights * given.numel() / given.shape[-1])
    return float(layer.weight.numel() * output.numel() / layer.weight.shape[0])


def place_model(parts: Parts, spec: TaskSpec, threads: int | None = None, source: Source | None = None
                ) -> tuple[nn.Module, Placement]:
    """Make the model and put it where it will compute.

    Args:
        threads: what was decided for the same run before, if it was.
        source: saved weights that it takes.
    """
    model = build_model(parts, spec, source)
    placement = parts.device.place(flops_per_step(model, spec, parts.settings.batch_size), threads)
    placement.enter()
    if placement.channels_last:
        model.register_forward_pre_hook(_channels_last)
    return model.to(placement.device, placement.dtype), placement


def _channels_last(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # Convolutions compute in the layout of their inputs and pass it on; weights lie as the optimizer has them.
    # Of one channel both layouts are the same numbers, and only strides that are made anew tell them apart.
    return tuple(torch.empty_like(tensor, memory_format=torch.channels_last).copy_(tensor) if tensor.ndim == 4
                 else tensor for tensor in inputs)


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
    return [f"loss={_name(parts.loss)} compares the examples of a batch, which {key}={count} divides; set it to 1"
            for key, count in divided.items() if count > 1]


def _reading_problems(parts: Parts) -> list[str]:
    """Say which regularizers take outputs or targets for something that a loss does not."""
    loss, compares = f"loss={_name(parts.loss)}", isinstance(parts.loss, ComparesExamples)
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
    return frozen + [f"regularizer={name} changes the gradient, and optimizer={_name(parts.optimizer)} needs that of "
                     f"the loss; leave it out" for name in names]


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
                          f"{_name(parts.model)} has none; leave it out")


def _kind_problems(parts: Parts, spec: TaskSpec, broken: Collection[str]) -> list[str]:
    """Say in one sentence which loss and metrics are for other tasks, and all that makes the parts fit."""
    wrong: dict[tuple[str, ...], list[str]] = {}
    if "loss" not in broken and spec.kind not in parts.loss.kinds:
        wrong[parts.loss.kinds] = [f"loss={_name(parts.loss)}"]
    metrics = {} if "metric" in broken else parts.metrics
    for kind in dict.fromkeys(metric.kind for metric in metrics.values() if metric.kind != spec.kind):
        wrong[(kind,)] = [*wrong.get((kind,), []), *_of_kind(parts, kind)]
    said = [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} for {' and '.join(kinds)}"
            for kinds, names in wrong.items()]
    task = f"dataset={_name(parts.dataset)} is a {spec.kind}"
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
            problems.append(f"regularizer={name} is for {alternatives(kinds)}, dataset={_name(parts.dataset)} is a "
                            f"{spec.kind}; leave it out")
    return problems


def _scaled_problems(parts: Parts, spec: TaskSpec) -> list[str]:
    return [] if spec.kind == "regression" else [
        f"preprocessing={name} is for regression, dataset={_name(parts.dataset)} is a {spec.kind}: class labels have "
        f"no scale; leave it out" for name, part in parts.preprocessing.items() if isinstance(part, ScalesTarget)]


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


def _name(part: object) -> str:
    """Return the option that a part is, or the name of the user's code."""
    # A part whose remaining arguments come from the data is its code yet.
    code: Any = getattr(part, "func", part if inspect.isroutine(part) or isinstance(part, type) else type(part))
    module, _, name = str(code.__module__).rpartition(".")
    # A file that serves many options says which one each of its classes is.
    return str(getattr(code, "OPTION", name if module.startswith("dlx.") else code.__name__))
