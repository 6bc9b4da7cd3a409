"""How published files come into a folder: from a mirror or from another folder, and whole.

A file appears under its real name only after what is in it was right, however it was packed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mnist_cli.data.contents import refuse_other_contents
from mnist_cli.data.folder import check_own, homeless_data_dir
from mnist_cli.data.gunzip import LAYERS, MAGIC, Unpacked
from mnist_cli.data.idx import LARGEST, PIECE, read_idx, read_idx_header
from mnist_cli.data.lookalikes import BEGINNING, Lookalike, recognise
from mnist_cli.data.mnist import find_file
from mnist_cli.data.sources import SOURCES, Published, name_of
from mnist_cli.errors import DataError, DownloadError
from mnist_cli.files.archive import open_archive
from mnist_cli.files.atomic import atomic_write
from mnist_cli.files.folders import made
from mnist_cli.parallel import say_if_alone
from mnist_cli.progress import SILENT, Progress

ADVICE = (
    "check the network, or use files that you have with 'mnist-cli download --from DIR', or train "
    "on the `dataset` synthetic, which needs no files"
)

LARGEST_ARCHIVE = 1 << 30
"""Bytes of a zip archive at most; EMNIST's has 562 million."""


@dataclass(frozen=True)
class Fetched:
    """A published file that is now in its folder and right.

    Attributes
    ----------
    name : str
    bytes : int
    sha256 : str
    source : str
        The URL, without any password, or the path it came from, or ``"already there"``.
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
    """Bring the four files of a data set into a folder, each verified by its SHA-256.

    A file counts as right by what it unpacks to, too: it may be plain under a packed one's name, or
    packed twice. What comes so is put right; what is there so is left as it is.

    Parameters
    ----------
    data_dir : path
        Made if it is not there.
    mirrors : sequence of str
        The URLs of folders that serve the files, or of zip archives with the files in them, each
        tried in turn; those that are known if none is given.
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
    check_own(data_dir)
    say_if_alone(progress.remark)
    published = published or SOURCES["mnist"].published
    assert published
    present = {stem: find_file(data_dir, stem, published) for stem in published.names}
    right = {
        stem: found
        for stem, path in present.items()
        if path and not force and (found := _found_right(path, stem, published))
    }
    if not force:
        refuse_other_contents(data_dir, published, is_asked=True)
        for stem, path in present.items():
            if path and stem not in right:
                _refuse_other_data(path, published)
    results = []
    supplier = _Supplier(data_dir, published, mirrors, folder, progress)
    is_private = homeless_data_dir() in (data_dir, data_dir.parent)
    try:
        for stem, path in present.items():
            if stem in right:
                results.append(right[stem])
                continue
            if path and not force:
                progress.remark(f"{path} is {_lookalike(path).what}: fetching it again.")
            with made(data_dir, is_private=is_private):
                check_own(data_dir)  # somebody may have made it since
                if not os.access(data_dir, os.W_OK):  # before anything is fetched
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(data_dir))
                fetched = supplier.get(stem)
            if path and path.parent == data_dir and path.name != fetched.name:
                path.unlink()  # it would be found first
            results.append(fetched)
    except OSError as error:
        raise _unwritable(data_dir, error) from error
    finally:
        supplier.close()
    return results


def download_if_missing(
    data_dir: Path,
    published: Published,
    splits: Iterable[str] = ("train", "test"),
    progress: Progress = SILENT,
) -> None:
    """Bring a data set into a folder unless it has the files of these parts, whosever they are.

    Raises
    ------
    DownloadError, DataError
        See `download`. Files of one data set are never completed by those of another, and nothing
        is put into a folder that holds files of another kind.
    """
    stems = [stem for split in splits for stem in published.stems[split]]
    if not all(find_file(data_dir, stem, published) for stem in stems):
        refuse_other_contents(data_dir, published, is_asked=False)
        progress.remark(f"{published.title} is not in {data_dir}: downloading it.")
        download(data_dir, published=published, progress=progress)


def right_form(content: bytes, stem: str, published: Published) -> tuple[str, bytes] | None:
    """Return the name and the bytes of a published file that is in ``content``, however packed.

    Parameters
    ----------
    content : bytes
    stem : str
        Which file it should be, without ``.gz``.
    published : Published

    Returns
    -------
    tuple of str and bytes, or None
        The file as it was published, or plain; None if what is in there is something else.
    """
    for _ in range(LAYERS + 1):
        digest = hashlib.sha256(content).hexdigest()
        for name in (f"{stem}.gz", stem):
            if digest == published.sums.get(name, (0, ""))[1]:
                return name, content
        if content[:2] != MAGIC:
            break
        most = published.largest(stem) or LARGEST
        with (
            suppress(EOFError, zlib.error),
            io.BufferedReader(Unpacked(io.BytesIO(content))) as file,
        ):
            content = file.read(most + 1)
            if len(content) <= most:
                continue
        break
    return None


