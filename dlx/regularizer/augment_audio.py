"""Augmentation of spectrograms under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative, Rate
from dlx.core.types import Batch, Layout

if TYPE_CHECKING:
    import torch

# Masks over each axis.
NUM_MASKS = 2


class AugmentAudio:
    """Shifts training spectrograms in time, masks times and frequencies, and adds noise, for each by draws of its own.

    Source: Park et al., SpecAugment, 2019, with two masks over each axis. What is masked, or nothing moves to, is 0,
    the mean of standardized spectrograms.

    Args:
        shift: the greatest shift either way, as a share of all frames, in [0, 1).
        time_mask: the longest mask over time, as a share of all frames, in [0, 1).
        frequency_mask: the longest mask over frequencies, as a share of them, in [0, 1).
        noise: standard deviation of Gaussian noise, as the model sees it, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("shift", "time_mask", "frequency_mask", "noise")
    layouts: ClassVar[tuple[Layout, ...]] = ("image",)

    def __init__(self, shift: Rate, time_mask: Rate, frequency_mask: Rate, noise: NonNegative) -> None:
        self.shift = shift
        self.time_mask = time_mask
        self.frequency_mask = frequency_mask
        self.noise = noise

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch with its spectrograms changed. Raises ConfigError where inputs are no images."""
        from dlx.core.augment import audio, noise
        from dlx.core.augment.images import images_of, key_and_ids
        from dlx.core.random import key

        inputs = images_of(batch, "augment_audio")
        own, ids = key_and_ids(batch, generator)
        num_rows, num_frames = inputs.shape[2:]
        inputs = audio.shift(inputs, audio.draw_shift(key(own, "shift"), ids, round(self.shift * num_frames)), 0.0)
        spans = audio.draw_spans(key(own, "time"), ids, num_frames, NUM_MASKS, round(self.time_mask * num_frames))
        inputs = audio.mask(inputs, spans, "time", 0.0)
        spans = audio.draw_spans(key(own, "frequency"), ids, num_rows, NUM_MASKS, round(self.frequency_mask * num_rows))
        inputs = audio.mask(inputs, spans, "frequency", 0.0)
        drawn = noise.draw_noise(key(own, "noise"), ids, inputs.shape[1:])
        return batch._replace(inputs=noise.add_noise(inputs, drawn, self.noise))
