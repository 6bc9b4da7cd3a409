"""Pictures of people, from files of any kind.

PGM, ``.npy`` and IDX are read here, and all else by Pillow, which is an extra and is imported in
`_read_by_pillow` alone. A file may come from anywhere: of one that is too large, broken or no
picture, a sentence is said, and no more memory is taken than `LARGEST` pixels need.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mnist_cli.data.gunzip import MAGIC
from mnist_cli.data.idx import TYPES, Header, read_idx_item, told
from mnist_cli.errors import DataError, PictureError
from mnist_cli.images.picture import LONGEST, Prepared, as_is, prepare
from mnist_cli.images.resampling import SIDE
from mnist_cli.texts import shown

LARGEST = 64_000_000
"""Pixels of a picture at most: a phone's have 50 million."""

LARGEST_FILE = 256 << 20
"""Bytes of a file at most."""

GHOSTSCRIPT = ("EPS",)
"""Formats for which Pillow starts another program, which a picture must not be able to do."""

BEGINNINGS = {
    b"%PDF": "is a PDF: save its page as a picture first, such as a PNG",
    b"<svg": "is an SVG drawing: save it as a picture first, such as a PNG",
    b"<?xml": "is an XML document: save it as a picture first, such as a PNG",
}
"""What files begin with that people take for pictures."""

HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1")
"""What the pictures of some phones have from byte 4 on."""


@dataclass(frozen=True)
class Picture:
    """A picture that was read.

    Attributes
    ----------
    pixels : array, shape (H, W) or (H, W, C)
        As `mnist_cli.images.picture.prepare` takes them, upright, and perhaps smaller than in the
        file.
    size : tuple of int
        Width and height in the file, upright.
    is_framed : bool
        Whether it is an image of a data set, 28×28, which needs no step.
    remarks : sequence of str
        What a person should know, each after the name of the picture.
    """

    pixels: NDArray[Any]
    size: tuple[int, int]
    is_framed: bool = False
    remarks: Sequence[str] = ()

    def prepared(self, *, is_as_is: bool = False) -> Prepared:
        """Return the picture as the network takes it, and its box in pixels of the file.

        Parameters
        ----------
        is_as_is : bool
            Whether it is 28×28 already, and all steps are to be left out.

        Raises
        ------
        PictureError
            If it does not show one digit.
        """
        if is_as_is or self.is_framed:
            return as_is(self.pixels)
        done = prepare(self.pixels)
        height, width = self.pixels.shape[:2]
        scales = (self.size[0] / width, self.size[1] / height) * 2
        left, top, right, bottom = (round(a * b) for a, b in zip(done.box, scales, strict=True))
        return Prepared(done.image, (left, top, right, bottom), done.steps)


def read_picture(source: str | Path | IO[bytes], index: int | None = None) -> Picture:
    """Read a picture.

    Parameters
    ----------
    source : path or binary file
    index : int, optional
        Which image of an IDX or ``.npy`` file that holds several, from 0.

    Raises
    ------
    PictureError
        If it cannot be read.
    """
    name = "The picture" if hasattr(source, "read") else str(source)
    try:
        with _opened(source) as file:
            picture = _of_arrays(file, index)
            if picture is not None:
                return picture
            content = file.read()
        if not content:
            raise PictureError("is empty: give a picture.")
        if index is not None:
            raise PictureError("holds one picture: leave `index` out.")
        if re.match(rb"P[25]\s", content):
            pixels = _parse_pgm(content)
            return Picture(pixels, (pixels.shape[1], pixels.shape[0]))
        return _read_by_pillow(content)
    except PictureError as error:
        raise error.of(name) from error


