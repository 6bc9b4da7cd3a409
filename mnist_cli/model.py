"""The model file: the parameters, and what is needed to know and to repeat how they came about.

An ``.npz`` archive of two arrays: ``parameters``, the network's one vector, and ``metadata``, a
JSON text. No time stamp goes in, so the same training gives the same file, byte for byte.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import ModelError
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.nn.mlp import MLP, parameter_count

FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A trained network and its metadata.

    Attributes
    ----------
    network : MLP
    metadata : dict
        ``format_version``, ``hidden``, ``dtype``, and what `save_model` was given; at least
        ``dataset``, and ``recipe`` with its ``validation``, ``deskew`` and ``digit_width``.
    """

    network: MLP
    metadata: dict[str, Any]

    @property
    def deskew(self) -> bool:
        """Whether the network reads digits that have been made upright."""
        return bool(self.metadata["recipe"]["deskew"])

    @property
    def digit_width(self) -> int:
        """The width to which the digits are brought that the network reads, or 0."""
        return int(self.metadata["recipe"]["digit_width"])


def check_writable(path: Path) -> None:
    """Raise ModelError if a file could not be written at ``path``: now, not after an hour."""
    try:
        target = Path(os.path.realpath(path))  # a link stays, and what it points to is written
        if target.is_symlink():
            raise ModelError(f"{path} is a link to itself: name a file.")
        if target.exists() and not target.is_file():
            raise ModelError(f"{path} is a folder or a device: name a file.")
        if not target.parent.is_dir():
            raise ModelError(
                f"{path} cannot be written, as there is no folder {target.parent}: make it."
            )
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}.") from error
    if not os.access(target.parent, os.W_OK):
        raise ModelError(f"{path} cannot be written: you may not write to {target.parent}.")


def save_model(path: Path, network: MLP, metadata: dict[str, Any]) -> None:
    """Write the model file, whole or not at all.

    Parameters
    ----------
    path : Path
    network : MLP
    metadata : dict
        Whatever JSON can hold: the recipe, the data set, the history, the accuracy.

    Raises
    ------
    ModelError
        If the file cannot be written; what was at ``path`` is then still there.
    """
    header = {
        "format_version": FORMAT,
        "hidden": network.hidden,
        "dtype": network.parameters.dtype.name,
    }
    text = json.dumps(header | metadata)
    try:
        write_archive(path, {"parameters": network.parameters, "metadata": np.array(text)})
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error


def load_model(path: Path) -> Model:
    """Read a model file.

    Raises
    ------
    ModelError
        If there is no such file, it is no model, it is of a newer format, or its parameters are
        not what its metadata says. Nothing pickled is ever loaded.
    """
    try:
        arrays = read_archive(path)
        parameters = arrays.pop("parameters")
        metadata = json.loads(str(arrays.pop("metadata")[()]))
        if arrays:
            raise ValueError("more arrays")
        version = metadata["format_version"]
    except FileNotFoundError as error:
        raise ModelError(
            f"There is no model {path}: make one with 'mnist-cli train --out {path}'."
        ) from error
    except Exception as error:
        # The file may come from anywhere, and its text may be anything.
        raise ModelError(
            f"{path} is no model of mnist-cli: name a file that 'mnist-cli train' wrote."
        ) from error
    if isinstance(version, int) and version > FORMAT:
        raise ModelError(
            f"{path} has model format {version}, and this version knows {FORMAT}: update mnist-cli."
        )
    if not _is_sound(metadata, parameters):
        raise ModelError(
            f"{path} is broken, as its metadata and its parameters, of shape {parameters.shape} "
            f"and type {parameters.dtype}, make no network: train it anew."
        )
    network = MLP(metadata["hidden"], parameters.dtype)
    network.parameters[:] = parameters
    return Model(network, metadata)


def _is_sound(metadata: Any, parameters: NDArray[Any]) -> bool:
    """Return whether the metadata has what its format promises, and the parameters fit it."""
    try:
        version, hidden = metadata["format_version"], metadata["hidden"]
        recipe = metadata["recipe"]
        validation, digit_width = recipe["validation"], recipe["digit_width"]
        numbers = (version, hidden, validation, digit_width)
        return (
            all(type(number) is int for number in numbers)
            and version == FORMAT
            and hidden >= 1
            and validation >= 0
            and 0 <= digit_width <= 28
            and isinstance(recipe["deskew"], bool)
            and metadata["dataset"] in SOURCES
            and metadata["dtype"] in ("float32", "float64")
            and parameters.dtype == metadata["dtype"]
            and parameters.shape == (parameter_count(hidden),)
            and bool(np.isfinite(parameters).all())
        )
    except (KeyError, TypeError):
        return False
