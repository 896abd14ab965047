"""From parts and data to a model and where it computes."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dlx.core.attention import SelfAttention
from dlx.core.device import Placement
from dlx.core.errors import ConfigError
from dlx.core.features import category_columns
from dlx.core.hooks import OnLoss, OnModel
from dlx.core.losses import Loss, SizesOutputs
from dlx.core.random import keyed_global
from dlx.core.types import PER_POSITION, ChangesSpec, ModelPart, TaskSpec
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
    with keyed_global(parts.settings.init_seed, "init"):
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
        raise ConfigError(f"model={option_of(model)} takes numbers, not tokens: use model=bag, model=window, "
                          f"model=lstm, model=transformer or, of texts, preprocessing=[tfidf]")
    if spec.kind in PER_POSITION and "kind" not in taken:
        raise ConfigError(f"model={option_of(model)} gives one answer for a whole input, and here every position "
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


def option_of(part: object) -> str:
    """Return the option that a part is, or the name of the user's code."""
    # A part whose remaining arguments come from the data is its code yet.
    code: Any = getattr(part, "func", part if inspect.isroutine(part) or isinstance(part, type) else type(part))
    module, _, name = str(code.__module__).rpartition(".")
    # A file that serves many options says which one each of its classes is.
    return str(getattr(code, "OPTION", name if module.startswith("dlx.") else code.__name__))
