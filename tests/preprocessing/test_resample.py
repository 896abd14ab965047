"""Resampling beside scipy's own and tones that stay what they are."""

import numpy as np
import pytest
from audio_clips import TARGETS, noise, spec, tone
from part_files import make
from scipy import signal

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec

RATES = [(8000, 16_000), (44_100, 16_000), (16_000, 8000), (8000, 11_025)]


def resampled(clips, old, new):
    part = make("preprocessing", "resample", rate=new)
    return part.apply(clips, part.fit(clips, TARGETS, spec(old)))


@pytest.mark.parametrize(("old", "new"), RATES)
def test_resample_is_scipys_polyphase_filter_of_each_clip(old, new):
    clips = noise(1000, 1, 7, 2345)
    common = np.gcd(old, new)
    for found, clip in zip(resampled(clips, old, new).items(), clips.items(), strict=True):
        expected = signal.resample_poly(clip.astype(np.float64), new // common, old // common)
        assert (found.dtype, len(found)) == (np.float32, -(-len(clip) * new // old))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), RATES)
def test_resample_keeps_a_tone_and_drops_what_the_new_rate_cannot_hold(old, new):
    kept = next(resampled(Ragged.of([tone(1000.0, rate=old)]), old, new).items())
    inside = slice(len(kept) // 10, -len(kept) // 10)
    np.testing.assert_allclose(kept[inside], tone(1000.0, rate=new)[: len(kept)][inside], atol=2e-3)
    if new < old:
        gone = next(resampled(Ragged.of([tone(0.6 * new, rate=old)]), old, new).items())
        assert np.abs(gone[inside]).max() < 5e-3


def test_resample_to_the_same_rate_changes_nothing():
    clips = noise(1000, 20)
    assert resampled(clips, 8000, 8000) is clips


def test_resample_of_an_empty_clip_is_empty():
    clips = Ragged.of([np.zeros(0, np.float32), tone(440)])
    assert resampled(clips, 8000, 16_000).lengths.tolist() == [0, 16_000]


def test_resample_says_the_new_rate_and_length():
    part = make("preprocessing", "resample", rate=11_025)
    assert part.spec_after(spec(), None) == spec(11_025)
    assert part.spec_after(spec(8000, (1001,)), None) == spec(11_025, (1380,))
    assert resampled(noise(1001), 8000, 11_025).lengths.tolist() == [1380]


def test_resample_refuses_new_audio_of_another_rate_than_train_and_other_layouts():
    part = make("preprocessing", "resample")
    statistics = part.fit(noise(10), TARGETS, spec(8000))
    with pytest.raises(ConfigError, match="fitted on audio of 8000 samples per second, and this audio has 44100"):
        part.spec_after(spec(44_100), statistics)
    with pytest.raises(ConfigError, match="preprocessing=resample is for audio, not for texts"):
        part.fit(Ragged.of_texts(["a"]), TARGETS, TaskSpec("classification", "text", (), 2))
