"""Image augmentations beside torchvision's, example by example, with the same parameters. B, C, H, W as there."""

import numpy as np
import pytest
import torch
from scipy import stats

from dlx.core.augment import color, erasing, geometry, noise
from dlx.core.vision import torchvision

torchvision()
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as twin  # noqa: E402

B = 12
IDS = torch.arange(100, 100 + B)
MANY = torch.arange(20_000)
SHAPES = [(1, 28, 28), (3, 17, 24), (3, 32, 32)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_interpolation = pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
MODES = {"nearest": v2.InterpolationMode.NEAREST, "bilinear": v2.InterpolationMode.BILINEAR}


def images(shape):
    return torch.rand(B, *shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_rounding(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


@every_shape
@pytest.mark.parametrize(("padding", "fill"), [(4, 0.0), (2, 0.5), (0, 0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_crop_is_torchvisions_exactly(shape, padding, fill, dtype):
    batch = (images(shape) * 255).to(dtype)
    fill = fill if dtype == torch.float32 else round(fill * 255)
    corners = geometry.draw_crop(1, IDS, padding)
    expected = [twin.crop(twin.pad(image, [padding] * 4, fill=fill), top, left, *shape[1:])
                for image, (top, left) in zip(batch, corners.tolist(), strict=True)]
    assert torch.equal(geometry.crop(batch, corners, padding, fill), torch.stack(expected))


def test_crop_corners_are_all_equally_likely():
    corners = geometry.draw_crop(5, MANY, 4)
    assert stats.chisquare(np.bincount((corners[:, 0] * 9 + corners[:, 1]).numpy(), minlength=81)).pvalue > 1e-4


@every_shape
@pytest.mark.parametrize("vertical", [False, True])
def test_flip_is_torchvisions_exactly(shape, vertical):
    batch, flipped = images(shape), geometry.draw_flip(2, IDS, 0.5)
    assert 0 < flipped.sum() < B
    mirror = twin.vertical_flip if vertical else twin.horizontal_flip
    expected = [mirror(image) if own else image for image, own in zip(batch, flipped, strict=True)]
    assert torch.equal(geometry.flip(batch, flipped, vertical), torch.stack(expected))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_flip_happens_at_its_rate(rate):
    flipped = geometry.draw_flip(2, MANY, rate).sum().item()
    assert flipped == rate * len(MANY) if rate in (0, 1) else stats.binomtest(flipped, len(MANY), rate).pvalue > 1e-4


@every_shape
@every_interpolation
@pytest.mark.parametrize("degrees", [15.0, 180.0])
def test_rotation_is_torchvisions(shape, interpolation, degrees):
    batch, angles = images(shape), geometry.draw_rotation(3, IDS, degrees)
    expected = [twin.rotate(image, angle, MODES[interpolation])
                for image, angle in zip(batch, angles.double().tolist(), strict=True)]
    assert_rounding(geometry.rotate(batch, angles, interpolation, 0.0), torch.stack(expected))


def test_rotation_with_fill_is_torchvisions_where_pixels_are_not_mixed():
    batch, angles = images((3, 32, 32)), geometry.draw_rotation(3, IDS, 60.0)
    expected = [twin.rotate(image, angle, MODES["nearest"], fill=[0.7])
                for image, angle in zip(batch, angles.double().tolist(), strict=True)]
    assert_rounding(geometry.rotate(batch, angles, "nearest", 0.7), torch.stack(expected))


def test_rotation_mixes_fill_into_the_edge_by_shares():
    constant, angles = torch.full((B, 1, 28, 28), 0.3), geometry.draw_rotation(3, IDS, 60.0)
    inside = geometry.rotate(torch.ones_like(constant), angles, "bilinear", 0.0)
    assert_rounding(geometry.rotate(constant, angles, "bilinear", 0.9), 0.3 * inside + 0.9 * (1 - inside))


@pytest.mark.parametrize(("angle", "quarters"), [(0.0, 0), (90.0, 1), (180.0, 2), (-90.0, 3)])
@every_interpolation
def test_rotation_by_right_angles_moves_whole_pixels(angle, quarters, interpolation):
    batch = images((3, 32, 32))
    found = geometry.rotate(batch, torch.full((B,), angle), interpolation, 0.0)
    assert_rounding(found, batch.rot90(quarters, (2, 3)))


def test_rotation_angles_are_uniform():
    angles = geometry.draw_rotation(9, MANY, 15.0).double().numpy()
    assert stats.kstest(angles, "uniform", (-15, 30)).pvalue > 1e-4


def maps():
    return geometry.draw_affine(4, IDS, 30.0, (4.0, 2.0), (0.7, 1.4), 12.0)


@every_shape
@every_interpolation
def test_affine_is_torchvisions(shape, interpolation):
    batch, own = images(shape), maps()
    parameters = zip(batch, *(values.double().tolist() for values in own), strict=True)
    expected = [twin.affine(image, angle, shift, scale, shear, MODES[interpolation])
                for image, angle, shift, scale, shear in parameters]
    assert_rounding(geometry.affine(batch, own, interpolation, 0.0), torch.stack(expected))


def test_affine_with_nothing_to_do_returns_the_images():
    batch, zeros = images((3, 17, 24)), torch.zeros(B, 2)
    nothing = geometry.Affine(zeros[:, 0], zeros, zeros[:, 0] + 1, zeros)
    assert_rounding(geometry.affine(batch, nothing, "bilinear", 0.4), batch)


def test_affine_draws_stay_in_their_ranges_and_fill_them():
    drawn = geometry.draw_affine(4, MANY, 30.0, (4.0, 2.0), (0.7, 1.4), 12.0)
    for values, low, high in ((drawn.angles, -30, 30), (drawn.scales, 0.7, 1.4), (drawn.shears[:, 0], -12, 12),
                              (drawn.shears[:, 1], -12, 12)):
        assert stats.kstest(values.double().numpy(), "uniform", (low, high - low)).pvalue > 1e-4
    assert [sorted(set(column.tolist())) for column in drawn.shifts.T] == [list(range(-4, 5)), list(range(-2, 3))]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 24)], ids=str)
def test_jitter_changes_each_image_by_its_own_amounts(shape):
    batch, changes = images(shape), color.draw_jitter(5, IDS, 0.6)
    expected = []
    for image, brightness, contrast, saturation in zip(batch.double(), *(values.tolist() for values in changes),
                                                       strict=True):
        vivid = image.mean(dim=0) + saturation * (image - image.mean(dim=0))
        expected.append(vivid.mean() + contrast * (vivid - vivid.mean()) + brightness)
    assert_rounding(color.jitter(batch, changes), torch.stack(expected).float())


def test_jitter_does_not_care_for_the_scale_of_the_numbers_but_for_brightness():
    batch, changes = images((3, 17, 24)), color.draw_jitter(5, IDS, 0.6)._replace(brightness=torch.zeros(len(IDS)))
    assert_rounding(color.jitter(4 * batch - 2, changes) / 4, color.jitter(batch, changes) - 0.5)


def test_jitter_draws_changes_either_way():
    changes = color.draw_jitter(5, MANY, 0.4)
    for values, low, high in ((changes.brightness, -0.4, 0.4), (changes.contrast, 0.6, 1.4),
                              (changes.saturation, 0.6, 1.4)):
        assert stats.kstest(values.double().numpy(), "uniform", (low, high - low)).pvalue > 1e-4


@every_shape
def test_erasing_is_torchvisions_exactly(shape):
    batch = images(shape)
    boxes = erasing.draw_boxes(6, IDS, shape[1:], 0.8, (0.02, 0.33), (0.3, 3.3))
    expected = [twin.erase(image, *box, torch.tensor(0.25)) if box[2] else image
                for image, box in zip(batch, boxes.tolist(), strict=True)]
    assert torch.equal(erasing.erase(batch, boxes, 0.25), torch.stack(expected))


def test_erasing_draws_boxes_inside_at_the_rate_area_and_ratio_of_torchvision():
    boxes = erasing.draw_boxes(6, MANY, (64, 64), 0.5, (0.02, 0.33), (0.3, 3.3)).double().numpy()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= 64).all()
    erased = boxes[boxes[:, 2] > 0]
    assert stats.binomtest(len(erased), len(MANY), 0.5).pvalue > 1e-4
    torch.manual_seed(0)
    drawn = [v2.RandomErasing(1.0).make_params([torch.empty(1, 64, 64)]) for _ in range(3000)]
    twins = np.array([[box[name] for name in "ijhw"] for box in drawn], dtype=float)
    for own, other in zip(described(erased), described(twins), strict=True):
        assert stats.ks_2samp(own, other).pvalue > 1e-4


def described(boxes):
    """Place, share of the image and ratio of boxes [N, 4]."""
    return *boxes.T[:2], boxes[:, 2] * boxes[:, 3], boxes[:, 2] / boxes[:, 3]


@pytest.mark.parametrize("side", [1, 4, 7])
def test_cutout_squares_have_any_pixel_as_centre_and_end_at_the_border(side):
    height, width = 9, 12
    boxes = erasing.draw_squares(6, MANY, (height, width), side)
    centres = (boxes[:, :2] + side // 2).numpy()
    counts = np.bincount(centres[:, 0] * width + centres[:, 1], minlength=height * width)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert (boxes[:, 2:] == side).all()
    erased = erasing.erase(torch.zeros(500, 2, height, width), boxes[:500], 1.0)
    for image, (top, left) in zip(erased, boxes[:500, :2].tolist(), strict=True):
        expected = torch.zeros(height, width)
        expected[max(0, top):max(0, top + side), max(0, left):max(0, left + side)] = 1.0
        assert torch.equal(image, expected.expand(2, -1, -1))


def test_erasing_that_never_fits_erases_nothing():
    boxes = erasing.draw_boxes(6, IDS, (8, 8), 1.0, (1.0, 1.0), (4.0, 4.0))
    assert (boxes[:, 2:] == 0).all()
    assert torch.equal(erasing.erase(images((1, 8, 8)), boxes, 9.0), images((1, 8, 8)))


@every_shape
@pytest.mark.parametrize("limits", [None, (0.0, 1.0)])
def test_noise_is_torchvisions_with_the_same_numbers(shape, limits):
    batch = images(shape)
    torch.manual_seed(0)
    expected = twin.gaussian_noise(batch, 0.0, 0.3, clip=limits is not None)
    torch.manual_seed(0)
    assert_rounding(noise.add_noise(batch, torch.randn(batch.shape), 0.3, limits), expected)


def test_noise_of_images_is_standard_normal_of_each_pixel():
    drawn = noise.draw_noise(7, MANY[:500], (3, 5, 7))
    assert drawn.shape == (500, 3, 5, 7)
    assert stats.kstest(drawn.flatten().double().numpy(), "norm").pvalue > 1e-4


AUGMENTATIONS = {
    "crop": lambda batch, key, ids: geometry.crop(batch, geometry.draw_crop(key, ids, 4), 4, 0.0),
    "flip": lambda batch, key, ids: geometry.flip(batch, geometry.draw_flip(key, ids, 0.5)),
    "rotate": lambda batch, key, ids: geometry.rotate(batch, geometry.draw_rotation(key, ids, 15.0), "bilinear", 0.0),
    "affine": lambda batch, key, ids: geometry.affine(
        batch, geometry.draw_affine(key, ids, 15.0, (3.0, 3.0), (0.8, 1.2), 5.0), "bilinear", 0.5),
    "jitter": lambda batch, key, ids: color.jitter(batch, color.draw_jitter(key, ids, 0.4)),
    "erase": lambda batch, key, ids: erasing.erase(
        batch, erasing.draw_boxes(key, ids, (32, 32), 0.5, (0.02, 0.33), (0.3, 3.3)), 0.0),
    "noise": lambda batch, key, ids: noise.add_noise(batch, noise.draw_noise(key, ids, (3, 32, 32)), 0.1, (0.0, 1.0)),
}
every_augmentation = pytest.mark.parametrize("name", AUGMENTATIONS)


@every_augmentation
def test_augmentation_of_an_example_depends_on_its_key_and_id_alone(name):
    augment, batch = AUGMENTATIONS[name], images((3, 32, 32))
    together = augment(batch, 11, IDS)
    for number in (0, 5, B - 1):
        rows = slice(number, number + 1)
        assert_rounding(augment(batch[rows], 11, IDS[rows]), together[rows])
    backwards = torch.arange(B - 1, -1, -1)
    assert_rounding(augment(batch[backwards], 11, IDS[backwards]), together[backwards])
    assert not torch.equal(augment(batch, 12, IDS), together)


@every_augmentation
def test_augmentation_of_fused_members_is_that_of_each_alone(name):
    augment, batch = AUGMENTATIONS[name], images((3, 32, 32))
    keys = torch.tensor([11, 12, 13]).repeat_interleave(B)
    ids = torch.cat([IDS, IDS + 1, IDS])
    alone = [augment(batch, 11, IDS), augment(batch, 12, IDS + 1), augment(batch, 13, IDS)]
    assert_rounding(augment(batch.repeat(3, 1, 1, 1), keys, ids), torch.cat(alone))


@every_augmentation
def test_augmentation_leaves_its_input_as_it_was(name):
    batch = images((3, 32, 32))
    AUGMENTATIONS[name](batch, 11, IDS)
    assert torch.equal(batch, images((3, 32, 32)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@every_augmentation
def test_augmentation_on_a_gpu_is_that_on_the_cpu(name):
    batch = images((3, 32, 32))
    assert_rounding(AUGMENTATIONS[name](batch.cuda(), 11, IDS).cpu(), AUGMENTATIONS[name](batch, 11, IDS))
