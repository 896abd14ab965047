"""Seeds: spreads, tests against the best, and where the spread comes from, on made-up sweeps."""

import itertools
import json

import numpy as np
import pytest
from report_sweeps import grid, load, measured, noisy_grid, write_sweep
from scipy import stats

from dlx.measure.comparison import holm, iqm_interval, stratified_iqm
from dlx.measure.variance_components import variance_components
from dlx.report.sweep import seed_sources, seeds
from dlx.report.sweep.estimates import num_seeds_to_decide
from dlx.report.sweep.render import compose_sweep

AXES = {"model": ["mlp", "cnn"], "optimizer.lr": ["0.001", "0.01", "0.1"]}


def values_of(sweep, point):
    return np.array([run.values[f"val_{sweep.metric}"] for run in sweep.points[point].runs])


def test_spread_of_a_configuration_is_that_of_scipy(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=5))
    for item, point in zip(seeds.section(sweep).values["configurations"], sweep.order, strict=True):
        own = values_of(sweep, point)
        low, high = stats.t.interval(0.95, 4, loc=own.mean(), scale=stats.sem(own))
        assert item["mean"] == {"value": pytest.approx(own.mean()), "low": pytest.approx(low),
                                "high": pytest.approx(high), "n": 5}
        assert (item["sd"], item["median"]) == (pytest.approx(own.std(ddof=1)), pytest.approx(np.median(own)))
        assert item["iqm"] == pytest.approx(stats.trim_mean(own, 0.25))
        assert item["iqm_interval"]["low"] <= item["iqm"] <= item["iqm_interval"]["high"]


def test_tests_against_the_best_are_those_of_scipy(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=6))
    best, found = values_of(sweep, sweep.order[0]), seeds.section(sweep).values["against_best"]
    differences = [values_of(sweep, point) - best for point in sweep.order[1:]]
    assert [item["paired_t"]["p_value"] for item in found] == pytest.approx(
        [stats.ttest_1samp(own, 0).pvalue for own in differences])
    assert [item["wilcoxon"]["p_value"] for item in found] == pytest.approx(
        [stats.wilcoxon(own).pvalue for own in differences])
    assert [item["holm_p_value"] for item in found] == pytest.approx(
        holm([item["paired_t"]["p_value"] for item in found]))
    assert [item["seeds_to_decide"] for item in found] == [
        num_seeds_to_decide(own.mean(), own.std(ddof=1)) for own in differences]
    # Of a loss no margin is known.
    assert all(item["equivalence"] is None for item in found)


def test_equivalence_within_half_a_point_is_two_one_sided_tests(tmp_path):
    offsets = {"a": 0.0, "b": 0.0004, "c": -0.03}
    noise = np.random.default_rng(0).normal(size=(3, 6)) * 0.001

    def outcome(setting):
        value = 0.9 + offsets[setting["model"]] + noise["abc".index(setting["model"]), int(setting["seed"])]
        return measured(value, metric="accuracy")

    settings = grid({"model": ["a", "b", "c"], "seed": list("012345")})
    sweep = load(write_sweep(tmp_path, settings, outcome, "best_val_accuracy"))
    found = seeds.section(sweep)
    for item, point in zip(found.values["against_best"], sweep.order[1:], strict=True):
        own = values_of(sweep, point) - values_of(sweep, sweep.order[0])
        expected = max(stats.ttest_1samp(own, -0.005, alternative="greater").pvalue,
                       stats.ttest_1samp(own, 0.005, alternative="less").pvalue)
        assert item["equivalence"]["p_value"] == pytest.approx(expected)
    named = [item["configuration"] for item in found.values["against_best"] if item["holm_equivalence_p_value"] < 0.05]
    assert len(named) == 1
    assert f"Equivalent to the best within ±0.5 points of accuracy: {named[0]}." in found.sentences
    assert "The best is apart from 1 of the next 2, after Holm's correction." in found.sentences


def test_over_all_is_the_interquartile_mean_of_all_runs(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=4))
    every = np.concatenate([values_of(sweep, point) for point in range(6)])
    assert seeds.section(sweep).values["over_all"]["iqm"] == pytest.approx(stats.trim_mean(every, 0.25))


