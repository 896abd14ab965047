"""Folders of images and recordings for tests, their archives, and data sets of them."""

import io
import tarfile
import zipfile

import numpy as np
import soundfile
from PIL import Image

from dlx.dataset.audio_folder import AudioFolder
from dlx.dataset.image_folder import ImageFolder


def images(path, test_path=None, size=None, mode="rgb", pattern=None):
    """The data set of an image folder."""
    return ImageFolder(str(path), None if test_path is None else str(test_path), size, mode, pattern)


def recordings(path, test_path=None, sample_rate=None, pattern=None):
    """The data set of an audio folder."""
    return AudioFolder(str(path), None if test_path is None else str(test_path), sample_rate, pattern)


def png(pixels, format="PNG", **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(file, format, **options)
    return file.getvalue()


def noise(seed, shape=(4, 6, 3)):
    """Random pixels."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def wav(samples, rate=8000, format="WAV", subtype="PCM_16"):
    """The bytes of a file of samples in [-1, 1], [L] or [L, channels]."""
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples), rate, format=format, subtype=subtype)
    return file.getvalue()


def tone(length=100, hertz=440.0, rate=8000):
    """A sine of half the full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(length) / rate)


def written(folder, files):
    """Write files by name, and return the folder; a name that ends with "/" is an empty folder."""
    for name, data in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def tarred(path, files, mode="w"):
    """Write a tar of files by name, and return its path."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path, files):
    """Write a zip of files by name, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


IMAGES = {f"{name}/{number}.png": png(noise(ord(name[0]) + number)) for name in ("cat", "dog") for number in range(4)}
RECORDINGS = {f"{name}/{number}.wav": wav(tone(50 + 10 * number, 300 + 300 * (name == "high")))
              for name in ("high", "low") for number in range(4)}
