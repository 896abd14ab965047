"""What a run is made of, as objects: configuration stops here."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dlx.core.device import Device
from dlx.core.losses import Loss
from dlx.core.schedule import Schedule
from dlx.core.subject import Section
from dlx.core.types import Dataset, Metric, ModelPart, OptimizerPart, Preprocessing, Splitter, TaskSpec
from dlx.engine.classes import Classes
from dlx.engine.freeze import Freeze
from dlx.engine.param_groups import ParamGroups
from dlx.engine.source import InitFrom
from dlx.engine.train_rows import TrainRows


@dataclass(frozen=True)
class Settings:
    """The plain values of a run; see conf/train.yaml for each."""

    name: str
    seed: int
    init_seed: int
    order_seed: int
    epochs: int
    batch_size: int
    accumulation_steps: int
    selection: str
    level: float
    checkpoint_seconds: float


@dataclass(frozen=True)
class Parts:
    """The parts of a run, built but not yet fed with data.

    Args:
        preprocessing, metrics, regularizers: by name, in the order in which they apply.
        report: sections that measure something of the trained run, by name.
    """

    settings: Settings
    dataset: Dataset
    classes: Classes
    train_rows: TrainRows
    split: Splitter
    preprocessing: Mapping[str, Preprocessing]
    model: ModelPart
    init_from: InitFrom
    freeze: Freeze
    loss: Loss
    metrics: Mapping[str, Metric]
    optimizer: OptimizerPart
    param_groups: ParamGroups
    schedule: Schedule
    regularizers: Mapping[str, object]
    device: Device
    report: Mapping[str, Section]

    def given(self) -> TaskSpec | None:
        """Say what the data looks like before preprocessing; None where only reading tells.

        Raises:
            ConfigError: it lacks classes that are chosen.
        """
        spec = self.dataset.spec()
        return None if spec is None else self.classes.spec(spec)


def join(parts: Sequence[Any], device: torch.device, dtype: torch.dtype) -> Any:
    """Make one part of the same part of R members: numbers among its MEMBER_VALUES become tensors [R].

    Also where they are equal, so that a member computes the same with whomever it trains.
    """
    joined = copy.copy(parts[0])
    for name in getattr(joined, "MEMBER_VALUES", ()):
        values = [getattr(part, name) for part in parts]
        if all(isinstance(value, int | float) for value in values):
            setattr(joined, name, torch.tensor(values, dtype=dtype, device=device))
    return joined