def test_command_names_the_runs_of_the_best_two(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=3))
    (command,) = seeds.section(sweep).commands
    first, second = (",".join(run.hash for run in sweep.points[point].runs) for point in sweep.order[:2])
    assert command.text == f"dlx compare runs/{{{first}}} runs/{{{second}}} --split val"
    assert all((sweep.files.folder / "runs" / name).is_dir() for name in (*first.split(","), *second.split(",")))


def test_seeds_needs_two_of_a_configuration_and_no_folds(tmp_path):
    assert seeds.section(load(noisy_grid(tmp_path / "one", AXES, num_seeds=1))) is None
    assert seeds.section(load(noisy_grid(tmp_path / "two", AXES, num_seeds=2))) is not None
    folds = grid({"model": ["mlp", "cnn"], "split.fold": ["0", "1", "2"]})
    assert seeds.section(load(write_sweep(tmp_path, folds, lambda _: measured(1.0)))) is None


def test_seeds_of_one_configuration_have_no_tests(tmp_path):
    sweep = load(write_sweep(tmp_path, grid({"seed": list("01234")}), lambda setting: measured(float(setting["seed"]))))
    found = seeds.section(sweep)
    assert (found.values["against_best"], found.values["over_all"], found.commands) == ([], None, ())
    assert found.values["configurations"][0]["iqm"] == 2.0


def test_seeds_of_equal_values_and_failed_runs_are_written(tmp_path):
    def outcome(setting):
        if setting == {"model": "cnn", "seed": "1"}:
            return "diverged", "the loss was not finite"
        return measured(1.0 if setting["model"] == "mlp" else 2.0)

    sweep = load(write_sweep(tmp_path, grid({"model": ["mlp", "cnn"], "seed": list("012")}), outcome))
    found = seeds.section(sweep)
    assert [len(item["values"]) for item in found.values["configurations"]] == [3, 2]
    assert found.values["against_best"][0]["paired_t"]["p_value"] == 0.0
    assert found.values["over_all"] is None
    assert any(section.key == "seeds" for section in compose_sweep(sweep).sections)


@pytest.mark.parametrize(("shape", "draw"), [((1, 3), "normal"), ((1, 5), "normal"), ((1, 10), "exponential"),
                                             ((8, 3), "normal"), ((8, 5), "exponential")])
def test_interval_of_the_interquartile_mean_covers(shape, draw):
    generator = np.random.default_rng(0)
    truth = np.mean([stats.trim_mean(getattr(generator, draw)(size=shape), 0.25, axis=None) for _ in range(8000)])
    inside = []
    for case in range(600):
        found = iqm_interval(getattr(generator, draw)(size=shape), 0.95, 400, case)
        inside.append(found.low <= truth <= found.high)
    # Of 600 cases a coverage of 0.94 shows as little as this in one of twenty.
    assert np.mean(inside) >= 0.94 - 1.65 * np.sqrt(0.94 * 0.06 / 600)


def test_interval_of_the_interquartile_mean_is_the_widened_bootstrap():
    values = np.random.default_rng(1).normal(size=(2, 4))
    found = iqm_interval(values, 0.9, 300, 5)
    centre, drawn = stats.trim_mean(values, 0.25, axis=None), stratified_iqm(values, 300, 5)
    wider = np.sqrt(4 / 3) * stats.t.ppf(0.95, 6) / stats.norm.ppf(0.95)
    assert [found.low, found.high] == pytest.approx([centre + wider * (bound - centre) for bound in
                                                     np.quantile(drawn, [0.05, 0.95])])
    assert iqm_interval(values[:, :2], 0.9, 300, 5).method.startswith("undefined")


