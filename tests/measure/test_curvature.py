import json

import numpy as np
import pytest
import torch
from oracles import make_curvature
from torch import nn
from torch.nn.functional import cross_entropy

from dlx.core.intervals import student_t
from dlx.core.types import Split
from dlx.measure.curvature import eigenpairs, lanczos, matrix, trace
from dlx.measure.weight_space import Hessian, WeightSpace

ORACLE = json.loads(make_curvature.FILE.read_text())
NETS = make_curvature.nets()


def losses(outputs, targets, ids):
    return cross_entropy(outputs, targets, reduction="none")


def space_of(net):
    own = WeightSpace(net, losses, lambda outputs, ids: outputs, torch.float64,
                      [name for name, _ in net.named_parameters()])
    inputs, targets = make_curvature.examples()
    return own, Split(inputs, targets, torch.arange(len(targets)))


def full_hessian(net):
    """The matrix that torch makes, row by row."""
    inputs, targets = make_curvature.examples()
    params = dict(net.named_parameters())

    def loss(vector):
        parts = torch.split(vector, [param.numel() for param in params.values()])
        own = {name: part.view_as(params[name]) for name, part in zip(params, parts, strict=True)}
        return cross_entropy(torch.func.functional_call(net, own, (inputs,)), targets)

    weights = torch.cat([param.detach().flatten() for param in params.values()])
    return torch.autograd.functional.hessian(loss, weights)


def normal(*shape):
    return torch.from_numpy(np.random.default_rng(1).normal(size=shape))


