"""What lies in a folder that should have a data set and has not: nothing is put to it unasked."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mnist_cli.data.mnist import find_file
from mnist_cli.data.network import printable
from mnist_cli.data.sources import SOURCES, Published, dotted, name_of
from mnist_cli.errors import DataError

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".pgm")
PACKED = {
    ".zip": "unzip",
    ".7z": "7z x",
    ".rar": "unrar x",
    ".tar": "tar -xf",
    ".tgz": "tar -xf",
    ".xz": "unxz",
    ".bz2": "bunzip2",
}
"""What unpacks an archive."""

IGNORED = ("thumbs.db", "desktop.ini", "__macosx")
"""What systems put into folders."""

EMNIST = re.compile(r"emnist-(letters|balanced|byclass|bymerge|mnist)-")


def refuse_other_contents(folder: Path, published: Published, *, is_asked: bool) -> None:
    """Raise DataError if a folder has files of another kind than a data set's own.

    Parameters
    ----------
    folder : Path
        It may not be there.
    published : Published
        What would be downloaded into it.
    is_asked : bool
        Whether a person asked for that very thing; then only other data are in the way.
    """
    names = _names(folder)
    title, choose = published.title, "name another `data_dir`"
    if is_asked:
        choose += ", or put it there all the same with `force`"
    others = [name for name in names if not _is_own(name, published)]
    if not others:
        return
    for name in SOURCES:
        if (other := _other_set(folder, name, names, published)) is not None:
            raise DataError(
                f"{folder} holds {other}, and not {title}: read it by `dataset` {name}."
            )
    if found := next(filter(None, map(EMNIST.match, names)), None):
        kind = "the letters" if found[1] == "letters" else f"the part {found[1]}"
        raise DataError(
            f"{folder} holds {kind} of EMNIST, which the network, with its ten outputs for ten "
            f"digits, does not read: {choose}, as one with EMNIST's digits."
        )
    if pictures := _pictures(folder, names):
        raise DataError(
            f"{folder} holds pictures ({pictures}), and not {title}: make a data set of them with "
            f"'mnist-cli pack', or {choose}."
        )
    for name in others:
        if command := PACKED.get(Path(name).suffix.lower()):
            raise DataError(
                f"{folder} holds {printable(name, 60)}, which is packed, and not {title}: unpack "
                f"it with '{command}', or {choose}."
            )
    known = [name for part in published.tables.values() for name in part if name in names]
    if known:
        wanted = " or ".join(published.tables["train"])
        raise DataError(
            f"{folder} holds {_listed(known)}, but no table with labels to train on: add one that "
            f"is called {wanted}, or {choose}."
        )
    tables = [name for name in others if Path(name).suffix.lower() in (".csv", ".npz", ".npy")]
    if tables and not is_asked:
        raise DataError(
            f"{folder} holds {_listed(tables)}, which {'is' if len(tables) == 1 else 'are'} not "
            f"{title} in a form that is known: docs/data.md has the names, or {choose}."
        )
    if not is_asked:
        raise DataError(
            f"{folder} holds {_listed(others)}, and not {title}: {choose}, or fetch it there with "
            "'mnist-cli download'."
        )


def _names(folder: Path) -> list[str]:
    """Return the names of what lies in a folder, but for what is hidden or a system's."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except PermissionError as error:
        raise DataError(
            f"{folder} cannot be listed ({error.strerror}): get permission, or name another "
            "`data_dir`."
        ) from error
    except OSError:  # it is not there yet, or is a file, as making it will tell
        return []
    return [name for name in names if name[0] != "." and name.lower() not in IGNORED]


def _is_own(name: str, published: Published) -> bool:
    """Return whether something belongs to a data set, or to others that have a folder beside it."""
    stems = [form for stem in published.names for form in (stem, dotted(stem))]
    folders = [inner.split("/")[0] for inner in published.folders]
    own = [*stems, *(f"{stem}.gz" for stem in stems), *folders, *SOURCES, published.archive]
    return name in own or name.lower().startswith(("readme", "license"))


def _other_set(folder: Path, name: str, names: list[str], published: Published) -> str | None:
    """Return the title of a published data set if a folder holds that one."""
    other = SOURCES[name].published
    if other is None or name == name_of(published):
        return None
    if set(other.names) != set(published.names):
        if any(find_file(folder, stem, other) for stem in other.names):
            return other.title
    elif any(os.path.isdir(folder / inner) for inner in other.folders):
        return other.title
    forms = {table for part in other.tables.values() for table in part} | {other.archive}
    return other.title if set(names) & (forms - {""}) else None


def _pictures(folder: Path, names: list[str]) -> str:
    """Return an example of pictures that lie in a folder, or in its folders 0 to 9."""
    digits = [
        name for name in names if name in map(str, range(10)) and os.path.isdir(folder / name)
    ]
    if digits:
        return f"in {'folders' if digits[1:] else 'a folder'} {', '.join(digits)}"
    return printable(next((name for name in names if name.lower().endswith(PICTURES)), ""), 60)


def _listed(names: list[str]) -> str:
    """Return some names as a text."""
    rest = len(names) - 2
    shown = [printable(name, 60) for name in names[: 3 if rest <= 1 else 2]]
    shown += [f"{rest:,} more"] * (rest > 1)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
