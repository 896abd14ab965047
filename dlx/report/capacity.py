"""How large the model is: parameters, operations, norms, distance from the initial weights, margins."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dlx.core.measures import Measure, Measures
from dlx.report.measuring.capacity_definitions import DEFINITIONS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from dlx.core.subject import Subject
    from dlx.measure.norms import Network
    from dlx.measure.passes import Pass
    from dlx.measure.weights import Layer, LayerNorms

__all__ = ["DEFINITIONS", "Capacity"]

NUM_BINS = 30
MARGIN_SPLITS = ("train_eval", "test")
ZERO = "undefined: the weights of a layer are all 0"
OVERFLOW = "undefined: larger than float64 holds"
NEGATIVE = "undefined: γ is not above 0"


class Found(NamedTuple):
    """Part of what was measured."""

    numbers: Sequence[Measure] = ()
    details: Mapping[str, Any] = {}
    skipped: Sequence[str] = ()


class Capacity:
    """How large the model is: parameters, operations, norms, distance from the initial weights, margins."""

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.measure.folding import plain_copy
        from dlx.measure.passes import look

        margin, model, initial = _margins(subject), subject.model(), subject.model("initial")
        gamma = next((item.value for item in margin.numbers if item.name == "margin_gamma"), None)
        if not _is_finite(model):
            parts = [margin, Found(skipped=["Norms are not defined: some weights are not finite."])]
        else:
            with _one_thread():
                plain, param = plain_copy(model), next(model.parameters())
                seen = look(plain, _example(subject), param.element_size())
                parts = [_sizes(subject, seen, param.element_size()), _norms(subject, plain, initial, seen, gamma),
                         margin]
        details = {key: value for part in parts for key, value in part.details.items()}
        return Measures([item for part in parts for item in part.numbers], details,
                        [text for part in parts for text in part.skipped])


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread: hundreds of products of one example, between which several would wait."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_finite(model: nn.Module) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())


def _example(subject: Subject) -> Tensor:
    """Return the train example [1, ...] with the smallest id, in float64 unless it is tokens, on the CPU."""
    import torch

    split = subject.splits["train_eval"]
    where = torch.as_tensor(split.ids).argmin().view(1)
    inputs: Tensor = split.inputs.index_select(0, where.to(split.inputs.device)).cpu()
    return inputs.double() if inputs.is_floating_point() else inputs


def _sizes(subject: Subject, seen: Pass, float_bytes: int) -> Found:
    from dlx.measure.weights import parameter_norms

    model, initial = subject.model(), subject.model("initial")
    params = list(model.parameters())
    count = sum(param.numel() for param in params)
    trained = sum(own.numel() for own, other in zip(params, initial.parameters(), strict=True) if (own != other).any())
    batch = min(int(subject.config["batch_size"]), len(subject.splits["train_eval"].ids))
    sizes = {"parameters": count, "parameters_trained": trained, "forward_flops": seen.forward_flops,
             "training_flops": seen.training_flops, "training_step_flops": seen.training_flops * batch,
             "parameter_bytes": count * float_bytes, "activation_bytes": seen.kept_bytes}
    skipped, optimizer = [], _optimizer_bytes(subject)
    if optimizer is None:
        skipped.append("The memory of the optimizer is unknown: the run has no last checkpoint.")
    else:
        sizes |= {"optimizer_bytes": optimizer,
                  "training_bytes": 2 * count * float_bytes + optimizer + batch * seen.kept_bytes}
    norm, start, distance = parameter_norms(model, initial)
    norms = [_number("weight_norm", norm), _number("distance_from_init", distance),
             Measure("weight_norm", start, checkpoint="initial")]
    return Found([*(Measure(name, value) for name, value in sizes.items()), *norms], {"batch": batch}, skipped)


def _optimizer_bytes(subject: Subject) -> int | None:
    from dlx.record import checkpoint, layout

    path = subject.folder / layout.CHECKPOINTS / layout.LAST
    if not path.is_file():
        return None
    tensors = checkpoint.load(path).tensors.items()
    return sum(tensor.numel() * tensor.element_size() for name, tensor in tensors if name.startswith("optimizer/"))


def _norms(subject: Subject, plain: nn.Module, initial: nn.Module, seen: Pass, gamma: float | None) -> Found:
    from dlx.measure.folding import find_pairs, fold, folded, plain_copy
    from dlx.measure.weights import layers_of, measure_layers

    model, pairs = folded(plain, find_pairs(seen.calls), _example(subject), seen.output)
    start = plain_copy(initial)
    fold(start, pairs)
    layers = layers_of(model)
    if not layers:
        return Found(skipped=["Norms are of layers with weights, and the model has none."])
    found = measure_layers(layers, {layer.name: layer for layer in layers_of(start)}, seen.calls)
    path, why = _path_norm(subject, model, seen)
    m = len(subject.splits["train_eval"].ids)
    numbers = [*_of_network(_network(found), gamma, path, m), *(item for one in found for item in _of_layer(one))]
    details = {"layers": list(map(_facts, layers, found)), "folded": len(pairs)}
    return Found(numbers, details, [] if why is None else [why])


def _path_norm(subject: Subject, model: nn.Module, seen: Pass) -> tuple[float | None, str | None]:
    from dlx.measure.path_norm import path_norm, undefined

    others = undefined(seen.operations, seen.calls)
    if others:
        named = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        return None, (f"The path norm is of products, rectifiers, sums, means and maxima alone, and this model has "
                      f"other operations: {named}.")
    return path_norm(model, subject.spec.input_shape), None


def _network(found: Sequence[LayerNorms]) -> Network:
    import numpy as np

    from dlx.measure.norms import Network

    return Network(np.array([item.frobenius for item in found]), np.array([item.spectral.value for item in found]),
                   np.array([item.distance for item in found]), np.array([item.rows for item in found]))


def _of_network(network: Network, gamma: float | None, path: float | None, m: int) -> Iterator[Measure]:
    from dlx.measure import norms

    plain = {"sum_squared_frobenius": float((network.frobenius**2).sum()),
             "sum_squared_distance": float((network.distance**2).sum()),
             "frobenius_over_spectral": norms.frobenius_over_spectral(network)}
    logs = {"log_product_spectral": norms.log_product(network.spectral),
            "log_product_frobenius": norms.log_product(network.frobenius)}
    zero = bool((network.spectral == 0).any())
    if not zero:
        yield _number("log_bartlett_complexity", norms.log_bartlett_complexity(network), ZERO)
    if gamma is not None and gamma > 0 and not zero:
        logs["spectral_complexity"] = norms.spectral_complexity(network, gamma)
        yield Measure("log_normalized_gamma", math.log(gamma) - logs["log_product_spectral"] / 2, "train_eval")
    elif gamma is not None:
        for name, split in (("spectral_complexity", ""), ("log_normalized_gamma", "train_eval")):
            yield Measure(name, None, split, method=ZERO if zero else NEGATIVE)
    for name, value in (plain | logs).items():
        yield _number(name, value, ZERO)
        scaled = norms.log_per_example if name in logs else norms.per_example
        yield _number(f"{name}_per_example", scaled(value, m), ZERO)
    if path is not None:
        yield _number("path_norm", path, OVERFLOW)
        yield _number("path_norm_per_example", path / math.sqrt(m), OVERFLOW)


def _of_layer(item: LayerNorms) -> Iterator[Measure]:
    values = {"frobenius_norm": item.frobenius, "spectral_norm": item.spectral.value,
              "spectral_norm_circular": item.circular, "spectral_norm_matrix": item.matrix,
              "stable_rank": item.stable_rank, "layer_distance_from_init": item.distance,
              "layer_relative_distance": item.distance / item.initial if item.initial > 0 else None}
    for name, value in values.items():
        if value is not None:
            yield Measure(name, value, of={"layer": item.name})


def _facts(layer: Layer, item: LayerNorms) -> dict[str, Any]:
    return {"name": layer.name, "kind": layer.kind, "form": layer.form, "shape": list(layer.weight.shape),
            "weights": layer.weight.numel(), "tolerance": item.spectral.tolerance}


def _number(name: str, value: float, why: str = OVERFLOW) -> Measure:
    return Measure(name, value, method=None if math.isfinite(value) else why)


def _margins(subject: Subject) -> Found:
    from dlx.measure import margins

    if subject.spec.kind != "classification":
        return Found(skipped=[f"Margins are between classes of which one is true, and this is a task of kind "
                              f"{subject.spec.kind}."])
    values = {split: _margins_of(subject, split) for split in MARGIN_SPLITS}
    if not all(math.isfinite(abs(own).max()) for own in values.values()):
        return Found(skipped=["Margins are not defined: some logits are not finite."])
    numbers = [item for split, own in values.items() for item in _of_margins(split, own)]
    gamma = margins.tenth_percentile(values["train_eval"])
    edges, counts = margins.histogram(values, NUM_BINS)
    return Found([*numbers, Measure("margin_gamma", gamma, "train_eval", n=len(values["train_eval"]))],
                 {"margins": {"edges": edges, "counts": counts}})


def _margins_of(subject: Subject, split: str) -> np.ndarray:
    from dlx.measure import margins

    said = subject.said(split)
    assert said.logits is not None, "a classification has logits"
    return margins.margins(said.logits, said.outcome.targets)


def _of_margins(split: str, values: np.ndarray) -> Iterator[Measure]:
    from dlx.measure import margins

    for level in margins.LEVELS:
        yield Measure("margin_quantile", margins.quantile(values, level), split, of={"level": level}, n=len(values))
    yield Measure("margin_negative_share", float((values < 0).mean()), split, n=len(values))
