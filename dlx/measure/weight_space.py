"""The loss of a model as a function of its weights, all in one vector. P weights, N examples, B of them at a time."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from dlx.core.subject import apart
from dlx.core.types import Split

# What autograd may keep of examples that are computed on together: 512 MB in float32.
KEPT_ELEMENTS = 2**27
# How many times as much it keeps of a gradient that is to be differentiated, about.
TWICE = 4
# Of a step of differences of gradients, relative to the weights: error and rounding are about equal in float64.
DIFFERENCE = 1e-6
# (outputs [B, ...], targets [B, ...], ids [B]) to losses [B].
Losses = Callable[[Tensor, Tensor, Tensor], Tensor]
# (outputs [B, ...], ids [B]) to logits [B, C].
Logits = Callable[[Tensor, Tensor], Tensor]


class Asked(NamedTuple):
    """What weights make of examples: the mean loss, and of a classification the share of right answers."""

    loss: float
    accuracy: float | None


class WeightSpace:
    """A copy of a model, in eval mode, whose weights are moved about.

    Args:
        model: is not changed.
        losses: of its outputs, differentiably; without gradients as cheaply as may be.
        logits: of the outputs of a classification; None for other tasks, which have no accuracy.
        names: of the parameters and buffers that make up the vector, in the order of `tensors_of`; None for all.
        dtype: to compute in.
    """

    def __init__(self, model: nn.Module, losses: Losses, logits: Logits | None, dtype: torch.dtype,
                 names: Sequence[str] | None = None) -> None:
        self._model = copy.deepcopy(model).to(dtype).eval().requires_grad_(True)
        own = tensors_of(self._model)
        self.names = list(own) if names is None else [name for name in own if name in set(names)]
        self._tensors = [own[name] for name in self.names]
        self._losses, self._logits = losses, logits
        self.dtype, self.device = dtype, self._tensors[0].device
        self.sizes = [tensor.numel() for tensor in self._tensors]
        self.shapes = [tuple(tensor.shape) for tensor in self._tensors]
        self.weights = self.flat(model)
        self._is_recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
        self._rows: int | None = None

    def __len__(self) -> int:
        """Return P."""
        return sum(self.sizes)

    def flat(self, model: nn.Module) -> Tensor:
        """Return the weights [P] of a model of the same structure."""
        own = tensors_of(model)
        return torch.cat([own[name].detach().to(self.device, self.dtype).flatten() for name in self.names])

    def parts(self, vector: Tensor) -> list[Tensor]:
        """Return a vector [P] as tensors of the shapes of the weights."""
        return [part.view(shape) for part, shape in zip(torch.split(vector, self.sizes), self.shapes, strict=True)]

    def examples(self, split: Split, count: int) -> Split:
        """Return at most `count` examples of a split, always the same ones, by ascending id, in the space's dtype."""
        chosen = torch.tensor(sorted(apart(split.ids.tolist(), count), key=split.ids.tolist().__getitem__))
        inputs = split.inputs.index_select(0, chosen.to(split.targets.device)).to(self.device)
        targets = split.targets[chosen.to(split.targets.device)].to(self.device)
        inputs, targets = (each.to(self.dtype) if each.is_floating_point() else each for each in (inputs, targets))
        return Split(inputs, targets, split.ids[chosen.to(split.ids.device)])

    def ask(self, weights: Tensor, examples: Split) -> Asked:
        """Return mean loss and accuracy at weights [P]."""
        total, right = 0.0, 0
        with torch.no_grad(), self._moved(weights):
            for part in self._chunks(examples):
                outputs = self._model(part.inputs)
                total += float(self._losses(outputs, part.targets, part.ids).sum(dtype=torch.float64))
                if self._logits is not None:
                    right += int((self._logits(outputs, part.ids).argmax(dim=1) == part.targets).sum())
        count = len(examples.ids)
        return Asked(total / count, None if self._logits is None else right / count)

    def gradient(self, weights: Tensor, examples: Split) -> tuple[float, Tensor]:
        """Return the mean loss and its gradient [P] at weights [P]."""
        total, gradient = 0.0, torch.zeros_like(weights)
        with self._moved(weights):
            for part in self._chunks(examples):
                loss = self._sum(part) / len(examples.ids)
                gradient += self._gradient(loss)
                total += float(loss.detach())
        return total, gradient

    def hessian(self, weights: Tensor, examples: Split) -> Hessian:
        """Return the Hessian of the mean loss at weights [P]."""
        return Hessian(self, weights, examples)

    def _sum(self, part: Split) -> Tensor:
        return self._losses(self._model(part.inputs), part.targets, part.ids).sum()

    def _gradient(self, loss: Tensor, is_kept: bool = False) -> Tensor:
        found = torch.autograd.grad(loss, self._tensors, create_graph=is_kept, allow_unused=True,
                                    materialize_grads=True)
        return torch.cat([each.flatten() for each in found])

    @contextlib.contextmanager
    def _moved(self, weights: Tensor) -> Iterator[None]:
        """Put the weights into the model; inside, kernels are those that can be differentiated twice."""
        with torch.no_grad():
            for tensor, part in zip(self._tensors, self.parts(weights), strict=True):
                tensor.copy_(part)
        with contextlib.ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if self._is_recurrent:
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
                # Not `flags`, which also sets what it warns is for other machines.
                before = torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
                stack.callback(torch.backends.mkldnn.set_flags, _enabled=before[0])
            yield

    def _chunks(self, examples: Split, times_as_much: int = 1) -> Iterator[Split]:
        rows = max(1, self.rows_at_once(examples) // times_as_much)
        for low in range(0, len(examples.ids), rows):
            yield Split(*(each[low : low + rows] for each in examples))

    def rows_at_once(self, examples: Split) -> int:
        """Return how many examples are computed on together: by what autograd keeps of one."""
        if self._rows is None:
            kept = [self._kept(Split(*(each[:count] for each in examples))) for count in (1, 2)]
            self._rows = max(1, KEPT_ELEMENTS // max(1, kept[-1] - kept[0] if len(examples.ids) > 1 else kept[0]))
        return self._rows

    def _kept(self, examples: Split) -> int:
        sizes: list[int] = []

        def note(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.enable_grad(), saved_tensors_hooks(note, lambda tensor: tensor):
            self._sum(examples)
        return sum(sizes)


class Hessian:
    """The second derivatives [P, P] of the mean loss, by their products with vectors.

    By differentiating the gradient once more; where torch cannot, by differences of gradients at w ± ε·v. Where all
    examples are computed on together, the graph of the gradient is made once. The space is not to be moved meanwhile.
    A kink, as of ReLU, has no second derivative: it counts as straight.
    """

    def __init__(self, space: WeightSpace, weights: Tensor, examples: Split) -> None:
        self._space, self._weights, self._examples = space, weights, examples
        self.num_products = 0
        self._graph: Tensor | None = None
        self.is_exact = self._is_differentiable()
        if self.is_exact and len(examples.ids) <= space.rows_at_once(examples) // TWICE:
            with space._moved(weights):
                self._graph = space._gradient(space._sum(examples) / len(examples.ids), is_kept=True)

    def __len__(self) -> int:
        """Return P."""
        return len(self._space)

    def times(self, vector: Tensor) -> Tensor:
        """Return the product [P] with a vector [P]."""
        self.num_products += 1
        if self._graph is not None:
            return self._product(self._graph, vector)
        if not self.is_exact:
            return self._difference(vector)
        total = torch.zeros_like(vector)
        with self._space._moved(self._weights):
            for part in self._space._chunks(self._examples, TWICE):
                loss = self._space._sum(part) / len(self._examples.ids)
                total += self._product(self._space._gradient(loss, is_kept=True), vector)
        return total

    def _product(self, gradient: Tensor, vector: Tensor) -> Tensor:
        found = torch.autograd.grad(gradient, self._space._tensors, vector, retain_graph=gradient is self._graph,
                                    allow_unused=True, materialize_grads=True)
        return torch.cat([each.flatten() for each in found])

    def _difference(self, vector: Tensor) -> Tensor:
        step = DIFFERENCE * (1 + float(self._weights.norm())) / max(float(vector.norm()), 1e-300)
        ahead, behind = (self._space.gradient(self._weights + sign * step * vector, self._examples)[1]
                         for sign in (1, -1))
        return (ahead - behind) / (2 * step)

    def _is_differentiable(self) -> bool:
        one = Split(*(each[:1] for each in self._examples))
        with self._space._moved(self._weights):
            try:
                gradient = self._space._gradient(self._space._sum(one), is_kept=True)
                self._product(gradient, torch.ones_like(gradient))
            except (NotImplementedError, RuntimeError) as error:
                if "not implemented" not in str(error) and "not differentiable" not in str(error):
                    raise
                return False
        return True


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers of real numbers, by name; what modules share is there once."""
    both = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor for name, tensor in both if tensor.is_floating_point()}


def trained(initial: nn.Module, last: nn.Module) -> list[str]:
    """Return the names of the parameters that training moved; of all where it moved none."""
    before, after = dict(initial.named_parameters()), dict(last.named_parameters())
    moved = [name for name in after if not torch.equal(before[name].detach(), after[name].detach())]
    return moved or list(after)


def computing_dtype(model: nn.Module, num_weights: int, most_exact: int) -> torch.dtype:
    """Return float64 for few weights, else float32, which is all that some devices have.

    Also for convolutions, which take four times as long in float64.
    """
    is_convolution = any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in model.modules())
    is_exact = num_weights <= most_exact and not is_convolution and next(model.parameters()).device.type != "mps"
    return torch.float64 if is_exact else torch.float32


def means(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of independent draws and its standard error."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))
