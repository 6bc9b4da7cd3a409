"""Damaged files, by the hundred thousand: each is read, or refused by one sentence.

    python benchmarks/fuzz.py                       # 100,000 of each format
    python benchmarks/fuzz.py --count 1000 --seed 7 --format idx

Sound files are damaged at random, by bytes and by what they are made of, and read as the program
reads them. Anything but a result or an `MnistCliError` is a failure, and so are more than ten
seconds, twice, or more memory than the limit. Every failing input is kept, and the exit status is
1.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from mnist_cli.cli.train import train as train_command
from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import MnistCliError
from mnist_cli.model import Model
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

SECONDS = 10
"""A file that takes longer to read is a failure."""
MEMORY = 1 << 30
"""Bytes that the program may have, itself included; where the system has such limits."""

Random = np.random.Generator
EXTREMES = [0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]
TOKENS = [
    b"[train]", b"[", b"]", b"=", b'"', b"'''", b"\n", b"1e999", b"-1", b"nan", b"true", b"{", b"}",
    b"hidden", b"lr", b"config", b"9" * 40, b"\xff", b"\x00", b".", b"1979-05-27", b"[[",
    b"\\u0000", b"9" * 5000, b"0x1" + b"0" * 5000,
]  # fmt: skip
VALUES: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 2**200, -0.5, 1e300, float("nan"), float("inf"), "", "x",
    [], [[]], {}, {"state": 1}, "float32", "9" * 300,
]  # fmt: skip


def damage_bytes(content: bytes, rng: Random) -> bytes:
    """Return bytes of which some are changed, lost, doubled, or replaced by extreme numbers."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        size = len(damaged)
        # The beginning, where the headers are, is hit more often.
        at = int(size * rng.random() ** 3)
        span = int(rng.integers(1, 9))
        match rng.integers(7):
            case 0 if size:
                damaged[at % size] ^= 1 << int(rng.integers(8))
            case 1 if size:
                damaged[at % size] = int(rng.integers(256))
            case 2:
                del damaged[at:]
            case 3:
                del damaged[at : at + span]
            case 4:
                damaged[at:at] = damaged[at : at + span]
            case 5:
                number = EXTREMES[rng.integers(len(EXTREMES))]
                damaged[at : at + 4] = struct.pack("<>"[rng.integers(2)] + "I", number)
            case _:
                damaged += rng.bytes(span)
    return bytes(damaged)


def damage_text(content: bytes, rng: Random) -> bytes:
    """Return a text with words of its language where they do not belong."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(damaged) + 1))
        damaged[at : at + int(rng.integers(6))] = TOKENS[rng.integers(len(TOKENS))]
    return bytes(damaged) if rng.random() < 0.7 else damage_bytes(bytes(damaged), rng)


def damage_gzip(content: bytes, rng: Random) -> bytes:
    """Return gzip of something else than before, or damaged gzip."""
    match rng.integers(3):
        case 0:
            return damage_bytes(content, rng)
        case 1:
            return gzip.compress(damage_bytes(gzip.decompress(content), rng), 1)
        case _:
            # Much more comes out than the header promises.
            return gzip.compress(gzip.decompress(content) + bytes(int(rng.integers(1 << 18))), 1)


def damage_twice(content: bytes, rng: Random) -> bytes:
    """Return gzip of damaged gzip."""
    return gzip.compress(damage_gzip(gzip.decompress(content), rng), 1)


def damage_value(value: Any, rng: Random) -> Any:
    """Return a JSON value with another one somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = list(value)[rng.integers(len(value))]
        if rng.random() < 0.15:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: damage_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = int(rng.integers(len(value)))
        return [*value[:at], damage_value(value[at], rng), *value[at + 1 :]]
    return VALUES[rng.integers(len(VALUES))]


def damage_array(array: np.ndarray[Any, Any], rng: Random) -> np.ndarray[Any, Any]:
    """Return an array of another type or shape, or with odd numbers in it."""
    if array.dtype.kind == "U":
        text = json.loads(str(array[()]))
        return np.array(json.dumps(damage_value(text, rng)))
    match rng.integers(5):
        case 0:
            return array[: rng.integers(len(array))]
        case 1:
            return array.astype(rng.choice(["f8", "f2", "i4", "c8", ">f4", "S3", "?"]))
        case 2:
            odd = array.copy()
            strange = [np.nan, np.inf, -np.inf] if odd.dtype.kind == "f" else [255, 10, 26]
            odd[rng.integers(len(odd))] = rng.choice(strange)
            return odd
        case 3:
            return array.reshape(1, -1)
        case _:
            return np.array([{}, None], object)


