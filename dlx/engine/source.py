"""The weights that a new model takes from a saved run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.head import head_tensors
from dlx.core.types import TaskSpec
from dlx.engine.pipeline import Statistics
from dlx.engine.state import Weights, restore_statistics, section
from dlx.record import checkpoint as files
from dlx.record.store import checkpoint_path
from dlx.record.weights import is_of_others, load_weights

# Names of parameters that an error lists.
LISTED = 8
# Batches that a normalization has seen; weights of other programs may lack it, and it changes nothing.
COUNT = "num_batches_tracked"


class InitFrom:
    """Where a model's weights come from, if not from draws.

    Args:
        init_from: a run folder, whose best checkpoint it is, a checkpoint file, or a file of weights alone, .pth, .pt
            or .safetensors, beside which the head is drawn anew; null draws all weights. Paths are relative to the
            current folder. Preprocessing is fitted on the new train rows all the same.
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("init_from",)

    def __init__(self, init_from: str | None) -> None:
        self.path = None if init_from is None else Path(init_from)

    def read(self) -> Source | None:
        """Read the checkpoint; None where there is none to read.

        Raises:
            ArtefactError: it is missing, damaged, or none.
        """
        if self.path is None:
            return None
        if is_of_others(self.path):
            weights, digest = load_weights(self.path)
            return Source(self.path, digest, weights, (None, []), {})
        path = checkpoint_path(self.path, "best")
        saved = files.load(path)
        weights = section(saved, "model")
        if not weights:
            raise ArtefactError(f"{path} refused: it holds no weights of a model")
        return Source(path, str(saved.state["sha256"]), weights, _task_of(saved.state), restore_statistics(saved))


@dataclass
class Source:
    """Saved weights.

    Args:
        path, sha256: of the checkpoint.
        weights: parameters and buffers by name.
        task: kind and class names of what they were trained on.
        statistics: of the preprocessing that they were trained behind.
        drawn: names of what the last model that took the weights has of its own.
    """

    path: Path
    sha256: str
    weights: Weights
    task: tuple[object, list[object]]
    statistics: Statistics
    drawn: list[str] = field(default_factory=list)

    def has_names_of(self, model: nn.Module) -> bool:
        """Say whether a model has just these parameters and buffers, of whatever shapes."""
        own, held = ({name for name in weights if not name.endswith(COUNT)}
                     for weights in (model.state_dict(), self.weights))
        return own == held

    def give(self, model: nn.Module, spec: TaskSpec) -> None:
        """Load the weights, in float32, into a new model; where the answers are others its head keeps those drawn.

        Args:
            spec: of what the model is asked. Answers are others where kind, number or names of classes are.

        Raises:
            ConfigError: anything but the head differs in name or shape.
        """
        own, head = model.state_dict(), head_tensors(model)
        shapes, found = ({name: tuple(tensor.shape) for name, tensor in weights.items()}
                         for weights in (own, self.weights))
        unlike = [name for name in [*shapes, *sorted(found.keys() - shapes)] if shapes.get(name) != found.get(name)
                  and (name in found or not name.endswith(COUNT))]
        wrong = [name for name in unlike if name not in head]
        if wrong:
            listed = "; ".join(f"{name} {_shown(found.get(name))} there, {_shown(shapes.get(name))} here"
                               for name in wrong[:LISTED])
            raise ConfigError(f"model.init_from={self.path}: weights other than the head's do not fit the model: "
                              f"{listed}{' …' if len(wrong) > LISTED else ''} ({len(wrong)} in all); choose the same "
                              f"model and preprocessing as the run had")
        is_new = unlike or self.task != (spec.kind, list(spec.class_names))
        self.drawn = [name for name in own if is_new and name in head]
        for name, tensor in own.items():
            if name in self.weights and name not in self.drawn and not tensor.is_meta:
                tensor.copy_(self.weights[name])

    def check_tokens(self, spec: TaskSpec, statistics: Statistics) -> None:
        """Raise ConfigError where tokens of the same number stand for something else than those of the source."""
        if spec.layout == "tokens" and _bytes(statistics) != _bytes(self.statistics):
            raise ConfigError(f"model.init_from={self.path}: tokens there stand for something else, because the "
                              f"vocabulary is made of the train rows; embeddings of one are of no use to the other")

    def facts(self) -> dict[str, Any]:
        """Say where weights come from, for people."""
        return {"init_from": str(self.path), "sha256": self.sha256, "drawn_anew": self.drawn}


def _task_of(state: Mapping[str, Any]) -> tuple[object, list[object]]:
    given = state.get("given")
    names = given.get("class_names") if isinstance(given, dict) else None
    return (given.get("kind") if isinstance(given, dict) else None), names if isinstance(names, list) else []


def _shown(shape: tuple[int, ...] | None) -> str:
    return "is absent" if shape is None else str(list(shape))


def _bytes(statistics: Statistics) -> dict[str, dict[str, bytes]]:
    return {part: {name: value.tobytes() for name, value in values.items()}
            for part, values in statistics.items() if values}
