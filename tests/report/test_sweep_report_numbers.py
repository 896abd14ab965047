"""The numbers of a sweep's report, against closed forms and other libraries."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml
from report_sweeps import grid, load, measured, noisy_grid, sampled, write_sweep
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import TTestPower

from dlx.core.intervals import corrected_t
from dlx.report.sweep import compare, effects, importance, interactions, optimism, tradeoff
from dlx.report.sweep.complete import complete_part
from dlx.report.sweep.decompose import decompose, to_grid
from dlx.report.sweep.estimates import estimate, num_seeds_to_decide, paired_power
from dlx.report.sweep.points import mean_over_seeds
from dlx.report.sweep.render import compose_sweep

AXES = {"model": ["mlp", "cnn"], "optimizer.lr": ["0.001", "0.01", "0.1"], "regularizer": ["none", "l2"]}


def test_estimate_is_the_t_interval():
    values = np.array([0.3, np.nan, 0.5, 0.9])
    low, high = stats.t.interval(0.95, 2, loc=17 / 30, scale=stats.sem([0.3, 0.5, 0.9]))
    assert estimate(values) == (pytest.approx(17 / 30), pytest.approx(low), pytest.approx(high), 3)


@pytest.mark.parametrize(("values", "expected"), [([], (None, None, None, 0)), ([np.nan], (None, None, None, 0)),
                                                  ([0.5, np.nan], (0.5, None, None, 1))])
def test_estimate_without_two_values_has_no_interval(values, expected):
    assert estimate(np.array(values)) == expected


@pytest.mark.parametrize("effect", [0.2, 0.5, 0.93, 1.5, 3.0])
def test_num_seeds_is_the_smallest_with_the_power_of_statsmodels(effect):
    number = num_seeds_to_decide(-effect * 7, 7.0)
    assert number == int(np.ceil(TTestPower().solve_power(effect, alpha=0.05, power=0.8)))
    assert paired_power(effect, number) == pytest.approx(TTestPower().power(effect, number, 0.05))


def test_num_seeds_of_no_difference_or_too_small_a_one():
    assert num_seeds_to_decide(0.0, 1.0) is None
    assert num_seeds_to_decide(0.01, 1.0) is None
    assert num_seeds_to_decide(0.01, 0.0) == 2


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_order_is_that_of_the_mean_on_val(tmp_path, metric):
    sweep = load(noisy_grid(tmp_path, AXES, metric=metric))
    means = [np.mean([run.values[f"val_{metric}"] for run in point.runs]) for point in sweep.points]
    ranked = sorted(range(len(means)), key=means.__getitem__, reverse=metric == "accuracy")
    assert list(sweep.order) == ranked
    assert len(ranked) == 12


def test_difference_to_the_best_is_the_paired_t_test(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=5))
    best = sweep.order[0]
    judged = []
    for point in sweep.order[1:]:
        test = stats.ttest_rel(sweep.val[point], sweep.val[best])
        interval = test.confidence_interval(0.95)
        assert sweep.to_best[point][:3] == pytest.approx((np.mean(sweep.val[point] - sweep.val[best]), *interval))
        judged.append(test.pvalue >= 0.05)
    assert compare.tied(sweep) == tuple(itertools.compress(sweep.order[1:], judged))


def test_difference_to_the_best_uses_the_seeds_that_both_have(tmp_path):
    values = {("a", "0"): 1.0, ("a", "1"): 2.0, ("a", "2"): 3.0, ("b", "0"): 9.0, ("b", "2"): 10.0}
    sweep = load(write_sweep(tmp_path, grid({"model": ["a", "b"], "seed": ["0", "1", "2"]}), lambda setting: (
        measured(values[tuple(setting.values())]) if tuple(setting.values()) in values else ("failed", "boom"))))
    assert sweep.to_best[1].value == pytest.approx(7.5)
    assert sweep.to_best[1].n == 2
    assert not sweep.is_grid


def frame(sweep, values):
    rows = []
    for point, row in zip(sweep.points, values, strict=True):
        names = [axis.key.replace(".", "_") for axis in sweep.axes]
        rows += [{**dict(zip(names, point.cells, strict=True)), "seed": seed, "y": value}
                 for seed, value in zip(sweep.seeds, row, strict=True)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("axes", [dict(itertools.islice(AXES.items(), 2)), AXES])
def test_decompose_is_the_anova_of_statsmodels(tmp_path, axes):
    sweep = load(noisy_grid(tmp_path, axes, num_seeds=4))
    names = [axis.key for axis in sweep.axes]
    found = {term.name: term for term in decompose(to_grid(sweep, sweep.val), tuple(names))}
    data = frame(sweep, sweep.val)
    crossed = "*".join(f"C({name.replace('.', '_')})" for name in names)
    table = anova_lm(ols(f"y ~ {crossed} + C(seed)", data).fit(), typ=2)
    total = ((data.y - data.y.mean()) ** 2).sum()
    expected = {" × ".join(part[2:-1].replace("_", ".") for part in row.split(":")): values
                for row, values in table.iterrows() if row != "Residual"}
    triple = " × ".join(names)
    for name, values in expected.items():
        term = found["higher interactions" if len(names) == 3 and name == triple else name]
        assert term.degrees == values["df"]
        assert term.share == pytest.approx(values["sum_sq"] / total, abs=1e-12)
        assert (term.f, term.p) == pytest.approx((values["F"], values["PR(>F)"]), rel=1e-6, abs=1e-12)
    assert found["rest (seed × settings)"].degrees == table.loc["Residual", "df"]
    assert sum(term.share for term in found.values()) == pytest.approx(1.0)
    assert len(found) == len(expected) + 1


def test_decompose_without_seeds_tests_nothing(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=1))
    terms = decompose(to_grid(sweep, sweep.val), ("a", "b", "c"))
    assert all(term.f is None and term.p is None for term in terms)
    assert sum(term.share for term in terms) == pytest.approx(1.0)


def failing_grid(tmp_path, failed):
    axes = {"model": ["mlp", "cnn"], "optimizer.lr": ["0.01", "0.1", "1"], "seed": ["0", "1", "2", "3"]}
    values = np.random.default_rng(0).normal(size=24).tolist()
    settings = grid(axes)
    return load(write_sweep(tmp_path, settings, lambda setting: (
        ("diverged", "") if failed(setting) else measured(values[settings.index(setting)]))))


@pytest.mark.parametrize(("failed", "dropped", "shape"), [
    (lambda setting: setting["optimizer.lr"] == "1" and setting["model"] == "cnn", ("optimizer.lr=1",), (2, 2, 4)),
    (lambda setting: setting["optimizer.lr"] == "1" and setting["seed"] != "0", ("optimizer.lr=1",), (2, 2, 4)),
    (lambda setting: list(setting.values()) == ["mlp", "0.1", "2"], ("seed 2",), (2, 3, 3)),
    (lambda setting: False, (), (2, 3, 4)),
])
def test_complete_part_is_a_grid_of_the_runs_that_are_left(tmp_path, failed, dropped, shape):
    sweep = failing_grid(tmp_path, failed)
    part, left_out = complete_part(sweep)
    assert left_out == dropped
    found = to_grid(part, part.val)
    assert found.shape == shape
    kept = {(point.cells, seed): value for point, row in zip(sweep.points, sweep.val, strict=True)
            for seed, value in zip(sweep.seeds, row, strict=True)}
    for point, row in zip(part.points, part.val, strict=True):
        assert list(row) == [kept[point.cells, seed] for seed in part.seeds]
    assert np.isfinite(found).all()


def test_complete_part_is_none_where_little_would_be_left(tmp_path):
    assert complete_part(failing_grid(tmp_path / "a", lambda setting: setting["model"] == "cnn")) is None
    assert complete_part(failing_grid(tmp_path / "b", lambda setting: setting["optimizer.lr"] != "0.1")) is None
    assert complete_part(load(sampled(tmp_path / "c", 20))) is None


def test_pair_means_equal_a_loop(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES))
    table = interactions.pair_means(to_grid(sweep, sweep.val).mean(axis=-1), (1, 2))
    data = frame(sweep, sweep.val)
    expected = data.groupby(["optimizer_lr", "regularizer"]).y.mean()
    for (row, lr), (column, name) in itertools.product(enumerate(AXES["optimizer.lr"]), enumerate(["none", "l2"])):
        assert table[row, column] == pytest.approx(expected[lr, name])


def test_main_effect_of_a_grid_is_the_interval_over_seeds_of_level_means(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=5))
    found = effects.effect(sweep, 1)
    data = frame(sweep, sweep.gap)
    for level in found.levels:
        by_seed = data[data.optimizer_lr == level.label].groupby("seed").y.mean()
        interval = stats.t.interval(0.95, 4, loc=by_seed.mean(), scale=stats.sem(by_seed))
        assert level.gap[:3] == pytest.approx((by_seed.mean(), *interval))
        assert len(level.points) == 4
    data = frame(sweep, sweep.val).groupby(["optimizer_lr", "seed"]).y.mean()
    test = stats.ttest_rel(data["0.001"], data["0.1"])
    assert found.val_spread[:3] == pytest.approx((data["0.001"].mean() - data["0.1"].mean(),
                                                  *test.confidence_interval(0.95)))


def test_main_effect_of_a_sample_is_over_bins_of_points(tmp_path):
    sweep = load(sampled(tmp_path, 40, num_seeds=2))
    found = effects.effect(sweep, 0)
    lr = np.array([float(point.cells[0]) for point in sweep.points])
    means = mean_over_seeds(sweep.val)
    assert found.binned
    assert sorted(itertools.chain(*(level.points for level in found.levels))) == list(range(40))
    assert {len(level.points) for level in found.levels} == {6, 7}
    ends = [(lr[list(level.points)].min(), lr[list(level.points)].max()) for level in found.levels]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    for level in found.levels:
        inside = means[list(level.points)]
        interval = stats.t.interval(0.95, len(inside) - 1, loc=inside.mean(), scale=stats.sem(inside))
        assert level.val[:3] == pytest.approx((inside.mean(), *interval))


def test_importance_of_a_sample_is_what_optuna_says(tmp_path):
    import optuna

    sweep = load(sampled(tmp_path, 60, num_axes=3))
    found = importance.importances(sweep, "val")
    spaces = {"optimizer.lr": optuna.distributions.FloatDistribution(*_ends(sweep, 0), log=True),
              "regularizer.dropout.rate": optuna.distributions.FloatDistribution(*_ends(sweep, 1)),
              "model": optuna.distributions.CategoricalDistribution(sweep.axes[2].levels)}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for point in sweep.order:
        lr, rate, model = sweep.points[point].cells
        params = {"optimizer.lr": float(lr), "regularizer.dropout.rate": float(rate), "model": model}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=sweep.val[point, 0]))
    evaluators = {"fanova": optuna.importance.FanovaImportanceEvaluator(n_trees=64, seed=0),
                  "ped_anova": optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.1)}
    for name, evaluator in evaluators.items():
        assert found[name] == pytest.approx(optuna.importance.get_param_importances(study, evaluator=evaluator))
    assert max(found["fanova"], key=found["fanova"].get) == "optimizer.lr"


def test_importance_of_a_sample_has_no_unit(tmp_path):
    sweep = load(sampled(tmp_path, 40, num_axes=3))
    means = mean_over_seeds(sweep.val)
    for scale in (2.0**-40, 2.0**40):
        assert importance.fanova(sweep, means * scale) == importance.fanova(sweep, means)


def _ends(sweep, index):
    return sweep.axes[index].numbers[0], sweep.axes[index].numbers[-1]


def test_importance_of_a_grid_is_its_exact_functional_anova(tmp_path):
    # y = 2 a + b + 3 a b over a, b in {-1, 1}: shares 4, 1 and 9 of 14.
    signs = {"-": -1.0, "+": 1.0}
    settings = grid({"a": ["-", "+"], "b": ["-", "+"], "seed": ["0", "1"]})
    sweep = load(write_sweep(tmp_path, settings, lambda setting: measured(
        2 * signs[setting["a"]] + signs[setting["b"]] + 3 * signs[setting["a"]] * signs[setting["b"]])))
    found = importance.exact_shares(sweep, mean_over_seeds(sweep.val))
    assert found == pytest.approx({"a": 4 / 14, "b": 1 / 14, "interactions": 9 / 14})


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_importance_for_the_best_knows_which_way_is_better(tmp_path, metric):
    # Only where a is best does b matter for being among the best.
    generator = np.random.default_rng(0)
    points = [{"a": f"{generator.uniform():.6f}", "b": f"{generator.uniform():.6f}"} for _ in range(80)]
    sign = -1.0 if metric == "loss" else 1.0
    sweep = load(write_sweep(tmp_path, points, lambda setting: measured(
        sign * max(0.0, float(setting["a"]) - 0.85) + 0.001 * float(setting["b"]), metric=metric),
        f"best_val_{metric}"))
    found = importance.importances(sweep, "val")["ped_anova"]
    assert found["a"] > 0.8


def test_seed_share_is_the_sum_of_squares_within(tmp_path):
    sweep = load(noisy_grid(tmp_path, AXES, num_seeds=3))
    within = sum(((row - row.mean()) ** 2).sum() for row in sweep.val)
    total = ((sweep.val - sweep.val.mean()) ** 2).sum()
    assert importance.seed_share(sweep.val) == pytest.approx(within / total)
    assert importance.seed_share(sweep.val[:, :1]) is None


def test_pareto_front_equals_brute_force():
    generator = np.random.default_rng(3)
    for _ in range(50):
        cost, distance = generator.integers(0, 6, (2, 12)).astype(float)
        cost[0] = np.nan
        expected = {i for i in range(1, 12) if not any(
            cost[j] <= cost[i] and distance[j] <= distance[i] and (cost[j], distance[j]) != (cost[i], distance[i])
            for j in range(1, 12))}
        assert set(tradeoff.pareto_front(cost, distance)) == expected


@pytest.mark.parametrize(("metric", "sign"), [("loss", -1), ("accuracy", 1)])
def test_optimism_is_positive_where_val_flatters(tmp_path, metric, sign):
    val = {"a": [0.5, 0.7, 0.6], "b": [0.4, 0.4, 0.4]}
    test = {"a": [0.4, 0.5, 0.6], "b": [0.4, 0.3, 0.2]}
    sweep = load(write_sweep(tmp_path, grid({"model": ["a", "b"], "seed": ["0", "1", "2"]}), lambda setting: measured(
        val[setting["model"]][int(setting["seed"])], 0.1, test[setting["model"]][int(setting["seed"])], metric),
        f"best_val_{metric}"))
    values = optimism.section(sweep).values
    best = "a" if metric == "accuracy" else "b"
    assert values["best"]["value"] == pytest.approx(sign * np.mean(np.subtract(val[best], test[best])))
    assert values["mean_of_all"]["value"] == pytest.approx(sign * 0.1)
    assert values["extra"]["value"] == pytest.approx(values["best"]["value"] - sign * 0.1)


def test_left_out_seed_equals_a_loop(tmp_path):
    sweep = load(noisy_grid(tmp_path, {"model": list("abcdef")}, num_seeds=4, seed=5))
    losses = []
    for seed in range(4):
        others = [[value for index, value in enumerate(row) if index != seed] for row in sweep.val]
        chosen = min(range(6), key=lambda point: np.mean(others[point]))
        losses.append(sweep.val[chosen][seed] - np.mean(others[chosen]))
    assert optimism.left_out_seed(sweep).value == pytest.approx(np.mean(losses))


def test_means_over_folds_have_the_corrected_interval_and_differences_too(tmp_path):
    draw = np.random.default_rng(5)
    settings = grid({"optimizer.lr": ["0.01", "0.1"], "split.fold": list("01234")})
    values = {(setting["optimizer.lr"], setting["split.fold"]): measured(float(draw.normal(1, 0.1)), test=0.7)
              for setting in settings}
    folder = write_sweep(tmp_path, settings, lambda setting: values[setting["optimizer.lr"], setting["split.fold"]],
                         "best_val_loss")
    # The folds of a sweep differ in their configuration.
    plan = yaml.safe_load((folder / "sweep.yaml").read_text())
    for run, setting in zip(plan["runs"], settings, strict=True):
        run["values"] = {"split": {"fold": int(setting["split.fold"])}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(plan))
    sweep = load(folder)
    assert [axis.key for axis in sweep.axes] == ["optimizer.lr"]
    assert sweep.seeds == tuple(f"fold {number}" for number in range(5))
    val = np.array([[values[lr, fold]["val_loss"] for fold in "01234"] for lr in ("0.01", "0.1")])
    for point in (0, 1):
        found, expected = sweep.estimate("val", point), corrected_t(val[point], 360 / 1078, 0.95)
        assert (found.low, found.high) == pytest.approx(expected[:2], rel=1e-7)
    best, other = sweep.order
    expected = corrected_t(val[other] - val[best], 360 / 1078, 0.95)
    assert (sweep.to_best[other].low, sweep.to_best[other].high) == pytest.approx(expected[:2], rel=1e-6)
    document = compose_sweep(sweep)
    assert "corrected for their overlap (Nadeau and Bengio 2003)" in str(document)
    assert "split.fold" not in [axis.key for axis in sweep.axes]
    assert not any("seed=range" in command.text for section in document.sections for command in section.commands)


def test_every_key_that_ends_with_seed_repeats_a_configuration(tmp_path):
    settings = grid({"model": ["mlp", "cnn"], "split.seed": ["0", "1"], "init_seed": ["5", "6"]})
    sweep = load(write_sweep(tmp_path, settings, lambda setting: measured(1.0 if setting["model"] == "mlp" else 2.0)))
    assert [point.cells for point in sweep.points] == [("mlp",), ("cnn",)]
    assert sweep.seeds == tuple(f"split.seed {first}, init_seed {second}" for first in "01" for second in "56")
    alone = load(write_sweep(tmp_path, grid({"seed": ["3", "4"]}), lambda setting: measured(1.0), name="alone"))
    assert alone.seeds == ("3", "4")


def test_points_take_seeds_of_parts_for_repetitions_and_name_them(tmp_path):
    settings = grid({"model": ["mlp", "cnn"], "init_seed": ["0", "1"], "order_seed": ["5", "6"]})
    sweep = load(write_sweep(tmp_path, settings, lambda setting: measured(1.0 if setting["model"] == "mlp" else 2.0)))
    assert [point.cells for point in sweep.points] == [("mlp",), ("cnn",)]
    assert sweep.seeds == tuple(f"init_seed {first}, order_seed {second}" for first in "01" for second in "56")
    alone = load(write_sweep(tmp_path, grid({"init_seed": ["3", "4"]}), lambda setting: measured(1.0), name="alone"))
    assert alone.seeds == ("init_seed 3", "init_seed 4")
