"""The model against inputs changed to fool it."""

from __future__ import annotations

from dlx.core.measures import Measure, Measures
from dlx.report import draw, words
from dlx.report.files import RunFiles
from dlx.report.section import Figure, Section, Table

ATTACKS = {"noise": "random signs", "fgsm": "FGSM, one step", "pgd": "PGD, many steps"}
MARKS = {"noise": ("^", ":", draw.GREY), "fgsm": ("s", "--", draw.ORANGE), "pgd": ("o", "-", draw.VERMILLION)}
BOX = (0.75, 0.6, 0.3, 0.5)
# Above this share of zero gradients an attack that follows them proves little.
MASKED = 0.05
NOTE = ("An upper bound: a stronger attack may find more. Where a check fails, the model may only look robust "
        "(Athalye, Carlini and Wagner, Obfuscated gradients give a false sense of security, 2018).")


def section(run: RunFiles) -> Section | None:
    """Tabulate and draw accuracy under attack; None where nothing was measured."""
    found = run.measures.get("adversarial")
    if found is None:
        return None
    if not found.numbers:
        return Section("adversarial", "Adversarial inputs", points=tuple(found.skipped))
    kind = "accuracy" if found.every("clean_accuracy") else "mse"
    with draw.style():
        figure = _figure(found, kind)
    return Section("adversarial", "Adversarial inputs", tuple(_sentences(found, kind)), tuple(_checks(found)),
                   (_table(found, kind),), (figure,), notes=(NOTE, *_capped(found)))


def _capped(found: Measures) -> list[str]:
    n = found.numbers[0].n
    return [f"Of {n:,} examples alone, because a pass of this model costs much (report.adversarial.pass_flops)."
            ] if found.details.get("is_capped") else []


def _sentences(found: Measures, kind: str) -> list[str]:
    clean = found.find(f"clean_{kind}", "test")
    attacked = found.every(f"pgd_{kind}")
    if clean is None or not attacked:
        return []
    weakest, unit = attacked[0], found.details["unit"]
    name = "accuracy" if kind == "accuracy" else "mean squared error"
    return [f"On {clean.n:,} test examples {name} is {_written(clean, kind)} as they are, and "
            f"{_written(weakest, kind)} where every value may be changed by {_epsilon(weakest):.3g} {unit} "
            f"to fool the model (PGD)."]


def _table(found: Measures, kind: str) -> Table:
    clean = found.find(f"clean_{kind}", "test")
    first = "0" if clean is None else _written(clean, kind)
    rows = [("0", *[first] * len(ATTACKS))]
    for epsilon in found.details["epsilons"]:
        own = [found.find(f"{attack}_{kind}", "test", epsilon=epsilon) for attack in ATTACKS]
        rows.append((f"{epsilon:.3g}", *("–" if item is None else _written(item, kind) for item in own)))
    name = "Accuracy" if kind == "accuracy" else "Mean squared error"
    return Table(f"{name} on test; epsilon in {found.details['unit'].removeprefix('of ')}",
                 ("epsilon", *ATTACKS.values()), tuple(rows))


def _checks(found: Measures) -> list[str]:
    """Say of each check whether it holds."""
    if not (zero := found.every("zero_gradients")):
        return []
    largest = found.details["epsilons"][-1]
    values = {name: _value(found, f"{name}_accuracy", largest) for name in ATTACKS}
    half, anywhere = _value(found, "pgd_half_steps_accuracy", largest), _value(found, "unbounded_accuracy")
    checks = [
        (values["noise"] >= values["fgsm"] >= values["pgd"],
         f"At epsilon {largest:.3g} random signs leave {words.percent(values['noise'])}%, FGSM "
         f"{words.percent(values['fgsm'])}% and PGD {words.percent(values['pgd'])}%: each attack is stronger than the "
         f"one before."),
        (half >= values["pgd"], f"Half of the steps leave {words.percent(half)}%, all of them "
                                f"{words.percent(values['pgd'])}%: more steps are not weaker."),
        (anywhere == 0, f"Without a bound {words.percent(anywhere)}% are left: an attack that works leaves 0."),
        ((zero[0].value or 0.0) <= MASKED, f"{words.percent(zero[0].value or 0.0)}% of examples have a gradient of 0, "
                                           f"which would hide the way from the attack."),
    ]
    return [f"{'Check passed' if holds else 'CHECK FAILED'}: {text}" for holds, text in checks]


def _value(found: Measures, name: str, epsilon: float | None = None) -> float:
    item = found.find(name, "test") if epsilon is None else found.find(name, "test", epsilon=epsilon)
    return float("nan") if item is None or item.value is None else item.value


def _epsilon(item: Measure) -> float:
    return float(item.of["epsilon"])


def _written(item: Measure, kind: str) -> str:
    return words.interval(kind, item.value, item.low, item.high)


def _figure(found: Measures, kind: str) -> Figure:
    canvas, share = draw.figure(6.2, 3.6), kind == "accuracy"
    title = "Accuracy under attack, test" if share else "Squared error under attack, test"
    area = draw.axes(canvas, BOX, title, f"epsilon ({found.details['unit']})", "accuracy (%)" if share else "MSE")
    clean, scale = _value(found, f"clean_{kind}"), 100.0 if share else 1.0
    for attack, label in ATTACKS.items():
        mark, line, color = MARKS[attack]
        own = found.every(f"{attack}_{kind}")
        places = [0.0, *map(_epsilon, own)]
        area.plot(places, [scale * clean, *(scale * (item.value or 0.0) for item in own)], marker=mark, linestyle=line,
                  color=color, label=label, markersize=5)
        bounded = [item for item in own if item.low is not None and item.high is not None]
        area.vlines([_epsilon(item) for item in bounded], [scale * (item.low or 0.0) for item in bounded],
                    [scale * (item.high or 0.0) for item in bounded], color=color, linewidth=1.2)
    area.set_ylim(0, 105 if share else None)
    area.legend(loc="best")
    told = ", ".join(f"{_written(item, kind)} at {_epsilon(item):.3g}" for item in found.every(f"pgd_{kind}"))
    return Figure("adversarial", draw.png(canvas),
                  f"{'Accuracy' if share else 'Mean squared error'} under PGD by epsilon: {told}.",
                  f"How much every input value may be changed, {found.details['unit']}, against what is left. Bars are "
                  f"intervals over examples.")
