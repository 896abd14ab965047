"""layers.csv: what the last step of an epoch did to each weight, against the weights before and after it."""

import math

import pytest
import torch
from member_runs import DIGITS, Keeping, left_by, one, several, trained
from part_files import parts
from small_runs import interrupted_after, train

from dlx.core.errors import ArtefactError, InterruptedRunError
from dlx.engine.fit import fit
from dlx.engine.start import start
from dlx.record import layout
from dlx.record.checkpoint import load
from dlx.record.layers import LayerRow, layer_name, read_layers

SMALL = ("model=mlp", "model.width=6", "model.depth=2", "batch_size=32", "epochs=3", "metric=[accuracy]",
         "report=[training]")
WEIGHTS = {"layers.0": "layers.0.weight", "layers.3": "layers.3.weight", "layers.6": "layers.6.weight"}


class Following(Keeping):
    """Keeps every member's weights before each step, and each epoch's last gradient."""

    def __init__(self):
        super().__init__()
        self.weights, self.gradients, self.layers = [], [], {}

    def before_step(self, fit, step):
        self.weights.append([fit.group.weights(number) for number in range(len(fit.group.members))])

    def after_epoch(self, member, row, train_seconds, measure_seconds):
        self.layers.setdefault(member.number, []).append(member.progress.layers[-1])

    def leaves(self, fit, number, why):
        super().leaves(fit, number, why)
        named = zip(WEIGHTS, (param for param in fit.group.flat.params if param.ndim > 2), strict=True)
        self.gradients.append({name: param.grad[number].clone() for name, param in named})


def followed(runs, fused):
    """Train in memory; return the witness and the number of steps of an epoch."""
    begun, witness = start(runs, "", [None] * len(runs), fused), Following()
    steps = begun.steps_per_epoch
    fit(begun, witness, 10**6)
    return witness, steps


OTHERS = {"plain": (), "clip": ("regularizer=[gradient_clip]", "regularizer.gradient_clip.limit=0.1"),
          "lbfgs": ("optimizer=lbfgs",), "accumulation": ("accumulation_steps=3",), "sam": ("regularizer=[sam]",),
          "l1": ("regularizer=[l1]",), "average": ("regularizer=[ema]",), "spectral": ("regularizer=[spectral_norm]",)}


@pytest.mark.parametrize("name", OTHERS)
def test_layers_are_norms_of_what_the_last_step_changed(name):
    witness, steps = followed([one(*SMALL, *OTHERS[name])], fused=False)
    after = [*witness.weights[steps::steps], [witness.kept[0].weights]]
    befores = witness.weights[steps - 1::steps]
    assert len(befores) == len(after) == len(witness.layers[0]) == 3
    for before, new, values in zip(befores, after, witness.layers[0], strict=True):
        assert values.shape == (3, 3)
        for (_, update, norm), weight in zip(values.tolist(), WEIGHTS.values(), strict=True):
            assert update == pytest.approx(float((new[0][weight] - before[0][weight]).norm()), rel=1e-9)
            assert norm == pytest.approx(float(new[0][weight].norm()), rel=1e-9)
    for (gradient, *_), own in zip(witness.layers[0][-1].tolist(), witness.gradients[0].values(), strict=True):
        assert gradient == pytest.approx(float(own.norm()), rel=1e-9)


def test_layers_update_of_plain_sgd_is_the_rate_times_the_gradient():
    witness, _ = followed([one(*SMALL, "optimizer=sgd", "optimizer.lr=0.05", "optimizer.momentum=0")], fused=False)
    for values in witness.layers[0]:
        torch.testing.assert_close(values[:, 1], 0.05 * values[:, 0], rtol=1e-8, atol=0)


def test_layers_of_members_are_those_of_the_runs_alone():
    runs = several(3, *SMALL, "optimizer.lr_multipliers={layers.0.*: 0.5}")
    together, _ = followed(runs, fused=True)
    for number, described in enumerate(runs):
        alone, _ = followed([described], fused=False)
        torch.testing.assert_close(torch.stack(together.layers[number]), torch.stack(alone.layers[0]), rtol=1e-9,
                                   atol=1e-12)


def test_layers_of_frozen_weights_have_neither_gradient_nor_update(tmp_path):
    (path,) = trained([one(*SMALL, "model.freeze={layers.0.*: 2}")], tmp_path)
    rows = [row for row in read_layers(path / layout.LAYERS) if row.layer == "layers.0"]
    known = [(row.gradient_norm is not None, row.update_ratio is not None) for row in rows]
    assert known == [(False, False), (False, False), (True, True)]
    assert rows[0].weight_norm == rows[1].weight_norm != rows[2].weight_norm


