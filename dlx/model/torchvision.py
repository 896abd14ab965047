"""The classification models of torchvision. B batch, C channels, H height, W width, K outputs."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from dlx.core.errors import ConfigError
from dlx.core.images import check_images
from dlx.core.layers import UNKEYED, Dropout, StochasticDepth
from dlx.core.vision import torchvision
from dlx.core.wording import reason

COLORS = 3
# Those that end in further heads in training.
WITH_AUXILIARY = {"googlenet", "inception_v3"}


def classifier(input_shape: tuple[int, ...], num_outputs: int, architecture: str) -> nn.Module:
    """A classification model of torchvision by name: resnet18, mobilenet_v3_small, vit_b_16, convnext_tiny and so on.

    Its head has K outputs, its dropout and stochastic depth draw from keyed generators, and it has no auxiliary heads.
    Weights are drawn as torchvision draws them; of a file that lies on this machine, model.init_from takes them. These
    architectures are made for images of 224×224: smaller ones are taken where they can be computed. An image of one
    channel is given to all three. Transformers are made for the size of the images.

    Args:
        input_shape: (C, H, W), C 1 or 3.
        num_outputs: K.
        architecture: as torchvision.models names it.

    Raises:
        ConfigError: no such architecture; inputs are no images, have another number of channels, or a size that the
            architecture cannot compute.
    """
    check_images("torchvision", input_shape)
    if input_shape[0] not in (1, COLORS):
        raise ConfigError(f"model=torchvision needs images of 1 or 3 channels, got {input_shape[0]}; use model=cnn or "
                          f"model=resnet")
    arguments = _arguments(architecture, input_shape[1:])
    _check_size(architecture, input_shape, num_outputs, arguments)
    return _network(architecture, input_shape, num_outputs, arguments)


def _arguments(architecture: str, size: tuple[int, ...]) -> dict[str, Any]:
    models = torchvision().models
    known = models.list_models(module=models)
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, 5, 0.5)
        raise ConfigError(f"model.architecture={architecture} is no classification model of torchvision; "
                          f"{'near are ' + ', '.join(near) if near else 'there are ' + ', '.join(known)}")
    if architecture in WITH_AUXILIARY:
        return {"aux_logits": False, "init_weights": True}
    if architecture.startswith("vit_"):
        return {"image_size": size[0]}
    return {"input_size": size} if architecture.startswith("maxvit_") else {}


def _check_size(architecture: str, input_shape: tuple[int, ...], num_outputs: int, arguments: dict[str, Any]) -> None:
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]), torch.no_grad():
            _network(architecture, input_shape, num_outputs, arguments).eval()(torch.zeros(1, *input_shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ConfigError(f"model=torchvision model.architecture={architecture} cannot compute images of "
                          f"{input_shape[1]}×{input_shape[2]} ({reason(error)}); add resize to preprocessing, "
                          f"preprocessing.resize.size=[224,224], or use model=cnn") from error


def _network(architecture: str, input_shape: tuple[int, ...], num_outputs: int, arguments: dict[str, Any]) -> nn.Module:
    models = torchvision().models
    device = torch.get_default_device()
    # A regnet computes its widths with tensors, and of those the meta device has no values.
    with torch.device("cpu" if architecture.startswith("regnet_") else device):
        network: nn.Module = models.get_model(architecture, weights=None, num_classes=num_outputs, **arguments)
    network.to(device)
    _key(network)
    if input_shape[0] != COLORS:
        network.register_forward_pre_hook(_in_colors)
    return network


def _in_colors(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0].expand(-1, COLORS, -1, -1),)


def _key(network: nn.Module) -> None:
    """Replace, in place, what draws from torch's global generator."""
    depth = torchvision().ops.StochasticDepth
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
            elif isinstance(child, depth) and child.mode == "row":
                setattr(module, name, StochasticDepth(child.p))
            elif isinstance(child, (*UNKEYED, depth)):
                raise ConfigError(f"model=torchvision: {type(child).__name__} of this architecture draws from the "
                                  f"global generator; use another model.architecture")
