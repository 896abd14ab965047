"""Augmentation as regularizers: draws by member, step and example, applied by the functions of the core."""

import pytest
import torch
from part_files import make

from dlx.core.augment import audio, color, erasing, geometry, noise
from dlx.core.errors import ConfigError
from dlx.core.random import key, torch_generator
from dlx.core.types import PADDING, UNKNOWN, Batch

IDS = torch.tensor([7, 70_001, 3, 12, 0, 5])
IMAGES = torch.rand(6, 3, 16, 20, generator=torch.Generator().manual_seed(0))
KEY = key(5, "here", 9)
EXPECTED = {
    "augment_crop": geometry.crop(IMAGES, geometry.draw_crop(KEY, IDS, 2), 2, 0.0),
    "augment_flip": geometry.flip(IMAGES, geometry.draw_flip(KEY, IDS, 0.5)),
    "augment_rotate": geometry.rotate(IMAGES, geometry.draw_rotation(KEY, IDS, 15.0), "bilinear", 0.0),
    "augment_affine": geometry.affine(
        IMAGES, geometry.draw_affine(KEY, IDS, 10.0, (2.0, 1.6), (0.9, 1.1), 5.0), "bilinear", 0.0),
    "augment_erase": erasing.erase(
        IMAGES, erasing.draw_boxes(KEY, IDS, (16, 20), 0.25, (0.02, 0.33), (0.3, 10 / 3)), 0.0),
    "cutout": erasing.erase(IMAGES, erasing.draw_squares(KEY, IDS, (16, 20), 8), 0.0),
    "input_noise": noise.add_noise(IMAGES, noise.draw_noise(KEY, IDS, (3, 16, 20)), 0.1),
    "augment_time_mask": audio.mask(IMAGES, audio.draw_spans(KEY, IDS, 20, 2, 4), "time", 0.0),
    "augment_frequency_mask": audio.mask(IMAGES, audio.draw_spans(KEY, IDS, 16, 2, 3), "frequency", 0.0),
}
every_option = pytest.mark.parametrize("option", EXPECTED)


def augmented(option, inputs, ids, **changes):
    batch = Batch(inputs, torch.zeros(len(ids)), ids)
    return make("regularizer", option, **changes).on_batch(batch, torch_generator(5, "here", 9)).inputs


@every_option
def test_augment_draws_by_member_step_and_example(option):
    torch.testing.assert_close(augmented(option, IMAGES, IDS), EXPECTED[option], rtol=0, atol=1e-5)
    assert not torch.equal(EXPECTED[option], IMAGES)


@every_option
def test_augment_of_an_example_is_the_same_in_any_batch(option):
    rows = torch.tensor([4, 1])
    torch.testing.assert_close(augmented(option, IMAGES[rows], IDS[rows]), EXPECTED[option][rows], rtol=0, atol=1e-5)


@every_option
def test_augment_keeps_the_type_of_its_inputs(option):
    assert augmented(option, IMAGES.double(), IDS).dtype == torch.float64


@pytest.mark.parametrize("option", [option for option in EXPECTED if option != "input_noise"])
def test_augment_of_images_refuses_rows_of_a_table(option):
    with pytest.raises(ConfigError, match=rf"regularizer={option} needs images, and each input has the shape \(4,\);"):
        augmented(option, torch.zeros(6, 4), IDS)


def test_input_noise_is_for_tables_and_not_for_tokens():
    rows = torch.zeros(6, 4)
    assert torch.equal(augmented("input_noise", rows, IDS, scale=2.0), 2 * noise.draw_noise(KEY, IDS, (4,)))
    with pytest.raises(ConfigError, match="regularizer=input_noise needs numbers, and inputs are tokens; leave"):
        augmented("input_noise", torch.ones(6, 4, dtype=torch.int64), IDS)


def test_augment_strengths_of_nothing_change_nothing():
    for option, changes in (("augment_flip", {"rate": 0.0}), ("augment_rotate", {"degrees": 0.0}),
                            ("input_noise", {"scale": 0.0}), ("augment_erase", {"rate": 0.0}),
                            ("augment_image", {"shift": 0.0, "degrees": 0.0, "scale": 0.0, "jitter": 0.0}),
                            ("augment_audio", {"shift": 0.0, "time_mask": 0.0, "frequency_mask": 0.0, "noise": 0.0}),
                            ("augment_affine", {"degrees": 0.0, "shift": 0.0, "scale": 0.0, "shear": 0.0})):
        torch.testing.assert_close(augmented(option, IMAGES, IDS, **changes), IMAGES, rtol=0, atol=1e-5)


