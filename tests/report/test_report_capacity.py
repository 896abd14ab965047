"""The capacity section's numbers, computed again from the files of a run by other code; and how they are shown."""

import csv
import importlib
import math

import numpy as np
import pytest
from part_files import make
from safetensors.numpy import load_file
from trained_runs import KINDS, copied, subject, trained

from dlx.record.measures import write_measures
from dlx.report.files import read_run
from dlx.report.sections import capacity
from dlx.report.sections.capacity import large

KIND = ("dataset=digits", "model=mlp", "model.width=24", "epochs=12")


@pytest.fixture(scope="module")
def run():
    """(folder, what was measured) of a perceptron that is right more often than nine times of ten."""
    folder = trained(*KIND)
    return folder, make("report", "capacity").measure(subject(folder))


def weights(folder, checkpoint):
    tensors = load_file(folder / "checkpoints" / f"{checkpoint}.safetensors")
    return {name.removeprefix("model/"): tensor.astype(np.float64) for name, tensor in tensors.items()
            if name.startswith("model/")}


def value(measures, name, split="", checkpoint="best", **of):
    found = measures.find(name, split, checkpoint, **of)
    assert found is not None, name
    return found.value


def test_norms_are_those_of_the_weights_in_the_checkpoints(run):
    folder, found = run
    best, initial = weights(folder, "best"), weights(folder, "initial")
    vectors = [np.concatenate([own[name].ravel() for name in sorted(best)]) for own in (best, initial)]
    assert value(found, "parameters") == value(found, "parameters_trained") == vectors[0].size
    assert value(found, "weight_norm") == pytest.approx(np.linalg.norm(vectors[0]), rel=1e-9)
    assert value(found, "weight_norm", checkpoint="initial") == pytest.approx(np.linalg.norm(vectors[1]), rel=1e-9)
    assert value(found, "distance_from_init") == pytest.approx(np.linalg.norm(vectors[0] - vectors[1]), rel=1e-9)
    names = [name for name in best if best[name].ndim == 2]
    spectral = [np.linalg.norm(best[name], 2) for name in names]
    for name, norm in zip(names, spectral, strict=True):
        layer = name.removesuffix(".weight")
        assert value(found, "spectral_norm", layer=layer) == pytest.approx(norm, rel=1e-9)
        assert value(found, "layer_distance_from_init", layer=layer) == pytest.approx(
            np.linalg.norm(best[name] - initial[name]), rel=1e-9)
        assert value(found, "stable_rank", layer=layer) == pytest.approx((best[name] ** 2).sum() / norm**2, rel=1e-9)
    gamma = value(found, "margin_gamma", "train_eval")
    assert gamma > 0
    moved = sum(((best[name] - initial[name]) ** 2).sum() / norm**2 for name, norm in zip(names, spectral, strict=True))
    assert value(found, "spectral_complexity") == pytest.approx(
        2 * math.log(math.prod(spectral) / gamma) + math.log(moved), rel=1e-9)
    assert value(found, "log_normalized_gamma", "train_eval") == pytest.approx(math.log(gamma / math.prod(spectral)))
    first, bias, last, end = (best[f"layers.{place}"] ** 2 for place in ("0.weight", "0.bias", "3.weight", "3.bias"))
    path = math.sqrt((last @ (first.sum(axis=1) + bias) + end).sum())
    assert value(found, "path_norm") == pytest.approx(path, rel=1e-9)


def test_sizes_are_those_of_the_perceptron(run):
    _, found = run
    products = 64 * 24 + 24 * 10
    assert value(found, "forward_flops") == 2 * products
    # Of the inputs no gradient is asked.
    assert value(found, "training_flops") == 2 * (2 * products + 24 * 10)
    assert value(found, "training_step_flops") == 64 * value(found, "training_flops")
    assert value(found, "parameter_bytes") == 4 * (products + 24 + 10)
    # Adam keeps two numbers for each parameter, each tensor filled up to 64 bytes, and how many steps it took.
    assert 0 <= value(found, "optimizer_bytes") - 2 * value(found, "parameter_bytes") <= 4 * 2 * 64 + 4
    assert value(found, "activation_bytes") == 4 * (64 + 24)


