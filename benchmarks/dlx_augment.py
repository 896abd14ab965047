"""The input path of MNIST with a random crop and rotation: batches gathered from memory and augmented whole."""

from __future__ import annotations

from time import perf_counter

from dlx_side import MNIST, begin

from dlx.core.augment.geometry import Interpolation, crop, draw_crop, draw_rotation, rotate
from dlx.core.random import key
from dlx.engine.fit import batches

PADDING, DEGREES = 4, 15.0


def sample_seconds(num_epochs: int, interpolation: Interpolation) -> list[float]:
    """Return the seconds of an example in each epoch of 50,000 rows, in batches of 64."""
    state = begin(MNIST, num_epochs)
    feed = state.group.feeds["train"]
    seconds = []
    for epoch in range(num_epochs):
        start_time = perf_counter()
        crop_key, turn_key = key(0, "crop", epoch), key(0, "rotation", epoch)
        for batch in batches(feed, state.bounds, [0], epoch, 0):
            cropped = crop(batch.inputs, draw_crop(crop_key, batch.ids, PADDING), PADDING, 0.0)
            rotate(cropped, draw_rotation(turn_key, batch.ids, DEGREES), interpolation, 0.0)
        seconds.append((perf_counter() - start_time) / feed.ids.numel())
    return seconds
