"""What every loss of conf/loss promises. B batch, L positions, C classes."""

import pytest
import torch
from part_files import make, option_names, parts

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED

NAMES = option_names("loss")
NUM_CLASSES = 4
NUM_POSITIONS = 5
FITTING = {"classification": "digits", "regression": "diabetes"}
CASES = [(name, kind) for name in NAMES for kind in make("loss", name).kinds]
each_loss = pytest.mark.parametrize(("option", "kind"), CASES)


def example(kind, num_rows=6, dtype=torch.float64, seed=0):
    """Outputs and targets of a kind of task."""
    draw = torch.Generator().manual_seed(seed)
    if kind == "regression":
        outputs, targets = torch.randn(2, num_rows, dtype=dtype, generator=draw)
        return outputs[:, None].clone(), targets
    if kind == "sequence":
        targets = torch.randint(NUM_CLASSES, (num_rows, NUM_POSITIONS), generator=draw)
        targets[:, 1:][torch.rand(num_rows, NUM_POSITIONS - 1, generator=draw) < 0.3] = IGNORED
        return torch.randn(num_rows, NUM_POSITIONS, NUM_CLASSES, dtype=dtype, generator=draw), targets
    return (torch.randn(num_rows, NUM_CLASSES, dtype=dtype, generator=draw),
            torch.randint(NUM_CLASSES, (num_rows,), generator=draw))


@pytest.mark.parametrize("option", NAMES)
def test_loss_says_for_which_tasks_it_is(option):
    kinds = make("loss", option).kinds
    assert isinstance(kinds, tuple)
    assert kinds
    assert set(kinds) <= {"classification", "regression", "sequence"}


@pytest.mark.parametrize("option", NAMES)
@pytest.mark.parametrize("kind", FITTING)
def test_loss_builds_with_data_of_its_kinds_and_is_refused_with_others(option, kind):
    overrides = (f"dataset={FITTING[kind]}", f"loss={option}")
    if kind in make("loss", option).kinds:
        assert type(parts(*overrides).loss) is type(make("loss", option))
        return
    with pytest.raises(ConfigError) as refused:
        parts(*overrides)
    assert str(refused.value).startswith(f"loss={option} is for ")
    assert f"dataset={FITTING[kind]} is a {kind}; use loss=" in str(refused.value)


@each_loss
@pytest.mark.parametrize("num_rows", [1, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_is_one_number_per_example(option, kind, num_rows, dtype):
    losses = make("loss", option)(*example(kind, num_rows, dtype))
    assert losses.shape == (num_rows,)
    assert losses.dtype == dtype
    assert losses.isfinite().all()


@each_loss
def test_loss_of_an_example_does_not_depend_on_the_others(option, kind):
    loss = make("loss", option)
    outputs, targets = example(kind)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    losses = loss(outputs, targets)
    torch.testing.assert_close(loss(outputs[order], targets[order]), losses[order], rtol=1e-12, atol=0)
    torch.testing.assert_close(loss(outputs[2:3], targets[2:3]), losses[2:3], rtol=1e-12, atol=0)
    others = example(kind, seed=1)[0] * 1e3
    others[2] = outputs[2]
    torch.testing.assert_close(loss(others, targets)[2], losses[2], rtol=1e-12, atol=0)


@each_loss
def test_loss_gradient_equals_finite_differences(option, kind):
    outputs, targets = example(kind)
    assert torch.autograd.gradcheck(lambda values: make("loss", option)(values, targets), outputs.requires_grad_())


@each_loss
def test_loss_is_deterministic_and_changes_nothing(option, kind):
    loss = make("loss", option)
    outputs, targets = example(kind)
    first, state = loss(outputs, targets), torch.get_rng_state()
    assert torch.equal(loss(outputs, targets), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(*pair) for pair in zip((outputs, targets), example(kind), strict=True))


@each_loss
def test_loss_is_least_where_predictions_are_right(option, kind):
    loss = make("loss", option)
    start, targets = example(kind)
    outputs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([outputs], lr=0.05)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
        optimizer.zero_grad()
        loss(outputs, targets).sum().backward()
        optimizer.step()
    least = loss(outputs, targets)
    assert (least <= loss(start, targets)).all()
    for seed in range(5):
        assert (least <= loss(example(kind, seed=seed)[0], targets) + 1e-6).all()
    if kind != "regression":
        asked = targets != IGNORED
        assert torch.equal(outputs.argmax(dim=-1)[asked], targets[asked])
    else:
        torch.testing.assert_close(outputs[:, 0], targets, atol=0.01, rtol=0)


@each_loss
def test_loss_gets_worse_with_the_error(option, kind):
    loss, (_, targets) = make("loss", option), example(kind)
    if kind != "regression":
        right = torch.nn.functional.one_hot(targets.clamp(min=0), NUM_CLASSES).double()
        errors = [right * strength for strength in (4.0, 2.0, 1.0, 0.0, -1.0, -2.0)]
    else:
        errors = [targets[:, None] + error for error in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)]
    means = [loss(values, targets).mean().item() for values in errors]
    assert means == sorted(means)
    assert means[0] < means[-1]


@each_loss
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_loss_in_evaluation_is_the_loss_that_was_trained(option, kind, scale):
    loss, (outputs, targets) = make("loss", option), example(kind, 200)
    minimised = loss((scale * outputs).requires_grad_(), targets).detach()
    with torch.inference_mode():
        torch.testing.assert_close(loss(scale * outputs, targets), minimised, rtol=1e-10, atol=1e-14)
        single = loss((scale * outputs).float(), targets.float() if kind == "regression" else targets)
    torch.testing.assert_close(single.double(), minimised, rtol=1e-5, atol=1e-6 * scale)


@each_loss
@pytest.mark.parametrize("magnitude", [1e4, -1e4])
def test_loss_and_gradient_of_extreme_outputs_are_finite(option, kind, magnitude):
    outputs, targets = example(kind, dtype=torch.float32)
    outputs = (outputs.sign() * magnitude).requires_grad_()
    losses = make("loss", option)(outputs, targets)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert outputs.grad.isfinite().all()
