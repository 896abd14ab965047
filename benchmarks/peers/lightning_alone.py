"""Starts Lightning as where it is installed alone; import this before lightning.

Lightning, through torchmetrics, imports torchvision and matplotlib where it finds them. This environment has both for
other rows, a Lightning user need have neither: their import would cost 0.2 s, and torchvision beside a CPU torch fails.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from lightning_utilities.core import imports

HIDDEN = ("torchvision", "matplotlib", "rich")


def version_of_visible(package: str) -> str:
    """Return the version of an installed package, and say of the hidden ones that they are absent."""
    if package in HIDDEN:
        raise PackageNotFoundError(package)
    return version(package)


imports._version = version_of_visible  # what Lightning and torchmetrics ask
sys.modules.update(dict.fromkeys(HIDDEN))  # None makes an import raise ModuleNotFoundError
