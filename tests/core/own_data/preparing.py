"""A process that prepares a folder slowly, or is killed meanwhile.

Usage: preparing.py FOLDER SECONDS. Prints "started" when it has begun to make the copy, and what it has in the end.
"""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from dlx.core.own_data.array_file import ArrayFile
from dlx.core.own_data.prepared import Recipe, prepared


def recipe(seconds=0.0, made=lambda: None):
    """How the bytes of files become one array, with a wait between files."""

    def make(files, folder):
        made()
        with ArrayFile(folder / "values.npy", np.uint8) as file:
            for name in files[0].sizes:
                file.append(np.frombuffer(files[0].read(name), np.uint8))
                time.sleep(seconds)
        return {"count": len(files[0].sizes)}

    return Recipe("bytes", {"version": 1}, lambda listings: None, make)


def digest(values):
    """Return the SHA-256 of an array."""
    return hashlib.sha256(np.asarray(values).tobytes()).hexdigest()


if __name__ == "__main__":
    found = prepared([Path(sys.argv[1])], recipe(float(sys.argv[2]), lambda: print("started", flush=True)))
    print(digest(found.arrays["values"]), flush=True)
