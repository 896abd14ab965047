"""A saved model, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from torch import nn

from dlx.core.device import Device, Placement
from dlx.core.types import TaskSpec
from dlx.engine import build
from dlx.engine.parts import Parts
from dlx.engine.state import check_shapes, restore_model, section
from dlx.record.checkpoint import Checkpoint


class SavedModel(NamedTuple):
    """A checkpoint, and the parts built from the configuration that it holds."""

    parts: Parts
    checkpoint: Checkpoint

    def on(self, device: Mapping[str, Any]) -> SavedModel:
        """Return the same on another device; device: arguments of `Device`. Precision stays that of the run."""
        there = Device(**{**device, "precision": self.parts.device.precision})
        return self._replace(parts=replace(self.parts, device=there))

    def placed(self, spec: TaskSpec) -> tuple[nn.Module, Placement]:
        """Return the model with its saved weights, where it will compute.

        Args:
            spec: of the data as the model sees it.

        Raises:
            ArtefactError: the weights do not fit the configuration.
        """
        check_shapes(build.meta_model(self.parts, spec), section(self.checkpoint, "model"))
        model, placement = build.place_model(self.parts, spec)
        restore_model(model, self.checkpoint)
        return model, placement