@contextmanager
def _opened(source: str | Path | IO[bytes]) -> Iterator[IO[bytes]]:
    """Open a file that is no longer than `LARGEST_FILE`."""
    try:
        if isinstance(source, (str, Path)):
            if Path(source).is_dir():
                raise PictureError("is a folder: name the pictures in it, or use 'mnist-cli pack'.")
            if Path(source).is_file():
                if Path(source).stat().st_size > LARGEST_FILE:
                    raise _too_long()
                with Path(source).open("rb") as file:
                    yield file
                return
            with Path(source).open("rb") as file:  # a pipe, or nothing
                content = file.read(LARGEST_FILE + 1)
        else:
            content = source.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise PictureError("is not there: check its name.") from error
    except (OSError, ValueError) as error:  # a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"cannot be read: {reason}.") from error
    if len(content) > LARGEST_FILE:
        raise _too_long()
    yield io.BytesIO(content)


def _too_long() -> PictureError:
    return PictureError(f"has more than the {LARGEST_FILE:,} bytes that are read: shrink it.")


def _too_large(width: int, height: int) -> PictureError:
    return PictureError(
        f"has {width:,}×{height:,} pixels, more than the {LARGEST:,} that can be read: shrink it."
    )


def _of_arrays(file: IO[bytes], index: int | None) -> Picture | None:
    """Return an image of an IDX or ``.npy`` file, and None of any other file, from its start."""
    start = file.read(6)
    file.seek(0)
    is_idx = start[:2] == b"\0\0" and start[2:3] and start[2] in TYPES
    if (is_idx and start[3:4] and 1 <= start[3] <= 4) or start[:2] == MAGIC:
        shapes: list[tuple[int, ...]] = []

        def choose(header: Header) -> int | None:
            shapes.append(header.shape)
            return _choose(header.shape, index)

        try:
            pixels = read_idx_item(file, "IDX", choose)
        except PictureError:
            raise
        except DataError as error:
            raise PictureError(
                f"is not an IDX file, or is a broken one: {shown(error, 200)}"
            ) from error
        return _picture(pixels, shapes[0])
    if start != npy.MAGIC_PREFIX:
        return None
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with warnings.catch_warnings(action="ignore"):
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, is_fortran, dtype = read(file)
        size = math.prod(shape)
        if dtype.hasobject or size * dtype.itemsize != length - file.tell():
            raise ValueError("its header promises something else")
        if min(shape, default=1) < 1:
            raise ValueError("it holds nothing")
    except Exception as error:
        # Of a damaged header, NumPy raises whatever it comes upon.
        raise PictureError(f"is a broken .npy file ({shown(error)}): write it again.") from error
    chosen = _choose(shape, index)
    numbers = np.frombuffer(file.read(), dtype)
    array = numbers.reshape(shape[::-1]).T if is_fortran else numbers.reshape(shape)
    pixels = array if chosen is None else array[chosen]
    return _picture(pixels.astype(dtype.newbyteorder("="), copy=False), shape)


def _choose(shape: tuple[int, ...], index: int | None) -> int | None:
    """Return which image to read of an array that may hold several; None if it is one itself."""
    is_single = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 2, 3, 4))
    if is_single and index is not None:
        raise PictureError("holds one picture: leave `index` out.")
    if not is_single and len(shape) not in (3, 4):
        raise PictureError(f"has the shape {told(shape)}, which no picture has.")
    height, width = shape[:2] if is_single else shape[1:3]
    if is_single:
        chosen = None
    elif index is None and shape[0] != 1:
        raise PictureError(f"holds {shape[0]:,} images: choose one by its `index`.")
    else:
        chosen = index or 0
        if chosen >= shape[0]:
            raise PictureError(f"holds {shape[0]:,} images, and none has the `index` {chosen}.")
    if height * width > LARGEST:
        raise _too_large(width, height)
    return chosen


def _picture(pixels: NDArray[Any], shape: tuple[int, ...]) -> Picture:
    """Return an image that was chosen of an array of that shape."""
    height, width = pixels.shape[:2]
    is_framed = pixels.ndim < len(shape) and pixels.shape == (SIDE, SIDE)
    return Picture(pixels, (width, height), is_framed and pixels.dtype == np.uint8)


