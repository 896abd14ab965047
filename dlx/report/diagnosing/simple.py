"""A rule about models that a simple one beats."""

from __future__ import annotations

from dlx.report import words
from dlx.report.diagnosing import advice
from dlx.report.diagnosing.finding import Case, Finding

# The simplest first: what it cannot beat is the strongest sign.
SIMPLEST = ("majority", "linear", "nearest")


def below_baseline(case: Case) -> Finding | None:
    """A simple answer does better on val, on the same rows and by more than chance."""
    beaten = {item.name: item for item in case.against if item.better == "baseline"}
    item = next((beaten[name] for name in SIMPLEST if name in beaten), None)
    if item is None:
        return None
    title = item.title.partition(":")[0]
    reason = (f"On val, {words.label(item.measure)} is {words.distance(item.measure, item.difference)} that of "
              f"{title}; the {100 * item.level:g}% interval of the paired difference excludes 0 (n = {item.n:,}).")
    commands = advice.some(
        advice.choose(case, "model", "linear", "A linear model in the same loop shows whether the loop or the model is "
                      "to blame.") if item.name == "linear" else None,
        advice.scale_count(case, "epochs", 3, "Three times the epochs, in case it is not trained yet."),
    )
    return Finding("below_baseline", "A simple answer does better",
                   f"{title[0].upper()}{title[1:]} beats this model on val: settings or training are at fault before "
                   f"the data is.", (reason,), commands)
