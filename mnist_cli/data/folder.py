"""The folder that data sets are kept in."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def default_data_dir() -> Path:
    """Return ``$MNIST_CLI_DATA_DIR``, or else a folder in the user's cache.

    The cache is ``$XDG_CACHE_HOME`` where that is set, else ``~/.cache`` on Linux,
    ``~/Library/Caches`` on macOS and ``%LOCALAPPDATA%`` on Windows.
    """
    if named := os.environ.get("MNIST_CLI_DATA_DIR"):
        return Path(named)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        cache = Path(xdg)
    else:
        try:
            cache = _home_cache(Path.home())
        except RuntimeError:  # a user without a home, as in some containers
            cache = Path(tempfile.gettempdir())
    return cache / "mnist-cli"


def _home_cache(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / ".cache"
