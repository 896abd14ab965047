"""Weights of classes against scikit-learn and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, TaskSpec
from dlx.loss.cross_entropy import CrossEntropy
from dlx.loss.focal import Focal

C = 4
SPEC = TaskSpec("classification", "table", (3,), C)
TRAIN = torch.tensor([0] * 11 + [1] * 5 + [2] * 3 + [3])
LOGITS = torch.randn(30, C, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(30) % C
WEIGHTS = [0.5, 2.0, 0.0, 3.0]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_equal_torch_in_value_and_gradient(smoothing):
    ours, theirs = (LOGITS.clone().requires_grad_() for _ in range(2))
    losses = CrossEntropy(smoothing, WEIGHTS).knowing([TRAIN], SPEC)(ours, TARGETS)
    expected = cross_entropy(theirs, TARGETS, torch.tensor(WEIGHTS, dtype=torch.float64), reduction="none",
                             label_smoothing=smoothing)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-14)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


def test_class_weights_balanced_are_those_of_scikit_learn_with_mean_1_over_train():
    weights = torch.tensor(compute_class_weight("balanced", classes=np.arange(C), y=TRAIN.numpy()))
    loss = CrossEntropy(0.0, "balanced").knowing([TRAIN], SPEC)
    plain = cross_entropy(LOGITS, TARGETS, reduction="none")
    torch.testing.assert_close(loss(LOGITS.clone().requires_grad_(), TARGETS), weights[TARGETS] * plain)
    assert weights[TRAIN].mean().item() == pytest.approx(1.0, rel=1e-12)


def test_class_weights_of_members_follow_from_the_train_targets_of_each():
    others = TRAIN.flip(0) % 3
    together = CrossEntropy(0.0, "balanced").knowing([TRAIN, others], SPEC)(LOGITS.requires_grad_(), TARGETS)
    for found, train, logits, targets in zip(together.chunk(2), (TRAIN, others), LOGITS.chunk(2), TARGETS.chunk(2),
                                             strict=True):
        alone = CrossEntropy(0.0, "balanced").knowing([train], SPEC)(logits, targets)
        torch.testing.assert_close(found, alone, rtol=1e-12, atol=0)
        assert (alone[targets == 3] == 0).all() == (train is others)


def test_class_weights_of_a_sequence_count_what_is_asked():
    targets = TARGETS.view(5, 6).clone()
    targets[:, 4:] = IGNORED
    loss = CrossEntropy(0.0, "balanced").knowing([targets], SPEC)
    asked = targets[:, :4].flatten()
    weights = torch.tensor(compute_class_weight("balanced", classes=np.arange(C), y=asked.numpy()))
    logits = LOGITS.view(5, 6, C)
    expected = cross_entropy(logits[:, :4].flatten(0, 1), asked, weights, reduction="none").view(5, 4).mean(dim=1)
    torch.testing.assert_close(loss(logits.clone().requires_grad_(), targets), expected)


@pytest.mark.parametrize("loss", [CrossEntropy(0.0, WEIGHTS), Focal(2.0, WEIGHTS)])
def test_class_weights_act_in_training_alone(loss):
    plain = type(loss)(0.0 if isinstance(loss, CrossEntropy) else 2.0, None)
    known = loss.knowing([TRAIN], SPEC)
    with torch.no_grad():
        assert torch.equal(known(LOGITS, TARGETS), plain(LOGITS, TARGETS))
    assert not torch.equal(known(LOGITS.clone().requires_grad_(), TARGETS), plain(LOGITS, TARGETS))


def test_class_weights_of_another_number_of_classes_are_refused():
    for loss, key in ((CrossEntropy(0.0, WEIGHTS[:3]), "loss.class_weights"), (Focal(1.0, WEIGHTS[:3]), "loss.alpha")):
        with pytest.raises(ConfigError) as refused:
            loss.knowing([TRAIN], SPEC)
        assert str(refused.value) == f"{key} must have one weight for each of the 4 classes, got 3"
