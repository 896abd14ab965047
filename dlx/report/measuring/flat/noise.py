"""How much noise in its weights a classifier bears: PAC-Bayes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dlx.core.measures import Measure
from dlx.core.types import Split
from dlx.measure.pac_bayes import Noise, bearable_noise, complexity
from dlx.report.measuring.flat.ground import Found, Ground

NOT_CLASSIFICATION = "The noise that the model bears is defined by its accuracy, which only a classification has."


def measure(ground: Ground, num_examples: int, allowed: float, most: float, num_draws: int, num_halvings: int,
            tolerance: float, magnitude_eps: float) -> Found:
    """Look for the noise that costs as much accuracy as is allowed, alike for all weights and in proportion to them."""
    if not ground.is_classification:
        return Found((), {}, (NOT_CLASSIFICATION,))
    space, weights = ground.space, ground.space.weights
    examples = space.examples(ground.subject.splits["train_eval"], num_examples)
    clean = space.ask(weights, examples).accuracy
    numbers: list[Measure] = []
    for name in ("plain", "magnitude-aware"):

        def accuracy(sigma: float, name: str = name) -> float:
            size = torch.as_tensor(sigma) if name == "plain" else (sigma**2 * weights**2 + magnitude_eps**2).sqrt()
            return _accuracy(ground, examples, size, num_draws)

        assert clean is not None
        found = bearable_noise(accuracy, clean, allowed, most, num_halvings, tolerance)
        numbers += _numbers(ground, found, name, len(examples.ids), num_draws, most)
    return Found(numbers)


def _accuracy(ground: Ground, examples: Split, size: Tensor, num_draws: int) -> float:
    found = [ground.space.ask(ground.space.weights + size * ground.draw("bearable noise", number), examples).accuracy
             for number in range(num_draws)]
    return sum(value for value in found if value is not None) / num_draws


def _numbers(ground: Ground, found: Noise, name: str, n: int, num_draws: int, most: float) -> Iterator[Measure]:
    def one(number: str, value: float | None) -> Measure:
        if value is None:
            reason = f"undefined: even noise of {most:g} costs less accuracy than is allowed"
            return Measure(number, None, "train_eval", "best", {"noise": name}, method=reason, n=n, num_draws=num_draws)
        return ground.measure(number, value, {"noise": name}, num_draws, n)

    sigma = found.sigma
    yield one("bearable_noise", sigma)
    yield one("inverse_squared_noise", None if sigma is None else 1 / sigma**2)
    if name == "plain":
        size = len(ground.subject.splits["train_eval"].ids)
        yield one("pac_bayes_complexity", None if sigma is None else complexity(_moved(ground), sigma, size))


def _moved(ground: Ground) -> float:
    """Return the squared distance of the weights from where training started."""
    start = ground.space.flat(ground.subject.model("initial"))
    return float(((ground.space.weights - start).double() ** 2).sum())