def test_margins_on_test_are_those_of_the_predictions(run):
    folder, found = run
    with (folder / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    names = [name for name in rows[0] if name.startswith("prob_")]
    logs = np.log([[float(row[name]) for name in names] for row in rows])
    targets = [names.index(f"prob_{row['target']}") for row in rows]
    margins = sorted(row[y] - max(np.delete(row, y)) for row, y in zip(logs, targets, strict=True))
    for level in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0):
        index = math.floor(level * (len(margins) - 1) + 0.5)
        assert value(found, "margin_quantile", "test", level=level) == pytest.approx(margins[index], rel=1e-5, abs=1e-5)
    assert value(found, "margin_negative_share", "test") == np.mean([margin < 0 for margin in margins])
    assert sum(found.details["margins"]["counts"]["test"]) == len(margins)


def test_negative_gamma_leaves_complexity_undefined_and_says_so():
    found = make("report", "capacity").measure(subject(trained(*KINDS["convolution"])))
    assert value(found, "margin_gamma", "train_eval") < 0
    item = found.find("spectral_complexity")
    assert (item.value, item.method) == (None, "undefined: γ is not above 0")
    assert found.find("spectral_complexity_per_example") is None


def test_frozen_parameters_are_not_counted_as_trained():
    found = make("report", "capacity").measure(subject(trained(
        "dataset=wine", "model=mlp", "model.width=16", "model.freeze=backbone", "epochs=1")))
    assert value(found, "parameters") == 13 * 16 + 16 + 16 * 3 + 3
    assert value(found, "parameters_trained") == 16 * 3 + 3
    assert value(found, "layer_distance_from_init", layer="layers.0") == 0


def test_every_definition_is_of_a_number_that_some_run_has(run):
    _, found = run
    other = make("report", "capacity").measure(subject(trained(*KINDS["convolution"])))
    names = {item.name for item in (*found.numbers, *other.numbers)}
    assert names == importlib.import_module("dlx.report.capacity").DEFINITIONS.keys()


def test_section_tabulates_layers_and_draws_margins(run, tmp_path):
    folder, found = run
    target = copied(folder, tmp_path / "run")
    write_measures(target, "capacity", found)
    shown = capacity.section(read_run(target))
    tables = {table.title: table for table in shown.tables}
    assert list(tables) == ["Sizes", "Norms", "Layers", "Quantiles of margins"]
    assert [row[:4] for row in tables["Layers"].rows] == [("layers.0", "Linear", "24×64", "1,536"),
                                                          ("layers.3", "Linear", "10×24", "240")]
    assert shown.sentences[0] == "The model has 1,810 parameters, 1.68 for each train example, and takes 3,552 FLOPs " \
                                 "for an example."
    assert [figure.name for figure in shown.figures] == ["margins"]
    assert "rank runs of one sweep" in shown.notes[0]


def test_section_shows_the_largest_of_very_many_layers(run, tmp_path):
    folder, found = run
    facts = [{"name": f"l{number}", "kind": "Linear", "form": "matrix", "shape": [number, 1], "weights": number,
              "tolerance": 1e-8} for number in range(1, 101)]
    target = copied(folder, tmp_path / "run")
    write_measures(target, "capacity", type(found)(found.numbers, {"layers": facts, "folded": 0}, (), {}, 0.0))
    shown = capacity.section(read_run(target))
    (layers,) = [table for table in shown.tables if table.title == "Layers"]
    assert [row[0] for row in layers.rows] == [f"l{number}" for number in range(53, 101)]
    assert "Of 100 layers those 48 with the most weights are shown." in shown.notes


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (9999, "9,999 B"), (10_000, "10 kB"), (999_499, "999 kB"),
                                            (999_500, "1 MB"), (1.2345e9, "1.23 GB"), (3e20, "300 EB")])
def test_large_numbers_have_a_prefix(size, text):
    assert large(size, "B") == text
    assert large(size) == text.removesuffix("B").rstrip()
