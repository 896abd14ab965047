"""Stochastic depth: rates that grow with depth, on models that have residual branches alone."""

from dataclasses import replace

import pytest
import torch
from part_files import make, parts
from small_runs import digits, session
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.layers import Dropout, StochasticDepth
from dlx.core.types import Batch


class Branch(nn.Module):
    """x plus a number, which may be left out."""

    def __init__(self):
        super().__init__()
        self.drop = StochasticDepth(0.0)

    def forward(self, x):
        return x + self.drop(torch.ones_like(x))


class Deep(nn.Module):
    """Five residual branches with dropout between them."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.branches = nn.Sequential(*(layer for _ in range(5) for layer in (Branch(), Dropout(0.0))))
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        return self.head(self.branches(x.flatten(1)))


def deep(rate):
    made = replace(parts(), model=Deep, regularizers={"stochastic_depth": make("regularizer", "stochastic_depth",
                                                                                rate=rate)})
    return session(made, digits(60))


def layers_of(model, kind):
    return [module for module in model.modules() if type(module) is kind]


def test_stochastic_depth_grows_linearly_to_its_rate_and_leaves_dropout_alone():
    model = deep(0.5).model
    assert [layer.rate for layer in layers_of(model, StochasticDepth)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert [layer.rate for layer in layers_of(model, Dropout)] == [0.0] * 5


def test_stochastic_depth_leaves_out_whole_branches_of_examples_at_their_rates_and_keeps_the_mean():
    built, seen = deep(0.5), []
    for layer in layers_of(built.model, StochasticDepth):
        layer.register_forward_hook(lambda _, __, output: seen.append(output.detach().clone()))
    count = 4000
    built.step(Batch(torch.zeros(count, 1, 8, 8), torch.arange(count) % 10, torch.arange(count)), 0, 0.0)
    for number, output in enumerate(seen, start=1):
        rate = number / 10
        assert (output == output[:, :1]).all()
        assert output.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
        deviation = (rate * (1 - rate) / count) ** 0.5
        assert (output[:, 0] == 0).float().mean().item() == pytest.approx(rate, abs=5 * deviation)


def test_stochastic_depth_on_a_model_without_residual_branches_is_refused():
    with pytest.raises(ConfigError) as refused:
        parts("model=mlp", "regularizer=[stochastic_depth]")
    assert str(refused.value) == ("regularizer=stochastic_depth needs a model with residual branches, as resnet and "
                                  "transformer have; MLP has none that can be left out")
