"""Axes that the tests of searches share."""

from __future__ import annotations

from dlx.core.search import Axis, Trial

LR = Axis("optimizer.lr", "optimizer.lr=tag(log,interval(1e-4,1))", low=1e-4, high=1.0, log=True)
RATE = Axis("model.dropout_rate", "model.dropout_rate=interval(0,0.5)", low=0.0, high=0.5)
WIDTH = Axis("model.width", "model.width=int(interval(4,64))", low=4, high=64)
DEPTH = Axis("model.depth", "model.depth=tag(log,int(interval(1,100)))", low=1, high=100, log=True)
STEPS = Axis("batch_size", "batch_size=range(16,129,16)", tuple(range(16, 129, 16)),
             tuple(map(str, range(16, 129, 16))), ordered=True)
MODEL = Axis("model", "model=mlp,linear", ("mlp", "linear"), ("mlp", "linear"))
LISTS = Axis("regularizer", "regularizer=[],[dropout],[l2,dropout]", ([], ["dropout"], ["l2", "dropout"]),
             ("[]", "[dropout]", "[l2,dropout]"))
AXES = (LR, RATE, WIDTH, DEPTH, STEPS, MODEL, LISTS)


def bowl(position) -> float:
    """A value that is least at lr = 0.01, whatever the rest."""
    import math

    return (math.log10(position[0]) + 2) ** 2


def told(search, axes, count: int, value=bowl, directions=("minimize",)) -> list[Trial]:
    """Run a search for some batches, each trial worth `value` of its position; None is a failure."""
    trials: list[Trial] = []
    for batch in range(count):
        for position in search.ask(axes, trials_before(trials, batch), directions):
            own = value(position)
            trials.append(Trial(position, batch, None if own is None else own if isinstance(own, tuple) else (own,)))
    return trials


def trials_before(trials, batch):
    """The trials of earlier batches."""
    return [trial for trial in trials if trial.batch < batch]
