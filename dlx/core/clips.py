"""What preprocessing of audio asks of its inputs. N clips, T samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.features import require_layout
from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec


def check_audio(name: str, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None = None) -> None:
    """Raise ConfigError where inputs are no audio, or not of the sample rate of the train clips.

    Args:
        name: of the preprocessing.
        spec: of what comes in.
        statistics: of train, with its sample_rate.
    """
    require_layout(name, spec, "audio")
    trained = spec.sample_rate if statistics is None else int(statistics["sample_rate"][0])
    if spec.sample_rate != trained:
        raise ConfigError(f"preprocessing={name} was fitted on audio of {trained} samples per second, and this audio "
                          f"has {spec.sample_rate}; convert its files to {trained}")


def num_samples(name: str, inputs: Ragged) -> int:
    """Return T of clips that are all of one length. Raises ConfigError where they are not."""
    least, most = int(inputs.lengths.min()), int(inputs.lengths.max())
    if least != most:
        raise ConfigError(f"preprocessing={name} needs clips of one length, and these have {least} to {most} samples; "
                          f"use preprocessing=[trim_pad,{name}]")
    return least


def stacked(name: str, inputs: Ragged, trained: int) -> np.ndarray:
    """Return clips [N, T] of the length of the train clips. Raises ConfigError where they have another."""
    lengths = inputs.lengths
    other = lengths[lengths != trained]
    if other.size:
        raise ConfigError(f"preprocessing={name} needs clips of {trained} samples, as those of train are, and one has "
                          f"{other[0]}; use preprocessing=[trim_pad,{name}]")
    return inputs.values[inputs.offsets[0] : inputs.offsets[-1]].reshape(len(inputs), trained)


def rate_of(spec: TaskSpec) -> dict[str, np.ndarray]:
    """Return the statistic that `check_audio` reads."""
    return {"sample_rate": np.array([spec.sample_rate], np.int64)}
