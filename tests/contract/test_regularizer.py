"""What every regularizer of conf/regularizer promises. B batch."""

import math
import re
import signal
from dataclasses import dataclass, field, replace

import pytest
import torch
from part_files import CONF, choice, code_and_arguments, make, option_names, parts, saved
from small_runs import CONFIG, best, equal_tensors, first_batch, metrics, session, train
from suited import LAYOUTS, compatible, conflict, layout_of, layouts, suited_parts

from dlx.config.options import describe_option
from dlx.core.draws import Draws
from dlx.core.errors import InterruptedRunError
from dlx.core.hooks import (
    AfterUpdate,
    Ascends,
    Averages,
    History,
    Moment,
    OnBatch,
    OnGradient,
    OnHistory,
    OnInputs,
    OnLoss,
    OnModel,
    OnOutputs,
    Penalty,
)
from dlx.core.random import torch_generator
from dlx.engine.build import meta_model
from dlx.engine.evaluate import measure
from dlx.engine.fit import batches
from dlx.engine.signals import StopRequest
from dlx.engine.start import start
from dlx.record.checkpoint import load

NAMES = option_names("regularizer")
HOOKS = (OnModel, OnLoss, OnBatch, OnInputs, OnOutputs, Penalty, Ascends, OnGradient, AfterUpdate, Averages, OnHistory)


def with_hook(hook):
    return pytest.mark.parametrize("option", [name for name in NAMES if isinstance(make("regularizer", name), hook)])


every_regularizer = pytest.mark.parametrize("option", NAMES)


# What computes something else of the same weights, in evaluation, too.
REPARAMETRIZES = ("spectral_norm",)


def without(parts):
    """The same run with no regularizer."""
    return replace(parts, regularizers={})


@dataclass(frozen=True)
class Watch:
    """A regularizer that changes nothing and notes which examples come."""

    ids: list = field(default_factory=list)

    def on_batch(self, batch, generator):
        self.ids.append(batch.ids.tolist())
        return batch


@dataclass
class StopAtStep:
    """A regularizer that changes nothing; at the n-th step a signal arrives."""

    stop: StopRequest
    steps: int

    def on_batch(self, batch, generator):
        self.steps -= 1
        if self.steps == 0:
            self.stop.receive(signal.SIGINT, None)
        return batch


@every_regularizer
def test_regularizer_has_a_hook(option):
    part = make("regularizer", option)
    assert [hook.__name__ for hook in HOOKS if isinstance(part, hook)] != []


def test_regularizer_none_is_nothing():
    assert saved("regularizer=[none]")["regularizer"] == {}
    assert parts("regularizer=[none]").regularizers == {}


def trained(option, num_members):
    """Runs with other seeds, together where there are many; without the regularizer, and with it after an epoch."""
    noisy = ("model.dropout_rate=0.3", *(("model.norm=batch",) if layout_of(option) != "tokens" else ()))
    made = suited_parts(option, overrides=noisy)
    plain, regularized = (start([(replace(own, settings=replace(own.settings, init_seed=seed, order_seed=seed)),
                                  CONFIG) for seed in range(num_members)], "", [None] * num_members,
                                fused=num_members > 1)
                          for own in (without(made), made))
    group = regularized.group
    for step, batch in enumerate(batches(group.feeds["train"], regularized.bounds, range(num_members), 0, 0)):
        group.step(batch, step, [0.01] * len(group.optimization.rows))
    return plain.group, group


@pytest.mark.parametrize("num_members", [1, 3])
@pytest.mark.parametrize("option", [name for name in NAMES if name not in REPARAMETRIZES])
def test_regularizer_is_never_seen_by_evaluation(option, num_members):
    plain, regularized = trained(option, num_members)
    plain.model.load_state_dict(regularized.model.state_dict())
    for split, feed in plain.feeds.items():
        assert measure(regularized.evaluator, regularized.feeds[split]) == measure(plain.evaluator, feed)


@every_regularizer
@pytest.mark.parametrize("num_members", [1, 3])
def test_regularizer_evaluation_leaves_everything_as_it_is(option, num_members):
    _, group = trained(option, num_members)
    feed = group.feeds["val"]
    before = {name: tensor.clone() for name, tensor in group.model.state_dict().items()}
    assert measure(group.evaluator, feed) == measure(group.evaluator, feed)
    assert equal_tensors(before, group.model.state_dict())


@every_regularizer
def test_regularizer_changes_neither_initial_weights_nor_order_of_examples(option, tmp_path):
    seen, weights = [], []
    regularized = suited_parts(option)
    for name, made in (("plain", without(regularized)), ("regularized", regularized)):
        watch = Watch()
        made = replace(made, regularizers={"watch": watch, **made.regularizers})
        path = train(made, tmp_path / name)
        weights.append(load(path / "checkpoints" / "initial.safetensors").tensors)
        seen.append(watch.ids)
    assert seen[0] == seen[1]
    plain, regularized = weights
    assert equal_tensors(plain, {name: regularized[name] for name in plain})


