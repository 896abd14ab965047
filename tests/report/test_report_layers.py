"""Layer by layer: matrices of layers.csv, findings that name layers, words and figures."""

import numpy as np
import pytest
from report_runs import CONFIG, good_curves, make_rows, make_summary, write_run

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measure, Measures
from dlx.record.layers import LayerRow
from dlx.record.measures import write_measures
from dlx.report.diagnosing.diagnosis import diagnose
from dlx.report.diagnosing.finding import Baseline
from dlx.report.files import Status, read_run
from dlx.report.history import History
from dlx.report.layers import Layers
from dlx.report.parts import layer_curves
from dlx.report.summary import parse_summary

EPOCHS = 8


def rows(gradients, updates=None, epochs=EPOCHS):
    """Rows of layers.csv; gradients, updates: of each layer, one number for all epochs or one for each."""
    updates = dict.fromkeys(gradients, 1e-3) if updates is None else updates

    def of(values, epoch):
        return values if values is None or np.isscalar(values) else values[epoch - 1]

    return [LayerRow(epoch, 17 * epoch, name, of(gradients[name], epoch), of(updates[name], epoch), 3.0)
            for epoch in range(1, epochs + 1) for name in gradients]


def diagnosed(layers, train=None, summary=None, training=None, config=None, **columns):
    curve, val = good_curves() if train is None else (train, train)
    return diagnose(History.of(make_rows(curve, val, **columns)), parse_summary(summary or make_summary(0.99, 0.98)),
                    {**CONFIG, **(config or {})}, Status("done"), Baseline("accuracy", 0.1, "a constant"),
                    layers=layers, training=training)


def test_layers_are_matrices_with_medians_and_ratios():
    found = Layers.of(rows({"a": [1.0, 2, 3, 4, 5, 6, 7, 80], "b": [None, 2.0, 2, 2, 2, 2, 2, 2]},
                           {"a": [8.0, 6, 1, 1, 1, 1, 1, 1], "b": [None, *[0.5] * 7]}))
    assert found.names == ("a", "b")
    np.testing.assert_array_equal(found.epochs, range(1, 9))
    np.testing.assert_allclose(found.gradient_medians(), [4.5, 2.0])
    np.testing.assert_allclose(found.gradient_ratios(), [np.median([1, 1.5, 2, 2.5, 3, 3.5, 40]), 1.0])
    np.testing.assert_allclose(found.update_medians(), [1.0, 0.5])
    np.testing.assert_allclose(found.early_updates(), [7.0, 0.5])


def test_layers_ratio_is_to_the_last_layer_that_was_trained():
    found = Layers.of(rows({"a": 1.0, "b": 4.0, "head": None}, {"a": 1e-3, "b": 1e-3, "head": None}))
    np.testing.assert_allclose(found.gradient_ratios(), [0.25, 1.0, np.nan])
    frozen = Layers.of(rows({"a": None}, {"a": None}))
    assert np.isnan(frozen.gradient_ratios()).all()
    assert Layers.of([]) is None


@pytest.mark.parametrize("wrong", [slice(1, None), slice(None, -1), [0, 1, 0, 1], [0, 1, 3, 2]])
def test_layers_file_that_lacks_a_row_is_refused(wrong, tmp_path):
    folder = write_run(tmp_path, make_rows(*good_curves()), make_summary())
    whole = rows({"a": 1.0, "b": 2.0}, epochs=3)
    chosen = whole[wrong] if isinstance(wrong, slice) else [whole[index] for index in wrong]
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in chosen]
    (folder / "layers.csv").write_text("\n".join([",".join(LayerRow._fields), *lines, ""]))
    with pytest.raises(ArtefactError, match=r"layers\.csv refused: not every epoch has a row of every weight"):
        read_run(folder)


def test_diagnose_vanishing_names_the_layers():
    layers = Layers.of(rows({"in": 2e-5, "mid": 4e-4, "last": 1.0}))
    found = diagnosed(layers).others
    assert [item.kind for item in found] == ["vanishing_gradient"]
    assert found[0].evidence == (
        "Layers whose gradient norm is at most 0.001 times that of the last layer, with the median over the epochs: "
        "in 2e-05, mid 0.0004; 2 of 3 layers.",)


def test_diagnose_exploding_names_the_layers():
    found = diagnosed(Layers.of(rows({"in": 5e3, "mid": 2.0, "last": 1.0}))).others
    assert [item.kind for item in found] == ["exploding_gradient"]
    assert "at least 1000 times that of the last layer, with the median over the epochs: in 5e+03; 1 of 3" in \
        found[0].evidence[0]


def idle(name, **shares):
    return Measures([Measure(name, share, "train_eval", of={"layer": layer}, n=1077) for layer, share in shares.items()]
                    + [Measure(name, 0.3, "train_eval", n=1077)])


