"""What one example meets on its way: operations, memory, layers."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlx.measure.passes import look


def counted(model, x):
    """What the library counts."""
    with FlopCounterMode(display=False) as mode:
        output = model(x)
        forward = mode.get_total_flops()
        output.sum().backward()
    model.zero_grad()
    return forward, mode.get_total_flops()


@pytest.mark.parametrize(("model", "x"), [
    (nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), torch.ones(1, 6)),
    (nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)),
     torch.ones(1, 2, 6, 6)),
    (nn.Conv1d(3, 5, 2, dilation=3), torch.ones(1, 3, 9))])
def test_operations_are_those_that_the_library_counts(model, x):
    model, x = model.double().eval(), x.double()
    seen = look(model, x, 4)
    assert (seen.forward_flops, seen.training_flops) == counted(model, x)


def test_operations_of_a_perceptron_are_two_for_each_weight_and_way():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).double().eval()
    seen = look(model, torch.ones(1, 6, dtype=torch.float64), 4)
    # Of the inputs no gradient is asked.
    assert (seen.forward_flops, seen.training_flops) == (2 * 45, 2 * (45 + 45 + 15))


def test_operations_of_attention_are_those_of_its_products():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(*[x * self.scale] * 3)

    seen = look(Attention().double(), torch.ones(1, 2, 5, 4, dtype=torch.float64), 4)
    assert seen.forward_flops == 2 * 2 * 2 * 5 * 5 * 4
    assert seen.training_flops == 3 * seen.forward_flops


def test_kept_bytes_are_those_of_inputs_and_activations():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).double().eval()
    seen = look(model, torch.ones(1, 6, dtype=torch.float64), 4)
    # The input of the first layer, and what the rectifier made, which is the input of the second.
    assert seen.kept_bytes == 4 * (6 + 5)


def test_look_leaves_no_gradient_and_no_hook():
    model = nn.Sequential(nn.Linear(6, 5)).double().eval()
    seen = look(model, torch.ones(1, 6, dtype=torch.float64), 4)
    assert [call.name for call in seen.calls] == ["0"]
    assert all(param.grad is None for param in model.parameters())
    assert not model[0]._forward_hooks
    assert not model[0]._forward_pre_hooks
    assert not seen.output.requires_grad
