"""Where and with what a run was made: for people; nothing here is ever read back."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dlx

PACKAGES = ("torch", "numpy", "scikit-learn", "hydra-core", "omegaconf", "safetensors")


def provenance(**facts: Any) -> dict[str, Any]:
    """Describe versions, code, machine and command line; facts are added, e.g. device and threads."""
    return {
        "dlx": dlx.__version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git": git_state(Path.cwd()),
        **facts,
    }


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the versions of the packages that results may depend on."""
    return {name: version(name) for name in PACKAGES}


@functools.cache
def git_state(folder: Path) -> dict[str, str] | None:
    """Return the commit of the user's repository and a hash of what differs from it; None outside of one.

    Asked once for the runs of a command: they share the code that was imported, and git takes milliseconds.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    difference = _git(folder, "diff", "HEAD") or ""
    state = {"commit": commit.strip()}
    if difference:
        state["difference_sha256"] = hashlib.sha256(difference.encode()).hexdigest()
    return state


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode(errors="replace") if result.returncode == 0 else None