def test_diagnose_saturated_units_names_the_layers_and_is_silent_below_a_quarter():
    config = {"model": {**CONFIG["model"], "activation": "tanh"}}
    found = diagnosed(None, training=idle("saturated_units", a=0.5, b=0.24), config=config).others
    assert [item.kind for item in found] == ["saturated_units"]
    assert found[0].evidence[0] == ("Share of saturated units by layer, with the weights kept, on 1,077 train "
                                    "examples: a 50.0%; from 25% on they are named here.")
    assert found[0].commands[0].text.endswith("model.activation=relu")
    assert diagnosed(None, training=idle("saturated_units", a=0.24)).others == ()


def test_diagnose_dead_units_names_the_layers():
    found = diagnosed(None, training=idle("dead_units", a=0.5, b=0.1), dead_fraction=[0.3] * 30).others
    assert [item.kind for item in found] == ["dead_units"]
    assert "on 1,077 train examples: a 50.0%;" in found[0].evidence[1]


def test_diagnose_small_updates_only_where_training_is_not_done_and_steps_lead_nowhere():
    slow = 2.3 - 0.05 * np.arange(30)
    small = Layers.of(rows({"a": 1.0, "b": 1.0}, {"a": 2e-6, "b": 5e-5}))
    found = diagnosed(small, slow)
    assert [item.kind for item in found.findings] == ["slow", "small_updates"]
    assert "no layer by more than 5.0e-05 of its size (b, median of the first quarter" in found.others[0].evidence[0]
    # 30 epochs of 17 steps.
    assert "all 510 steps together move a weight by at most 2.6% of its size" in found.others[0].evidence[1]
    assert found.others[0].commands[0].text.endswith("optimizer.lr=0.01")
    assert diagnosed(small).others == ()
    assert diagnosed(Layers.of(rows({"a": 1.0}, {"a": 2e-4})), slow).others == ()


def test_diagnose_large_updates_names_the_layers_but_not_of_a_search():
    large = Layers.of(rows({"a": 1.0, "b": 1.0}, {"a": 0.3, "b": 0.01}))
    found = diagnosed(large).others
    assert [item.kind for item in found] == ["large_updates"]
    assert "median over the epochs: a 0.3; 1 of 2 layers" in found[0].evidence[0]
    assert found[0].commands[0].text.endswith("optimizer.lr=0.0001")
    assert diagnosed(large, config={"optimizer": {"part": "lbfgs", "lr": 1.0}}).others == ()


def written(tmp_path, count, epochs=EPOCHS, training=None):
    folder = write_run(tmp_path, make_rows(*good_curves()), make_summary())
    names = [f"blocks.{number}.branch.weight_hh_l{number}" for number in range(count)]
    lines = [",".join("" if cell is None else f"{cell}" for cell in row)
             for row in rows({name: 10.0**-number for number, name in enumerate(names)}, epochs=epochs)]
    (folder / "layers.csv").write_text("\n".join([",".join(LayerRow._fields), *lines, ""]))
    if training is not None:
        write_measures(folder, "training", training)
    return read_run(folder), names


@pytest.mark.parametrize("count", [1, 2, 6, 7, 60])
@pytest.mark.parametrize("epochs", [1, EPOCHS])
def test_section_tabulates_and_draws_any_number_of_layers(count, epochs, tmp_path):
    run, names = written(tmp_path, count, epochs)
    found = layer_curves.section(run)
    assert [row[0] for row in found.tables[0].rows] == names
    assert [row[1] for row in found.tables[0].rows[:3]] == ["1", "0.1", "0.01"][:count]
    (figure,) = found.figures
    assert figure.alt.startswith(f"{count} layer{'s' if count > 1 else ''} over {epochs} epoch")
    canvas = layer_curves._lines(run.layers) if count <= 6 else layer_curves._maps(run.layers)
    width, _ = canvas.get_size_inches() * canvas.dpi
    canvas.draw_without_rendering()
    boxes = [label.get_window_extent() for area in canvas.axes for label in area.get_yticklabels() if label.get_text()]
    boxes += [legend.get_window_extent() for legend in canvas.legends]
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes), "nothing is cut off"


def test_section_says_the_span_and_the_idle_units(tmp_path):
    run, names = written(tmp_path, 3, training=idle("dead_units", **{"blocks": 0.125}))
    found = layer_curves.section(run)
    assert found.sentences == (
        f"The gradient norm, median over the epochs, lies between 0.01 ({names[2]}) and 1 ({names[0]}).",
        "The update ratio of every layer, median over the epochs, is 0.001; about 0.001 is healthy.",
        "With the weights kept, 30.0% of the ReLU units are dead, on 1,077 train examples.")
    assert found.tables[0].rows[-1] == ("blocks", "–", "–", "–", "12.5%", "–")
    assert found.tables[0].rows[1] == (names[1], "0.1", "10", "0.001", "–", "–")


def test_section_of_a_run_without_layers_is_left_out(tmp_path):
    folder = write_run(tmp_path, make_rows(*good_curves()), make_summary())
    assert layer_curves.section(read_run(folder)) is None
