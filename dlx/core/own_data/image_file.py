"""Images from the bytes of image files. C channels, H height, W width."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlx.core.own_data.decode import UnreadableError
from dlx.core.wording import reason

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["rgb", "grey"]
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"})
# What else Pillow reads is rare, or an interpreter of its own.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
ORIENTATION = 0x0112
# What Pillow's decoders raise at damaged files.
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError,
              MemoryError, struct.error, zlib.error, NotImplementedError)


@contextlib.contextmanager
def strict_pillow() -> Iterator[None]:
    """Make Pillow refuse decompression bombs, and say nothing of odd metadata, in all threads while it is open."""
    from PIL import Image

    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode_image(data: bytes, mode: Mode, size: tuple[int, int] | None) -> np.ndarray:
    """Decode an image, upright as its EXIF data says.

    Args:
        data: content of the file, in one of FORMATS.
        mode: rgb gives three channels, grey one (ITU-R 601 luma).
        size: (H, W) to scale to, with antialiasing and without regard to the ratio of sides; None to leave it.

    Returns:
        uint8 [C, H, W]; of 16-bit images the upper 8 bits.

    Raises:
        UnreadableError: no image, a damaged or too large one, several in one file, transparent or of other numbers.
    """
    from PIL import Image, ImageOps

    if not data:
        raise UnreadableError("it is an empty file of 0 bytes")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise UnreadableError(f"it holds {getattr(image, 'n_frames', 1)} images; save the one that is meant")
            image.load()
            upright = image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
            plain = converted(upright, mode)
            if size is not None and plain.size != size[::-1]:
                plain = plain.resize(size[::-1], Image.Resampling.BILINEAR)
            pixels = np.asarray(plain)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(f"it is too large: {error}") from error
    except UNREADABLE as error:
        raise UnreadableError(_reason(error)) from error
    return pixels[None] if mode == "grey" else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def converted(image: Image, mode: Mode) -> Image:
    """Return an image in 8 bits of colour or grey, of 16 the upper ones.

    Raises:
        UnreadableError: it has transparent pixels, or numbers of 32 bits.
    """
    return _opaque(_eight_bits(image)).convert("RGB" if mode == "rgb" else "L")


def _reason(error: BaseException) -> str:
    text = reason(error)
    return "it is no image" if "cannot identify image file" in text else text or type(error).__name__


def _eight_bits(image: Image) -> Image:
    from PIL import Image as pillow  # noqa: N813

    if image.mode.startswith("I;16"):
        if image.has_transparency_data:
            raise UnreadableError("it has transparent pixels; draw it on a background first")
        return pillow.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise UnreadableError("its pixels are numbers of 32 bits without a known range; save it with 8 or 16 bits")
    return image


def _opaque(image: Image) -> Image:
    if not image.has_transparency_data:
        return image
    coloured = image.convert("RGBA")
    if coloured.getchannel("A").getextrema()[0] != 255:
        raise UnreadableError("it has transparent pixels; draw it on a background first")
    return coloured
