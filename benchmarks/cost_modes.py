"""What each mode of computing costs beside the plain run.

Usage: python benchmarks/cost_modes.py [EPOCHS]. Prints a Markdown table for docs/cost_modes.md. Runs train side by side
in one process, an epoch of each in turn, so that a busy moment of the machine meets all of them.
"""

from __future__ import annotations

import functools
import json
import sys
from statistics import median
from time import perf_counter

from dlx_side import NoWitness, begin
from machine import description
from timing import alternate, ratio

from dlx.engine.fit import Fit, measure_epoch, train_epoch

COMMON = ("dataset=mnist", "dataset.train_fraction=0.02", "split.val_fraction=0.02", "batch_size=128",
          "metric=[accuracy]", "device=cpu", "device.threads=1")
MODELS = {
    "cnn, width 32": ("model=cnn", "model.width=32"),
    "resnet-8, width 16": ("model=resnet", "model.depth=1", "model.width=16"),
    "mlp, 2 × 1024": ("model=mlp", "model.width=1024", "model.depth=2"),
}
PLAIN = "plain"
MODES = {
    PLAIN: (),
    "bfloat16": ("device.precision=bfloat16",),
    "channels_last": ("device.channels_last=true",),
    "bfloat16 and channels_last": ("device.precision=bfloat16", "device.channels_last=true"),
    "compile": ("device.compile=true",),
    "accumulation_steps=4": ("accumulation_steps=4",),
}
HEADER = ["| model | mode | seconds of an epoch | times plain | val loss | val accuracy |", "|---|---|---|---|---|---|"]


def epoch_seconds(state: Fit) -> float:
    """Train an epoch, then measure it; return the seconds of the first."""
    start_time = perf_counter()
    train_epoch(state, NoWitness())
    seconds = perf_counter() - start_time
    (row,) = measure_epoch(state)
    if isinstance(row, Exception):
        raise row
    return seconds


def rows(name: str, num_epochs: int) -> list[str]:
    """Measure every mode of a model, and lay out a row for each."""
    modes = {mode: own for mode, own in MODES.items() if "mlp" not in name or "channels_last" not in mode}
    states = {mode: begin((*COMMON, *MODELS[name], *own), num_epochs + 1) for mode, own in modes.items()}
    for state in states.values():
        # The first epoch of a compiled model compiles it.
        epoch_seconds(state)
    seconds = alternate({mode: functools.partial(epoch_seconds, state) for mode, state in states.items()}, num_epochs)
    lines = []
    for mode, state in states.items():
        times, last = ratio(seconds[mode], seconds[PLAIN]), state.group.members[0].progress.rows[-1]
        lines.append(f"| {name} | {mode} | {median(seconds[mode]):.2f} | {times.median:.2f} [{times.low:.2f}, "
                     f"{times.high:.2f}] | {last['val_loss']:.4f} | {last['val_accuracy']:.4f} |")
    return lines


if __name__ == "__main__":
    print(json.dumps(description()), *HEADER, sep="\n")
    for model in MODELS:
        print(*rows(model, int(sys.argv[1]) if len(sys.argv) > 1 else 9), sep="\n", flush=True)
