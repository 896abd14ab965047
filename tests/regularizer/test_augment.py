"""Augmentation as regularizers: draws by member, step and example, applied by the functions of the core."""

import pytest
import torch
from part_files import make

from dlx.core.augment import audio, erasing, geometry, noise
from dlx.core.errors import ConfigError
from dlx.core.random import key, torch_generator
from dlx.core.types import Batch

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
    "augment_noise": noise.add_noise(IMAGES, noise.draw_noise(KEY, IDS, (3, 16, 20)), 0.1),
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


@pytest.mark.parametrize("option", [option for option in EXPECTED if option != "augment_noise"])
def test_augment_of_images_refuses_rows_of_a_table(option):
    with pytest.raises(ConfigError, match=rf"regularizer={option} needs images, and each input has the shape \(4,\);"):
        augmented(option, torch.zeros(6, 4), IDS)


def test_augment_noise_is_for_tables_and_not_for_tokens():
    rows = torch.zeros(6, 4)
    assert torch.equal(augmented("augment_noise", rows, IDS, scale=2.0), 2 * noise.draw_noise(KEY, IDS, (4,)))
    with pytest.raises(ConfigError, match="regularizer=augment_noise needs numbers, and inputs are tokens; leave"):
        augmented("augment_noise", torch.ones(6, 4, dtype=torch.int64), IDS)


def test_augment_strengths_of_nothing_change_nothing():
    for option, changes in (("augment_flip", {"rate": 0.0}), ("augment_rotate", {"degrees": 0.0}),
                            ("augment_noise", {"scale": 0.0}), ("augment_erase", {"rate": 0.0}),
                            ("augment_affine", {"degrees": 0.0, "shift": 0.0, "scale": 0.0, "shear": 0.0})):
        torch.testing.assert_close(augmented(option, IMAGES, IDS, **changes), IMAGES, rtol=0, atol=1e-5)


def test_augment_crop_and_rotation_fill_with_their_value():
    ones = torch.ones(6, 1, 16, 20)
    for option, changes in (("augment_crop", {"padding": 8}), ("augment_rotate", {"degrees": 45.0})):
        found = augmented(option, ones, IDS, fill=-3.0, **changes)
        assert found.min() == pytest.approx(-3.0, abs=1e-5)
        assert found.max() == pytest.approx(1.0, abs=1e-5)
