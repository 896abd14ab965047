"""Log-mel spectrograms beside a Fourier sum written out, scipy's stft, and tones whose place is known."""

import numpy as np
import pytest
from audio_clips import TARGETS, noise, spec, tone
from part_files import make
from scipy import signal

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.spectrogram import mel_edges, mel_filters
from dlx.core.types import TaskSpec


def spectrograms(clips, rate=8000, **changes):
    part = make("preprocessing", "log_mel", **changes)
    return part.apply(clips, part.fit(clips, TARGETS, spec(rate)))


def written_out(clip, rate, window, hop, size, num_mels, power, floor, fmin, fmax, scale):
    """The definition: sums over samples and frequencies, frame by frame."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    place = np.arange(size)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(size // 2 + 1), place) / size)
    weights = mel_filters(np.arange(size // 2 + 1) * rate / size, mel_edges(num_mels, fmin, fmax, scale), scale)
    columns = []
    for frame in range(1 + len(clip) // hop):
        segment = np.zeros(size)
        for index in range(window):
            sample = frame * hop - size // 2 + (size - window) // 2 + index
            if 0 <= sample < len(clip):
                segment[(size - window) // 2 + index] = clip[sample] * hann[index]
        mels = weights @ np.abs(waves @ segment) ** power
        columns.append(20 / power * np.log10(np.maximum(mels, floor)))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("scale", "power", "floor", "fmin", "fmax"), [
    ("slaney", 2, 1e-10, 0.0, 4000.0), ("htk", 2, 1e-10, 20.0, 3800.0), ("htk", 1, 1e-3, 0.0, 4000.0)])
def test_log_mel_is_the_sum_that_defines_it(scale, power, floor, fmin, fmax):
    clips = noise(1000, 1000)
    found = spectrograms(clips, num_mels=24, mel_scale=scale, power=power, floor=floor, fmin=fmin, fmax=fmax)
    assert found.shape == (2, 1, 24, 1 + 1000 // 80)
    assert found.dtype == np.float32
    for image, clip in zip(found, clips.items(), strict=True):
        expected = written_out(clip, 8000, 200, 80, 256, 24, power, floor, fmin, fmax, scale)
        np.testing.assert_allclose(image[0], expected, rtol=0, atol=1e-4)


def test_log_mel_is_made_of_scipys_stft():
    clips = noise(16_000)
    window = np.pad(signal.get_window("hann", 400), 56)
    spectra = signal.stft(next(clips.items()).astype(np.float64), window=window, nperseg=512, noverlap=512 - 160,
                          boundary="zeros", padded=False)[2] * window.sum()
    weights = mel_filters(np.fft.rfftfreq(512, 1 / 16_000), mel_edges(40, 0.0, 8000.0, "slaney"), "slaney")
    expected = 10 * np.log10(np.maximum(weights @ np.abs(spectra) ** 2, 1e-10))
    np.testing.assert_allclose(spectrograms(clips, 16_000, floor=1e-10)[0, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize("hertz", [150.0, 440.0, 1000.0, 2500.0, 3700.0])
def test_log_mel_of_a_tone_is_loudest_in_the_mel_around_it(hertz, scale):
    found = spectrograms(Ragged.of([tone(hertz)]), mel_scale=scale)[0, 0, :, 5:-5]
    edges = mel_edges(40, 0.0, 4000.0, scale)
    loudest = found.argmax(axis=0)
    assert (edges[loudest] < hertz).all()
    assert (hertz < edges[loudest + 2]).all()
    assert abs(loudest[0] + 1 - np.abs(edges - hertz).argmin()) <= 1


def test_log_mel_rises_by_six_decibels_where_the_amplitude_doubles():
    for power in (1, 2):
        quiet, loud = (spectrograms(Ragged.of([tone(440, amplitude=height)]), power=power, floor=1e-30)
                       for height in (0.25, 0.5))
        np.testing.assert_allclose(loud - quiet, 20 * np.log10(2), atol=1e-3)


@pytest.mark.parametrize(("power", "floor", "decibels"), [(2, 1e-10, -100.0), (1, 1e-4, -80.0)])
def test_log_mel_of_silence_is_the_floor(power, floor, decibels):
    found = spectrograms(Ragged.of([np.zeros(800, np.float32)]), power=power, floor=floor)
    np.testing.assert_allclose(found, decibels, rtol=1e-6)


def test_log_mel_shows_when_a_click_was():
    clip = np.zeros(8000, np.float32)
    clip[4000] = 1.0
    found = spectrograms(Ragged.of([clip]))[0, 0]
    assert found[20].argmax() == 4000 // 80
    assert set(np.flatnonzero(found[20] > -60)) <= set(range(49, 52))


def test_log_mel_of_a_clip_does_not_depend_on_the_others():
    clips = noise(*[2000] * 9)
    together = spectrograms(clips)
    for index in range(9):
        alone = spectrograms(clips[np.array([index])])
        assert alone.tobytes() == together[index : index + 1].tobytes()


def test_log_mel_says_its_shape_before_reading_where_the_length_is_known():
    part = make("preprocessing", "log_mel")
    expected = TaskSpec("classification", "image", (1, 40, 101), 2, ("no", "yes"))
    assert part.spec_after(spec(8000, (8000,)), None) == expected
    assert part.spec_after(spec(), None) is None
    assert part.spec_after(spec(), part.fit(noise(8000), TARGETS, spec())) == expected


def refusal(clips=None, given=None, **changes):
    part = make("preprocessing", "log_mel", **changes)
    with pytest.raises(ConfigError) as error:
        part.fit(clips, TARGETS, given) if clips is not None else part.spec_after(given or spec(), None)
    return str(error.value)


def test_log_mel_of_clips_of_unequal_length_says_what_to_do():
    assert refusal(noise(800, 2400, 900), spec()) == (
        "preprocessing=log_mel needs clips of one length, and these have 800 to 2400 samples; use "
        "preprocessing=[trim_pad,log_mel]")


def test_log_mel_of_new_clips_of_another_length_or_rate_is_refused():
    part = make("preprocessing", "log_mel")
    statistics = part.fit(noise(800, 800), TARGETS, spec())
    with pytest.raises(ConfigError, match="needs clips of 800 samples, as those of train are, and one has 900; use"):
        part.apply(noise(800, 900), statistics)
    with pytest.raises(ConfigError, match="fitted on audio of 8000 samples per second, and this audio has 16000"):
        part.spec_after(spec(16_000), statistics)


def test_log_mel_refuses_settings_that_do_not_suit_the_rate():
    assert refusal(fmax=5000.0) == "preprocessing.log_mel.fmax must be at most half the sample rate, 4000, got 5000"
    assert refusal(fmin=4000.0) == "preprocessing.log_mel.fmin must be less than fmax, 4000, got 4000"
    assert refusal(hop_seconds=1e-5) == (
        "preprocessing.log_mel.hop_seconds must be at least 0.000125 at 8000 samples per second, got 1e-05")
    assert refusal(window_seconds=1e-4).startswith("preprocessing.log_mel.window_seconds must be at least 0.00025 at ")
    assert refusal(given=TaskSpec("classification", "image", (1, 8, 8), 2)) == (
        "preprocessing=log_mel is for audio, not for images: leave it out, or put it before the preprocessing "
        "that makes images")


def test_log_mel_names_the_most_mels_that_have_a_frequency_each():
    message = refusal(num_mels=200)
    most = int(message.split("at most ")[1].split()[0])
    assert 40 < most < 200
    assert make("preprocessing", "log_mel", num_mels=most).spec_after(spec(8000, (800,)), None) is not None
    assert f"at most {most} at 8000" in refusal(num_mels=most + 1)
