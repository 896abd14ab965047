"""The l2 path norm of a network of products, rectifiers and pooling. B batch, K outputs."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from dlx.measure.folding import CONVOLUTIONS, scale_and_shift
from dlx.measure.passes import Call

# Operations by what they are; on numbers that are not negative, as those of squared weights, all of them commute with
# scaling. Products and normalizations among them are those of layers, which `undefined` counts.
PRODUCTS = {"mm", "addmm", "convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution"}
BATCH_NORMS = {"native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"}
HOMOGENEOUS = {
    "relu", "relu_", "leaky_relu", "leaky_relu_", "max_pool2d_with_indices", "max_pool2d", "max_pool1d",
    "mkldnn_max_pool2d", "avg_pool2d", "avg_pool1d", "mean", "sum", "amax", "_adaptive_avg_pool2d",
    "adaptive_avg_pool1d", "adaptive_max_pool2d", "add", "add_"}
SHAPES = {
    "view", "_unsafe_view", "_reshape_alias", "reshape", "t", "transpose", "permute", "expand", "clone", "cat", "stack",
    "split", "split_with_sizes", "chunk", "slice", "select", "unsqueeze", "squeeze", "constant_pad_nd", "detach",
    "alias", "contiguous", "unbind", "empty", "copy_", "_to_copy", "lift_fresh", "empty_like", "index", "gather"}


def undefined(operations: Counter[str], calls: Sequence[Call]) -> list[str]:
    """List the operations of a pass for which the path norm is not defined; none where it is.

    It is not where outputs are no sums over paths of products of weights: sums of them, maxima and rectifiers alone may
    come between.

    Args:
        operations: of one pass through the model, how often each; calls: of its layers.
    """
    found = sorted(operations.keys() - PRODUCTS - BATCH_NORMS - HOMOGENEOUS - SHAPES)
    layers = Counter("norm" if isinstance(call.layer, BatchNorm) else "product" for call in calls
                     if isinstance(call.layer, (BatchNorm, nn.Linear, *CONVOLUTIONS)))
    products, norms = (sum(operations[name] for name in names) for names in (PRODUCTS, BATCH_NORMS))
    if not found and products > layers["product"]:
        return ["products outside of layers"]
    return ["normalization outside of layers"] if not found and norms > layers["norm"] else found


def path_norm(model: nn.Module, input_shape: Sequence[int]) -> float:
    """Return √(Σ_k f_{w²}(1)_k): the root of the sum over all paths from input to output of their squared weights.

    Source: Neyshabur, Tomioka and Srebro, Norm-based capacity control in neural networks, 2015; Jiang et al. 2019. A
    bias is the weight of an input that is 1; means and pooling count as they are, with weights that are not squared.

    Args:
        model: in eval mode and float64, one that `undefined` finds nothing in; it stays as it is.
        input_shape: of one input.

    Returns:
        inf where it is larger than float64 holds.
    """
    squared = copy.deepcopy(model)
    with torch.no_grad():
        for layer in squared.modules():
            if isinstance(layer, BatchNorm):
                _as_parameters(layer)
        # Weights that two layers share are there once.
        for param in squared.parameters():
            param.square_()
        total = float(squared(torch.ones(1, *input_shape, dtype=torch.float64)).sum())
    return math.sqrt(total) if math.isfinite(total) else math.inf


def _as_parameters(norm: BatchNorm) -> None:
    """Leave of a normalization, in place, its scale and shift, as parameters."""
    scale, shift = scale_and_shift(norm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight, norm.bias = nn.Parameter(scale), nn.Parameter(shift)