def test_augment_crop_and_rotation_fill_with_their_value():
    ones = torch.ones(6, 1, 16, 20)
    for option, changes in (("augment_crop", {"padding": 8}), ("augment_rotate", {"degrees": 45.0})):
        found = augmented(option, ones, IDS, fill=-3.0, **changes)
        assert found.min() == pytest.approx(-3.0, abs=1e-5)
        assert found.max() == pytest.approx(1.0, abs=1e-5)


def composed_image(shift=0.1, degrees=10.0, scale=0.1, flip_rate=0.5, jitter=0.2):
    maps = geometry.draw_affine(key(KEY, "affine"), IDS, degrees, (shift * 20, shift * 16), (1 - scale, 1 + scale), 0.0)
    moved = geometry.flip(geometry.affine(IMAGES, maps, "bilinear", 0.0),
                          geometry.draw_flip(key(KEY, "flip"), IDS, flip_rate))
    return color.jitter(moved, color.draw_jitter(key(KEY, "jitter"), IDS, jitter))


def composed_audio(shift=0.1, time_mask=0.2, frequency_mask=0.2, scale=0.1):
    moved = audio.shift(IMAGES, audio.draw_shift(key(KEY, "shift"), IDS, round(shift * 20)), 0.0)
    moved = audio.mask(moved, audio.draw_spans(key(KEY, "time"), IDS, 20, 2, round(time_mask * 20)), "time", 0.0)
    spans = audio.draw_spans(key(KEY, "frequency"), IDS, 16, 2, round(frequency_mask * 16))
    drawn = noise.draw_noise(key(KEY, "noise"), IDS, (3, 16, 20))
    return noise.add_noise(audio.mask(moved, spans, "frequency", 0.0), drawn, scale)


def test_augment_image_and_audio_are_their_parts_each_with_draws_of_its_own():
    found = augmented("augment_image", IMAGES, IDS, flip_rate=0.5)
    torch.testing.assert_close(found, composed_image(), rtol=0, atol=1e-5)
    torch.testing.assert_close(augmented("augment_audio", IMAGES, IDS), composed_audio(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("option", ["augment_image", "augment_audio"])
def test_augment_under_one_name_is_the_same_for_an_example_in_any_batch(option):
    rows = torch.tensor([4, 1])
    whole = augmented(option, IMAGES, IDS)
    torch.testing.assert_close(augmented(option, IMAGES[rows], IDS[rows]), whole[rows], rtol=0, atol=1e-5)


LENGTHS = torch.arange(60)[:, None] % 30
TEXTS = torch.where(torch.arange(30) < LENGTHS, (torch.arange(60)[:, None] + torch.arange(30)) % 17 + 2, PADDING)
ROWS = torch.randn(500, 4, generator=torch.Generator().manual_seed(1)) + torch.tensor([0.0, 100.0, 200.0, 300.0])


def test_augment_text_drops_and_replaces_at_its_rates_and_leaves_padding():
    ids = torch.arange(len(TEXTS))
    found = augmented("augment_text", TEXTS, ids, drop_rate=0.3, replace_rate=0.2)
    assert found.dtype == torch.int64
    assert torch.equal(found == PADDING, TEXTS == PADDING)
    assert set(found.unique().tolist()) <= {UNKNOWN, *TEXTS.unique().tolist()}
    known = TEXTS != PADDING
    assert (found[known] == UNKNOWN).double().mean().item() == pytest.approx(0.3, abs=0.06)
    kept = known & (found != UNKNOWN)
    same = (TEXTS[known][:, None] == TEXTS[known]).double().mean().item()
    assert (found[kept] != TEXTS[kept]).double().mean().item() == pytest.approx(0.2 * (1 - same), abs=0.06)
    assert torch.equal(augmented("augment_text", TEXTS, ids, drop_rate=0.0, replace_rate=0.0), TEXTS)


def test_augment_table_takes_values_of_the_same_column_at_its_rate():
    ids = torch.arange(len(ROWS))
    found = augmented("augment_table", ROWS, ids, replace_rate=0.4, noise=0.0)
    for column in range(4):
        assert set(found[:, column].tolist()) <= set(ROWS[:, column].tolist())
    assert (found != ROWS).double().mean().item() == pytest.approx(0.4, abs=0.05)
    noisy = augmented("augment_table", ROWS, ids, replace_rate=0.0, noise=0.5) - ROWS
    assert noisy.std().item() == pytest.approx(0.5, abs=0.03)