def damage_archive(content: bytes, rng: Random) -> bytes:
    """Return an archive with a damaged member, a missing or an extra one, or damaged bytes."""
    if rng.random() < 0.4:
        return damage_bytes(content, rng)
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    name = list(arrays)[rng.integers(len(arrays))]
    out = io.BytesIO()
    match rng.integers(5):
        case 0 | 1:
            np.savez(out, **(arrays | {name: damage_array(arrays[name], rng)}))
        case 2:
            del arrays[name]
            np.savez(out, **arrays)
        case 3:
            write = np.savez_compressed if rng.random() < 0.5 else np.savez
            write(out, **(arrays | {f"extra{rng.integers(9)}": np.zeros(3)}))
        case _:
            # The archive is sound, and the array in it is not.
            with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
                for member in before.namelist():
                    inner = before.read(member)
                    is_hit = member == f"{name}.npy"
                    after.writestr(member, damage_bytes(inner, rng) if is_hit else inner)
    return out.getvalue()


def damage_table(content: bytes, rng: Random) -> bytes:
    """Return a table with cells, ends of lines and quotes where they do not belong."""
    cells = [b",", b"\n", b"\r", b'"', b"256", b"-1", b"1.5", b".0", b"", b" ", b"label", b"1e3",
             b"9" * 400, b"\x00", b"\xef\xbb\xbf", b"nan", b",," * 800]  # fmt: skip
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(len(damaged) * rng.random() ** 2)
        damaged[at : at + int(rng.integers(5))] = cells[rng.integers(len(cells))]
    return bytes(damaged) if rng.random() < 0.7 else damage_bytes(bytes(damaged), rng)


NAMES = [
    "parameters",
    "parameters.npy",
    "checkpoint.npy",
    "../x.npy",
    ".npy",
    "x/",
    "\n.npy",
    "é.npy",
]