@pytest.mark.parametrize("name", NETS)
def test_hessian_is_that_of_torch(name):
    space, examples = space_of(NETS[name])
    found = matrix(space.hessian(space.weights, examples).times, space.weights)
    assert torch.allclose(found, full_hessian(NETS[name]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_hessian_in_chunks_and_by_differences_is_the_same(name, monkeypatch):
    space, examples = space_of(NETS[name])
    full, vector = full_hessian(NETS[name]), normal(len(space))
    space._rows = 28
    in_chunks = space.hessian(space.weights, examples)
    assert in_chunks._graph is None
    assert torch.allclose(in_chunks.times(vector), full @ vector, rtol=0, atol=1e-12)
    monkeypatch.setattr(Hessian, "_is_differentiable", lambda self: False)
    assert torch.allclose(space.hessian(space.weights, examples).times(vector), full @ vector, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NETS)
def test_eigenvalues_and_trace_are_those_of_curvlinops(name):
    space, examples = space_of(NETS[name])
    hessian, expected = space.hessian(space.weights, examples), ORACLE[name]
    known = lanczos(hessian.times, normal(len(space)), 5, 1, 1e-6, 200)
    found = eigenpairs(known, hessian.times, 5, 1)
    assert found.values[::-1][:5] == pytest.approx(expected["largest"], rel=1e-6)
    assert found.values[0] == pytest.approx(expected["smallest"], rel=1e-6)
    assert float(matrix(hessian.times, space.weights).trace()) == pytest.approx(expected["trace"], rel=1e-9)


def test_lanczos_finds_both_ends_of_a_quadratic_before_its_size():
    values = torch.cat([torch.tensor([-3.0, -1.0, 7.0, 9.0, 20.0]), torch.linspace(0, 1, 995)]).double()
    known = lanczos(lambda vector: values * vector, normal(1000), 3, 2, 1e-5, 200)
    found = eigenpairs(known, lambda vector: values * vector, 3, 2)
    assert found.values == pytest.approx([-3, -1, 7, 9, 20], abs=1e-8)
    assert (found.residuals < 1e-4).all()
    assert len(known.basis) < 60
    assert torch.allclose(known.basis @ known.basis.T, torch.eye(len(known.basis), dtype=torch.float64), atol=1e-12)


def test_lanczos_ends_where_the_matrix_has_no_further_values():
    vector = normal(500)
    known = lanczos(lambda other: vector * (vector @ other), normal(2, 500)[1], 5, 1, 1e-3, 200)
    assert len(known.basis) == 2
    assert known.ritz()[0] == pytest.approx([0, float(vector @ vector)], abs=1e-9)


def test_residuals_tell_how_far_an_eigenvalue_is_at_most():
    square = np.random.default_rng(2).normal(size=(300, 300))
    symmetric = torch.from_numpy(square + square.T)
    known = lanczos(lambda vector: symmetric @ vector, normal(300), 5, 1, 1e-3, 12)
    found = eigenpairs(known, lambda vector: symmetric @ vector, 5, 1)
    true = np.linalg.eigvalsh(symmetric.numpy())
    distances = np.abs(found.values[:, None] - true).min(axis=1)
    assert (found.residuals > 0.1).all(), "nothing has converged"
    assert (distances <= found.residuals + 1e-12).all()


def test_interval_of_the_trace_covers_it():
    generator = np.random.default_rng(3)
    square = generator.normal(size=(80, 80))
    spectrum = np.concatenate([[60.0, 30.0, -10.0], generator.exponential(size=77)])
    basis = np.linalg.qr(square)[0]
    symmetric = torch.from_numpy(basis @ np.diag(spectrum) @ basis.T)
    known = lanczos(lambda vector: symmetric @ vector, normal(80), 3, 1, 1e-3, 20)
    covered = 0
    for _ in range(1000):
        signs = torch.from_numpy(generator.choice([-1.0, 1.0], size=(10, 80)))
        inside, rest = trace(lambda vector: symmetric @ vector, known, signs)
        interval = student_t(inside + rest, 0.95)
        covered += interval.low <= spectrum.sum() <= interval.high
    assert covered >= 940


def test_trace_on_the_whole_space_needs_no_luck():
    symmetric = torch.diag(torch.arange(1.0, 31.0).double())
    known = lanczos(lambda vector: symmetric @ vector, normal(30), 30, 0, 1e-9, 30)
    inside, rest = trace(lambda vector: symmetric @ vector, known, torch.sign(normal(4, 30)))
    assert inside == pytest.approx(465)
    assert rest == pytest.approx(np.zeros(4), abs=1e-9)


@pytest.mark.parametrize("name", ["lstm", "attention"])
def test_layers_with_kernels_of_their_own_are_differentiated_twice(name):
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(4, 3, batch_first=True) if name == "lstm" else nn.MultiheadAttention(4, 2)
            self.head = nn.Linear(3 if name == "lstm" else 4, 3)

        def forward(self, inputs):
            rows = inputs.flatten(1, 2)
            seen = self.layer(rows)[0] if name == "lstm" else self.layer(rows, rows, rows, need_weights=False)[0]
            return self.head(seen[:, -1])

    net = Net()
    space = WeightSpace(net, losses, None, torch.float32)
    inputs, targets = make_curvature.examples()
    examples = Split(inputs.float(), targets, torch.arange(len(targets)))
    hessian = space.hessian(space.weights, examples)
    vector = normal(len(space)).float()
    exact = WeightSpace(net, losses, None, torch.float64)
    step = 1e-6 * vector.double()
    ahead, behind = (exact.gradient(exact.weights + sign * step, examples._replace(inputs=inputs))[1]
                     for sign in (1, -1))
    assert hessian.is_exact
    assert torch.allclose(hessian.times(vector).double(), (ahead - behind) / 2e-6, rtol=1e-3, atol=1e-4)
    assert torch.backends.mkldnn.enabled is True or not torch.backends.mkldnn.is_available()


def test_ctc_which_torch_cannot_differentiate_twice_goes_by_differences():
    net = nn.Linear(4, 3).double()

    def of_paths(outputs, targets, ids):
        sizes = torch.full((len(outputs),), 4)
        return nn.functional.ctc_loss(outputs.log_softmax(2).transpose(0, 1), targets[:, None] % 2 + 1, sizes,
                                      torch.ones_like(sizes), reduction="none")

    inputs, targets = make_curvature.examples()
    space = WeightSpace(net, of_paths, None, torch.float64)
    hessian = space.hessian(space.weights, Split(inputs[:, 0], targets, torch.arange(len(targets))))
    assert not hessian.is_exact
    full = matrix(hessian.times, space.weights)
    rows = torch.stack([hessian.times(unit) for unit in torch.eye(len(space), dtype=torch.float64)])
    assert torch.allclose(rows, rows.T, atol=1e-8), "it is symmetric, as second derivatives are"
    # A shift of all classes' biases changes no probability.
    shift = torch.cat([torch.zeros(12), torch.ones(3)]).double()
    assert torch.allclose(full @ shift, torch.zeros(15, dtype=torch.float64), atol=1e-8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_oracle_is_what_curvlinops_says():
    pytest.importorskip("curvlinops", reason="curvlinops is no dependency; its numbers are kept in tests/oracles")
    for name, found in make_curvature.values().items():
        if name != "made_with":
            assert found["largest"] == pytest.approx(ORACLE[name]["largest"], rel=1e-9)
            assert (found["smallest"], found["trace"]) == pytest.approx((ORACLE[name]["smallest"],
                                                                         ORACLE[name]["trace"]), rel=1e-9)
