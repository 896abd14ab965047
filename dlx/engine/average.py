"""Weights averaged on the way. R members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dlx.core.hooks import Averages
from dlx.core.ranks import ALONE, Ranks
from dlx.core.types import Batch
from dlx.engine.modes import eval_mode

Normalization = nn.modules.batchnorm._BatchNorm


class Average:
    """An average of all weights and of statistics of batch normalization; other buffers are the newest.

    Args:
        rule: what share each step has.
        model: plain, or stacked with tensors [R, *shape].
        num_members: R of a stacked model; None for a plain one.
    """

    def __init__(self, rule: Averages, model: nn.Module, num_members: int | None = None) -> None:
        self.rule = rule
        self._model = model
        self._num_members = num_members or 1
        self._is_stacked = num_members is not None
        self._values = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        averaged = {f"{place}.{name}" for place, layer in model.named_modules() if isinstance(layer, Normalization)
                    for name, buffer in layer.named_buffers() if buffer.is_floating_point()}
        # Weights that have two names, too.
        averaged |= {name for name, _ in model.named_parameters(remove_duplicate=False)}
        self._averaged = [name for name in self._values if name in averaged]

    def update(self, step: int, steps_per_epoch: int, num_steps: int) -> None:
        """Let the weights after a step take part, as `Averages.share` says."""
        share = self.rule.share(step, steps_per_epoch, num_steps)
        if share is None:
            return
        current = self._model.state_dict()
        own, new = [self._values[name] for name in self._averaged], [current[name] for name in self._averaged]
        if isinstance(share, Tensor):
            shares = [share.to(tensor).view(-1, *[1] * (tensor.ndim - 1)) for tensor in own]
            torch._foreach_lerp_(own, new, shares)
        else:
            torch._foreach_lerp_(own, new, share)
        for name in current.keys() - set(self._averaged):
            self._values[name].copy_(current[name])

    def state(self, member: int) -> dict[str, Tensor]:
        """Return copies of a member's average by name."""
        return {name: (tensor[member] if self._is_stacked else tensor).clone()
                for name, tensor in self._values.items()}

    def restore(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Load each member's average. Raises KeyError or RuntimeError where one does not fit."""
        for number, state in enumerate(states):
            if state.keys() != self._values.keys():
                raise KeyError(f"the average has {sorted(self._values)}, not {sorted(state)}")
            for name, tensor in self._values.items():
                own = tensor[number] if self._is_stacked else tensor
                if own.shape != state[name].shape:
                    raise RuntimeError(f"the average of {name} has the shape {list(state[name].shape)}")
                own.copy_(state[name])

    @contextmanager
    def in_place(self, batches: Iterable[Batch], ranks: Ranks = ALONE) -> Iterator[None]:
        """Put the average into the model for the block.

        Args:
            batches: of all train examples, for statistics of batch normalization where the rule takes them anew.
        """
        current = self._model.state_dict()
        before = {name: tensor.clone() for name, tensor in current.items()}
        with torch.no_grad():
            for name, tensor in current.items():
                tensor.copy_(self._values[name])
            if self.rule.restarts_statistics:
                restart_statistics(self._model, batches, self._num_members, ranks)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in current.items():
                    tensor.copy_(before[name])


def restart_statistics(model: nn.Module, batches: Iterable[Batch], num_members: int, ranks: Ranks = ALONE) -> None:
    """Set running statistics of batch normalization to their means over batches.

    Izmailov et al., Averaging weights leads to wider optima, 2018, section 3.2; torch.optim.swa_utils.update_bn, with
    all other layers as in evaluation.
    """
    layers = [module for module in model.modules() if isinstance(module, Normalization)
              and module.running_mean is not None]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    with eval_mode(model):
        for layer in layers:
            for buffer in layer.buffers():
                buffer.zero_()
            layer.running_var.fill_(1)  # type: ignore[union-attr]
            layer.momentum = None
            layer.training = True
        for batch in batches:
            model(ranks.share(batch, num_members).inputs)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
