"""Residual blocks and the convolutions of which they are made. B batch, C channels, H height, W width."""

from __future__ import annotations

from torch import Tensor, nn

from dlx.core.layers import Norm, StochasticDepth, norm_layers


class Residual(nn.Module):
    """after(shortcut(x) + F(x)); without a shortcut after(F(x)).

    Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, equations 1 and 2.

    Args:
        residual: F, [B, C, H, W] to [B, C', H', W'].
        shortcut: to the same shape; None leaves it out.
        after: applied to the sum.
        rate: with which F(x) is left out in training, see `StochasticDepth`, in [0, 1).
    """

    def __init__(self, residual: nn.Module, shortcut: nn.Module | None, after: nn.Module, rate: float) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut
        self.after = after
        self.stochastic_depth = None if shortcut is None else StochasticDepth(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, H, W] to [B, C', H', W']."""
        residual = self.residual(x)
        if self.shortcut is None or self.stochastic_depth is None:
            return self.after(residual)  # type: ignore[no-any-return]
        return self.after(self.shortcut(x) + self.stochastic_depth(residual))  # type: ignore[no-any-return]


def convolution(channels: int, out_channels: int, kernel: int, stride: int, norm: Norm) -> list[nn.Module]:
    """Return a convolution that keeps H and W but for its stride, and its normalization; it has a bias without one."""
    return [nn.Conv2d(channels, out_channels, kernel, stride, padding=kernel // 2, bias=norm == "none"),
            *norm_layers(norm, out_channels, 2)]
