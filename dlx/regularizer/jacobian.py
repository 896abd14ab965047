"""Penalty on the Jacobian of outputs with respect to inputs. B batch, C outputs, R members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from dlx.core.ranges import NonNegative, Range
from dlx.core.types import Kind, Layout

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment


Projections = Annotated[int, Range("[1, 1000]")]


class Jacobian:
    """Adds strength/2 · |J|² to each example's loss, |J| the Frobenius norm of J = ∂ outputs / ∂ inputs.

    Source: Hoffman, Roberts and Yaida, Robust learning with Jacobian regularization, 2019, algorithm 1: |J|² is
    estimated without bias by C · |vᵀJ|² with v drawn anew at each step, even over the unit sphere. Under batch
    normalization J also has what an example does to the others.

    Args:
        strength: in [0, inf).
        num_projections: draws of v for each example, in [1, 1000]; each costs a backward pass.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength",)
    layouts: ClassVar[tuple[Layout, ...]] = ("image", "table", "series")
    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "regression", "multilabel")
    differentiates_inputs = True

    def __init__(self, strength: NonNegative, num_projections: Projections) -> None:
        self.strength = strength
        self.num_projections = num_projections

    def output_penalty(self, inputs: Tensor, outputs: Tensor, moment: Moment) -> Tensor:
        """Map inputs [R·B, ...] and outputs [R·B, C] of them to penalties [R·B]."""
        import torch

        from dlx.core.members import per_example

        total = outputs.new_zeros(len(outputs))
        for _ in range(self.num_projections):
            draws = moment.draws.normal_of_examples(outputs)
            directions = draws / torch.linalg.vector_norm(draws, dim=1, keepdim=True)
            rows, = torch.autograd.grad(outputs, inputs, directions, create_graph=True)
            total = total + rows.flatten(1).square().sum(dim=1)
        return per_example(self.strength, total) * total * (outputs.shape[1] / self.num_projections / 2)
