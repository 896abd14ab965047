"""The page of a learning-rate range test: the picture, the suggestions and how they were read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlx.core.lr_range import EXPLOSION, SMOOTHING, Curve
from dlx.report import draw
from dlx.report.section import Command, Document, Figure, Section, Table

RULES = {"steepest": "steepest fall of the smoothed loss", "below_minimum": "a tenth of the rate at its minimum"}
SHORT = {"steepest": ("steepest fall", draw.VERMILLION), "below_minimum": ("minimum / 10", draw.ORANGE)}
SIZE = (7.2, 3.8)
# Left, bottom, right, top.
BOX = (0.75, 0.55, 0.2, 0.7)


def compose(curve: Curve, facts: Mapping[str, Any]) -> Document:
    """Say what a range test found.

    Args:
        facts: the content of find_lr.json.
    """
    name, suggested = str(facts["config"]["name"]), facts["suggested"]
    verdict = ("The loss fell at no learning rate that was tried: there is nothing to suggest." if suggested is None
               else f"Begin with optimizer.lr={suggested:g}: {RULES['steepest']}.")
    with draw.style():
        figure = _figure(curve, facts)
    section = Section(
        key="range", title="Loss at each learning rate", sentences=(_story(curve, facts),),
        tables=() if suggested is None else (_table(facts),), figures=(figure,),
        commands=() if suggested is None else (Command(f"dlx train {facts['command']}",
                                                       "The same configuration at the suggested learning rate."),),
        notes=("Smith 2017, Cyclical learning rates for training neural networks, section 3.3. The smoothed loss is an "
               f"average over neighbouring steps, Gaussian in log10 lr with a standard deviation of {SMOOTHING:g}. The "
               f"test ends where it is {EXPLOSION:g} times its minimum and above its beginning, or not finite.",
               "Regularizers act as in training; the schedule and its warmup do not."),
        values={key: facts[key] for key in ("suggestions", "suggested", "configured_lr", "exploded")})
    return Document(f"Learning rates of {name}", verdict, "lr_range", (section,))


def _story(curve: Curve, facts: Mapping[str, Any]) -> str:
    last = curve.lrs[-1] if len(curve.lrs) else facts["start_lr"]
    end = ("the loss exploded there" if facts["exploded"]
           else "the loss did not explode: higher rates, end_lr, may do as well")
    return (f"{len(curve.lrs)} steps of training, the learning rate growing by the same factor at each, from "
            f"{facts['start_lr']:g} to {last:.3g}; {end}.")


def _table(facts: Mapping[str, Any]) -> Table:
    rows = [(RULES[rule], f"{value:.2g}") for rule, value in facts["suggestions"].items()]
    return Table("Suggestions", ("rule", "learning rate"), (*rows, ("configured", f"{facts['configured_lr']:g}")))


def _figure(curve: Curve, facts: Mapping[str, Any]) -> Figure:
    canvas = draw.figure(*SIZE)
    area = draw.axes(canvas, BOX, "Learning-rate range test", "learning rate, logarithmic", "loss of one batch")
    area.set_xscale("log")
    area.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    smooth = curve.smoothed()
    area.plot(curve.lrs, curve.losses, color=draw.GREY, linewidth=0.9, alpha=0.7, label="loss")
    area.plot(curve.lrs, smooth, color=draw.BLUE, label="smoothed")
    for rule, value in (facts["suggestions"] or {}).items():
        name, color = SHORT[rule]
        area.axvline(value, color=color, linestyle="--", linewidth=1.4, label=f"{name}: {value:.2g}")
    area.axvline(facts["configured_lr"], color=draw.INK, linestyle=":", linewidth=1.2,
                 label=f"configured: {facts['configured_lr']:g}")
    if len(curve.losses):
        # An exploding end would press the rest into a line.
        low, high = float(curve.losses.min()), float(np.quantile(curve.losses, 0.9))
        top = max(high, 1.3 * float(smooth[0]))
        area.set_ylim(low - 0.05 * (top - low), top + 0.1 * (top - low))
    width, height = canvas.get_size_inches()
    canvas.legend(loc="upper left", ncols=5, borderaxespad=0, borderpad=0, columnspacing=1.2, handlelength=1.6,
                  bbox_to_anchor=(0.1 / width, 1 - 0.12 / height))
    return Figure("learning_rates", draw.png(canvas), _alt(curve, facts), "Each point is the loss of one batch before "
                  "the update at that rate. The vertical axis leaves out where the loss explodes.")


def _alt(curve: Curve, facts: Mapping[str, Any]) -> str:
    if not len(curve.lrs):
        return "No loss was finite."
    smooth = curve.smoothed()
    lowest = int(smooth.argmin())
    return (f"The smoothed loss goes from {smooth[0]:.3g} to its minimum {smooth[lowest]:.3g} at a learning rate of "
            f"{curve.lrs[lowest]:.2g}, and to {smooth[-1]:.3g} at {curve.lrs[-1]:.2g}.")