def test_layers_file_has_a_row_per_epoch_and_weight(tmp_path):
    path = train(parts(*SMALL), tmp_path / "run", DIGITS)
    rows = read_layers(path / layout.LAYERS)
    assert [(row.epoch, row.layer) for row in rows] == [(epoch, name) for epoch in (1, 2, 3) for name in WEIGHTS]
    last = load(path / "checkpoints" / "last.safetensors")
    for row in rows[-3:]:
        assert row.weight_norm == pytest.approx(float(last.tensors[f"model/{row.layer}.weight"].norm()), rel=1e-6)
    ratios = [row.gradient_norm for row in rows[-3:]]
    table = (path / layout.METRICS).read_text().splitlines()
    columns = dict(zip(table[0].split(","), table[-1].split(","), strict=True))
    assert ratios[0] / ratios[-1] == pytest.approx(float(columns["grad_ratio"]), rel=1e-6)
    assert rows[-1].step == int(columns["step"])


def test_layers_are_not_kept_where_the_report_does_not_tell_of_training(tmp_path):
    path = train(parts(*SMALL, "report=[gap]"), tmp_path / "run", DIGITS)
    assert not (path / layout.LAYERS).exists()
    assert "progress/layers" not in load(path / "checkpoints" / "last.safetensors").tensors


def test_layers_of_members_with_other_reports_are_kept_for_those_alone(tmp_path):
    runs = [one(*SMALL), one(*SMALL, "seed=1", "report=[none]")]
    paths = trained(runs, tmp_path)
    assert [(path / layout.LAYERS).exists() for path in paths] == [True, False]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6])
def test_layers_of_a_run_that_goes_on_are_the_same_bytes(steps, tmp_path):
    built = parts(*SMALL)
    expected = left_by(train(built, tmp_path / "whole", DIGITS))
    own, stop = interrupted_after(built, steps)
    with pytest.raises(InterruptedRunError):
        train(own, tmp_path / "cut", DIGITS, stop)
    found = left_by(train(built, tmp_path / "cut", DIGITS))
    assert expected[layout.LAYERS].count(b"\n") == 10
    assert found == expected


def test_layers_that_a_checkpoint_lacks_are_refused(tmp_path):
    built = parts(*SMALL)
    own, stop = interrupted_after(built, 5)
    with pytest.raises(InterruptedRunError):
        train(own, tmp_path / "run", DIGITS, stop)
    wider = parts(*SMALL, "report=[gap]")
    with pytest.raises(ArtefactError, match="layers of 1 epochs, not 0 of 0"):
        train(wider, tmp_path / "run", DIGITS)


def test_read_layers_refuses_what_is_no_such_table(tmp_path):
    path = tmp_path / layout.LAYERS
    header = ",".join(LayerRow._fields)
    assert read_layers(path) == []
    path.write_text(f"{header}\n1,3,a,0.5,,2\n2,6,a,0.5")
    assert read_layers(path) == [LayerRow(1, 3, "a", 0.5, None, 2.0)]
    for text in ("epoch,step\n1,2\n3", f"{header}\n1,3,a,nan,1,1\n", f"{header}\n0,3,a,1,1,1\n",
                 f"{header}\n1,3,a,1,1\n", f"{header}\n1,3,a,1,1,-1\n", f"{header}\n1,3,a,1,1,1,9\n"):
        path.write_text(text)
        with pytest.raises(ArtefactError, match=r"layers\.csv refused"):
            read_layers(path)


def test_layer_name_is_the_parameter_without_its_last_word_and_fit_for_a_cell():
    assert [layer_name(name) for name in ("layers.0.weight", "rnn.weight_ih_l0", 'a,b "c".weight')] == [
        "layers.0", "rnn.weight_ih_l0", "a_b__c_"]


def test_layers_of_a_step_that_is_not_finite_leave_cells_empty():
    from dlx.engine.layers import layer_rows

    values = torch.tensor([[math.inf, math.nan, 1.0], [1.0, 2.0, 0.0]])
    assert layer_rows(["a", "b"], 1, 2, values) == [LayerRow(1, 2, "a", None, None, 1.0),
                                                    LayerRow(1, 2, "b", 1.0, None, 0.0)]
