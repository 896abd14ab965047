"""Dead and saturated units against a brute-force count over what every layer gives."""

import pytest
import torch
from torch import nn

from dlx.measure.units import Units, idle_units


def dense(activation, bias):
    """A layer whose pre-activations are x + bias of each of its units, for x of one feature."""
    layer = nn.Linear(1, len(bias))
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.copy_(torch.tensor(bias))
    return nn.Sequential(layer, activation).eval()


BATCHES = [torch.tensor([[-1.0], [0.0]]), torch.tensor([[0.5], [1.0]])]


def test_relu_unit_is_dead_where_it_is_0_on_every_example():
    # Active from x > 0.5 on, never (x + b is 0 at most), and always.
    assert idle_units(dense(nn.ReLU(), [-0.5, -1.0, -3.0, 5.0]), BATCHES, 0.95) == [Units("0", "relu", 4, 2)]


EDGES = [(nn.Tanh(), 1.4722, "tanh"), (nn.Sigmoid(), 2.9444, "sigmoid")]


@pytest.mark.parametrize(("activation", "edge", "name"), EDGES)
def test_saturated_unit_is_beyond_nine_tenths_of_its_range_on_either_side(activation, edge, name):
    # artanh(0.9) and logit(0.95): units whose values are beyond at 4, 3, 2 and 0 of the 4 examples.
    bias = [edge + 1.001, edge + 0.001, edge - 0.499, -edge + 0.999]
    shares = (1.0, 0.75, 0.5, 0.25)
    found = [idle_units(dense(activation, bias), BATCHES, share)[0] for share in shares]
    beyond = ((torch.cat(BATCHES) + torch.tensor(bias)).abs() > edge).float().mean(dim=0)
    assert found == [Units("0", name, 4, int((beyond >= share).sum())) for share in shares]
    assert [layer.num_idle for layer in found] == [1, 2, 3, 4]


class Branches(nn.Module):
    """Convolutions, positions, a shared activation and a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.relu = nn.ReLU()
        self.features = nn.Linear(36, 7)
        self.rnn = nn.RNN(7, 4, batch_first=True)
        self.head = nn.Linear(4, 3)
        self.threshold = 0.0

    def forward(self, x):
        self.inner = [self.relu(self.norm(self.conv(x)))]
        self.inner.append(self.relu(self.inner[0] - self.threshold))
        self.inner.append(self.relu(self.features(self.inner[0].flatten(2)) - 0.2))
        states, _ = self.rnn(self.inner[2])
        return self.head(states[:, -1])


def test_units_of_channels_positions_and_states_equal_a_loop_over_what_the_layers_give():
    torch.manual_seed(0)
    model, inputs = Branches().eval(), 0.3 * torch.randn(6, 1, 8, 8)
    with torch.no_grad():
        model.rnn.weight_ih_l0.mul_(40)
        model(inputs)
        model.threshold = model.inner[0].amax(dim=(0, 2, 3)).median()
    found = {layer.layer: layer for layer in idle_units(model, inputs.split(4), 0.3)}
    with torch.no_grad():
        model(inputs)
        states, _ = model.rnn(model.inner[2])
    channels = [[not (values[:, unit] > 0).any() for unit in range(5)] for values in model.inner[:2]]
    features = [not (model.inner[2][..., unit] > 0).any() for unit in range(7)]
    ends = [(states[..., unit].abs() > 0.9).float().mean() >= 0.3 for unit in range(4)]
    assert found == {"conv": Units("conv", "relu", 5, sum(channels[0])),
                     "conv (2)": Units("conv (2)", "relu", 5, sum(channels[1])),
                     "features": Units("features", "relu", 7, sum(features)),
                     "rnn": Units("rnn", "tanh", 4, int(sum(ends)))}
    assert 0 < sum(channels[1]) < 5
    assert 0 < sum(features) < 7


def test_units_of_a_model_without_such_activations_are_none_and_hooks_are_removed():
    model = nn.Sequential(nn.Linear(2, 3), nn.GELU(), nn.ReLU(), nn.Linear(3, 1)).eval()
    assert idle_units(nn.Sequential(nn.Linear(2, 3), nn.GELU()), [torch.zeros(1, 2)], 0.9) == []
    idle_units(model, [torch.zeros(1, 2)], 0.9)
    assert not any(module._forward_hooks for module in model.modules())
