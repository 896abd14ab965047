"""The large table read by pandas, and nothing else."""

from __future__ import annotations

from time import perf_counter

import pandas as pd
from large_table import table

pd.set_option("mode.max_threads", 1)


def read_seconds() -> list[float]:
    """Return the seconds of reading."""
    path = table()
    start = perf_counter()
    frame = pd.read_csv(path)
    seconds = perf_counter() - start
    print(f"{len(frame):,} rows")
    return [seconds]
