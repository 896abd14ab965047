"""Values of corrupted images, by hand or from a distribution."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch

from dlx.measure.corruption import images
from dlx.measure.corruption.images import image_corruptions

GREY = {own.name: own for own in image_corruptions(1)}
COLOUR = {own.name: own for own in image_corruptions(3)}
IDS = np.arange(4000)


def constant(value, side=28, count=4000, channels=1):
    return np.full((count, channels, side, side), value, np.float32)


def test_contrast_moves_values_to_the_mean_of_their_channel():
    picture = np.array([[[[0.0, 1.0], [0.5, 0.1]]]], np.float32)
    np.testing.assert_allclose(GREY["contrast"](picture, IDS[:1], 1), 0.4 + 0.4 * (picture - 0.4), atol=1e-6)


def test_brightness_of_grey_is_added_and_cut_off_at_white():
    picture = np.array([[[[0.0, 0.95], [0.5, 0.2]]]], np.float32)
    np.testing.assert_allclose(GREY["brightness"](picture, IDS[:1], 1)[0, 0], [[0.1, 1.0], [0.6, 0.3]], atol=1e-6)


def test_brightness_of_colour_keeps_hue_and_saturation():
    import colorsys

    draw = np.random.default_rng(0)
    pictures = draw.random((50, 3, 1, 1)).astype(np.float32)
    pictures[0] = 0
    made = COLOUR["brightness"](pictures, IDS[:50], 5)[:, :, 0, 0]
    for before, after in zip(pictures[:, :, 0, 0], made, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, before))
        expected = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.3))
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_translate_moves_whole_pixels_to_a_drawn_side():
    picture = np.zeros((200, 1, 28, 28), np.float32)
    picture[:, 0, 14, 14] = 1
    made = GREY["translate"](picture, IDS[:200], 3)
    places = {tuple(int(index) for index in np.argwhere(own[0] > 0.99)[0]) for own in made}
    assert places == {(11, 11), (11, 17), (17, 11), (17, 17)}


def test_translate_is_scaled_with_the_size_of_images():
    picture = np.zeros((1, 1, 56, 56), np.float32)
    picture[0, 0, 28, 28] = 1
    row, column = np.argwhere(GREY["translate"](picture, IDS[:1], 1)[0, 0] > 0.99)[0]
    assert (abs(row - 28), abs(column - 28)) == (2, 2)


def test_rotate_by_a_quarter_turn_is_exact():
    picture = np.random.default_rng(0).random((30, 1, 9, 9)).astype(np.float32)
    made = images.rotate(torch.from_numpy(picture), torch.arange(30), np.pi / 2, 5).numpy()
    for before, after in zip(picture[:, 0], made[:, 0], strict=True):
        turned = [np.rot90(before, turns) for turns in (1, 3)]
        assert min(np.abs(after - one).max() for one in turned) < 1e-5


def test_scale_to_half_shrinks_about_the_centre():
    picture = constant(1.0, side=8, count=1)
    made = GREY["scale"](picture, IDS[:1], 5)[0, 0]
    assert made[2:6, 2:6].min() == pytest.approx(1)
    assert made[0].max() == made[:, -1].max() == 0


def test_shear_moves_rows_by_their_distance_from_the_centre():
    level = 0.5
    picture = np.zeros((40, 1, 41, 41), np.float32)
    picture[:, 0, :, 20] = 1
    made = images.shear(torch.from_numpy(picture), torch.arange(40), level, 5).numpy()[:, 0]
    for own in made:
        # A column stays a line; its place in row y is y · sin, to the side that is drawn.
        centres = (own * np.arange(41)).sum(axis=1) / own.sum(axis=1).clip(min=1e-9)
        rows = np.arange(21 - 10, 21 + 10)
        slope = np.polyfit(rows - 20, centres[rows] - 20, 1)[0]
        assert abs(slope) == pytest.approx(np.sin(level), abs=0.02)


def test_pixelate_to_half_averages_squares():
    picture = np.random.default_rng(0).random((1, 1, 8, 8)).astype(np.float32)
    made = GREY["pixelate"](picture, IDS[:1], 2)[0, 0]
    squares = picture[0, 0].reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(made, squares.repeat(2, 0).repeat(2, 1), atol=1e-6)


@pytest.mark.parametrize(("channels", "side", "sigma"), [(1, 28, 1.0), (1, 8, 8 / 28), (3, 32, 0.4), (3, 64, 0.8)])
def test_gaussian_blur_has_the_width_of_the_size(channels, side, sigma):
    picture = np.random.default_rng(0).random((1, channels, side, side)).astype(np.float32)
    made = (GREY if channels == 1 else COLOUR)["gaussian_blur"](picture, IDS[:1], 1)
    expected = [scipy.ndimage.gaussian_filter(channel, sigma, mode="nearest") for channel in picture[0]]
    np.testing.assert_allclose(made[0], expected, atol=1e-5)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_gaussian_and_speckle_noise_have_their_deviation(severity):
    picture = constant(0.5, side=8)
    noise = (GREY["gaussian_noise"](picture, IDS, severity) - 0.5).ravel()
    level = GREY["gaussian_noise"].levels[severity - 1]
    assert scipy.stats.kstest(noise[np.abs(noise) < 0.499][:20000] / level, scipy.stats.truncnorm(
        -0.499 / level, 0.499 / level).cdf).pvalue > 1e-3
    level = GREY["speckle_noise"].levels[0]
    speckle = (GREY["speckle_noise"](constant(0.4, side=8), IDS, 1) - 0.4).ravel()
    assert speckle.std() == pytest.approx(0.4 * level, rel=0.01)


@pytest.mark.parametrize(("corruptions", "severity"), [(GREY, 1), (GREY, 5), (COLOUR, 1)])
def test_shot_noise_is_poisson(corruptions, severity):
    count = 400 if corruptions is COLOUR else 1500
    level = corruptions["shot_noise"].levels[severity - 1]
    value = 51 / 255
    counts = corruptions["shot_noise"](constant(value, side=8, count=count), IDS[:count], severity).ravel() * level
    assert np.abs(counts - np.rint(counts)).max() < 1e-3
    counts = np.rint(counts).astype(int)[:20000]
    known, observed = np.unique(counts, return_counts=True)
    # What is brighter than white is white.
    expected = np.where(known < level, scipy.stats.poisson.pmf(known, level * value),
                        scipy.stats.poisson.sf(level - 1, level * value)) * counts.size
    often = expected > 5
    statistic = ((observed[often] - expected[often]) ** 2 / expected[often]).sum()
    assert scipy.stats.chi2.sf(statistic, often.sum() - 1) > 1e-3


def test_shot_noise_leaves_black_and_is_unbiased():
    assert (GREY["shot_noise"](constant(0.0, count=5), IDS[:5], 5) == 0).all()
    assert GREY["shot_noise"](constant(0.2, side=8), IDS, 1).mean() == pytest.approx(0.2, abs=1e-3)


def test_impulse_noise_sets_its_share_to_black_or_white_alike():
    made = GREY["impulse_noise"](constant(0.5, side=8), IDS, 5)
    assert (made == 0).mean() == pytest.approx(0.135, abs=0.002)
    assert (made == 1).mean() == pytest.approx(0.135, abs=0.002)
    assert ((made == 0.5) | (made == 0) | (made == 1)).all()


def test_bytes_are_corrupted_as_the_numbers_that_they_stand_for():
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (20, 1, 14, 14)).astype(np.uint8)
    for corruption in GREY.values():
        floats = corruption((pictures / np.float32(255)).astype(np.float32), IDS[:20], 3)
        made = corruption(pictures, IDS[:20], 3)
        assert np.abs(made / 255 - floats).max() <= 0.51 / 255, corruption.name
