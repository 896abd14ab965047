"""The model against inputs changed to fool it, with checks that the attack works."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from dlx.core.measures import Definition, Measure, Measures
from dlx.core.ranges import Positive, Range
from dlx.core.subject import apart

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from dlx.core.subject import Subject
    from dlx.measure.affine import Affine
    from dlx.measure.attacks import Box

INSIDE = ("Inputs x are changed before preprocessing, each value by at most epsilon: of images in [0, 1], and they "
          "stay in it; of tables and series in standard deviations of train. ")
FAILS = "Share of test examples that are classified rightly as they are and at every point that the attack visits. "
DEFINITIONS: dict[str, Definition] = {
    "clean_accuracy": Definition("Accuracy on the test examples that are attacked, unchanged: at most num_examples, "
                                 "fewer where pass_flops makes them fewer, "
                                 "the subset of the conventions."),
    "noise_accuracy": Definition(f"{INSIDE}Accuracy where each value is moved by ± epsilon at random: no attack."),
    "fgsm_accuracy": Definition(
        f"{INSIDE}{FAILS}The attack: x + epsilon · sign of the gradient of the cross-entropy.",
        "Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples, 2015"),
    "pgd_accuracy": Definition(
        f"{INSIDE}{FAILS}The attack: num_steps steps of 2.5 · epsilon / num_steps along the sign of the gradient, "
        f"projected into the box after each, of the cross-entropy and of the margin max_j z_j − z_y, from x and from "
        f"num_restarts random points each, and FGSM.",
        "Madry, Makelov, Schmidt, Tsipras and Vladu, Towards deep learning models resistant to adversarial attacks, "
        "2018; Carlini and Wagner 2017 for the margin"),
    "clean_mse": Definition("Mean squared error, in squared units of the target, on the test examples that are "
                            "attacked, unchanged."),
    "noise_mse": Definition(f"{INSIDE}Mean squared error where each value is moved by ± epsilon at random: no attack."),
    "fgsm_mse": Definition(f"{INSIDE}Mean of the larger of the squared errors at x and at x + epsilon · sign of the "
                           f"gradient.", "Goodfellow, Shlens and Szegedy 2015"),
    "pgd_mse": Definition(f"{INSIDE}Mean of the largest squared error at any point that the attack visits.",
                          "Madry et al. 2018"),
    "unbounded_accuracy": Definition(
        "pgd_accuracy without FGSM, with an epsilon that allows any input, 1 of images, else 100: a working attack "
        "leaves 0."),
    "pgd_half_steps_accuracy": Definition(
        "pgd_accuracy at the largest epsilon without FGSM, after the first half, rounded down, of steps of the same "
        "size: it is not below that after all of them."),
    "zero_gradients": Definition("Share of attacked examples whose gradient of the cross-entropy is 0 everywhere: "
                                 "a masked gradient tells the attack nothing."),
}
SMALL = 20
# In standard deviations: as far as no table reaches.
UNBOUNDED = 100.0


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Args:
        inputs: [N, ...], in the space where the attacker acts, by ascending id; targets: [N].
        scale, shift: of the shape of one input: what the model gets is inputs · scale + shift.
        bounds: of values; None where there are none.
    """

    subject: Subject
    inputs: Tensor
    targets: Tensor
    scale: Tensor
    shift: Tensor
    bounds: tuple[float | None, float | None]

    @property
    def classified(self) -> bool:
        """Whether the task has classes."""
        return self.subject.spec.kind == "classification"

    def logits(self, moved: Tensor) -> Tensor:
        """Return logits [B, C], or a regression's outputs [B, 1], of inputs [B, ...]."""
        import torch

        outputs = self.subject.model()(moved * self.scale + self.shift)
        # They are none of the dataset's rows.
        return self.subject.logits(outputs, -1 - torch.arange(len(moved)))

    def by_loss(self, moved: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropies, or squared errors, [B], and the harm, [B]: see `dlx.measure.attacks.Judge`."""
        from torch.nn.functional import cross_entropy, mse_loss

        logits = self.logits(moved)
        if self.classified:
            return cross_entropy(logits, targets, reduction="none"), _is_wrong(logits, targets)
        errors = mse_loss(logits[:, 0], targets, reduction="none")
        return errors, errors * self.subject.target_scale[1] ** 2

    def by_margin(self, moved: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return max_{j ≠ y} z_j − z_y, [B], and whether the model is wrong, [B]."""
        from dlx.measure.attacks import margin

        logits = self.logits(moved)
        return margin(logits, targets), _is_wrong(logits, targets)


def _is_wrong(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.argmax(dim=1) != targets).to(logits.dtype)


class Adversarial:
    """The model against inputs changed to fool it, with checks that the attack works.

    Source: Goodfellow, Shlens and Szegedy 2015; Madry et al. 2018; the checks are those of Carlini et al., On
    evaluating adversarial robustness, 2019.

    Args:
        num_examples: of test, in [1, 100000].
        pass_flops: of one pass over them; of a model that takes more, fewer examples are attacked, 128 at least.
        epsilons: largest changes of a value; auto chooses by layout and size.
        num_steps: of projected gradient descent, in [2, 1000].
        num_restarts: from random points, in [0, 100].
    """

    def __init__(self, num_examples: Annotated[int, Range("[1, 100000]")], pass_flops: Positive,
                 epsilons: Literal["auto"] | list[Annotated[float, Range("(0, inf)")]],
                 num_steps: Annotated[int, Range("[2, 1000]")], num_restarts: Annotated[int, Range("[0, 100]")]
                 ) -> None:
        self.num_examples = num_examples
        self.pass_flops = pass_flops
        self.epsilons = epsilons
        self.num_steps = num_steps
        self.num_restarts = num_restarts

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.report.measuring.cost import affordable_of

        count = affordable_of(subject, self.num_examples, self.pass_flops)
        target = _target(subject, count)
        if isinstance(target, str):
            return Measures(skipped=[target])
        epsilons = sorted(set(_epsilons(subject) if self.epsilons == "auto" else self.epsilons))
        numbers = [item for epsilon in epsilons for item in self._attacked(target, epsilon)]
        checks = [*self._checks(target, epsilons[-1])] if target.classified else []
        unit = "of the range of values" if subject.spec.layout == "image" else "standard deviations of train"
        details = {"epsilons": epsilons, "unit": unit, "is_capped": count < self.num_examples}
        return Measures([self._clean(target), *numbers, *checks], details)

    def _clean(self, target: Target) -> Measure:
        from dlx.measure.attacks import harm_at

        return _number("clean", harm_at(target.by_loss, target.inputs, target.targets), target)

    def _attacked(self, target: Target, epsilon: float) -> Iterator[Measure]:
        from dlx.core.random import torch_generator
        from dlx.measure.attacks import Box, fgsm, harm_at, noise

        box, judge, inputs, targets = Box(epsilon, *target.bounds), target.by_loss, target.inputs, target.targets
        moved = noise(inputs, box, torch_generator(target.subject.seed, "adversarial noise"))
        yield _number("noise", harm_at(judge, moved, targets), target, epsilon=epsilon)
        quick = harm_at(judge, inputs, targets).maximum(harm_at(judge, fgsm(judge, inputs, targets, box), targets))
        yield _number("fgsm", quick, target, epsilon=epsilon)
        yield _number("pgd", quick.maximum(self._pgd(target, box, self.num_steps)), target, epsilon=epsilon)

    def _pgd(self, target: Target, box: Box, taken: int) -> Tensor:
        """Return the harm [N] done by steps for every goal from every start; who is fooled is attacked no further."""
        import torch

        from dlx.core.random import torch_generator
        from dlx.measure.attacks import pgd, random_start

        inputs, targets = target.inputs, target.targets
        generator = torch_generator(target.subject.seed, "adversarial start")
        starts = [inputs, *(random_start(inputs, box, generator) for _ in range(self.num_restarts))]
        worst, enough = torch.full_like(inputs.flatten(1)[:, 0], -math.inf), 1.0 if target.classified else math.inf
        for judge in (target.by_loss, target.by_margin) if target.classified else (target.by_loss,):
            for start in starts:
                left = torch.nonzero(worst < enough)[:, 0]
                if len(left):
                    found = pgd(judge, inputs[left], targets[left], box, self.num_steps, start[left], taken, enough)
                    worst[left] = worst[left].maximum(found)
        return worst

    def _checks(self, target: Target, epsilon: float) -> Iterator[Measure]:
        from dlx.measure.attacks import Box, ascent

        half = self._pgd(target, Box(epsilon, *target.bounds), self.num_steps // 2)
        yield _number("pgd_half_steps", half, target, epsilon=epsilon)
        anywhere = Box(UNBOUNDED if target.bounds[0] is None else 1.0, *target.bounds)
        yield _number("unbounded", self._pgd(target, anywhere, self.num_steps), target)
        slopes = ascent(target.by_loss, target.inputs, target.targets)[0].flatten(1)
        yield Measure("zero_gradients", float((slopes == 0).all(dim=1).double().mean()), "test", n=len(slopes))


def _number(name: str, harm: Tensor, target: Target, **of: float) -> Measure:
    """Make an accuracy of harm [N] that is 0 or 1, or a mean of squared errors [N]."""
    from dlx.core.intervals import mean, proportion

    values, level = harm.double().cpu().numpy(), target.subject.level
    if not target.classified:
        return Measure(f"{name}_mse", float(values.mean()), "test", of=of).within(mean(values, level, 0))
    right = len(values) - int(values.sum())
    interval = proportion(right, len(values), level)
    return Measure(f"{name}_accuracy", right / len(values), "test", of=of).within(interval)


def _target(subject: Subject, num_examples: int) -> Target | str:
    """Return what is attacked, or why nothing can be."""
    import numpy as np
    import torch

    given = subject.given.layout
    if given not in ("image", "table", "series") or subject.spec.layout != given:
        return f"Attacks change numbers a little, and of inputs that are {given} there is no small change."
    if subject.spec.kind not in ("classification", "regression"):
        return f"Attacks are on one answer for an input, and the task is a {subject.spec.kind}."
    split = subject.splits["test"]
    ids = split.ids.numpy()
    places = np.array(apart(ids, num_examples), np.int64)
    places = places[np.argsort(ids[places])]
    index = torch.from_numpy(places).to(split.targets.device)
    inputs, targets = split.inputs.index_select(0, index), split.targets[index]
    if given != "image":
        scale = _deviations(subject)
        return Target(subject, inputs / scale, targets, scale, torch.zeros_like(scale), (None, None))
    rows = np.asarray(subject.rows(ids[places]))
    pixels = rows.astype(np.float64) / 255 if rows.dtype == np.uint8 else rows.astype(np.float64)
    found = _way(subject, pixels)
    if found is None:
        return ("Preprocessing mixes or bends the values of an image, or they are not in [0, 1], so that an attack "
                "before it cannot be computed; standardize and minmax leave each value to itself.")
    scale, shift, moved = (torch.from_numpy(own).to(inputs) for own in (*found, pixels))
    return Target(subject, moved, targets, scale, shift, (0.0, 1.0))


def _way(subject: Subject, pixels: np.ndarray) -> Affine | None:
    """Return how preprocessing maps pixels [N, ...] in [0, 1] to what the model gets, value by value."""
    import numpy as np

    from dlx.measure.affine import affine_of

    if not 0 <= pixels.min() <= pixels.max() <= 1:
        return None
    return affine_of(lambda own: subject.prepared(own.astype(np.float32)).double().cpu().numpy(), pixels)


def _deviations(subject: Subject) -> Tensor:
    """Return the standard deviation over train of each of the model's inputs; 1 where one does not vary."""
    import torch

    split = subject.splits["train_eval"]
    rows = split.inputs.index_select(0, torch.arange(len(split.ids), device=split.targets.device))
    deviations = rows.double().std(dim=0, correction=0).to(rows.dtype)
    return torch.where(deviations > 0, deviations, torch.ones_like(deviations))


def _epsilons(subject: Subject) -> list[float]:
    if subject.spec.layout != "image":
        return [0.1, 0.25, 0.5, 1.0]
    channels, *size = subject.spec.input_shape
    if channels == 3:
        return [2 / 255, 4 / 255, 8 / 255]
    return [0.1, 0.2, 0.3] if min(size) >= SMALL else [0.02, 0.05, 0.1, 0.2]
