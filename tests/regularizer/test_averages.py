"""EMA and SWA: averages against loops over the same weights, statistics against torch's."""

from dataclasses import replace

import pytest
import torch
from member_runs import assert_equals_solo, several
from part_files import make, parts
from small_runs import best, digits, session, train
from torch import nn
from torch.optim.swa_utils import update_bn

from dlx.engine.average import Average
from dlx.engine.fit import batches
from dlx.record.checkpoint import load

DIGITS = digits(100, own_test=True)
SMALL = ("batch_size=16", "epochs=4", "model=cnn", "model.width=4", "selection=last", "device.precision=float64")


def trajectory(*overrides):
    """The run without average: its session, and what its state is after each step."""
    built = session(replace(parts(*SMALL, *overrides), dataset=DIGITS))
    states = []
    lrs_at = built.state.lrs_at()
    for epoch in range(4):
        feed = built.state.group.feeds["train"]
        for batch in batches(feed, built.state.bounds, [0], epoch, 0):
            built.state.group.step(batch, len(states), lrs_at(len(states)))
            states.append({name: tensor.clone() for name, tensor in built.model.state_dict().items()})
    return built, states


def floats(state):
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}


def test_ema_is_the_average_of_every_step(tmp_path):
    _, states = trajectory()
    average = floats(session(replace(parts(*SMALL), dataset=DIGITS)).model.state_dict())
    average = {name: tensor.clone() for name, tensor in average.items()}
    for step, state in enumerate(states):
        decay = min(0.9, (1 + step) / (10 + step))
        average = {name: decay * old + (1 - decay) * state[name] for name, old in average.items()}
    made = replace(parts(*SMALL, "regularizer=[ema]", "regularizer.ema.decay=0.9"), dataset=DIGITS)
    path = train(made, tmp_path / "run")
    kept = best(path).tensors
    for name, expected in average.items():
        torch.testing.assert_close(kept[f"model/{name}"], expected, rtol=1e-9, atol=1e-12)
    # Training goes on with the weights themselves.
    last = load(path / "checkpoints" / "last.safetensors").tensors
    assert all(torch.equal(last[f"model/{name}"], tensor) for name, tensor in states[-1].items())


def test_swa_is_the_mean_of_the_last_epochs_with_statistics_of_its_own(tmp_path):
    built, states = trajectory()
    steps = len(states) // 4
    ends = [states[steps * epoch - 1] for epoch in (3, 4)]
    weights = dict(built.model.named_parameters())
    mean = {name: (ends[0][name] + ends[1][name]) / 2 for name in weights}
    built.model.load_state_dict(mean, strict=False)
    built.model.eval()
    train_rows = list(batches(built.state.group.feeds["train"], built.state.bounds, [0], 3, 0))
    update_bn([batch.inputs for batch in train_rows], built.model)
    made = replace(parts(*SMALL, "regularizer=[swa]", "regularizer.swa.start_fraction=0.5"), dataset=DIGITS)
    kept = best(train(made, tmp_path / "run")).tensors
    for name, expected in built.model.state_dict().items():
        torch.testing.assert_close(kept[f"model/{name}"], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("epochs", "fraction", "expected"), [
    (4, 0.75, [1, 1, 1, 1]), (4, 0.5, [1, 1, 1, 1 / 2]), (4, 0.0, [1, 1 / 2, 1 / 3, 1 / 4]), (1, 0.9, [1])])
def test_swa_share_is_that_of_a_mean_that_begins_after_the_fraction(epochs, fraction, expected):
    part = make("regularizer", "swa", start_fraction=fraction)
    shares = [part.share(step, 5, 5 * epochs) for step in range(5 * epochs)]
    assert [share for share in shares if share is not None] == pytest.approx(expected)
    assert [step for step, share in enumerate(shares) if share is not None] == list(range(4, 5 * epochs, 5))


def test_average_leaves_singular_vectors_of_length_one(tmp_path):
    made = replace(parts("regularizer=[ema,spectral_norm]", "epochs=2", "model.width=16"), dataset=DIGITS)
    kept = best(train(made, tmp_path / "run")).tensors
    lengths = [tensor.norm().item() for name, tensor in kept.items() if name.rpartition(".")[2] in ("u", "v")]
    assert lengths == pytest.approx([1.0] * 4, abs=1e-5)


def test_average_of_weights_with_two_names_is_one():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    average, first = Average(make("regularizer", "ema"), model), model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight.add_(1.0)
    average.update(0, 1, 1)
    with average.in_place([]):
        # d is 1 / 10 at the first step.
        torch.testing.assert_close(model[1].weight.detach(), 0.1 * first + 0.9 * (first + 1.0))
        assert model[0].weight is model[1].weight


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_average_of_a_member_is_that_of_the_run_alone_after_others_left(name):
    # Members stop at different epochs; an average follows its member.
    stopping = [f"regularizer=[{name},early_stopping]", "regularizer.early_stopping.patience=1"]
    kept = assert_equals_solo(several(3, *stopping, "optimizer.lr=0.05", "epochs=8"))
    assert len({len(own.rows) for own in kept}) > 1