@every_regularizer
def test_regularizer_trains_alike_whatever_the_global_state(option, tmp_path):
    paths = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        paths.append(train(suited_parts(option), tmp_path / str(global_seed)))
        assert torch.equal(torch.get_rng_state(), before)
    assert (paths[0] / "metrics.csv").read_bytes() == (paths[1] / "metrics.csv").read_bytes()
    assert equal_tensors(best(paths[0]).tensors, best(paths[1]).tensors)


@every_regularizer
def test_regularizer_goes_on_after_an_interruption_bit_for_bit(option, tmp_path):
    made = suited_parts(option, overrides=("epochs=4", "optimizer=sgd"))
    whole = train(made, tmp_path / "whole")
    stop = StopRequest()
    interrupted = replace(made, regularizers={**made.regularizers, "stop": StopAtStep(stop, 7)})
    with pytest.raises(InterruptedRunError):
        train(interrupted, tmp_path / "parts", stop=stop)
    assert len(metrics(tmp_path / "parts")) < len(metrics(whole))
    train(made, tmp_path / "parts")
    assert (tmp_path / "parts" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert equal_tensors(best(tmp_path / "parts").tensors, best(whole).tensors)


@every_regularizer
def test_regularizer_trains_beside_every_other_that_it_has_no_conflict_with(option):
    others = [name for name in NAMES if name != option and layout_of(option, name) and not conflict(option, name)]
    assert others
    for other in others:
        built = session(suited_parts(option, other))
        batch = first_batch(built)
        losses = [built.step(batch, number, 0.01)[0] for number in range(2)]
        assert torch.stack(losses).isfinite().all(), other
        assert built.flat.values.isfinite().all(), other


CONFLICTS = [(option, other) for option in NAMES for other in getattr(make("regularizer", option), "CONFLICTS", {})]


def test_regularizer_conflicts_are_between_options_and_stated_once():
    assert {other for _, other in CONFLICTS} <= {*NAMES}
    assert len({frozenset(pair) for pair in CONFLICTS}) == len(CONFLICTS)
    assert all(len({*pair}) == 2 for pair in CONFLICTS)


@pytest.mark.parametrize("pair", CONFLICTS, ids="+".join)
def test_regularizer_conflict_is_refused_before_there_is_a_run(pair, dlx, workdir):
    reason = make("regularizer", pair[0]).CONFLICTS[pair[1]]
    for order in (pair, pair[::-1]):
        result = dlx("train", choice("regularizer", *order))
        assert result.code == 2
        assert f"regularizer=[{','.join(pair)}]: {reason}; leave one out" in result.err
        assert not (workdir / "runs").exists()


@every_regularizer
def test_regularizer_says_in_its_description_what_it_conflicts_with(option):
    said = re.findall(r"Conflicts with: ([\w, ]+)\.", describe_option(CONF / "regularizer" / f"{option}.yaml"))
    others = [name for name in NAMES if name != option and conflict(option, name)]
    assert said == ([", ".join(others)] if others else [])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_regularizer_all_of_a_layout_train_together(layout, tmp_path):
    names = compatible(name for name in NAMES if layout in layouts(name))
    table = metrics(train(suited_parts(*names, layout=layout), tmp_path / "run"))
    assert table["train_eval_loss"][1] < table["train_eval_loss"][0]


@with_hook(OnModel)
def test_regularizer_on_model_needs_no_memory_and_keeps_the_names_of_weights(option):
    made = suited_parts(option)
    meta, plain = (meta_model(own, made.dataset.spec()) for own in (made, without(made)))
    assert all(tensor.is_meta for tensor in meta.state_dict().values())
    assert dict(meta.named_parameters()).keys() == dict(plain.named_parameters()).keys()


def same_batch(one, other):
    return all(torch.equal(*pair) for pair in zip(tensors_of(one), tensors_of(other), strict=True))


def tensors_of(batch):
    return [*batch[:3], *(batch.mixed or ())]


@with_hook(OnBatch)
def test_regularizer_on_batch_is_a_function_of_batch_and_generator(option):
    part, batch = make("regularizer", option), first_batch(session(suited_parts(option)), 64)
    before = batch.map(torch.clone)
    state = torch.get_rng_state()
    one, same, other = (part.on_batch(batch, torch_generator(0, option, step)) for step in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert same_batch(batch, before)
    assert same_batch(one, same)
    assert not same_batch(one, other)
    assert len(one.inputs) == len(one.targets) == len(one.ids)
    assert one.inputs.dtype == batch.inputs.dtype


@with_hook(Penalty)
def test_regularizer_penalty_is_smooth_and_not_negative_and_one_number_per_member(option):
    part = make("regularizer", option)
    draw = torch.Generator().manual_seed(0)
    params = [torch.randn(*shape, dtype=torch.float64, generator=draw).requires_grad_()
              for shape in ((3, 4, 3), (3, 4), (3, 2, 4), (3, 2))]
    value = part.penalty(params)
    assert value.shape == (3,)
    assert value.dtype == torch.float64
    assert (value >= 0).all()
    assert torch.equal(part.penalty(params), value)
    for member in range(3):
        own = part.penalty([param[member : member + 1] for param in params])
        torch.testing.assert_close(own, value[member : member + 1], rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(lambda *tensors: part.penalty(tensors), params)


@with_hook(Penalty)
def test_regularizer_penalty_is_part_of_the_minimised_loss_and_of_its_gradient(option):
    made = suited_parts(option)
    built, batch = session(made), first_batch(session(made))
    named = {name: param.detach().clone().requires_grad_() for name, param in built.model.named_parameters()}
    outputs = torch.func.functional_call(built.model, named, batch.inputs)
    penalty = made.regularizers[option].penalty([param[None] for param in named.values()])
    expected = made.loss(outputs, batch.targets).mean() + penalty
    expected.sum().backward()
    loss, norm = built.step(batch, 0, 0.0)
    assert penalty.item() > 0
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert norm.item() == pytest.approx(torch.cat([param.grad.flatten() for param in named.values()]).norm().item())
    for param, ours in zip(named.values(), built.flat.leaves, strict=True):
        torch.testing.assert_close(ours.grad, param.grad, rtol=1e-5, atol=1e-7)


@with_hook(OnGradient)
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_regularizer_on_gradient_changes_gradients_in_place(option, size):
    # The gradients are views into one matrix: a new tensor in `.grad` would be lost.
    flat = session(suited_parts(option)).flat
    draw = torch.Generator().manual_seed(0)
    for param in flat.params:
        param.grad.copy_(size * torch.randn(param.shape, generator=draw))
    places = [param.grad.data_ptr() for param in flat.params]
    moment = Moment(0, [0.1], [1.0] * len(flat.params), Draws([0], option, 0))
    with torch.no_grad():
        make("regularizer", option).on_gradient(flat.params, flat.gradient_norms(), moment)
    assert [param.grad.data_ptr() for param in flat.params] == places
    assert all(tensor.isfinite().all() for param in flat.params for tensor in (param, param.grad))


def improving(num_rows, columns, worst_others=False):
    """A history in which every column gets better; in the others, nonsense."""
    noise = math.nan if worst_others else 0.0
    names = ("epoch", "train_loss", "train_eval_loss", "gap_loss", "train_eval_accuracy")
    return History([{**dict.fromkeys(names, noise), "val_loss": 1 / (1 + row), "val_accuracy": row / (row + 1)}
                    for row in range(num_rows)], columns)


COLUMNS = {"val_loss": False, "val_accuracy": True}


@with_hook(OnHistory)
def test_regularizer_on_history_never_stops_what_improves(option):
    part = make("regularizer", option)
    assert set(part.columns()) <= COLUMNS.keys()
    assert [part.should_stop(improving(num_rows, COLUMNS)) for num_rows in range(200)] == [None] * 200


@with_hook(OnHistory)
def test_regularizer_on_history_reads_nothing_but_its_columns_and_has_no_memory(option):
    part = make("regularizer", option)
    rows = [{"val_loss": abs(math.sin(row)), "val_accuracy": 0.5} for row in range(60)]
    expected = [part.should_stop(History(rows[:end], COLUMNS)) for end in range(61)]
    again = make("regularizer", option)
    for end in reversed(range(61)):
        read = [{name: row[name] for name in part.columns()} for row in rows[:end]]
        assert again.should_stop(History(read, COLUMNS)) == expected[end]
    assert any(reason is not None and reason.startswith(f"{option}: ") for reason in expected)


def test_regularizer_names_are_not_those_of_other_draws():
    # A regularizer draws from the stream of its name.
    assert not {"init", "order", "split-test", "split-val"} & set(NAMES)
    drawing = [name for name in NAMES if isinstance(make("regularizer", name), OnBatch)]
    assert "dropout" not in drawing


def test_regularizer_defaults_are_those_of_their_files():
    assert all(saved(choice("regularizer", *NAMES))["regularizer"][name] == {
        "part": name, **code_and_arguments("regularizer", name)[1]} for name in NAMES)
