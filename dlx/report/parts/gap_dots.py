"""The gaps of every metric with their intervals, at the best checkpoint and beside it at the last."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from dlx.report import draw, words
from dlx.report.section import Figure
from dlx.report.summary import Measured, Summary

COLUMNS = 3
PANEL = (2.65, 1.0)
# In inches: left of the first panel, between panels, above and below each.
LEFT, BETWEEN, ABOVE, BELOW, LEGEND, RIGHT = 0.55, 0.3, 0.42, 0.5, 0.32, 0.2
MARKERS = {"best": "o", "last": "D"}
OFFSET = 0.16


def figures(summary: Summary, last: Summary | None) -> tuple[Figure, ...]:
    """Draw one panel per metric; nothing where no gap is known.

    Args:
        last: the numbers of the last checkpoint, where they are others.
    """
    names = [name for name in summary.names() if any(_known(summary, name))]
    if not names:
        return ()
    with draw.style():
        canvas = draw.figure(*_size(len(names)))
        for number, name in enumerate(names):
            _panel(_axes(canvas, number, len(names), name), name, summary, last)
        _legend(canvas, summary.level, last is not None)
        png = draw.png(canvas)
    beside = "" if last is None else " Discs are the best checkpoint, diamonds the last."
    return (Figure("gaps", png, _alt(names[0], summary, last),
                   f"Gaps, each metric on its own scale, val and test minus train_eval.{beside} Bars are intervals for "
                   f"this model on new examples; the line is 0, where the model does as well as on its training "
                   f"examples."),)


def _known(summary: Summary, name: str) -> list[Measured]:
    gaps = [summary.gap(name, split) for split in ("val", "test")]
    return [gap for gap in gaps if gap is not None and gap.value is not None]


def _size(count: int) -> tuple[float, float]:
    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    width = LEFT + columns * PANEL[0] + (columns - 1) * BETWEEN + RIGHT
    return max(width, 5.6), LEGEND + rows * (PANEL[1] + ABOVE + BELOW)


def _axes(canvas: Canvas, number: int, count: int, name: str) -> Axes:
    width, height = _size(count)
    row, column = divmod(number, COLUMNS)
    left, top = LEFT + column * (PANEL[0] + BETWEEN), LEGEND + row * (PANEL[1] + ABOVE + BELOW) + ABOVE
    box = (left, height - top - PANEL[1], width - left - PANEL[0], top)
    title = draw.plain(words.title(name), 22) + (", points" if words.is_share(name) else "")
    return draw.axes(canvas, box, title, "", "")


def _panel(area: Axes, name: str, summary: Summary, last: Summary | None) -> None:
    scale = 100.0 if words.is_share(name) else 1.0
    area.axvline(0, color=draw.GREY, linewidth=1.0)
    for checkpoint, shown in (("best", summary), ("last", last)):
        for gap in [] if shown is None else _known(shown, name):
            shift = 0.0 if last is None else OFFSET if checkpoint == "last" else -OFFSET
            place = (0 if gap.split == "val" else 1) + shift
            color = draw.COLORS[gap.split]
            if gap.low is not None and gap.high is not None:
                area.hlines(place, scale * gap.low, scale * gap.high, color=color, linewidth=2.0)
            assert gap.value is not None
            area.plot([scale * gap.value], [place], color=color, marker=MARKERS[checkpoint], markersize=6.0,
                      markerfacecolor=color if checkpoint == "best" else "white", markeredgewidth=1.6, linestyle="none",
                      zorder=3)
    area.set_yticks([0, 1], ["val", "test"])
    area.set_ylim(1.5, -0.5)
    area.grid(visible=False, axis="y")
    area.margins(x=0.08)
    area.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    area.xaxis.set_major_formatter(_plain_ticks)


def _plain_ticks(value: float, _: float) -> str:
    return f"{value:.6g}"


def _legend(canvas: Canvas, level: float, both: bool) -> None:
    width, height = canvas.get_size_inches()
    area = canvas.axes[0]
    shown = [("best", "best checkpoint"), ("last", "last checkpoint")] if both else [("best", "best checkpoint")]
    handles = [area.plot([], [], color=draw.INK, marker=MARKERS[name], markersize=6.0, linestyle="none",
                         markerfacecolor=draw.INK if name == "best" else "white", markeredgewidth=1.6, label=text)[0]
               for name, text in shown]
    handles += area.plot([], [], color=draw.INK, linewidth=2.0, label=f"{100 * level:g}% interval")
    canvas.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0, borderpad=0,
                  bbox_to_anchor=(LEFT / width, 1 - 0.1 / height))


def _alt(name: str, summary: Summary, last: Summary | None) -> str:
    told = [f"on {gap.split} {words.difference(name, gap.value, gap.low, gap.high)}" for gap in _known(summary, name)]
    text = f"Gap in {words.label(name)} at the best checkpoint: {', '.join(told)}"
    if last is not None:
        told = [f"on {gap.split} {words.difference(name, gap.value, gap.low, gap.high)}" for gap in _known(last, name)]
        text += f"; at the last: {', '.join(told)}"
    return f"{text}."
