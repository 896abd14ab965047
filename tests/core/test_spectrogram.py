"""The mel scale beside its formulas and the numbers that librosa publishes."""

import numpy as np
import pytest

from dlx.core.spectrogram import mel_edges, mel_filters, to_hertz, to_mel

# librosa.mel_frequencies(n_mels=40), from its documentation.
PUBLISHED = [
    0.0, 85.317, 170.635, 255.952, 341.269, 426.586, 511.904, 597.221, 682.538, 767.855, 853.173, 938.49, 1024.856,
    1119.114, 1222.042, 1334.436, 1457.167, 1591.187, 1737.532, 1897.337, 2071.84, 2262.393, 2470.47, 2697.686,
    2945.799, 3216.731, 3512.582, 3835.643, 4188.417, 4573.636, 4994.285, 5453.621, 5955.205, 6502.92, 7101.009,
    7754.107, 8467.272, 9246.028, 10096.408, 11025.0]
# The first rows of librosa.filters.mel(sr=22050, n_fft=2048), as a port of it publishes them.
PUBLISHED_FILTERS = [
    [0, 0.016182853208219942, 0.032365706416439884, 0.028990088037379964, 0.012807234829160026, 0],
    [0, 0, 0, 0.009779235793639925, 0.025962089001859864, 0.035393705451959974, 0.01921085224374004,
     0.003027999035520103, 0]]


def test_mel_edges_are_those_that_librosa_publishes():
    np.testing.assert_allclose(mel_edges(38, 0.0, 11025.0, "slaney"), PUBLISHED, atol=6e-4)


def test_mel_filters_are_those_that_librosa_publishes():
    frequencies = np.arange(1025) * 22050 / 2048
    found = mel_filters(frequencies, mel_edges(128, 0.0, 11025.0, "slaney"), "slaney")
    assert found.shape == (128, 1025)
    for row, expected in zip(found, PUBLISHED_FILTERS, strict=False):
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("scale", "hertz", "mels"), [
    ("slaney", [60, 110, 220, 440, 1000, 6400], [0.9, 1.65, 3.3, 6.6, 15, 42]),
    ("htk", [0, 700, 6300, 1000], [0, 2595 * np.log10(2), 2595, 999.9855371])])
def test_mels_of_known_frequencies(scale, hertz, mels):
    np.testing.assert_allclose(to_mel(np.array(hertz), scale), mels, rtol=1e-9)
    np.testing.assert_allclose(to_hertz(np.array(mels), scale), hertz, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mels_rise_with_frequency_and_lead_back(scale):
    hertz = np.linspace(0, 24_000, 1001)
    mels = to_mel(hertz, scale)
    assert (np.diff(mels) > 0).all()
    np.testing.assert_allclose(to_hertz(mels, scale), hertz, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("scale", "area", "height"), [("slaney", 1.0, None), ("htk", None, 1.0)])
def test_mel_filters_are_triangles_of_area_or_height_one(scale, area, height):
    edges = mel_edges(20, 50.0, 4000.0, scale)
    fine = np.linspace(0, 4000, 400_001)
    weights = mel_filters(fine, edges, scale)
    np.testing.assert_allclose(fine[weights.argmax(axis=1)], edges[1:-1], atol=0.02)
    if area is not None:
        np.testing.assert_allclose(weights.sum(axis=1) * 0.01, area, rtol=1e-4)
    if height is not None:
        np.testing.assert_allclose(weights.max(axis=1), height, rtol=1e-3)
        inside = (fine > edges[1]) & (fine < edges[-2])
        np.testing.assert_allclose(weights.sum(axis=0)[inside], 1.0, rtol=1e-9)
