"""How every number of the report was computed."""

from __future__ import annotations

from collections.abc import Iterator

from dlx.report import words
from dlx.report.conventions import CONVENTIONS
from dlx.report.diagnosing import evidence, fit, gradients, stability, units, updates
from dlx.report.files import RunFiles
from dlx.report.section import Section, Table

SPLITS = (
    "train_eval, val, test: measured by the same code in evaluation mode, without dropout, augmentation or "
    "penalty in the loss. train_eval is the training examples.",
    "gap: metric on val or test minus the same metric on train_eval. Its interval is that of val or test, shifted "
    "by train_eval, which is taken as known because the model was fitted to it.",
    "selected checkpoint: the weights of the epoch that the selection rule chose. It looks at val; test plays no "
    "part.",
    "loss: mean over examples of what is minimised, without penalties.",
)
METRICS = {
    "accuracy": "share of examples whose most probable class is the true one.",
    "top_k": "accuracy where the true class may be any of the k most probable.",
    "nll": "mean of −log of the probability given to the true class.",
    "macro_f1": "mean over classes of the harmonic mean of precision and recall.",
    "roc_auc": "probability that an example of a class scores above one of another, averaged over the classes.",
    "rmse": "square root of the mean squared error, in the target's units.",
    "mae": "mean absolute error, in the target's units.",
    "token_accuracy": "mean over sequences of the share of positions whose most probable class is the true one.",
    "exact_match": "share of sequences that are right at every position.",
    "perplexity": "exp of the mean over sequences of the mean −log of the probability given to the true token.",
    "label_accuracy": "mean over labels of the share of examples of which it is told rightly whether they have it.",
    "subset_accuracy": "share of examples whose labels are all right.",
    "label_macro_f1": "mean over labels of the harmonic mean of precision and recall.",
    "label_micro_f1": "harmonic mean of precision and recall of all labels counted together.",
    "error_rate": "mean over examples of edit distance / number of true labels, of the most probable path.",
    "beam_error_rate": "the same of what a beam search over paths finds.",
    "r2": "1 − squared error / squared error of the mean of the targets.",
}
GRADIENTS = (
    "gradient ratio: norm of the gradient of the first weight layer that is trained over that of the last, at the "
    "last step of an epoch.",
    "dead units: ReLU units that are 0 on all training examples.",
)
RULES = (
    "The diagnosis looks at train_eval and val, never at test, because it leads to the next run and is a "
    "selection. The first rule that holds gives it:",
)


def section(run: RunFiles) -> Section:
    """Write the definitions of what is shown, and the rules of the diagnosis with their thresholds."""
    names = () if run.summary is None else run.summary.names()
    metrics = tuple(f"{words.label(name)}: {METRICS[name]}" for name in names if name in METRICS)
    points = SPLITS + metrics + GRADIENTS
    rules = Section("rules", "Rules of the diagnosis", RULES, (*_process_rules(), *_fit_rules(), *_beside_rules()))
    return Section("method", "How every number was computed", points=points,
                   tables=(*_definitions(run), *_conventions(run)), parts=(*_skipped(run), rules))


def _definitions(run: RunFiles) -> Iterator[Table]:
    """Tabulate, per section, what its numbers are; those that this run has."""
    for name, own in run.measures.items():
        rows = [(number.replace("_", " "), what.text, what.source or "–", f"{what.version}")
                for number, what in own.definitions.items()]
        if rows:
            yield Table(f"Definitions: {name}", ("number", "formula and conventions", "source", "version"),
                        tuple(rows), folded=True)


def _conventions(run: RunFiles) -> Iterator[Table]:
    if run.measures:
        yield Table("Conventions of the definitions", ("of", "convention"), tuple(CONVENTIONS.items()), folded=True)


def _skipped(run: RunFiles) -> Iterator[Section]:
    """List what does not apply to this run, and why."""
    points = tuple(f"{words.title(name)}: {reason}" for name, own in run.measures.items() for reason in own.skipped)
    if points:
        yield Section("skipped", "Not measured", points=points)


def _process_rules() -> tuple[str, ...]:
    return (
        f"Diverged: the loss was not finite; or the training loss ended at {stability.DIVERGED_FACTOR:g} times its "
        f"value after the first epoch or more; or train_eval ended {stability.WORSE_THAN_NOTHING:g} times as bad as "
        f"without a model, in the cross-entropy of equal probabilities or in the RMSE of the mean.",
        f"Oscillating (from {stability.OSCILLATING_EPOCHS} epochs on): in the last half, train_eval loss rose in "
        f"a third to two thirds of the epochs, and the median rise is at least "
        f"{100 * stability.OSCILLATING_RANGE:g}% of the range of the curve and "
        f"{100 * stability.OSCILLATING_LEVEL:g}% of its level.",
    )


def _fit_rules() -> tuple[str, ...]:
    accuracy, rmse = 100 * fit.POOR_SKILL["accuracy"], 100 * fit.POOR_SKILL["rmse"]
    return (
        f"Overfitting: val loss, averaged over up to 3 last epochs, is {100 * evidence.RISE:g}% or more above its "
        f"minimum, train_eval loss fell meanwhile, and the interval of the gap on val, in the first metric or in "
        f"NLL, excludes 0 on the worse side.",
        f"Slow: over the last quarter of the epochs train_eval and val loss each fell by "
        f"{100 * fit.SLOW_SHARE:g}% or more of their range, train_eval in at least {100 * fit.SLOW_STEADY:g}% of "
        f"the epochs.",
        f"Underfitting: on train_eval the model gets less than {accuracy:g}% (accuracy) or {rmse:g}% (squared "
        f"error) of the way from the best constant answer on val to perfect, and the gap is not wide.",
        f"Wide gap: val is worse than train_eval by more than {100 * fit.WIDE_SHARE:g} points, or, for metrics "
        f"that are no shares, by more than {100 * fit.WIDE_RELATIVE:g}% of train_eval, and the interval excludes "
        f"0.",
        "Good fit: the training examples are fitted and the gap is not that wide. Unclear: something needed is "
        "missing.",
    )


def _beside_rules() -> tuple[str, ...]:
    return (
        f"Beside it, vanishing gradients: the gradient norm of a layer over that of the last one, median over the "
        f"epochs, is at most {gradients.VANISHING_RATIO:g}.",
        f"Exploding gradients: it is at least {gradients.EXPLODING_RATIO:g}, or a gradient norm is infinite or "
        f"{gradients.EXPLODING_GROWTH:g} times the mean of epoch 1.",
        f"Dead units: {100 * units.DEAD_FRACTION:g}% or more at the end. Saturated units: "
        f"{100 * units.SATURATED_FRACTION:g}% or more of a layer's.",
        f"Small updates: training is slow or underfits, and early in it no layer's update ratio reaches "
        f"{updates.SMALL:g}, nor, times the number of steps, {updates.SMALL_DISTANCE:g}. Large updates: the median "
        f"update ratio of a layer is at least {updates.LARGE:g}.",
    )
