"""What every loss of conf/loss promises. B batch, L positions, C classes, U labels."""

import copy

import pytest
import torch
from part_files import make, option_names, parts

from dlx.core.ctc import best_path
from dlx.core.errors import ConfigError
from dlx.core.losses import ComparesExamples, KnowsTrain, ReadsOutputs, SizesOutputs
from dlx.core.types import IGNORED, TaskSpec

NAMES = option_names("loss")
NUM_CLASSES = 4
NUM_POSITIONS = 5
FITTING = {"classification": "digits", "regression": "diabetes"}
CASES = [(name, kind) for name in NAMES for kind in make("loss", name).kinds]
each_loss = pytest.mark.parametrize(("option", "kind"), CASES)
# Those that compare examples have tests of their own.
one_by_one = pytest.mark.parametrize(("option", "kind"), [
    case for case in CASES if not isinstance(make("loss", case[0]), ComparesExamples)])
comparing = pytest.mark.parametrize("option", [
    name for name in NAMES if isinstance(make("loss", name), ComparesExamples)])
# What is right less and less, of losses whose outputs are probabilities themselves.
STRENGTHS = {"mse_one_hot": (1.0, 0.8, 0.5, 0.0, -1.0, -2.0)}


def made(option, kind="classification", targets=None):
    """The loss of one member with these train targets."""
    loss = make("loss", option)
    spec = TaskSpec(kind, "table", (3,), NUM_CLASSES)
    if not isinstance(loss, KnowsTrain):
        return loss
    return loss.knowing([example(kind)[1] if targets is None else targets], spec)


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
    if kind == "transcription":
        # Up to two labels: with the blank between equal ones three positions say them.
        targets = torch.randint(1, NUM_CLASSES, (num_rows, 2), generator=draw)
        targets[:, 1:][torch.rand(num_rows, 1, generator=draw) < 0.3] = IGNORED
        return torch.randn(num_rows, NUM_POSITIONS, NUM_CLASSES, dtype=dtype, generator=draw), targets
    outputs = torch.randn(num_rows, NUM_CLASSES, dtype=dtype, generator=draw)
    if kind == "multilabel":
        return outputs, torch.randint(2, (num_rows, NUM_CLASSES), generator=draw)
    return outputs, torch.randint(NUM_CLASSES, (num_rows,), generator=draw)


def right(outputs, targets, kind):
    """Whether outputs say the targets, by example or by position."""
    if kind == "transcription":
        said = best_path(outputs)
        asked = torch.nn.functional.pad(targets, (0, NUM_POSITIONS - targets.shape[1]), value=IGNORED)
        return (said == asked).all(dim=1)
    if kind == "multilabel":
        return (outputs > 0) == (targets == 1)
    return (outputs.argmax(dim=-1) == targets) | (targets == IGNORED)


@pytest.mark.parametrize("option", NAMES)
def test_loss_says_for_which_tasks_it_is(option):
    kinds = make("loss", option).kinds
    assert isinstance(kinds, tuple)
    assert kinds
    assert set(kinds) <= {"classification", "regression", "sequence", "multilabel", "transcription"}


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
    losses = made(option, kind)(*example(kind, num_rows, dtype))
    assert losses.shape == (num_rows,)
    assert losses.dtype == dtype
    assert losses.isfinite().all()


@one_by_one
def test_loss_of_an_example_does_not_depend_on_the_others(option, kind):
    loss = made(option, kind)
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
    assert torch.autograd.gradcheck(lambda values: made(option, kind)(values, targets), outputs.requires_grad_())


@each_loss
def test_loss_is_deterministic_and_changes_nothing(option, kind):
    loss = made(option, kind)
    outputs, targets = example(kind)
    first, state = loss(outputs, targets), torch.get_rng_state()
    assert torch.equal(loss(outputs, targets), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(*pair) for pair in zip((outputs, targets), example(kind), strict=True))


@one_by_one
def test_loss_is_least_where_predictions_are_right(option, kind):
    loss = made(option, kind)
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
        assert right(outputs, targets, kind).all()
    else:
        torch.testing.assert_close(outputs[:, 0], targets, atol=0.01, rtol=0)