def damage_zip(content: bytes, rng: Random) -> bytes:
    """Return an archive with the same arrays, whose structure is another, or makes no sense."""
    kind = rng.integers(8)
    if kind < 4:
        return rebuild_zip(content, rng, int(kind))
    damaged = bytearray(content)
    if kind == 4:
        junk = rng.bytes(int(rng.integers(1, 99)))
        return junk + content if rng.random() < 0.5 else content + junk
    # The records: a member's own, the directory's, and the last one.
    mark, size = [(b"PK\3\4", 30), (b"PK\1\2", 46), (b"PK\5\6", 22)][kind - 5]
    places = [place for place in range(len(content)) if content[place : place + 4] == mark]
    for place in places if rng.random() < 0.2 else [places[rng.integers(len(places))]]:
        at = place + 4 + 2 * int(rng.integers((size - 4) // 2))
        number = EXTREMES[rng.integers(len(EXTREMES))]
        width = 2 if rng.random() < 0.5 else 4
        damaged[at : at + width] = struct.pack("<I", number)[:width]
    return bytes(damaged)


def rebuild_zip(content: bytes, rng: Random, kind: int) -> bytes:
    """Return an archive with a member twice, renamed, compressed, or in another order."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
        members = [(member.filename, before.read(member)) for member in before.infolist()]
        hit = int(rng.integers(len(members)))
        name, inner = members[hit]
        method = zipfile.ZIP_STORED
        match kind:
            case 0:
                again = inner if rng.random() < 0.5 else damage_bytes(inner, rng)
                members.insert(int(rng.integers(len(members) + 1)), (name, again))
            case 1:
                members[hit] = (NAMES[rng.integers(len(NAMES))], inner)
            case 2:
                method = int(rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
            case _:
                members = [members[place] for place in rng.permutation(len(members))]
                after.comment = rng.bytes(int(rng.integers(99)))
        with warnings.catch_warnings(action="ignore"):  # of a name that comes twice
            for name, inner in members:
                after.writestr(name, inner, method)
    return out.getvalue()


def samples(folder: Path) -> dict[str, tuple[bytes, Callable[[bytes, Random], bytes], Any]]:
    """Return a sound file of each format, how to damage it, and what reads it."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(6, 28, 28), dtype=np.uint8)
    write_idx(folder / "images", images)
    write_idx(folder / "images.gz", images)
    recipe = Recipe(hidden=2, epochs=1, sampling="loss")
    labels = np.arange(6, dtype=np.uint8)
    checkpoints: list[Any] = []
    origin = {"dataset": "mnist", "data": {}}
    trained = train(recipe, Split(images, labels), origin=origin, keep=checkpoints.append)
    trained.model.save(folder / "model")
    checkpoints[-1].save(folder / "checkpoint")
    config = b'# a config\n[train]\nhidden = 300\nlr = 0.1\noptimizer = "adam"\nquiet = true\n'

    def read_data(path: Path) -> None:
        """Read a file as images, and as labels, beside a sound one."""
        read_idx(path)
        for damaged, sound in (STEMS["train"], STEMS["train"][::-1]):
            (folder / damaged).unlink(missing_ok=True)
            (folder / sound).unlink(missing_ok=True)
            (folder / damaged).symlink_to(path)
            write_idx(folder / sound, labels if "images" in damaged else images)
            with contextlib.suppress(MnistCliError):
                load_split("mnist", "train", folder)

    def write_set(name: str) -> tuple[Path, str, str]:
        """Write a small data set under its published names; return where, images and labels."""
        published, place = SOURCES[name].published, folder / name
        assert published
        place.mkdir(exist_ok=True)
        stems = published.stems["train"]
        write_idx(place / stems[0], images)
        write_idx(place / stems[1], labels)
        return place, *stems

    def read_in(place: Path, file: str, name: str) -> Callable[[Path], None]:
        """Return what reads a file under a name in a folder, as a part of a data set."""

        def read(path: Path) -> None:
            (place / file).write_bytes(path.read_bytes())
            for split in ("train", "test") if name == "mnist" else ("train",):
                load_split(name, split, place)

        return read

    emnist, emnist_images, _ = write_set("emnist-digits")
    qmnist, _, qmnist_labels = write_set("qmnist")
    write_idx(folder / "long", np.repeat(labels.astype(np.int32)[:, None], 8, axis=1))
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    for place in ("keras", "kaggle"):
        (folder / place).mkdir()
    np.savez_compressed(folder / "npz", **arrays)
    rows = np.concatenate([labels[:, None], images.reshape(-1, 784)], axis=1).tolist()
    lines = [",".join(["label", *(f"pixel{number}" for number in range(784))])]
    lines += [",".join(map(str, row)) for row in [*rows, *rows]]
    table = "\n".join([*lines, ""]).encode()

    def read_as(option: str) -> Callable[[Path], object]:
        """Return what reads a file as an option of ``train``, to the last setting in it."""
        return lambda path: train_command.make_context("train", [option, str(path)])

    return {
        "idx": ((folder / "images").read_bytes(), damage_bytes, read_data),
        "gzip": ((folder / "images.gz").read_bytes(), damage_gzip, read_idx),
        "model": ((folder / "model").read_bytes(), damage_archive, Model.load),
        "checkpoint": ((folder / "checkpoint").read_bytes(), damage_archive, read_as("--resume")),
        "toml": (config, damage_text, read_as("--config")),
        "zip": ((folder / "checkpoint").read_bytes(), damage_zip, read_as("--resume")),
        "keras": (
            (folder / "npz.npz").read_bytes(),
            lambda content, rng: [damage_archive, damage_zip][rng.integers(2)](content, rng),
            read_in(folder / "keras", "mnist.npz", "mnist"),
        ),
        "table": (table, damage_table, read_in(folder / "kaggle", "train.csv", "mnist")),
        "qmnist": (
            (folder / "long").read_bytes(),
            damage_bytes,
            read_in(qmnist, qmnist_labels, "qmnist"),
        ),
        "emnist": (
            gzip.compress((folder / "images.gz").read_bytes()),
            lambda content, rng: [damage_bytes, damage_twice][rng.integers(2)](content, rng),
            read_in(emnist, emnist_images, "emnist-digits"),
        ),
    }


FORMATS = [
    "idx",
    "gzip",
    "model",
    "checkpoint",
    "toml",
    "zip",
    "keras",
    "table",
    "qmnist",
    "emnist",
]


def judged(read: Callable[[Path], object], path: Path, name: str) -> tuple[bool, bool, float]:
    """Read a file; return whether that ended well, whether by a sentence, and the seconds."""
    is_good, is_refused = True, False
    started = time.perf_counter()
    try:
        read(path)
    except (MnistCliError, click.ClickException) as error:
        is_good, is_refused = "\n" not in str(error), True
    except BaseException as error:
        is_good = False
        print(f"{name}: {type(error).__name__}: {error}")
    return is_good, is_refused, time.perf_counter() - started


def main() -> None:
    """Read damaged files, and print a line for each format."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS)
    arguments = parser.parse_args()
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, (sound, damage, read) in samples(folder).items():
            if arguments.format not in (None, kind):
                continue
            rng = np.random.default_rng(arguments.seed)
            path = folder / "damaged"
            refused = failed = 0
            slowest = 0.0
            for number in range(arguments.count):
                content = damage(sound, rng)
                path.write_bytes(content)
                is_good, is_refused, seconds = judged(read, path, f"{kind} {number}")
                if seconds > SECONDS:  # a machine that was busy for once is no failure
                    seconds = judged(read, path, f"{kind} {number}, again")[2]
                refused += is_refused
                slowest = max(slowest, seconds)
                if not is_good or seconds > SECONDS:
                    failed += 1
                    kept = Path(f"failed-{kind}-{arguments.seed}-{number}")
                    kept.write_bytes(content)
                    print(f"  kept as {kept}")
            print(
                f"{kind:10} {arguments.count:,} damaged files, seed {arguments.seed}: {refused:,} "
                f"refused by a sentence, {arguments.count - refused - failed:,} read, {failed:,} "
                f"failed; slowest {slowest:.2f} s",
                flush=True,
            )
            failures += failed
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
