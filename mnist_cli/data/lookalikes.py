"""Files that bear the name of a data file and are something else: what they are, by their start."""

from __future__ import annotations

import re
from typing import NamedTuple

from mnist_cli.data.network import printable

BEGINNING = 512
"""Bytes that tell what a file is."""


class Lookalike(NamedTuple):
    """What a file is, and what makes a data file of it, if anything does but another file."""

    what: str
    cure: str = ""


PAGE = Lookalike("a web page, perhaps a sign-in or a notice")
POINTER = Lookalike(
    "a Git LFS pointer, which stands for the file",
    "run 'git lfs pull' in the repository that it comes from",
)

STARTS = {
    b"version https://git-lfs": POINTER,
    b"version https://hawser": POINTER,
    b"PK\x03\x04": Lookalike("a zip archive", "unpack it with 'unzip'"),
    b"PK\x05\x06": Lookalike("an empty zip archive"),
    b"7z\xbc\xaf\x27\x1c": Lookalike("a 7z archive", "unpack it with '7z x'"),
    b"Rar!\x1a": Lookalike("a RAR archive", "unpack it with 'unrar x'"),
    b"\xfd7zXZ": Lookalike("packed by xz", "unpack it with 'unxz'"),
    b"BZh": Lookalike("packed by bzip2", "unpack it with 'bunzip2'"),
    b"\x28\xb5\x2f\xfd": Lookalike("packed by zstd", "unpack it with 'unzstd'"),
    b"\x93NUMPY": Lookalike("a NumPy array"),
    b"\x89PNG": Lookalike("a picture", "use 'mnist-cli pack' for a folder of pictures"),
    b"\xff\xd8\xff": Lookalike("a picture", "use 'mnist-cli pack' for a folder of pictures"),
    b"<?xml": Lookalike("an XML document, perhaps a server's error"),
}
"""What files begin with that are taken for data."""


def recognise(beginning: bytes) -> Lookalike | None:
    """Return what a file is that is no data file, by its first bytes; None if that is not known."""
    if not beginning:
        return Lookalike("empty")
    for start, found in STARTS.items():
        if beginning.startswith(start):
            return found
    if beginning[257:262] == b"ustar":
        return Lookalike("a tar archive", "unpack it with 'tar -xf'")
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"<!doctype html|<(html|head|body|script|title|!--)\b", text, re.IGNORECASE):
        return PAGE
    if text and all(byte >= 32 or byte in b"\t\r\n\f" for byte in beginning):
        line = printable(text.split(b"\n")[0].decode(errors="replace").strip(), 40)
        return Lookalike(f"a text that begins with {line!r}")
    return None