def _parse_pgm(content: bytes) -> NDArray[Any]:
    """Return the greys of a PGM file, as text or as bytes (Poskanzer 1989)."""
    space = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(rb"P([25])" + (space + rb"(\d{1,9})") * 3 + rb"\s", content)
    if not header:
        raise PictureError("is a PGM file with a broken header: save it again.")
    kind, *numbers = header.groups()
    width, height, white = map(int, numbers)
    size = width * height
    if size > LARGEST:
        raise _too_large(width, height)
    if not (size and 0 < white < 65536):
        raise PictureError("is a PGM file with a broken header: save it again.")
    body = content[header.end() :]
    if kind == b"2":
        words = re.sub(rb"#[^\n]*", b"", body).split(maxsplit=size)[:size]
        if not all(word.isdigit() and len(word) < 6 for word in words):
            raise PictureError("is a PGM file with something other than numbers: save it again.")
        greys = np.array([int(word) for word in words], np.int64)
    else:
        dtype = np.dtype(">u2" if white > 255 else "u1")
        greys = np.frombuffer(body, dtype, min(size, len(body) // dtype.itemsize))
    if len(greys) < size:
        raise PictureError(f"is cut off: it has {len(greys):,} of {size:,} pixels.")
    if greys.max() > white:
        raise PictureError("is a PGM file with greys that are whiter than white: save it again.")
    pixels: NDArray[Any] = (greys.reshape(height, width) / np.float32(white)).astype(np.float32)
    return pixels


def _read_by_pillow(content: bytes) -> Picture:
    """Return what Pillow makes of a file: the first frame, upright, shrunk while it is read."""
    for beginning, said in BEGINNINGS.items():
        if content.lstrip()[: len(beginning)] == beginning:
            raise PictureError(f"{said}.")
    if content[4:12] in HEIC:
        raise PictureError("is in HEIC, a phone's format: save it as JPEG or PNG first.")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise PictureError(
            'needs Pillow to be read: install it with "pip install Pillow", or save '
            "the picture as PGM."
        ) from error
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # it would log to stderr
    with warnings.catch_warnings(action="ignore"):
        try:
            Image.init()
            formats = [name for name in Image.ID if name not in GHOSTSCRIPT]
            with Image.open(io.BytesIO(content), formats=formats) as image:
                width, height = image.size
                if width * height > LARGEST:
                    raise _too_large(width, height)
                remarks = []
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    image.seek(0)
                    remarks.append("has several frames: the first one is read.")
                image.draft("RGB", (LONGEST, LONGEST))
                image.load()
                orientation = image.getexif().get(0x0112, 1)  # TIFFs are upright when loaded
                if image.format == "TIFF":
                    (width, height), orientation = image.size, 1
                pixels = _turned(_pixels_of(image), orientation)
        except (PictureError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise PictureError(
                f"has more than the {LARGEST:,} pixels that are read: shrink it."
            ) from error
        except UnidentifiedImageError as error:
            raise PictureError("is not a picture that can be read: save it as PNG.") from error
        except Exception as error:
            # Of a damaged file, Pillow raises whatever it comes upon.
            raise PictureError(f"is a broken picture ({shown(error)}): save it again.") from error
    size = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
    return Picture(pixels, size, remarks=remarks)


def _pixels_of(image: Any) -> NDArray[Any]:
    """Return the pixels of Pillow's image, in any of its modes, as `to_grey` takes them."""
    mode = image.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        numbers = np.asarray(image)
        if mode.startswith("I;16") or (mode == "I" and 255 < numbers.max() < 65536):
            return numbers.astype(np.uint16)
        numbers = np.nan_to_num(numbers.astype(np.float32))
        low, high = numbers.min(), numbers.max()
        scaled: NDArray[Any] = (numbers - low) / max(high - low, np.float32(1e-9))
        return scaled
    if image.has_transparency_data:
        image = image.convert("LA" if mode == "LA" else "RGBA")
    elif mode != "L":
        image = image.convert("L" if mode == "1" else "RGB")
    factor = max(image.size) // LONGEST
    if factor > 1:
        image = image.reduce(factor)
    return np.asarray(image)


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a picture upright, by the orientation tag of Exif (JEITA CP-3451, 4.6.4)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
