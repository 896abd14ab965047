"""Folders of images: which pixels, classes, rows and notes come of them."""

import io

import numpy as np
import pytest
from folders import IMAGES, images, noise, png, tarred, written, zipped
from PIL import Image

from dlx.core.errors import ConfigError
from dlx.core.own_data.image_file import UnreadableError, decode_image, strict_pillow

FORMS = {"folder": written, "tar": tarred, "tar.gz": lambda path, files: tarred(path, files, "w:gz"), "zip": zipped}


def pixels(data):
    """Channels, height, width of a file as Pillow reads it."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("form", FORMS)
def test_image_folder_gives_the_pixels_of_the_files_in_order_of_names(tmp_path, form):
    arrays = images(FORMS[form](tmp_path / "data", IMAGES)).load("")
    assert isinstance(arrays.inputs, np.memmap)
    assert arrays.inputs.dtype == np.uint8
    assert np.array_equal(arrays.inputs, [pixels(IMAGES[name]) for name in sorted(IMAGES)])
    assert arrays.notes["file"].tolist() == sorted(IMAGES)
    assert arrays.targets.tolist() == [0] * 4 + [1] * 4
    assert arrays.test_ids is None
    assert arrays.spec.class_names == ("cat", "dog")
    assert (arrays.spec.kind, arrays.spec.layout, arrays.spec.input_shape) == ("classification", "image", (3, 4, 6))


def test_image_folder_of_one_content_is_one_data_set_whatever_its_form(tmp_path):
    loaded = [images(make(tmp_path / form, IMAGES)).load("") for form, make in FORMS.items()]
    for arrays in loaded[1:]:
        assert np.array_equal(arrays.inputs, loaded[0].inputs)
        assert arrays.notes["file"].tolist() == loaded[0].notes["file"].tolist()


@pytest.mark.parametrize("around", ["", "cats and dogs/", "a/b/"])
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_image_folder_in_other_folders_has_the_same_classes(tmp_path, form, around):
    arrays = images(FORMS[form](tmp_path / "data", {around + name: data for name, data in IMAGES.items()})).load("")
    assert arrays.spec.class_names == ("cat", "dog")


def test_image_folder_of_parts_has_a_test_set_and_says_which_rows_are_val(tmp_path):
    files = {f"{part}/{name}": data for part in ("train", "valid", "test") for name, data in IMAGES.items()}
    arrays = images(written(tmp_path, files)).load("")
    parts = arrays.notes["part"]
    assert arrays.spec.class_names == ("cat", "dog")
    assert [name.split("/")[0] for name in arrays.notes["file"]] == ["test"] * 8 + ["train"] * 8 + ["valid"] * 8
    assert parts.tolist() == ["test"] * 8 + ["train"] * 8 + ["val"] * 8
    assert arrays.test_ids.tolist() == list(range(8))


def test_image_folder_with_a_test_path_appends_its_rows(tmp_path):
    train = tarred(tmp_path / "train.tar", {f"train/{name}": data for name, data in IMAGES.items()})
    others = {f"{name}/{number}.png": png(noise(90 + number)) for name in ("cat", "dog") for number in range(2)}
    arrays = images(train, written(tmp_path / "test", others)).load("")
    assert arrays.test_ids.tolist() == [8, 9, 10, 11]
    assert arrays.targets.tolist() == [0] * 4 + [1] * 4 + [0, 0, 1, 1]
    assert np.array_equal(arrays.inputs[8:], [pixels(others[name]) for name in sorted(others)])


def test_image_folder_takes_deeper_folders_of_a_class_as_that_class(tmp_path):
    files = {f"{name}/day{number}/{number}.png": png(noise(number)) for name in ("cat", "dog") for number in range(2)}
    assert images(written(tmp_path, files)).load("").targets.tolist() == [0, 0, 1, 1]


def test_image_folder_pattern_tells_class_and_notes(tmp_path):
    files = {f"photos/{name}.{number}_{place}.png": png(noise(number)) for name in ("cat", "dog") for number in range(2)
             for place in ("home", "out side")}
    arrays = images(written(tmp_path, files), pattern="{label}.{number}_{place}").load("")
    assert arrays.spec.class_names == ("cat", "dog")
    assert arrays.targets.tolist() == [0] * 4 + [1] * 4
    assert arrays.notes["number"].tolist() == ["0", "0", "1", "1"] * 2
    assert arrays.notes["place"].tolist() == ["home", "out side"] * 4


def test_image_folder_pattern_with_folders_reads_their_names(tmp_path):
    files = {f"{camera}/{name}_{number}.png": png(noise(number)) for camera in ("c1", "c2") for name in ("cat", "dog")
             for number in range(2)}
    arrays = images(written(tmp_path, files), pattern="{camera}/{label}_{number}").load("")
    assert arrays.notes["camera"].tolist() == ["c1"] * 4 + ["c2"] * 4
    assert arrays.targets.tolist() == [0, 0, 1, 1] * 2


def test_image_folder_pattern_changes_without_decoding_again(tmp_path, monkeypatch):
    files = {f"{name}_{place}.png": png(noise(number)) for number, name in enumerate(("cat", "dog"))
             for place in ("in", "out")}
    folder = written(tmp_path / "data", files)
    first = images(folder, pattern="{label}_{place}").load("")
    monkeypatch.setattr("dlx.dataset.image_folder.decode_image", lambda *_: pytest.fail("decoded again"))
    second = images(folder, pattern="{place}_{label}").load("")
    assert (first.spec.class_names, second.spec.class_names) == (("cat", "dog"), ("in", "out"))


def test_image_folder_leaves_out_what_systems_leave_behind(tmp_path):
    junk = {".DS_Store": b"x", "cat/Thumbs.db": b"x", "cat/._1.png": b"x", "__MACOSX/cat/._1.png": b"x",
            ".ipynb_checkpoints/1.png": b"x", "desktop.ini": b"x"}
    for form in ("folder", "zip"):
        arrays = images(FORMS[form](tmp_path / form, IMAGES | junk)).load("")
        assert arrays.notes["file"].tolist() == sorted(IMAGES)


def test_image_folder_follows_links_of_a_folder_of_the_users(tmp_path):
    folder = written(tmp_path / "data", {name: data for name, data in IMAGES.items() if name.startswith("cat")})
    (folder / "dog").symlink_to(written(tmp_path / "elsewhere", {"1.png": png(noise(1))}))
    assert images(folder).load("").spec.class_names == ("cat", "dog")


def test_image_folder_relative_path_is_looked_up_here_and_then_in_data_dir(tmp_path, monkeypatch):
    written(tmp_path / "there/data", IMAGES)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert len(images("data").load(str(tmp_path / "there")).targets) == 8
    written(tmp_path / "here/data", {f"{name}/1.png": png(noise(1)) for name in "ab"})
    assert len(images("data").load(str(tmp_path / "there")).targets) == 2


def test_image_folder_scales_to_a_size_as_pillow_does(tmp_path):
    files = {f"{name}/{number}.png": png(noise(number, (10 + number, 7, 3))) for name in "ab" for number in range(3)}
    arrays = images(written(tmp_path, files), size=[5, 9]).load("")
    expected = [np.asarray(Image.open(io.BytesIO(files[name])).resize((9, 5), Image.Resampling.BILINEAR)
                           ).transpose(2, 0, 1) for name in sorted(files)]
    assert np.array_equal(arrays.inputs, expected)


def test_image_folder_grey_is_the_luma_of_itu_r_601(tmp_path):
    arrays = images(written(tmp_path, IMAGES), mode="grey").load("")
    colours = np.array([pixels(IMAGES[name]) for name in sorted(IMAGES)]).astype(np.float64)
    luma = 0.299 * colours[:, 0] + 0.587 * colours[:, 1] + 0.114 * colours[:, 2]
    assert arrays.spec.input_shape == (1, 4, 6)
    assert np.abs(arrays.inputs[:, 0] - luma).max() <= 0.51


def test_image_folder_reads_more_images_without_labels(tmp_path):
    data = images(written(tmp_path / "data", IMAGES))
    arrays = data.load("")
    others = written(tmp_path / "others", {"x.png": png(noise(50)), "deep/y.png": png(noise(51))})
    inputs, names = data.more(str(others), "", arrays.spec)
    assert names == ["deep/y.png", "x.png"]
    assert np.array_equal(inputs[1], pixels(png(noise(50))))
    inputs, names = data.more(str(others / "x.png"), "", arrays.spec)
    assert (inputs.shape, names) == ((1, 3, 4, 6), ["x.png"])
    written(others, {"z.png": png(noise(52, (5, 6, 3)))})
    with pytest.raises(ConfigError, match=r"'z.png' is 5×6 .* the model takes 4×6; scale it to that"):
        data.more(str(others), "", arrays.spec)


def decode(data, mode="rgb", size=None):
    with strict_pillow():
        return decode_image(data, mode, size)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_image_is_upright_as_exif_says(orientation):
    """By the definition of the tag: where the first row and the first column of the stored image belong."""
    stored = noise(0, (4, 6))
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.T,
             6: stored[::-1].T, 7: stored[::-1, ::-1].T, 8: stored[:, ::-1].T}[orientation]
    assert np.array_equal(decode(png(stored, exif=exif), "grey")[0], shown)


def test_decode_image_palette_opaque_alpha_and_one_bit_are_their_colours():
    colours = noise(0)
    palette = Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(decode(png(palette)), np.asarray(palette.convert("RGB")).transpose(2, 0, 1))
    opaque = np.concatenate([colours, np.full((4, 6, 1), 255, np.uint8)], axis=2)
    assert np.array_equal(decode(png(opaque)), colours.transpose(2, 0, 1))
    bits = noise(1, (4, 6)) > 128
    assert np.array_equal(decode(png(Image.fromarray(bits)), "grey")[0], bits * 255)
    grey = noise(2, (4, 6))
    assert np.array_equal(decode(png(grey)), np.stack([grey] * 3))


def test_decode_image_of_16_bits_keeps_the_upper_8():
    deep = np.random.default_rng(0).integers(0, 65536, (4, 6)).astype(np.uint16)
    assert np.array_equal(decode(png(deep), "grey")[0], deep // 256)
    assert np.array_equal(decode(png(deep, "TIFF"), "grey")[0], deep // 256)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_decode_image_knows_formats(format):
    data = png(noise(0, (8, 8, 3)), format)
    assert np.array_equal(decode(data), pixels(data))


def test_decode_image_of_four_inks_is_in_colours():
    inks = Image.fromarray(noise(0, (4, 6, 4)), "CMYK")
    data = png(inks, "JPEG")
    assert np.array_equal(decode(data), pixels(data))


def animated(format):
    file = io.BytesIO()
    frames = [Image.fromarray(noise(number)) for number in range(3)]
    frames[0].save(file, format, save_all=True, append_images=frames[1:])
    return file.getvalue()


def bomb():
    """A small PNG whose header says that it has 400 million pixels."""
    data = bytearray(png(noise(0)))
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(("data", "said"), [
    (b"", "empty file of 0 bytes"), (b"hello", "it is no image"), (png(noise(0))[:-30], "truncated|cut|broken"),
    (png(noise(0), "JPEG")[:-40], "truncated"), (animated("GIF"), "it holds 3 images"),
    (animated("TIFF"), "it holds 3 images"), (bomb(), "too large"),
    (png(np.concatenate([noise(0), noise(1)[..., :1]], axis=2)), "transparent pixels"),
    (png(Image.new("P", (6, 4), 0), transparency=0), "transparent pixels"),
    (png(np.zeros((4, 6), np.float32), "TIFF"), "without a known range"),
    (png(np.zeros((4, 6), np.int32), "TIFF"), "without a known range"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no image"),
], ids=range(12))
def test_decode_image_refuses(data, said):
    with pytest.raises(UnreadableError, match=said):
        decode(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_decode_image_of_any_bytes_is_an_image_or_refused(format):
    data, draw = png(noise(0, (8, 8, 3)), format), np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(data)
        for place in draw.integers(0, len(data), 3):
            changed[place] = draw.integers(256)
        try:
            found = decode(bytes(changed[: draw.integers(1, len(data) + 1)]))
        except UnreadableError:
            continue
        assert (found.dtype, found.shape[0]) == (np.uint8, 3)


def test_image_folder_real_photographs(data_dir, tmp_path):
    arrays = images(data_dir / "cifar10_jpg/test.tar").load("")
    assert arrays.inputs.shape == (10_000, 3, 32, 32)
    assert np.bincount(arrays.targets).tolist() == [1000] * 10
    assert arrays.notes["file"][[0, -1]].tolist() == ["test/airplane/0000.jpg", "test/truck/0999.jpg"]
    # Of the original test set, to a tenth of a grey value: mean of each colour.
    assert arrays.inputs.mean(axis=(0, 2, 3)) / 255 == pytest.approx([0.4942, 0.4851, 0.4504], abs=2e-3)
