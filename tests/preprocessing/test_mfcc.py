"""Cepstral coefficients beside the cosine sum that defines them."""

import numpy as np
import pytest
from audio_clips import TARGETS, noise, spec
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import TaskSpec

CLIPS = noise(1600, 1600)


def applied(name, **changes):
    part = make("preprocessing", name, **changes)
    return part.apply(CLIPS, part.fit(CLIPS, TARGETS, spec()))


def test_mfcc_is_the_orthonormal_cosine_sum_over_the_mels_of_log_mel():
    mels = applied("log_mel", num_mels=30).astype(np.float64)[:, 0]
    found = applied("mfcc", num_mels=30, num_coefficients=13)
    assert (found.shape, found.dtype) == ((2, 1, 13, 21), np.float32)
    for number in range(13):
        wave = np.cos(np.pi * number * (2 * np.arange(30) + 1) / 60) * np.sqrt((1 if number == 0 else 2) / 30)
        np.testing.assert_allclose(found[:, 0, number], np.einsum("m,nmf->nf", wave, mels), atol=1e-3)


def test_mfcc_with_all_coefficients_keeps_the_energy_of_the_mels():
    mels, found = applied("log_mel"), applied("mfcc", num_coefficients=40)
    np.testing.assert_allclose(np.square(found).sum(axis=2), np.square(mels).sum(axis=2), rtol=1e-5)


def test_mfcc_says_its_shape_before_reading():
    part = make("preprocessing", "mfcc")
    assert part.spec_after(spec(8000, (8000,)), None) == TaskSpec(
        "classification", "image", (1, 20, 101), 2, ("no", "yes"))
    assert part.spec_after(spec(), None) is None


def test_mfcc_refuses_more_coefficients_than_mels_unequal_clips_and_other_layouts():
    with pytest.raises(ConfigError, match="num_coefficients must be at most num_mels, 12, got 13"):
        make("preprocessing", "mfcc", num_mels=12, num_coefficients=13).spec_after(spec(), None)
    with pytest.raises(ConfigError, match=r"8 to 9 samples; use preprocessing=\[trim_pad,mfcc\]"):
        make("preprocessing", "mfcc").fit(noise(8, 9), TARGETS, spec())
    with pytest.raises(ConfigError, match="preprocessing=mfcc is for audio, not for tables"):
        make("preprocessing", "mfcc").fit(np.zeros((2, 3)), TARGETS, TaskSpec("classification", "table", (3,), 2))
    with pytest.raises(ConfigError, match=r"preprocessing\.mfcc\.fmax must be at most half the sample rate, 4000"):
        make("preprocessing", "mfcc", fmax=4001.0).spec_after(spec(), None)
