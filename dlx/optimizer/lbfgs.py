"""L-BFGS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from dlx.core.ranges import Positive, Range

if TYPE_CHECKING:
    import torch
    from torch.optim.optimizer import ParamsT


class LBFGS:
    """w ← w - t · H · g, with H an estimate of the inverse Hessian from the last steps and t found by a line search.

    One step makes several iterations on its batch and computes loss and gradient anew for each trial. The method wants
    a loss without noise: a batch_size that holds all train examples. Masks of dropout stay the same within a step, and
    the statistics of batch normalization move once.
    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989; torch.optim.LBFGS.

    Args:
        lr: the first trial for t, or t itself without a line search, in (0, inf); in the first iteration of all it is
            divided by the sum of |g|, where that is above 1.
        max_iterations: of a step, in [1, 1000]; there are fewer where the loss was computed 1.25 times as often.
        history_size: steps that H is estimated from, in [1, 1000].
        line_search: none, or strong_wolfe (Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6).
    """

    ALONE: ClassVar[str] = "optimizer=lbfgs searches along one line for the weights of one run"

    def __init__(self, lr: Positive, max_iterations: Annotated[int, Range("[1, 1000]")],
                 history_size: Annotated[int, Range("[1, 1000]")], line_search: Literal["none", "strong_wolfe"]
                 ) -> None:
        self.lr = lr
        self.max_iterations = max_iterations
        self.history_size = history_size
        self.line_search = line_search

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return the optimizer over the parameters."""
        from dlx.core.optim.lbfgs import LBFGSOptimizer

        return LBFGSOptimizer(params, lr=self.lr, max_iter=self.max_iterations, history_size=self.history_size,
                              line_search_fn=None if self.line_search == "none" else self.line_search)
