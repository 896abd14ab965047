"""Decoupled decay, gradient noise, bounds of norms, smoothed labels, batches in parts: twins and closed forms."""

from dataclasses import replace

import pytest
import torch
from part_files import make, parts
from small_runs import best, digits, equal_tensors, first_batch, session, train
from torch import nn

from dlx.core.draws import Draws
from dlx.core.errors import ConfigError
from dlx.core.hooks import Moment

DIGITS = digits(100, own_test=True)


def small(*overrides):
    return replace(parts("model.width=16", "device.precision=float64", *overrides), dataset=DIGITS)


def test_weight_decay_with_adam_is_adamw_on_weights():
    built = session(small("regularizer=[weight_decay]", "regularizer.weight_decay.strength=0.3", "optimizer=adam"))
    twin = session(small())
    params = list(twin.model.parameters())
    groups = [{"params": [param for param in params if param.ndim > 1], "weight_decay": 0.3},
              {"params": [param for param in params if param.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    for step in range(5):
        built.step(first_batch(built), step, 0.01)
        optimizer.zero_grad()
        batch = first_batch(twin)
        nn.functional.cross_entropy(twin.model(batch.inputs), batch.targets).backward()
        optimizer.step()
    for one, other in zip(built.model.parameters(), params, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_weight_decay_follows_the_learning_rate_of_a_parameter():
    factors = "optimizer.lr_multipliers={layers.0.*:0,layers.3.*:0.5}"
    built = session(small("regularizer=[weight_decay]", "regularizer.weight_decay.strength=0.3", factors))
    before = {name: param.detach().clone() for name, param in built.model.named_parameters()}
    step = built.state.group.step
    replace(step, update=lambda: None)(first_batch(built), 0, [0.1])
    for name, kept in (("layers.0.weight", 1.0), ("layers.3.weight", 1 - 0.1 * 0.5 * 0.3), ("layers.3.bias", 1.0)):
        torch.testing.assert_close(dict(built.model.named_parameters())[name].detach(), before[name] * kept)


def test_gradient_is_clipped_as_the_hook_before_left_it():
    built = session(small("regularizer=[gradient_noise,gradient_clip]", "regularizer.gradient_noise.eta=100"))
    built.step(first_batch(built), 0, 0.01)
    assert built.flat.gradient_norms().item() == pytest.approx(1.0)


@pytest.mark.parametrize("step", [0, 99])
def test_gradient_noise_has_the_variance_of_the_paper(step):
    param = nn.Parameter(torch.zeros(1, 300, 300))
    param.grad = torch.zeros_like(param)
    part = make("regularizer", "gradient_noise", eta=0.3, gamma=0.55)
    part.on_gradient([param], torch.zeros(1), Moment(step, [0.1], [1.0], Draws([0], "gradient_noise", step)))
    assert param.grad.var().item() == pytest.approx(0.3 / (1 + step) ** 0.55, rel=5 * (2 / 90_000) ** 0.5)
    assert abs(param.grad.mean().item()) < 5 * param.grad.std().item() / 300


def test_max_norm_is_renorm_of_the_rows_of_weights():
    draw = torch.Generator().manual_seed(0)
    matrix, kernel, bias = (torch.randn(1, *shape, generator=draw) * 2 for shape in ((5, 4), (3, 2, 3, 3), (6,)))
    params = [nn.Parameter(tensor.clone()) for tensor in (matrix, kernel, bias)]
    with torch.no_grad():
        make("regularizer", "max_norm", max_norm=3.0).after_update(params)
    for found, before in zip(params[:2], (matrix, kernel), strict=True):
        torch.testing.assert_close(found[0].detach(), before[0].renorm(2, 0, 3.0), rtol=1e-5, atol=1e-6)
        within = before[0].flatten(1).norm(dim=1) <= 3.0
        assert torch.equal(found[0][within], before[0][within])
    assert torch.equal(params[2], bias)


def test_max_norm_holds_after_every_step():
    built = session(small("regularizer=[max_norm]", "regularizer.max_norm.max_norm=0.5", "optimizer=sgd"))
    for step in range(3):
        built.step(first_batch(built), step, 1.0)
        norms = torch.cat([param.flatten(1).norm(dim=1) for param in built.model.parameters() if param.ndim > 1])
        assert norms.max() <= 0.5 + 1e-9


def test_label_smoothing_is_that_of_the_loss(tmp_path):
    runs = [train(small("epochs=2", *overrides), tmp_path / name) for name, overrides in (
        ("loss", ["loss.label_smoothing=0.2"]),
        ("regularizer", ["regularizer=[label_smoothing]", "regularizer.label_smoothing.rate=0.2"]))]
    one, other = (path.joinpath("metrics.csv").read_bytes() for path in runs)
    assert one == other
    assert equal_tensors(*(best(path).tensors for path in runs))


@pytest.mark.parametrize(("overrides", "message"), [
    (["loss.label_smoothing=0.1"], "labels are smoothed twice: set loss.label_smoothing=0, got 0.1"),
    (["dataset=diabetes", "loss=mse", "metric=[rmse]"], "regularizer=label_smoothing needs a loss with label smooth")])
def test_label_smoothing_is_refused_where_it_cannot_be(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parts("regularizer=[label_smoothing]", *overrides)


@pytest.mark.parametrize("count", [2, 3, 64])
def test_accumulation_gives_the_gradient_of_the_whole_batch(count):
    whole, divided = session(small("batch_size=64")), session(small("batch_size=64", f"accumulation_steps={count}"))
    losses = [built.step(first_batch(built, 50), 0, 0.01) for built in (whole, divided)]
    for one, other in zip(*losses, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(whole.flat.gradient, divided.flat.gradient, rtol=1e-9, atol=1e-14)


class Drawing:
    """A regularizer that adds nothing, and keeps what it draws for each part of a batch."""

    def __init__(self):
        self.draws = []

    def output_penalty(self, inputs, outputs, moment):
        self.draws.append(moment.draws.normal_of_examples(outputs))
        return outputs.new_zeros(len(outputs))


def test_accumulation_gives_each_part_draws_of_its_own_and_each_step_its_own():
    drawing = Drawing()
    built = session(replace(small("accumulation_steps=2"), regularizers={"drawing": drawing}))
    for step in (0, 1, 0):
        built.step(first_batch(built, 32), step, 0.0)
    first, second, third = ([*map(torch.clone, drawing.draws[place : place + 2])] for place in (0, 2, 4))
    assert all(torch.equal(*pair) for pair in zip(first, third, strict=True))
    assert not any(torch.equal(*pair) for pair in ((first[0], first[1]), (first[0], second[0]), (first[1], second[1])))


def test_accumulation_of_members_is_that_of_the_runs_alone():
    from member_runs import assert_equals_solo, several

    assert_equals_solo(several(3, "accumulation_steps=3", "regularizer=[dropout,mixup,jacobian,l2]"))


def test_accumulation_beyond_the_batch_is_refused():
    with pytest.raises(ConfigError, match="accumulation_steps must be at most batch_size=16, got 17"):
        parts("batch_size=16", "accumulation_steps=17")