def crossed_sweep(parent, keys, levels, effects, points=("mlp",), left_out=()):
    """A sweep whose val is a sum of a known effect of each seed and a known rest."""
    generator = np.random.default_rng(0)
    tables = [scale * generator.normal(size=levels) for scale in effects]
    settings = [{"model": model, **dict(zip(keys, cells, strict=True))} for model in points
                for cells in itertools.product(*([str(level) for level in range(levels)] for _ in keys))
                if cells not in left_out]

    def outcome(setting):
        val = 1.0 + 5 * points.index(setting["model"])
        val += sum(table[int(setting[key])] for key, table in zip(keys, tables, strict=True))
        return measured(float(val + 0.01 * generator.normal()))

    if len(points) == 1:
        settings = [{key: cell for key, cell in setting.items() if key != "model"} for setting in settings]
        return load(write_sweep(parent, settings, lambda setting: outcome({"model": points[0], **setting})))
    return load(write_sweep(parent, settings, outcome))


def test_sources_find_the_seed_that_matters_and_are_the_components(tmp_path):
    keys = ("split.seed", "init_seed", "order_seed")
    sweep = crossed_sweep(tmp_path, keys, 4, (0.3, 0.1, 0.0), ("mlp", "cnn"))
    found = seed_sources.section(sweep)
    values = np.array([[run.values["val_loss"] for run in point.runs] for point in sweep.points]).reshape(2, 4, 4, 4)
    expected = variance_components(values)
    assert [item["variance"] for item in found.values["components"]] == pytest.approx(
        [item.variance for item in expected])
    shares = {"".join(item["seeds"]): item["share"] for item in found.values["components"]}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["split.seed"] > 0.5 > shares["init_seed"] > 0.02 > shares["order_seed"]
    assert found.sentences[0].startswith("split.seed moves val loss most")
    negative = [item for item in found.values["components"] if item["variance"] < 0]
    assert all(item["share"] == 0 for item in negative)
    assert any("Estimated below 0, and taken for 0" in sentence for sentence in found.sentences) == bool(negative)


def test_error_of_a_mean_counts_the_levels_and_not_the_runs(tmp_path):
    found = seed_sources.section(crossed_sweep(tmp_path, ("split.seed", "init_seed"), 5, (0.5, 0.0))).values
    variances = [max(0.0, item["variance"]) for item in found["components"]]
    assert found["error_of_mean"] ** 2 == pytest.approx(variances[0] / 5 + variances[1] / 5 + variances[2] / 25)


def test_sources_of_seeds_that_vary_one_at_a_time_are_their_spreads(tmp_path):
    keys = ("split.seed", "init_seed")
    left_out = [cells for cells in itertools.product("0123", repeat=2) if "0" not in cells]
    sweep = crossed_sweep(tmp_path, keys, 4, (0.3, 0.02), left_out=left_out)
    found = seed_sources.section(sweep)
    val = {(run.cells["split.seed"], run.cells["init_seed"]): run.values["val_loss"] for run in sweep.files.runs}
    alone = {"split.seed": [val[level, "0"] for level in "0123"], "init_seed": [val["0", level] for level in "0123"]}
    assert {key: item["sd"] for key, item in found.values["alone"].items()} == {
        key: pytest.approx(np.std(own, ddof=1)) for key, own in alone.items()}
    assert found.sentences[0].startswith("split.seed alone moves val loss most")


def test_sources_take_any_key_that_ends_with_seed_and_need_two(tmp_path):
    keys = ("dataset.train_seed", "seed")
    found = seed_sources.section(crossed_sweep(tmp_path / "two", keys, 3, (0.1, 0.1)))
    assert found.values["keys"] == list(keys)
    assert seed_sources.section(load(noisy_grid(tmp_path / "one", AXES))) is None


def test_sources_of_seeds_that_always_vary_together_are_nothing(tmp_path):
    settings = [{"split.seed": str(level), "init_seed": str(level)} for level in range(4)]
    assert seed_sources.section(load(write_sweep(tmp_path, settings, lambda _: measured(1.0)))) is None


def test_crossed_seeds_are_warned_of_where_intervals_are(tmp_path):
    sweep = crossed_sweep(tmp_path, ("split.seed", "init_seed"), 3, (0.1, 0.1), ("mlp", "cnn"))
    assert "runs that share one are not independent" in " ".join(seeds.section(sweep).notes)
    assert json.dumps(seed_sources.section(sweep).values)
