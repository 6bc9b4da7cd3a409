"""Config files: TOML whose ``[train]`` table has settings as its keys.

A config of a sweep has a table ``[sweep]`` as well, whose ``vary`` lists what is varied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mnist_cli.errors import ConfigError
from mnist_cli.settings import KINDS, nearest
from mnist_cli.texts import shown

TABLE, SWEEP, VARY = "train", "sweep", "vary"

LONGEST = 1 << 13
"""Bytes of a config at most: what a few more could nest takes the parser minutes, and gigabytes."""

LARGEST = 2**63 - 1
"""The largest whole number that TOML promises to keep."""


def config_folder() -> Path:
    """Return the folder of the ready-made configs: in the installed package, or in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def find_config(name: str | Path) -> Path:
    """Return the path of a config that is given by its name or by a path.

    Raises
    ------
    ConfigError
        If there is neither a file nor a ready-made config of that name.
    """
    if os.path.isfile(name):  # unlike Path's, it takes a folder that may not be read for none
        return Path(name)
    names = ready_made()
    if name in names:
        return config_folder() / f"{name}.toml"
    raise ConfigError(f"There is no config {name}: name a file, or one of {', '.join(names)}.")


def ready_made() -> list[str]:
    """Return the names of the ready-made configs."""
    return sorted(file.stem for file in config_folder().glob("*.toml"))


def read_config(
    path: Path, keys: Mapping[str, tuple[str, type]], left_out: Collection[str] = ()
) -> dict[str, Any]:
    """Read a config file, and check its keys and the types of its values.

    Parameters
    ----------
    path : Path
    keys : dict
        The name and the type of each setting by its key, as ``batch-size``; a key with underscores
        is taken as well.
    left_out : collection of str
        Keys that are for somebody else: they are allowed, and not returned.

    Returns
    -------
    dict
        The values by the names of their settings.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no TOML, or has a key or a type that is not right.
    """
    values: dict[str, Any] = {}
    for key, value in _read_table(path).items():
        hyphenated = key.replace("_", "-")
        if hyphenated in left_out:
            continue
        if hyphenated not in keys:
            advice = _advice(hyphenated, keys)
            raise ConfigError(f"{path} has an unknown key {shown(repr(key))}: {advice}")
        name, kind = keys[hyphenated]
        if name in values:
            raise ConfigError(f"{path} has {key!r} twice: once with a hyphen, once without.")
        _check_value(path, key, value, kind)
        values[name] = value
    return values


def to_toml(value: bool | int | float | str) -> str:
    """Return a value as a config has it: as JSON writes it, but for one character.

    Raises
    ------
    ConfigError
        If it is a path whose bytes are no text, which no config can have.
    """
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{value!r} is not text, and cannot be in a config: rename it."
        ) from error
    return text


def read_vary(path: Path) -> list[str]:
    """Return what a config varies: a list of texts like ``seed=0..4``, of its ``[sweep]`` table.

    Raises
    ------
    ConfigError

    Raises
    ------
    ConfigError
        If the table has anything else; or as `read_config` does.
    """
    table = _read_table(path, SWEEP)
    vary = table.pop(VARY, [])
    if table:
        key = shown(repr(next(iter(table))))
        raise ConfigError(f"{path} has {key} in [{SWEEP}]: there is {VARY!r} only.")
    if not isinstance(vary, list) or not all(isinstance(text, str) for text in vary):
        raise ConfigError(
            f'{path} has {VARY} = {shown(repr(vary))}: give a list, as in ["seed=0..4"].'
        )
    return vary


def _read_table(path: Path, name: str = TABLE) -> dict[str, Any]:
    """Return a table of a config file."""
    import tomllib  # 3 ms, for those alone who have a config

    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > LONGEST:
        raise ConfigError(f"{path} is longer than {LONGEST:,} bytes: no config needs that many.")
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # a number may be too long even to be read
        raise ConfigError(f"{path} is not valid TOML: {shown(error, 200)}.") from error
    for key, value in document.items():
        if key not in (TABLE, SWEEP) or not isinstance(value, dict):
            raise ConfigError(
                f"{path} has {shown(repr(key))} at the top: all keys belong in one table, "
                f"[{TABLE}]."
            )
    table: dict[str, Any] = document.get(name, {})
    return table


def _check_value(path: Path, key: str, value: Any, kind: type) -> None:
    """Raise ConfigError unless TOML's type of a value is that of its setting."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ConfigError(f"{path} has a {key} of more than 64 bits: give a smaller number.")
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{path} has a {key} with a null character, which no path may have.")
    wanted = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        quotes = " in quotes" if kind is str else ""
        raise ConfigError(
            f"{path} has {key} = {shown(repr(value))}, but {key!r} takes {KINDS[kind]}{quotes}."
        )


def _advice(key: str, keys: Mapping[str, tuple[str, type]]) -> str:
    """Return the nearest right key as a question, or all of them if none is near."""
    # A setting is known by its own name as well: the key of the learning rate is lr.
    known = {name.replace("_", "-"): other for other, (name, _) in keys.items()}
    known |= {other: other for other in keys}
    near = nearest(key, known)
    return f"did you mean {known[near]!r}?" if near else f"the keys are {', '.join(keys)}."
