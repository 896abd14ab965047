"""What models for images refuse. C channels, H height, W width."""

from __future__ import annotations

from dlx.core.errors import ConfigError

INSTEAD = {1: "model=mlp or model=linear for tables", 2: "model=lstm, model=tcn or model=transformer for series"}


def check_images(model: str, input_shape: tuple[int, ...], num_halvings: int = 0, smallest: int = 1) -> None:
    """Raise ConfigError where inputs are no images, or have too few pixels.

    Args:
        model: its name, for messages.
        input_shape: of one input; of an image (C, H, W).
        num_halvings: how often the model halves height and width.
        smallest: height and width that it needs.
    """
    if len(input_shape) != 3:
        raise ConfigError(f"model={model} needs images (C, H, W), got rows of shape {tuple(input_shape)}; use "
                          f"{INSTEAD[len(input_shape)]}")
    if min(input_shape[1:]) < smallest:
        raise ConfigError(f"model={model} halves images {num_halvings} times and needs at least {smallest}×{smallest} "
                          f"pixels, got {input_shape[1]}×{input_shape[2]}; use model=cnn")
