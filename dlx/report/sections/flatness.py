"""How the loss changes around the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlx.core.measures import Measure, Measures
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.parts import landscapes
from dlx.report.section import Section, Table

KEY = "flatness"
FAR, NEAR = 0.1, 0.8
RESCALING = {"adam", "adamw", "nadam", "radam", "rmsprop", "adagrad", "adadelta", "lion", "muon"}
BALLS = {"l2": "all together, distance", "adaptive l2": "all together, relative to each, distance",
         "adaptive linf": "each alone, relative to itself"}
NOTES = (
    "The loss is the mean without penalties over train examples in evaluation mode; statistics of normalizations are "
    "those that are stored, and are not measured anew where weights move.",
    "Curvature and sharpness that is not adaptive change when a network is scaled without changing what it says "
    "(Dinh et al. 2017). Compare runs of one architecture, and do not call one run flat or sharp.",
)


def section(run: RunFiles) -> Section | None:
    """Write and draw what was measured; None where nothing was."""
    found = run.measures.get(KEY)
    if found is None:
        return None
    if not found.numbers:
        return Section(KEY, "Flatness", tuple(found.skipped)) if found.skipped else None
    with draw.style():
        figures = tuple(landscapes.figures(found))
    return Section(
        key=KEY, title="Flatness", sentences=tuple(_sentences(found)), points=(*_points(found), *found.skipped),
        tables=tuple(_tables(found)), figures=figures, notes=(*_notes(found), *NOTES),
        values={"num_examples": found.details.get("num_examples"), "seconds": found.seconds})


def _sentences(found: Measures) -> Iterator[str]:
    largest = found.find("hessian_eigenvalue", "train_eval", rank=1)
    if largest is not None and largest.value is not None:
        yield f"The largest curvature of the loss is {words.number(largest.value)}{_edge(found)}."
    worst = found.every("worst_sharpness", ball="l2")
    for item in worst:
        if item.value is not None:
            yield (f"The largest rise of the loss that was found within a distance of {item.of['radius']:g} of the "
                   f"weights is {words.number(item.value)}, from {words.number(found.details['loss'])}.")
    for item in found.every("bearable_noise", noise="plain"):
        if item.value is not None:
            yield (f"Normal noise of standard deviation {words.number(item.value)} on every weight costs "
                   f"{_allowed(found)} points of accuracy on train_eval.")


def _allowed(found: Measures) -> str:
    return f"{100 * float(found.settings.get('allowed_drop', 0.1)):g}"


def _edge(found: Measures) -> str:
    """Write the edge of stability with the learning rate of the epoch that was kept, and with a higher one before."""
    rates = found.details["lr"]
    own = found.find("edge_of_stability", "train_eval", lr="kept")
    if own is None or own.value is None:
        return ""
    text = f"; with lr {rates['kept']:.3g}, λ·lr/2 is {words.number(own.value)}"
    if found.details["optimizer"] in RESCALING:
        return f"{text}, which is no criterion for {found.details['optimizer']}, whose steps rescale the gradient"
    share = found.find("edge_of_stability_momentum", "train_eval", lr="kept")
    if share is not None and share.value is not None:
        text += (f", and with momentum {found.details['momentum']:g} it is {words.number(share.value)} of the limit of "
                 f"stability")
    place = _place(own.value if share is None or share.value is None else share.value)
    highest = found.find("edge_of_stability", "train_eval", lr="highest")
    before = "" if highest is None or highest.value is None else (
        f" (with the highest lr before, {rates['highest']:.3g}, λ·lr/2 would be {words.number(highest.value)})")
    return f"{text}: {place}{before}"


def _place(value: float) -> str:
    if value < FAR:
        return "far from the edge of stability at 1"
    if value < NEAR:
        return "below the edge of stability at 1"
    return "at the edge of stability, 1" if value <= 1 / NEAR else "beyond the edge of stability at 1"


def _points(found: Measures) -> Iterator[str]:
    yield from _spectrum(found)
    for item in found.every("barrier"):
        if item.split == "train_eval" and item.value is not None:
            rise = "never rises above the line between its ends" if item.value == 0 else \
                f"rises by up to {words.number(item.value)} above the line between its ends"
            yield f"On the straight path from {item.of['path']} weights, the loss on train_eval {rise}."
    for item in found.every("bearable_noise"):
        if item.value is None:
            yield f"How much {item.of['noise']} noise the model bears is {str(item.method).replace('undefined: ', '')}."


def _spectrum(found: Measures) -> Iterator[str]:
    trace, smallest = found.find("hessian_trace", "train_eval"), found.find("smallest_hessian_eigenvalue", "train_eval")
    if trace is not None and trace.value is not None:
        yield (f"The curvatures of all {found.details['num_weights']:,} weights that were trained add up to "
               f"{words.interval('trace', trace.value, trace.low, trace.high)}.")
    if smallest is not None and smallest.value is not None and smallest.value < 0:
        residual = found.find("hessian_residual", "train_eval", rank="smallest")
        sure = residual is not None and residual.value is not None and residual.value < -smallest.value
        yield (f"The smallest is {words.number(smallest.value)}: " +
               ("there is a direction in which the loss curves downwards, so the weights are no minimum." if sure else
                "no farther from 0 than it is exact."))


def _tables(found: Measures) -> Iterator[Table]:
    rows = tuple((str(item.of["rank"]), words.number(item.value), _scientific(_residual(found, item.of["rank"])))
                 for item in found.every("hessian_eigenvalue"))
    smallest = found.find("smallest_hessian_eigenvalue", "train_eval")
    last = () if smallest is None else (("smallest", words.number(smallest.value),
                                         _scientific(_residual(found, "smallest"))),)
    yield Table("Curvature: eigenvalues λ of the Hessian, and ‖Hv − λv‖", ("rank", "λ", "residual"), rows + last)
    yield Table("Rise of the loss near the weights", ("weights moved", "size", "rise"), tuple(_rises(found)))
    if noises := tuple(_bearable(found)):
        yield Table("Noise that the model bears, σ", ("noise", "σ", "1/σ²", "PAC-Bayes number"), noises)


def _residual(found: Measures, rank: Any) -> float | None:
    item = found.find("hessian_residual", "train_eval", rank=rank)
    return None if item is None else item.value


def _scientific(value: float | None) -> str:
    return "–" if value is None else f"{value:.0e}"


def _rises(found: Measures) -> Iterator[tuple[str, ...]]:
    for name, how in (("worst_sharpness", "worst"), ("one_step_sharpness", "one step of SAM")):
        for item in found.every(name):
            yield f"{how}, {BALLS[str(item.of['ball'])]}", f"{item.of['radius']:g}", _cell(item)
    for item in found.every("average_sharpness"):
        share = " of each weight" if item.of["noise"] == "adaptive" else ""
        yield f"average of normal noise{share}", f"σ {item.of['sigma']:g}", _cell(item)
    for item in found.every("loss_rise"):
        yield "random directions, in norms of filters", f"{item.of['distance']:g}", _cell(item)


def _cell(item: Measure) -> str:
    return "not finite" if item.value is None else words.interval(item.name, item.value, item.low, item.high)


def _bearable(found: Measures) -> Iterator[tuple[str, ...]]:
    for item in found.every("bearable_noise"):
        if item.value is not None:
            inverse, bound = (found.find(name, "train_eval", noise=item.of["noise"])
                              for name in ("inverse_squared_noise", "pac_bayes_complexity"))
            yield (str(item.of["noise"]), words.number(item.value), *(
                "–" if one is None else words.number(one.value) for one in (inverse, bound)))


def _notes(found: Measures) -> Iterator[str]:
    details, settings = found.details, found.settings
    yield (f"Measured on {details['num_examples']:,} examples of train_eval in {details['dtype']}; the worst case is "
           f"the mean over batches of {settings.get('ascent_batch_size', 128)}. Logits are not normalized.")
    if details.get("is_capped"):
        yield (f"{details['num_examples']:,} examples, where {settings.get('num_examples', 1024):,} are usual: this "
               f"model costs much (report.flatness.pass_flops). Compare it with runs that were measured on as many.")
    if details.get("by_differences"):
        yield "Torch cannot differentiate this model twice: curvature is from differences of gradients."
    yield from _converged(found, settings)


def _converged(found: Measures, settings: Mapping[str, Any]) -> Iterator[str]:
    allowed = float(settings.get("tolerance", 1e-3))
    late = [item for item in found.every("hessian_eigenvalue") if item.value is not None
            and (_residual(found, item.of["rank"]) or 0.0) > 2 * allowed * abs(item.value) > 0]
    if late:
        yield (f"{words.count(len(late), 'eigenvalue')} had not converged when products with the Hessian ran out; "
               f"they are lower bounds.")