def told(targets, kind):
    """Outputs [B, ..., C] that are 1 where they should be large."""
    if kind == "multilabel":
        return 2.0 * targets - 1
    if kind == "transcription":
        # Label, blank, label, blanks.
        path = torch.zeros(len(targets), NUM_POSITIONS, dtype=torch.int64)
        path[:, [0, 2]] = targets.clamp(min=0)
        targets = path
    return torch.nn.functional.one_hot(targets.clamp(min=0), NUM_CLASSES).double()


@one_by_one
def test_loss_gets_worse_with_the_error(option, kind):
    loss, (_, targets) = made(option, kind), example(kind)
    if kind != "regression":
        strengths = STRENGTHS.get(option, (4.0, 2.0, 1.0, 0.0, -1.0, -2.0))
        errors = [told(targets, kind) * strength for strength in strengths]
    else:
        errors = [targets[:, None] + error for error in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)]
    means = [loss(values, targets).mean().item() for values in errors]
    assert means == sorted(means)
    assert means[0] < means[-1]


@each_loss
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_loss_in_evaluation_is_the_loss_that_was_trained(option, kind, scale):
    loss, (outputs, targets) = made(option, kind), example(kind, 200)
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
    losses = made(option, kind)(outputs, targets)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize(("option", "kind"), [
    case for case in CASES if isinstance(make("loss", case[0]), ReadsOutputs)])
def test_loss_reads_outputs_as_logits_that_keep_the_order_of_classes(option, kind):
    outputs, _ = example(kind, 50)
    logits = made(option, kind).logits(3 * outputs, kind)
    assert logits.shape == outputs.shape
    assert logits.isfinite().all()
    probs = logits.sigmoid() if kind == "multilabel" else logits.softmax(dim=1)
    order = probs.gather(1, outputs.argsort(dim=1))
    assert (order.diff(dim=1) >= 0).all()
    assert torch.equal(probs.argmax(dim=1), outputs.argmax(dim=1))


@comparing
def test_loss_that_compares_examples_says_how_many_outputs_it_wants(option):
    loss = make("loss", option)
    assert isinstance(loss, KnowsTrain)
    assert isinstance(loss, SizesOutputs)
    assert loss.num_outputs(TaskSpec("classification", "table", (3,), 17)) > 0


@comparing
def test_loss_that_compares_examples_does_so_among_those_of_one_member(option):
    outputs, targets = example("classification", 12)
    loss, spec = make("loss", option), TaskSpec("classification", "table", (3,), NUM_CLASSES)
    together = loss.knowing([targets] * 3, spec)(outputs, targets)
    alone = [loss.knowing([own], spec)(values, own) for values, own in zip(outputs.chunk(3), targets.chunk(3),
                                                                          strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-12, atol=0)
    others = outputs.clone()
    others[4:] *= 1e3
    torch.testing.assert_close(loss.knowing([targets] * 3, spec)(others, targets)[:4], together[:4], rtol=1e-12, atol=0)


@comparing
def test_loss_that_compares_examples_does_not_depend_on_the_order_of_a_batch(option):
    outputs, targets = example("classification", 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    loss = made(option)
    torch.testing.assert_close(loss(outputs[order], targets[order]), loss(outputs, targets)[order], rtol=1e-12, atol=0)


@comparing
def test_loss_that_compares_examples_evaluates_each_beside_the_train_examples_alone(option):
    outputs, targets = example("classification", 30)
    loss = made(option, targets=targets[:20])
    reading = loss.reading(outputs[None, :20], targets[None, :20], torch.arange(20)[None])
    ids = torch.arange(100, 110)[None]
    losses, logits = reading.losses(outputs[20:], targets[20:], ids), reading.logits(outputs[20:], ids)
    for row in range(10):
        own = slice(20 + row, 21 + row)
        for found, whole in ((reading.losses(outputs[own], targets[own], ids[:, row : row + 1]), losses),
                             (reading.logits(outputs[own], ids[:, row : row + 1]), logits)):
            torch.testing.assert_close(found[0], whole[row], rtol=1e-12, atol=0)
    # A train example among others, and the same one known as itself.
    same, own_ids = copy.copy(outputs[:1]), torch.zeros(1, 1, dtype=torch.int64)
    assert not torch.equal(reading.logits(same, own_ids), reading.logits(same, own_ids + 200))
