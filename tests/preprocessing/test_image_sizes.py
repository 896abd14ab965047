"""resize, center_crop and grayscale against torchvision and Pillow, and bytes of images through standardize."""

import numpy as np
import pytest
import torch
from part_files import make
from PIL import Image

from dlx.core.errors import ConfigError
from dlx.core.types import TaskSpec
from dlx.core.vision import torchvision

torchvision()
from torchvision.transforms.v2 import functional  # noqa: E402

BYTES = np.random.default_rng(0).integers(0, 256, (6, 3, 21, 34), np.uint8)
FLOATS = BYTES.astype(np.float32) / 255


def spec(shape):
    return TaskSpec("classification", "image", shape, 2, ("a", "b"))


def applied(name, images, **changes):
    part = make("preprocessing", name, **changes)
    statistics = part.fit(images, np.zeros(len(images)), spec(images.shape[1:]))
    out = part.apply(images, statistics)
    assert part.spec_after(spec(images.shape[1:]), None) == spec(out.shape[1:])
    assert out.dtype == images.dtype
    return out


@pytest.mark.parametrize("size", [[10, 17], [7, 5], [42, 68], [21, 34], [3, 50], [4, 2]], ids=str)
def test_resize_equals_torchvision_with_antialiasing(size):
    expected = functional.resize(torch.from_numpy(FLOATS), size, antialias=True).numpy()
    np.testing.assert_allclose(applied("resize", FLOATS, size=size), expected, rtol=2e-6, atol=2e-6)
    # torchvision's bytes are rounded twice, after each axis.
    as_bytes = functional.resize(torch.from_numpy(BYTES), size, antialias=True).numpy()
    assert np.abs(applied("resize", BYTES, size=size).astype(int) - as_bytes).max() <= 1


def test_resize_of_bytes_is_the_nearest_byte():
    numbers = applied("resize", BYTES.astype(np.float32), size=[9, 30])
    assert (np.abs(applied("resize", BYTES, size=[9, 30]) - numbers) <= 0.5 + 1e-4).all()


def test_resize_of_an_image_does_not_depend_on_those_beside_it():
    for images in (FLOATS, BYTES):
        together = applied("resize", images, size=[13, 13])
        alone = np.concatenate([applied("resize", images[row : row + 1], size=[13, 13]) for row in range(6)])
        assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("size", [[10, 17], [21, 34], [20, 33], [1, 1], [21, 5]], ids=str)
def test_center_crop_equals_torchvision(size):
    for images in (FLOATS, BYTES):
        expected = functional.center_crop(torch.from_numpy(images), size).numpy()
        np.testing.assert_array_equal(applied("center_crop", images, size=size), expected)


def test_center_crop_refuses_to_be_larger_than_the_images():
    part = make("preprocessing", "center_crop", size=[22, 8])
    with pytest.raises(ConfigError) as error:
        part.spec_after(spec((3, 21, 34)), None)
    assert str(error.value) == ("preprocessing.center_crop.size must be at most the images' [21, 34], got [22, 8]: "
                                "make it smaller, or put resize before it")


def test_grayscale_of_bytes_equals_pillow():
    expected = [np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))[None] for image in BYTES]
    np.testing.assert_array_equal(applied("grayscale", BYTES), np.stack(expected))


def test_grayscale_of_numbers_is_the_luma_of_itu_r_601():
    expected = 0.299 * FLOATS[:, :1] + 0.587 * FLOATS[:, 1:2] + 0.114 * FLOATS[:, 2:]
    np.testing.assert_allclose(applied("grayscale", FLOATS), expected, rtol=1e-6)
    np.testing.assert_allclose(applied("grayscale", FLOATS), functional.rgb_to_grayscale(torch.from_numpy(FLOATS)),
                               atol=2e-4)


def test_grayscale_leaves_one_channel_and_refuses_four():
    assert applied("grayscale", BYTES[:, :1]).tobytes() == BYTES[:, :1].tobytes()
    with pytest.raises(ConfigError, match="images of 3 channels, red, green and blue, and these have 4"):
        make("preprocessing", "grayscale").spec_after(spec((4, 2, 2)), None)


@pytest.mark.parametrize("name", ["standardize", "minmax", "robust"])
def test_scaling_takes_bytes_for_numbers_from_zero_to_one(name):
    part = make("preprocessing", name)
    for_bytes, for_floats = (part.fit(images, np.zeros(6), spec((3, 21, 34))) for images in (BYTES, FLOATS))
    assert for_bytes.keys() == for_floats.keys()
    assert all(for_bytes[key].tobytes() == for_floats[key].tobytes() for key in for_bytes)
    assert part.apply(BYTES, for_bytes).tobytes() == part.apply(FLOATS, for_floats).tobytes()


@pytest.mark.parametrize("name", ["resize", "center_crop", "grayscale"])
def test_parts_for_images_say_so_of_a_table(name):
    with pytest.raises(ConfigError, match=f"preprocessing={name} is for images, not for tables"):
        make("preprocessing", name).spec_after(TaskSpec("regression", "table", (3,), 1), None)
