"""Mixup and CutMix: inputs by share, losses by the same share, in any combination."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import make, parts
from small_runs import digits, first_batch, session
from torch.nn.functional import cross_entropy, one_hot

from dlx.core.mixing import draw_partners
from dlx.core.random import torch_generator
from dlx.core.types import Batch

ALPHAS = {"mixup": 0.4, "cutmix": 1.0}


def images(size=12, side=8):
    """Images whose every pixel says which example it is of: example i is constant i."""
    ids = torch.arange(size)
    return Batch(ids[:, None, None, None].expand(size, 1, side, side).double().contiguous(), ids % 10, ids)


def shares_of(batch, size):
    """The share of every example in every mixture, [B, size], that targets and shares say; target i is example i."""
    own = one_hot(batch.targets, size) * (1 - batch.mixed.shares.sum(dim=1, keepdim=True))
    return own + (one_hot(batch.mixed.targets, size) * batch.mixed.shares[:, :, None]).sum(dim=1)


@pytest.mark.parametrize("names", [("mixup",), ("cutmix",), ("mixup", "cutmix"), ("cutmix", "mixup")])
@pytest.mark.parametrize("step", range(5))
def test_mixing_shares_of_losses_are_those_of_inputs(names, step):
    size = 12
    batch = images(size)._replace(targets=torch.arange(size))
    for number, name in enumerate(names):
        batch = make("regularizer", name, alpha=1.0).on_batch(batch, torch_generator(number, name, step))
    shares = shares_of(batch, size).double()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(size).double(), rtol=0, atol=1e-6)
    assert (shares >= -1e-6).all()
    # A pixel is the number of its example, so that the mean of an image is the mean of the numbers by share.
    expected = shares @ torch.arange(size).double()
    torch.testing.assert_close(batch.inputs.mean(dim=(1, 2, 3)), expected, rtol=0, atol=1e-4)


def test_mixup_is_the_formula_of_the_paper():
    batch = images()
    rows, share = draw_partners(12, 0.4, torch_generator(3, "mixup", 7))
    made = make("regularizer", "mixup", alpha=0.4).on_batch(batch, torch_generator(3, "mixup", 7))
    assert sorted(rows.tolist()) == list(range(12))
    torch.testing.assert_close(made.inputs, share * batch.inputs + (1 - share) * batch.inputs[rows])
    assert torch.equal(made.mixed.targets[:, 0], batch.targets[rows])


def test_mixing_share_has_the_distribution_of_its_alpha():
    shares = np.array([draw_partners(2, 0.4, torch_generator(seed, "mixup", 0)).share for seed in range(2000)])
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
    assert shares.mean() == pytest.approx(0.5, abs=5 * shares.std() / 2000**0.5)
    assert shares.var() == pytest.approx(1 / (4 * 1.8), rel=0.1)


def test_cutmix_puts_one_box_of_a_partner_into_each_image():
    for step in range(20):
        batch = images()
        made = make("regularizer", "cutmix").on_batch(batch, torch_generator(0, "cutmix", step))
        changed = made.inputs != batch.inputs
        box = changed[:, 0].any(dim=0)
        rows, columns = box.any(dim=1).nonzero().flatten(), box.any(dim=0).nonzero().flatten()
        if not box.any():
            assert made.mixed.shares.max() < 1 / 64 + 1e-9 or torch.equal(made.mixed.targets[:, 0], batch.targets)
            continue
        assert int(box.sum()) == len(rows) * len(columns)
        assert rows.tolist() == list(range(int(rows[0]), int(rows[-1]) + 1))
        assert made.mixed.shares.unique().tolist() == pytest.approx([box.sum().item() / 64])


@pytest.mark.parametrize("name", ALPHAS)
def test_mixing_minimises_the_mixture_of_losses(name):
    made = replace(parts(f"regularizer=[{name}]", "model.width=16", "device.precision=float64"),
                   dataset=digits(100, own_test=True))
    built = session(made)
    batch = first_batch(built)
    mixed = made.regularizers[name].on_batch(batch, torch_generator(0, name, 5))
    outputs = built.model(mixed.inputs)
    share = mixed.mixed.shares[:, 0]
    expected = (1 - share) * cross_entropy(outputs, batch.targets, reduction="none") + share * cross_entropy(
        outputs, mixed.mixed.targets[:, 0], reduction="none")
    loss, _ = built.step(batch, 5, 0.0)
    assert loss.item() == pytest.approx(expected.mean().item(), rel=1e-12)


def test_mixing_of_regression_has_the_gradient_of_mixed_targets():
    made = replace(parts("regularizer=[mixup]", "dataset=diabetes", "loss=mse", "metric=[rmse]", "model.width=8",
                         "preprocessing=[standardize,scale_target]", "device.precision=float64"))
    built = session(made)
    batch = first_batch(built)
    mixed = made.regularizers["mixup"].on_batch(batch, torch_generator(0, "mixup", 0))
    share = mixed.mixed.shares[:, 0]
    target = (1 - share) * batch.targets + share * mixed.mixed.targets[:, 0]
    (built.model(mixed.inputs)[:, 0] - target).square().mean().backward()
    expected = [leaf.grad.clone() for leaf in built.flat.leaves]
    built.step(batch, 0, 0.0)
    for leaf, gradient in zip(built.flat.leaves, expected, strict=True):
        torch.testing.assert_close(leaf.grad, gradient, rtol=1e-9, atol=1e-12)