def _found_right(path: Path, stem: str, published: Published) -> Fetched | None:
    """Return what is known of a file that is there, if what is in it is right."""
    size, most = path.stat().st_size, published.largest(stem)
    if most and size > most:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    fetched = Fetched(path.name, size, digest, "already there")
    known = {published.sums.get(name, (0, ""))[1] for name in (stem, f"{stem}.gz")}
    if digest in known:
        return fetched
    if size <= (most or LARGEST) and right_form(path.read_bytes(), stem, published):
        with suppress(DataError):  # it may be packed more often than is read
            read_idx_header(path)
            return fetched
    if not any(known):  # then it is right if it is sound
        with suppress(DataError):
            read_idx(path)
            return fetched
    return None


def _refuse_other_data(path: Path, published: Published) -> None:
    """Raise DataError if ``path`` is a sound file, as of another data set that somebody keeps."""
    try:
        read_idx(path)
    except DataError:
        return
    raise DataError(
        f"{path} is intact, but not {published.title}'s: add what is missing beside it, or name "
        "another `data_dir`; only 'mnist-cli download --force' would replace it."
    )


def _lookalike(path: Path) -> Lookalike:
    """Return what a file is that is not right."""
    with suppress(OSError), path.open("rb") as file:
        return recognise(file.read(BEGINNING)) or Lookalike("broken")
    return Lookalike("broken")


def _unwritable(data_dir: Path, error: OSError) -> DataError:
    """Return what to say, and what to do, where the system lets no file be written."""
    advice = "name another `data_dir`"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = f"make room, or {advice}"
    elif error.errno in (errno.EISDIR, errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY):
        advice = f"move away what stands where a file or a folder belongs, or {advice}"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = f"get permission to write there, or {advice}"
    place = error.filename2 or error.filename or data_dir
    place = data_dir if ".part" in str(place) else place
    return DataError(f"{place} cannot be written to ({error.strerror or error}): {advice}.")


