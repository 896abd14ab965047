"""Parameters as views of one matrix, a row per member."""

import copy

import torch
from torch import nn

from dlx.core.rows import ALIGNMENT
from dlx.engine.flat import flatten


def network():
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False))


def flattened():
    model = network()
    before = copy.deepcopy(model.state_dict())
    return model, before, flatten(list(model.parameters()))


def test_flatten_keeps_values_names_and_shapes():
    model, before, flat = flattened()
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert flat.blocks[0].values.shape[1] % ALIGNMENT == 0


def test_flatten_makes_each_parameter_a_window_of_its_own():
    model, _, flat = flattened()
    for number, param in enumerate(model.parameters(), start=1):
        param.data.fill_(number)
    used = sum(param.numel() for param in model.parameters())
    counts = torch.bincount(flat.values.long())
    assert counts.tolist() == [flat.values.numel() - used, *(param.numel() for param in model.parameters())]
    start = flat.values.data_ptr()
    assert all((param.data_ptr() - start) % (4 * ALIGNMENT) == 0 for param in model.parameters())


def test_flatten_update_of_the_row_is_an_update_of_the_parameters():
    model, before, flat = flattened()
    with torch.no_grad():
        flat.values.mul_(2)
    for name, param in model.named_parameters():
        assert torch.equal(param, 2 * before[name])


def test_flatten_backward_fills_the_gradient_of_the_row():
    model, _, flat = flattened()
    twin = copy.deepcopy(model)
    x = torch.randn(6, 3)
    flat.gradient.zero_()
    model(x).square().sum().backward()
    twin(x).square().sum().backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)
        start = flat.gradient.data_ptr()
        assert start <= ours.grad.data_ptr() < start + 4 * flat.gradient.numel()
    total = torch.cat([param.grad.flatten() for param in twin.parameters()]).norm()
    torch.testing.assert_close(flat.gradient.norm(), total)


def test_flatten_parameter_without_influence_has_gradient_zero():
    unused = nn.Parameter(torch.ones(4))
    used = nn.Parameter(torch.ones(2))
    flat = flatten([unused, used])
    used.sum().backward()
    assert unused.grad.tolist() == [0.0] * 4
    assert flat.gradient.sum().item() == 2.0


def test_flatten_parameters_still_load_and_save():
    model, before, flat = flattened()
    other = network()
    model.load_state_dict(other.state_dict())
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert flat.values.data_ptr() == next(model.parameters()).data_ptr()
    model.load_state_dict(before)
    torch.testing.assert_close(flat.values[:15], before["0.weight"].flatten())


def test_flatten_keeps_the_dtype():
    flat = flatten(list(network().double().parameters()))
    assert flat.values.dtype == flat.gradient.dtype == torch.float64
