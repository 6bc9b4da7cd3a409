"""Pictures from files of any kind, whole, broken, large and hostile."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_cli.data.idx import write_idx
from mnist_cli.data.pictures import read_picture
from mnist_cli.errors import PictureError


@pytest.fixture(scope="module")
def seven() -> NDArray[np.uint8]:
    """Return a picture of a 7, dark on white, that is not the same in any other orientation."""
    grey = np.full((120, 90), 255, np.uint8)
    grey[20:28, 20:60] = 20
    for row in range(20, 100):
        middle = 60 - (row - 20) // 4
        grey[row, middle - 4 : middle + 4] = 20
    return grey


def pgm(grey: NDArray[np.uint8], white: int = 255, kind: str = "P5") -> bytes:
    header = f"{kind}\n# drawn\n{grey.shape[1]} {grey.shape[0]}\n{white}\n".encode()
    if kind == "P2":
        return header + " ".join(map(str, grey.ravel())).encode()
    numbers = (grey * np.uint32(257)).astype(">u2") if white > 255 else grey
    return header + numbers.tobytes()


def test_pgm_npy_and_idx_are_read_without_pillow(seven: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "7.pgm").write_bytes(pgm(seven))
    (tmp_path / "7-text.pgm").write_bytes(pgm(seven, kind="P2"))
    (tmp_path / "7-deep.pgm").write_bytes(pgm(seven, white=65535))
    np.save(tmp_path / "7.npy", seven)
    np.save(tmp_path / "7-fortran.npy", np.asfortranarray(seven))
    write_idx(tmp_path / "many-idx.gz", np.stack([seven, seven[::-1]]))
    script = (
        "import sys; sys.modules['PIL'] = None\n"
        "from mnist_cli.data.pictures import read_picture\n"
        "for name in sys.argv[1:]:\n"
        "    picture = read_picture(name, 0 if 'many' in name else None)\n"
        "    assert picture.prepared().box[1] in (19, 20), name\n"
        "try:\n"
        "    read_picture(__file__)\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    (tmp_path / "script.py").write_text(script)
    names = [*map(str, sorted(tmp_path.glob("7*"))), str(tmp_path / "many-idx.gz")]
    command = [sys.executable, str(tmp_path / "script.py"), *names]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "script.py needs Pillow to be read: install it with" in told
    assert "pip install Pillow" in told
    assert told.count("\n") == 1


def test_an_image_of_many_is_chosen_by_its_index(seven: NDArray[np.uint8], tmp_path: Path) -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    images[2, 5:20, 14] = 255
    write_idx(tmp_path / "images", images)
    picture = read_picture(tmp_path / "images", 2)
    assert np.array_equal(picture.prepared().image, images[2]), "a data set's image is framed"
    for index, sentence in ((None, "holds 3 images: choose"), (3, "none has the `index` 3")):
        with pytest.raises(PictureError, match=sentence):
            read_picture(tmp_path / "images", index)
    np.save(tmp_path / "one.npy", seven)
    with pytest.raises(PictureError, match="holds one picture"):
        read_picture(tmp_path / "one.npy", 0)


PILLOW: dict[str, Callable[[Any], Any]] = {
    "grey.png": lambda image: image,
    "colour.jpg": lambda image: image.convert("RGB"),
    "palette.gif": lambda image: image.convert("P"),
    "palette.png": lambda image: image.convert("RGB").quantize(16),
    "cmyk.jpg": lambda image: image.convert("CMYK"),
    "cmyk.tif": lambda image: image.convert("CMYK"),
    "bits.png": lambda image: image.convert("1"),
    "bits.tif": lambda image: image.convert("1"),
    "opaque.webp": lambda image: image.convert("RGBA"),
    "opaque.png": lambda image: image.convert("LA"),
    "floats.tif": lambda image: image.convert("F"),
    "ints.tif": lambda image: image.convert("I"),
    "windows.bmp": lambda image: image.convert("RGB"),
    "portable.ppm": lambda image: image.convert("RGB"),
    "ycbcr.jpg": lambda image: image.convert("YCbCr"),
}


@pytest.mark.parametrize("name", PILLOW)
def test_every_kind_of_pixel_is_read(name: str, seven: NDArray[np.uint8], tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    PILLOW[name](image_module.fromarray(seven)).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.size == (90, 120)
    left, top, right, bottom = picture.prepared().box
    assert abs(left - 20) <= 2
    assert abs(top - 20) <= 2
    assert abs(right - 64) <= 2
    assert abs(bottom - 100) <= 2


def test_16_bits_are_read(seven: NDArray[np.uint8], tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    for name in ("deep.png", "deep.tif"):
        image_module.fromarray(seven.astype(np.uint16) * 257).save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert picture.pixels.dtype == np.uint16
        assert picture.prepared().box[1] == 20


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_tag_is_followed(
    orientation: int, seven: NDArray[np.uint8], tmp_path: Path
) -> None:
    image_module = pytest.importorskip("PIL.Image")
    ops = pytest.importorskip("PIL.ImageOps")
    exif = image_module.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "7.png"
    image_module.fromarray(seven).save(path, exif=exif)
    with image_module.open(path) as image:
        upright = np.asarray(ops.exif_transpose(image))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, upright)
    assert picture.size == (upright.shape[1], upright.shape[0])


def test_transparent_paper_is_paper(seven: NDArray[np.uint8], tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    for ink in (0, 255):
        pixels = np.full((*seven.shape, 4), ink, np.uint8)
        pixels[..., 3] = 255 - seven
        image_module.fromarray(pixels).save(tmp_path / "7.png")
        assert read_picture(tmp_path / "7.png").prepared().box == (20, 20, 64, 100)


def test_of_an_animation_the_first_frame_is_read_with_a_remark(
    seven: NDArray[np.uint8], tmp_path: Path
) -> None:
    image_module = pytest.importorskip("PIL.Image")
    first, second = (image_module.fromarray(grey) for grey in (seven, 255 - 0 * seven))
    first.save(tmp_path / "7.gif", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "7.gif")
    assert picture.remarks == ["has several frames: the first one is read."]
    assert picture.prepared().box[:2] == (20, 20)


def test_a_large_picture_is_shrunk_while_it_is_read(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    grey = np.full((3000, 4000), 230, np.uint8)
    grey[500:2500, 1900:2100] = 20
    for name in ("1.jpg", "1.png"):
        image_module.fromarray(grey).save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert max(picture.pixels.shape) < 2000
        assert picture.size == (4000, 3000)
        box = picture.prepared().box
        assert np.abs(np.array(box) - (1900, 500, 2100, 2500)).max() <= 8


def cut(name: str) -> Callable[[NDArray[np.uint8]], bytes]:
    def make(seven: NDArray[np.uint8]) -> bytes:
        image_module = pytest.importorskip("PIL.Image")
        file = io.BytesIO()
        image_module.fromarray(seven).save(file, name)
        return file.getvalue()[: len(file.getvalue()) // 2]

    return make


def bomb(seven: NDArray[np.uint8]) -> bytes:
    image_module = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image_module.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def npy_with(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


BAD: dict[str, tuple[Callable[[NDArray[np.uint8]], bytes], str]] = {
    "empty": (lambda seven: b"", "is empty"),
    "text": (lambda seven: b"hello, world", "is not a picture that can be read"),
    "pdf": (lambda seven: b"%PDF-1.7\n", "is a PDF"),
    "svg": (lambda seven: b"<svg></svg>", "is an SVG"),
    "eps": (
        lambda seven: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not a picture that",
    ),
    "heic": (lambda seven: b"\0\0\0\x18ftypheic\0\0\0\0", "is in HEIC"),
    "cut png": (cut("PNG"), "is a broken picture"),
    "cut jpeg": (cut("JPEG"), "is a broken picture"),
    "cut gif": (cut("GIF"), "is a broken picture"),
    "cut pgm": (lambda seven: pgm(seven)[:500], "is cut off"),
    "pgm of words": (lambda seven: b"P2 2 1 255 one two", "something other than numbers"),
    "pgm of nothing": (lambda seven: b"P5 0 0 255 ", "broken header"),
    "pgm too white": (lambda seven: b"P2 1 1 10 11", "whiter than white"),
    "large pgm": (lambda seven: b"P5 20000 20000 255 ", "has 20,000×20,000 pixels"),
    "large png": (bomb, "more than the 64,000,000"),
    "cut idx": (lambda seven: b"\0\0\x08\x03\0\0\0\x01", "not an IDX file, or is a broken one"),
    "cut gzip": (lambda seven: b"\x1f\x8b\x08", "not an IDX file, or is a broken one"),
    "huge npy": (
        lambda s: npy_with("{'descr':'|u1','fortran_order':False,'shape':(99999,99999)}"),
        "is a broken .npy file",
    ),
    "pickled npy": (
        lambda s: npy_with("{'descr':'|O','fortran_order':False,'shape':(9,9)}"),
        "is a broken .npy file",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_one_sentence(what: str, seven: NDArray[np.uint8], tmp_path: Path) -> None:
    make, sentence = BAD[what]
    path = tmp_path / "picture"
    path.write_bytes(make(seven))
    with pytest.raises(PictureError, match=sentence) as raised:
        read_picture(path)
    assert str(raised.value).startswith(f"{path} ")
    assert "\n" not in str(raised.value)


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match="is not there"):
        read_picture(tmp_path / "none")
    with pytest.raises(PictureError, match="cannot be read"):
        read_picture("a\0b")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_a_hostile_file_takes_no_more_memory_than_the_largest_picture(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(np.zeros(0, np.uint8)))
    script = (
        "import sys\n"
        "from mnist_cli.data.pictures import read_picture\n"
        "from mnist_cli.errors import PictureError\n"
        "try:\n"
        "    read_picture(sys.argv[1])\n"
        "except PictureError:\n"
        "    print(open('/proc/self/status').read())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "bomb.png")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak = next(line.split()[1] for line in told.splitlines() if line.startswith("VmHWM"))
    assert int(peak) * 1024 < 200 << 20
