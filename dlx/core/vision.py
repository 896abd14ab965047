"""The only importer of torchvision.

A CPU-only torch beside torchvision's CUDA build cannot load torchvision's compiled operators, and importing torchvision
then fails because their schemas are missing. Declaring the two it registers kernels for is enough for transforms, data
sets and models.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# The declarations last as long as the library object.
_libraries: list[Any] = []


def torchvision() -> ModuleType:
    """Import torchvision, declaring the operators that its compiled part would have declared."""
    import importlib

    import torch

    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    _libraries.append(library)
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return importlib.import_module("torchvision")
