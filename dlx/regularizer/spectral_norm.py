"""Spectral normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dlx.core.errors import ConfigError
from dlx.core.ranges import Range

if TYPE_CHECKING:
    from torch import nn

Iterations = Annotated[int, Range("[1, 100]")]


class SpectralNorm:
    """Divides the weights of linear and convolutional layers by their largest singular value, the last layer's too.

    Source: Miyato, Kataoka, Koyama and Yoshida, Spectral normalization for generative adversarial networks, 2018; the
    filters of a convolution are the rows of its matrix, and power iteration goes on from step to step. What is learnt
    and saved are the weights before the division. Recurrent layers and embeddings are left as they are.

    Args:
        num_iterations: of power iteration at every training step, in [1, 100].
    """

    def __init__(self, num_iterations: Iterations) -> None:
        self.num_iterations = num_iterations

    def on_model(self, model: nn.Module) -> nn.Module:
        """Return the model, normalized. Raises ConfigError where it has no such layer."""
        from dlx.core.spectral import NORMALIZED, normalize

        layers = [module for module in model.modules() if type(module) in NORMALIZED]
        if not layers:
            raise ConfigError("regularizer=spectral_norm needs a model with linear or convolutional layers; "
                              f"{type(model).__name__} has none")
        for layer in layers:
            normalize(layer, self.num_iterations)
        return model
