"""Flatness of trained runs, computed again from their checkpoints with plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from part_files import make
from trained_runs import KINDS, copied, subject, trained

from dlx.core.errors import ConfigError
from dlx.core.measures import Measure, Measures
from dlx.core.subject import apart
from dlx.measure.passes import look
from dlx.record.measures import write_measures
from dlx.report.files import read_run
from dlx.report.measuring.cost import affordable_of
from dlx.report.sections import flatness

SMALL = {"landscape_steps": 2, "bearable_draws": 2, "noise_draws": 3, "num_trace_probes": 4, "ascent_steps": 3}
MOVED = ("dataset=digits", "model=cnn", "model.width=4", "model.norm=batch", "epochs=3", "selection=best_val_accuracy",
         "optimizer=nesterov", "optimizer.lr=0.2")
_known: dict[tuple[str, ...], Measures] = {}


def measured(*overrides: str) -> Measures:
    if overrides not in _known:
        _known[overrides] = make("report", "flatness", **SMALL).measure(subject(trained(*overrides)))
    return _known[overrides]


def flat(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([param.detach().double().flatten() for param in model.parameters()])


def train_rows(own):
    rows = apart(own.splits["train_eval"].ids.tolist(), 1024)
    return [each[torch.tensor(rows)] for each in own.splits["train_eval"]]


def test_middle_of_the_landscape_is_the_loss_of_the_run():
    own, found = subject(trained(*KINDS["images"])), measured(*KINDS["images"])
    rows = apart(own.splits["train_eval"].ids.tolist(), 1024)
    loss = own.said("train_eval").losses[rows].mean()
    assert found.details["loss"] == pytest.approx(loss, rel=1e-6)
    assert found.details["plane"]["losses"][2][2] == pytest.approx(loss, rel=1e-6)
    assert np.shape(found.details["plane"]["errors"]) == (5, 5)
    assert found.find("loss_rise", "train_eval", distance=1.0).value > 0


def test_operations_of_recurrent_models_count_four_times():
    own = subject(trained("dataset=digits", "model=lstm", "model.width=8", "epochs=1"))
    flops = look(own.model(), own.splits["train_eval"].inputs.index_select(0, torch.tensor([0])), 4).forward_flops
    assert affordable_of(own, 1024, 4 * 200.5 * flops) == 200


@pytest.mark.parametrize("split", ["train_eval", "val"])
def test_paths_start_and_end_with_what_the_checkpoints_say(split):
    own, found = subject(trained(*MOVED)), measured(*MOVED)
    rows = apart(own.splits[split].ids.tolist(), 1024)
    for title, path in found.details["paths"].items():
        for place, name in zip((0, -1), title.split(" to "), strict=True):
            said = own.said(split, name)
            assert path[split]["losses"][place] == pytest.approx(said.losses[rows].mean(), rel=1e-4)
            right = (said.outcome.scores.argmax(axis=1) == said.outcome.targets)[rows].mean()
            assert path[split]["accuracies"][place] == pytest.approx(right)


@pytest.mark.parametrize(("pass_flops", "count"), [(2e9, 1024), (20.3, 128)])
def test_a_costly_model_is_measured_on_fewer_examples_and_the_section_says_so(tmp_path, pass_flops, count):
    run = trained(*KINDS["images"])
    own = subject(run)
    found = make("report", "flatness", **SMALL, pass_flops=pass_flops).measure(own)
    assert (found.details["num_examples"], found.details["is_capped"]) == (count, count < 1024)
    rows = apart(own.splits["train_eval"].ids.tolist(), count)
    assert found.details["loss"] == pytest.approx(own.said("train_eval").losses[rows].mean(), rel=1e-6)
    bearable = found.find("bearable_noise", "train_eval", noise="plain")
    assert bearable.n == min(2048 * count // 1024, len(own.splits["train_eval"].ids))
    folder = copied(run, tmp_path / "run")
    write_measures(folder, "flatness", found)
    said = " ".join(flatness.section(read_run(folder)).notes)
    assert ("128 examples, where 1,024 are usual" in said) == (count == 128)


def test_a_path_of_no_length_is_left_out():
    same = measured(*KINDS["images"], "selection=last")
    assert "The best checkpoint is also the last one: there is no path between them." in same.skipped
    assert list(same.details["paths"]) == ["initial to best"]


def test_a_path_to_another_run_ends_at_its_weights():
    other = trained("dataset=wine", "model=mlp", "model.width=8", "epochs=6", "seed=1", "split.seed=0")
    own = subject(trained("dataset=wine", "model=mlp", "model.width=8", "epochs=6"))
    found = make("report", "flatness", **SMALL, reference=str(other)).measure(own)
    path = found.details["paths"]["best to reference"]["train_eval"]
    x, targets, _ = train_rows(own)
    ends = [own.model(), subject(other).model()]
    expected = [torch.nn.functional.cross_entropy(model(x), targets).item() for model in ends]
    assert [path["losses"][0], path["losses"][-1]] == pytest.approx(expected, rel=1e-5)
    assert found.find("barrier", "val", path="best to reference") is not None


@pytest.mark.parametrize(("overrides", "words"), [
    (("dataset=wine", "model=mlp", "model.width=9", "epochs=1"), "has another model than this run"),
    ((), "must be the folder of a run that is over"),
])
def test_a_path_to_what_is_no_such_run_is_refused(overrides, words, tmp_path):
    section = make("report", "flatness", **SMALL, reference=str(trained(*overrides) if overrides else tmp_path))
    own = subject(trained("dataset=wine", "model=mlp", "model.width=8", "epochs=6"))
    with pytest.raises(ConfigError, match=words):
        section.measure(own) if overrides else section.check()


def test_one_step_of_sam_is_recomputed_from_the_checkpoint():
    own = subject(trained(*KINDS["table"]))
    found = make("report", "flatness", **SMALL, ascent_batch_size=5000).measure(own)
    model, (inputs, targets, _) = make_double(own), train_rows(own)

    def loss() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(model(inputs.double()), targets)

    before = loss()
    gradients = torch.autograd.grad(before, list(model.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    with torch.no_grad():
        for param, gradient in zip(model.parameters(), gradients, strict=True):
            param += 0.05 * gradient / norm
        rise = float(loss() - before)
    assert found.find("one_step_sharpness", "train_eval", ball="l2", radius=0.05).value == pytest.approx(rise, rel=1e-9)


def make_double(own) -> torch.nn.Module:
    import copy

    return copy.deepcopy(own.model()).double()


def test_largest_eigenvalue_is_that_of_the_whole_hessian():
    own, found = subject(trained(*KINDS["table"])), measured(*KINDS["table"])
    model, (inputs, targets, _) = make_double(own), train_rows(own)
    params = dict(model.named_parameters())

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = torch.split(vector, [param.numel() for param in params.values()])
        weights = {name: part.view_as(params[name]) for name, part in zip(params, parts, strict=True)}
        return torch.nn.functional.cross_entropy(torch.func.functional_call(model, weights, (inputs.double(),)),
                                                 targets)

    values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat(model))).flip(0)
    for rank in range(1, 6):
        assert found.find("hessian_eigenvalue", "train_eval", rank=rank).value == pytest.approx(
            float(values[rank - 1]), rel=1e-6)
    trace = found.find("hessian_trace", "train_eval")
    assert trace.low <= float(values.sum()) <= trace.high
    edge = found.find("edge_of_stability", "train_eval", lr="kept").value
    assert edge == pytest.approx(float(values[0]) * 1e-3 / 2, rel=1e-6)


def test_edge_of_stability_knows_nesterovs_momentum():
    found = measured(*MOVED)
    plain, own = (found.find(name, "train_eval", lr="kept").value
                  for name in ("edge_of_stability", "edge_of_stability_momentum"))
    assert own == pytest.approx(plain * (1 + 2 * 0.9) / (1 + 0.9))


def test_edge_of_stability_knows_an_earlier_higher_learning_rate():
    found = measured(*KINDS["table"], "schedule=linear")
    kept, highest = (found.find("edge_of_stability", "train_eval", lr=name).value for name in ("kept", "highest"))
    assert found.details["lr"]["kept"] < found.details["lr"]["highest"] <= 1e-3
    assert highest / kept == pytest.approx(found.details["lr"]["highest"] / found.details["lr"]["kept"])


@pytest.mark.parametrize("loss", [("loss.label_smoothing=0.2", "loss.class_weights=balanced"),
                                  ("loss=focal", "loss.alpha=balanced")])
def test_the_loss_is_that_of_evaluation_though_training_smooths_and_weighs(loss):
    own = subject(trained(*KINDS["images"], "dataset.imbalance=3", *loss))
    inputs, targets, ids = train_rows(own)
    outputs = own.model()(inputs)
    assert outputs.requires_grad
    with torch.no_grad():
        expected = own.losses(outputs, targets, ids)
    assert torch.allclose(own.losses(outputs, targets, ids), expected, atol=1e-6)
    rows = apart(own.splits["train_eval"].ids.tolist(), 1024)
    assert expected.tolist() == pytest.approx(own.said("train_eval").losses[rows].tolist(), abs=1e-5)


def test_what_is_frozen_does_not_move():
    frozen = measured("dataset=digits", "model=mlp", "model.width=8", "model.freeze=backbone", "epochs=2")
    assert frozen.details["num_weights"] == 8 * 10 + 10


@pytest.mark.parametrize(("overrides", "reason"), [
    (("dataset=digits", "model=mlp", "loss=triplet", "epochs=1"), "compares examples"),
    (KINDS["regression"], "only a classification has"),
])
def test_what_cannot_be_measured_is_said(overrides, reason):
    assert any(reason in text for text in measured(*overrides).skipped)


def test_transcriptions_are_measured_by_differences_of_gradients():
    found = measured("dataset=digit_strings", "dataset.num_examples=200", "model=lstm", "model.width=8", "loss=ctc",
                     "metric=[error_rate]", "epochs=1")
    assert found.details["by_differences"]
    assert found.find("hessian_residual", "train_eval", rank=1).value < 1e-2


def shown(tmp_path, numbers, **details):
    folder = copied(trained(*KINDS["images"]), tmp_path / "run")
    known = {"loss": 0.1, "num_examples": 10, "dtype": "float64", "num_weights": 5, "lr": {"kept": 0.1},
             "momentum": 0.0, "optimizer": "sgd"}
    write_measures(folder, "flatness", Measures(numbers, known | details))
    return flatness.section(read_run(folder))


@pytest.mark.parametrize(("largest", "words"), [
    (1.0, "far from the edge of stability at 1"), (10.0, "below the edge of stability at 1"),
    (19.0, "at the edge of stability, 1"), (40.0, "beyond the edge of stability at 1")])
def test_section_says_how_far_the_edge_of_stability_is(tmp_path, largest, words):
    numbers = [Measure("hessian_eigenvalue", largest, "train_eval", of={"rank": 1}),
               Measure("edge_of_stability", largest * 0.1 / 2, "train_eval", of={"lr": "kept"})]
    assert words in shown(tmp_path, numbers).sentences[0]
    assert "no criterion for adam" in shown(tmp_path / "other", numbers, optimizer="adam").sentences[0]


def test_section_warns_of_eigenvalues_that_have_not_converged(tmp_path):
    numbers = [Measure("hessian_eigenvalue", 1.0, "train_eval", of={"rank": 1}),
               Measure("hessian_residual", 0.5, "train_eval", of={"rank": 1})]
    assert any("1 eigenvalue had not converged" in note for note in shown(tmp_path, numbers).notes)


def test_a_run_that_diverged_is_measured_where_it_was_best(tmp_path):
    folder = copied(trained(*MOVED), tmp_path / "run")
    (folder / "checkpoints" / "last.safetensors").unlink()
    found = make("report", "flatness", **SMALL).measure(subject(folder))
    assert "Training diverged, so there is no last checkpoint and no path to it." in found.skipped
    assert found.find("hessian_eigenvalue", "train_eval", rank=1).value == pytest.approx(
        measured(*MOVED).find("hessian_eigenvalue", "train_eval", rank=1).value)
