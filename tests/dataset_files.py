"""Files for datasets that are the user's own: what each option of conf/dataset needs to be loaded in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

# By option: makes files in a folder and returns the overrides that point there. The data can be learnt: a few epochs
# of training lower the loss.
FILES: dict[str, Callable[[Path], list[str]]] = {}
