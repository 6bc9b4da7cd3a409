"""How published files come into a folder: from a mirror or from another folder, and whole.

A file appears under its real name only after its size and its SHA-256 were right.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mnist_cli.data.idx import PIECE, read_idx
from mnist_cli.data.mnist import STEMS, find_file
from mnist_cli.data.sources import SOURCES, Published
from mnist_cli.errors import DataError, DownloadError
from mnist_cli.files.atomic import atomic_write
from mnist_cli.progress import SILENT, Progress

ADVICE = (
    "check the network, or take files you have with 'mnist-cli download --from DIR', "
    "or train on the `dataset` synthetic, which needs none"
)


@dataclass(frozen=True)
class Fetched:
    """A published file that is now in its folder and right.

    Attributes
    ----------
    name : str
    bytes : int
    sha256 : str
    source : str
        The URL or the path it came from, or ``"already there"``.
    """

    name: str
    bytes: int
    sha256: str
    source: str


def download(
    data_dir: str | Path,
    mirrors: Sequence[str] = (),
    *,
    published: Published | None = None,
    folder: str | Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> list[Fetched]:
    """Bring the four files of a data set into a folder, each verified by its size and SHA-256.

    Parameters
    ----------
    data_dir : path
        Made if it is not there.
    mirrors : sequence of str
        The URLs of folders that serve the files, each tried in turn; those that are known if none
        is given.
    published : Published, optional
        Which data set; MNIST if not given.
    folder : path, optional
        A local folder to take the files from, in place of the mirrors.
    force : bool
        Fetch what is there and right, too, and replace files that are another data set's.
    progress : Progress
        Is given a bar for each file, and a remark on what went wrong on the way.

    Returns
    -------
    list of Fetched
        One entry a file.

    Raises
    ------
    DownloadError
        If a file could not be had from anywhere.
    DataError
        If ``data_dir`` cannot be written to, or holds another data set, which is not replaced
        unless ``force`` is given.
    """
    data_dir = Path(data_dir)
    published = published or SOURCES["mnist"].published
    assert published
    stems = [stem for stems in STEMS.values() for stem in stems]
    present = {stem: find_file(data_dir, stem) for stem in stems}
    right = {
        stem for stem, path in present.items() if path and not force and _is_right(path, published)
    }
    if not force:
        for stem, path in present.items():
            if path and stem not in right:
                _refuse_other_data(path, published)
    results = []
    order = list(mirrors or published.mirrors)
    is_new = not data_dir.exists()
    for stem, path in present.items():
        if path and stem in right:
            results.append(Fetched(path.name, *published.sums[path.name], "already there"))
            continue
        if path and not force:
            progress.remark(f"{path} is broken: fetching it anew.")
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            if folder is not None:
                fetched = _copy(Path(folder), stem, data_dir, published, progress)
                if fetched.name == stem and path == data_dir / f"{stem}.gz":
                    path.unlink()  # it would be found first
            else:
                fetched = _fetch(order, f"{stem}.gz", data_dir, published, progress)
        except DownloadError:
            if is_new:
                with suppress(OSError):
                    data_dir.rmdir()  # if it is still empty
            raise
        except OSError as error:
            raise _unwritable(data_dir, error) from error
        results.append(fetched)
    return results


def _unwritable(data_dir: Path, error: OSError) -> DataError:
    """Return what to say, and what to do, where the system lets no file be written."""
    advice = "name another `data_dir`"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = f"make room, or {advice}"
    elif error.errno in (errno.EISDIR, errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY):
        advice = f"move away what is in the place of a file or a folder, or {advice}"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = f"get leave to write there, or {advice}"
    place = error.filename2 or error.filename or data_dir
    place = data_dir if ".part" in str(place) else place
    return DataError(f"{place} cannot be written to ({error.strerror or error}): {advice}.")


def download_if_missing(
    data_dir: Path,
    published: Published,
    splits: Iterable[str] = tuple(STEMS),
    progress: Progress = SILENT,
) -> None:
    """Bring a data set into a folder unless it has the files of these parts, whosever they are.

    Raises
    ------
    DownloadError, DataError
        See `download`. Files of one data set are never completed by those of another.
    """
    if not all(find_file(data_dir, stem) for split in splits for stem in STEMS[split]):
        progress.remark(f"{published.title} is not in {data_dir}: downloading it.")
        download(data_dir, published=published, progress=progress)


def _is_right(path: Path, published: Published) -> bool:
    size, sha256 = published.sums[path.name]
    if path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _refuse_other_data(path: Path, published: Published) -> None:
    """Raise DataError if ``path`` is a sound file, as of another data set that somebody keeps."""
    try:
        read_idx(path)
    except DataError:
        return
    raise DataError(
        f"{path} is a sound file, but not {published.title}'s: add what is missing beside it, or "
        "name another `data_dir`; only 'mnist-cli download --force' would replace it."
    )


def _write_verified(
    chunks: Iterable[bytes],
    name: str,
    source: str,
    data_dir: Path,
    published: Published,
    progress: Progress,
) -> Fetched:
    """Write the chunks to a file, which gets its name only if its size and SHA-256 are right."""
    size, sha256 = published.sums[name]
    title = published.title
    digest = hashlib.sha256()
    received = 0
    with atomic_write(data_dir / name) as file, progress.bar(name, size, "B") as bar:
        for chunk in chunks:
            received += len(chunk)
            if received > size:
                raise DownloadError(f"{source} is longer than {title}'s {size:,} bytes")
            digest.update(chunk)
            file.write(chunk)
            bar.update(len(chunk))
        if received < size:
            raise DownloadError(f"{source} ended after {received:,} of {size:,} bytes")
        if digest.hexdigest() != sha256:
            raise DownloadError(f"{source} is not {title}'s file, as its SHA-256 differs")
    return Fetched(name, size, sha256, source)


def _copy(
    folder: Path, stem: str, data_dir: Path, published: Published, progress: Progress
) -> Fetched:
    """Take a file from a local folder."""
    path = find_file(folder, stem)
    if path is None:
        raise DownloadError(
            f"{folder} has no {stem}.gz, nor the same without .gz: name the folder that has it."
        )

    def chunks() -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                while chunk := file.read(PIECE):
                    yield chunk
        except OSError as error:
            raise DownloadError(f"{path} cannot be read ({error.strerror})") from error

    try:
        return _write_verified(chunks(), path.name, str(path), data_dir, published, progress)
    except DownloadError as error:
        raise DownloadError(
            f"{error}: name a folder with {published.title}'s own files."
        ) from error


def _fetch(
    mirrors: list[str], name: str, data_dir: Path, published: Published, progress: Progress
) -> Fetched:
    """Take a file from the first mirror that has it; a mirror that fails goes to the back."""
    # For those alone who have no files yet.
    from mnist_cli.data.http import stream
    from mnist_cli.data.network import shown

    failures: list[str] = []
    tried = 0
    for mirror in list(mirrors):
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            pieces = stream(url, progress.remark)
            return _write_verified(pieces, name, shown(url), data_dir, published, progress)
        except DownloadError as error:
            if str(error) not in failures:  # a proxy, and what a variable names, fails for all
                failures.append(str(error))
            mirrors.remove(mirror)
            mirrors.append(mirror)
            tried += 1
            if tried < len(mirrors):
                progress.remark(f"{error}; trying the next mirror.")
    raise DownloadError(f"No mirror gave {name} ({'; '.join(failures)}): {ADVICE}.")
