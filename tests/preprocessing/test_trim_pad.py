"""Trimming beside a loop over frames, padding and cutting beside numpy."""

import numpy as np
import pytest
from audio_clips import TARGETS, noise, spec, tone
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import TaskSpec
from dlx.preprocessing.trim_pad import trimmed

SILENCE = np.zeros(1600, np.float32)


def applied(clips, rate=8000, **changes):
    part = make("preprocessing", "trim_pad", **changes)
    return part.apply(clips, part.fit(clips, TARGETS, spec(rate)))


def frame_by_frame(clip, rate, threshold_db):
    """librosa's rule for its `effects.trim`, a frame at a time."""
    half, hop = round(0.025 * rate) // 2, round(0.01 * rate)
    padded = np.concatenate([np.zeros(half), clip.astype(np.float64), np.zeros(half)])
    loudness = [20 * np.log10(max(1e-5, np.sqrt(np.mean(padded[start : start + 2 * half] ** 2))))
                for start in range(0, len(clip) + 1, hop)]
    loud = [frame for frame, own in enumerate(loudness) if own - max(loudness) > -threshold_db]
    return clip[loud[0] * hop : min(len(clip), (loud[-1] + 1) * hop)]


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050])
@pytest.mark.parametrize("threshold_db", [10.0, 40.0, 60.0])
def test_trim_follows_the_rule_frame_by_frame(rate, threshold_db):
    draw = np.random.default_rng(0)
    for length in (1, 50, 777, 8000, 9001):
        fading = draw.normal(0, 1, length) * np.exp(-np.linspace(-9, 9, length) ** 2 / 4)
        clip = fading.astype(np.float32)
        np.testing.assert_array_equal(trimmed(clip, rate, threshold_db), frame_by_frame(clip, rate, threshold_db))


def test_trim_finds_a_tone_between_silences_and_keeps_silence_inside():
    sound = np.concatenate([tone(440, 0.1), SILENCE, tone(440, 0.1)])
    found = trimmed(np.concatenate([SILENCE, sound, SILENCE]), 8000, 30.0)
    assert 0 <= len(found) - len(sound) <= 4 * 80
    assert np.abs(found).sum() == pytest.approx(np.abs(sound).sum(), rel=1e-6)


def test_trim_pad_leaves_clips_without_sound_and_empty_ones_as_zeros():
    found = applied(Ragged.of([SILENCE, np.zeros(0, np.float32)]), seconds=0.3)
    assert found.lengths.tolist() == [2400, 2400]
    assert not found.values.any()


def test_trim_pad_without_threshold_fills_with_zeros_or_cuts_at_the_end():
    clips = noise(500, 800, 2000)
    found = applied(clips, seconds=0.1, threshold_db=None)
    assert found.values.dtype == np.float32
    for own, clip in zip(found.items(), clips.items(), strict=True):
        np.testing.assert_array_equal(own, np.pad(clip, (0, max(0, 800 - len(clip))))[:800])


def test_trim_pad_starts_each_clip_with_its_sound():
    late = np.concatenate([SILENCE, tone(440, 0.2)])
    found = next(applied(Ragged.of([late]), seconds=0.5, threshold_db=30.0).items())
    assert len(found) == 4000
    assert np.abs(found[:240]).max() > 0.4


def test_trim_pad_says_the_length_before_reading():
    part = make("preprocessing", "trim_pad", seconds=0.5)
    assert part.spec_after(spec(), None) == spec(8000, (4000,))
    assert part.spec_after(spec(22_050), None) == spec(22_050, (11_025,))


def test_trim_pad_refuses_new_audio_of_another_rate_too_few_seconds_and_other_layouts():
    part = make("preprocessing", "trim_pad")
    with pytest.raises(ConfigError, match="fitted on audio of 8000 samples per second, and this audio has 16000"):
        part.spec_after(spec(16_000), part.fit(noise(10), TARGETS, spec()))
    with pytest.raises(ConfigError, match=r"seconds must be at least 0\.000125 at 8000 samples per second, got 1e-05"):
        make("preprocessing", "trim_pad", seconds=1e-5).spec_after(spec(), None)
    with pytest.raises(ConfigError, match="preprocessing=trim_pad is for audio, not for images"):
        part.spec_after(TaskSpec("classification", "image", (1, 40, 101), 2), None)
