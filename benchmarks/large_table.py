"""A csv file of 1 million rows × 30 columns: numbers with all their digits, and a target of two classes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

NUM_INPUTS, NUM_DISTINCT, TIMES = 29, 50_000, 20
PATH = Path("table.csv")  # in the folder of the benchmark: its sides share it


def table() -> Path:
    """Return the file's path; the first side that asks writes it, the same rows again and again, which is quicker."""
    if not PATH.exists():
        draw = np.random.default_rng(0)
        frame = pd.DataFrame(draw.normal(size=(NUM_DISTINCT, NUM_INPUTS)), columns=[f"x{n}" for n in range(NUM_INPUTS)])
        frame["y"] = (frame["x0"] + draw.normal(size=NUM_DISTINCT) > 0).astype(int)
        header, _, rows = frame.to_csv(index=False, lineterminator="\n").partition("\n")
        unfinished = PATH.with_suffix(".unfinished")
        with open(unfinished, "w") as file:
            file.write(header + "\n")
            for _ in range(TIMES):
                file.write(rows)
        os.replace(unfinished, PATH)
    return PATH
