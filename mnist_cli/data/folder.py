"""The folder that data sets are kept in."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from mnist_cli.errors import DataError
from mnist_cli.files.folders import at_home, is_ours_alone


def default_data_dir() -> Path:
    """Return ``$MNIST_CLI_DATA_DIR``, or else a folder in the user's cache.

    The cache is ``$XDG_CACHE_HOME`` where that is set, else ``~/.cache`` on Linux,
    ``~/Library/Caches`` on macOS and ``%LOCALAPPDATA%`` on Windows. For a user without a home, as
    in some containers, it is `homeless_data_dir`.

    Raises
    ------
    DataError
        If a variable says ``~``, and there is no home.
    """
    if named := os.environ.get("MNIST_CLI_DATA_DIR"):
        return _at_home(named, "MNIST_CLI_DATA_DIR")
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return _at_home(xdg, "XDG_CACHE_HOME") / "mnist-cli"
    try:
        home = Path.home()
    except RuntimeError:
        return homeless_data_dir()
    return _home_cache(home) / "mnist-cli" if os.environ.get("HOME") != "" else homeless_data_dir()


def homeless_data_dir() -> Path:
    """Return the folder of this user below the one for temporary files."""
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir(), f"mnist-cli{user}")


def check_own(data_dir: str | Path) -> None:
    """Raise DataError if the folder of a user without a home has been prepared by somebody else."""
    folder = homeless_data_dir()
    if Path(data_dir) != folder or not os.path.lexists(folder) or is_ours_alone(folder):
        return
    raise DataError(
        f"{folder} is a link, or another user's, or open to others, so what is in it may be "
        "anybody's: remove it, or name a `data_dir`."
    )


def _at_home(path: str, variable: str) -> Path:
    """Return a path that a variable says, with the user's home for ``~``."""
    try:
        return Path(at_home(path))
    except ValueError as error:
        raise DataError(f"{variable} is {path}, but {error}.") from error


def _home_cache(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / ".cache"