@dataclass
class _Supplier:
    """Where files come from: a folder, or mirrors, of which one that fails goes to the back."""

    data_dir: Path
    published: Published
    mirrors: Sequence[str]
    folder: str | Path | None
    progress: Progress

    def __post_init__(self) -> None:
        self.order = list(self.mirrors or self.published.mirrors)
        self._archives: dict[str, IO[bytes]] = {}

    def get(self, stem: str) -> Fetched:
        """Bring a file, or raise DownloadError."""
        if self.folder is not None:
            return self._copy(Path(self.folder), stem)
        failures: list[str] = []
        for tried, mirror in enumerate(list(self.order), 1):
            try:
                return self._fetch(mirror, stem)
            except DownloadError as error:
                if str(error) not in failures:  # a proxy, and what a variable names, fails for all
                    failures.append(str(error))
                self.order.remove(mirror)
                self.order.append(mirror)
                if tried < len(self.order):
                    self.progress.remark(f"{error}; trying the next mirror.")
        advice = ADVICE
        if (name := name_of(self.published)) != "mnist":
            advice = advice.replace("--from", f"--dataset {name} --from")
        raise DownloadError(f"No mirror gave {stem}.gz ({'; '.join(failures)}): {advice}.")

    def _fetch(self, mirror: str, stem: str) -> Fetched:
        """Take a file from a mirror."""
        from mnist_cli.data.http import stream  # for those alone who have no files yet
        from mnist_cli.data.network import shown

        if mirror.lower().endswith(".zip"):
            return self._unzip(self._archive(mirror), stem, shown(mirror))
        url = f"{mirror.rstrip('/')}/{stem}.gz"
        return self._write(stream(url, self.progress.remark), stem, shown(url))

    def _copy(self, folder: Path, stem: str) -> Fetched:
        """Take a file from a local folder."""
        path = find_file(folder, stem, self.published)
        if path is None:
            for mirror in self.published.mirrors:
                archive = folder / mirror.rpartition("/")[2]
                if mirror.endswith(".zip") and os.path.isfile(archive):
                    return self._unzip(archive, stem, str(archive))
            raise DownloadError(
                f"{folder} has neither {stem}.gz nor {stem}: name the folder that has it."
            )
        try:
            with path.open("rb") as file:
                return self._write(iter(lambda: file.read(PIECE), b""), stem, str(path))
        except DownloadError as error:
            cure = f"{cure}, or " if (cure := _lookalike(path).cure) else ""
            raise DownloadError(
                f"{error}: {cure}name a folder with {self.published.title}'s own files."
            ) from error
        except OSError as error:
            if error.filename is not None and Path(error.filename) != path:
                raise
            raise DownloadError(
                f"{path} cannot be read ({error.strerror}): name another folder."
            ) from error

    def _write(self, chunks: Iterable[bytes], stem: str, source: str) -> Fetched:
        """Write the chunks to a file, if what is in them is right."""
        content = self._receive(chunks, stem, source)
        found = right_form(content, stem, self.published)
        if found is None:
            self._refuse(content, stem, source)
            found = (f"{stem}.gz" if content[:2] == MAGIC else stem, content)
        name, content = found
        with atomic_write(self.data_dir / name) as file:
            file.write(content)
        if not self._sum(stem):
            self._check_sound(self.data_dir / name, source)
        return Fetched(name, len(content), hashlib.sha256(content).hexdigest(), source)

    def _receive(self, chunks: Iterable[bytes], stem: str, source: str) -> bytes:
        """Return all chunks, which are no more than the file has in any packing."""
        expected = self.published.sums.get(f"{stem}.gz", (0, ""))[0]
        most = self.published.largest(stem) or LARGEST
        content = bytearray()
        with self.progress.bar(f"{stem}.gz", expected or most, "B") as bar:
            for chunk in chunks:
                content += chunk
                if len(content) > most:
                    title = self.published.title
                    raise DownloadError(f"{source} is longer than {title}'s {most:,} bytes")
                bar.update(len(chunk))
        return bytes(content)

    def _refuse(self, content: bytes, stem: str, source: str) -> None:
        """Raise DownloadError if a file is known and this is not it."""
        expected, title = self.published.sums.get(f"{stem}.gz", (0, ""))[0], self.published.title
        found = recognise(content[:BEGINNING])
        what = f", and is {found.what}" if found else ""
        if len(content) < expected:
            raise DownloadError(
                f"{source} ended after {len(content):,} of {expected:,} bytes{what}"
            )
        if self._sum(stem):
            raise DownloadError(f"{source} is not {title}'s file, as its SHA-256 differs{what}")

    def _sum(self, stem: str) -> str:
        """Return a sum by which a file is known, or nothing if none was published."""
        sums = [self.published.sums.get(name, (0, ""))[1] for name in (f"{stem}.gz", stem)]
        return sums[0] or sums[1]

    def _check_sound(self, path: Path, source: str) -> None:
        """Raise DownloadError, and remove a file, if it has no sum to be known by and is broken."""
        try:
            read_idx(path)
        except DataError as error:
            path.unlink()
            raise DownloadError(f"{source} is not a file of {self.published.title}") from error

    def _unzip(self, archive: Path | IO[bytes], stem: str, source: str) -> Fetched:
        """Take a file from a zip archive."""
        try:
            with open_archive(archive, LARGEST_ARCHIVE) as opened:
                inside = [n for n in opened.namelist() if n.rpartition("/")[2] == f"{stem}.gz"]
                if not inside:
                    raise DownloadError(f"{source} has no {stem}.gz")
                with opened.open(inside[0]) as file:
                    chunks = iter(lambda: file.read(PIECE), b"")
                    return self._write(chunks, stem, f"{source}: {inside[0]}")
        except (zipfile.BadZipFile, ValueError, zlib.error, EOFError, RuntimeError) as error:
            raise DownloadError(f"{source} is a broken archive") from error

    def _archive(self, url: str) -> IO[bytes]:
        """Return an archive that a mirror serves, which is fetched once and has no name here."""
        from mnist_cli.data.http import stream
        from mnist_cli.data.network import shown

        if url not in self._archives:
            name = url.rpartition("/")[2]
            size, sha256 = self.published.sums.get(name, (0, ""))
            most, digest, received = size or LARGEST_ARCHIVE, hashlib.sha256(), 0
            file = tempfile.TemporaryFile(dir=self.data_dir)  # noqa: SIM115  # closed with us
            try:
                with self.progress.bar(name, most, "B") as bar:
                    for chunk in stream(url, self.progress.remark):
                        received += len(chunk)
                        if received > most:
                            raise DownloadError(f"{shown(url)} is longer than {most:,} bytes")
                        digest.update(chunk)
                        file.write(chunk)
                        bar.update(len(chunk))
                if received < size:
                    raise DownloadError(f"{shown(url)} ended after {received:,} of {size:,} bytes")
                if sha256 and digest.hexdigest() != sha256:
                    raise DownloadError(f"{shown(url)} is another archive, as its SHA-256 differs")
                file.flush()
            except BaseException:
                file.close()
                raise
            self._archives[url] = file
        return self._archives[url]

    def close(self) -> None:
        """Remove the archives."""
        for file in self._archives.values():
            file.close()
