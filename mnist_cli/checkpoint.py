"""The model file: the parameters, and what is needed to know and to repeat how they came about.

An ``.npz`` archive of two arrays: ``parameters``, the network's one vector, and ``metadata``, a
JSON text. No time stamp goes in, so the same training gives the same file, byte for byte.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_cli.atomic import atomic_write
from mnist_cli.errors import ModelError
from mnist_cli.nn.mlp import MLP, parameter_count

FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A trained network and its metadata.

    Attributes
    ----------
    network : MLP
    metadata : dict
        ``format_version``, ``hidden``, ``dtype``, and what `save_model` was given.
    """

    network: MLP
    metadata: dict[str, Any]


def check_writable(path: Path) -> None:
    """Raise ModelError if a file could not be written at ``path``: now, not after an hour."""
    if path.is_dir():
        raise ModelError(f"{path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise ModelError(f"{path} cannot be written, as there is no folder {path.parent}: make it.")
    if not os.access(path.parent, os.W_OK):
        raise ModelError(f"{path} cannot be written: you may not write to {path.parent}.")


def save_model(path: Path, network: MLP, metadata: dict[str, Any]) -> None:
    """Write the model file, whole or not at all.

    Parameters
    ----------
    path : Path
    network : MLP
    metadata : dict
        Whatever JSON can hold: the config, the seed, the data set, the history, the accuracy.

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
        with atomic_write(path) as file:
            np.savez(file, parameters=network.parameters, metadata=np.array(text))
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
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise ModelError(
            f"There is no model {path}: make one with 'mnist-cli train --out {path}'."
        ) from error
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        # np.load gives a bare array, without `files`, for an .npy, and ValueError for a pickle.
        raise ModelError(
            f"{path} is no model of mnist-cli: name a file that 'mnist-cli train' wrote."
        ) from error
    try:
        metadata = json.loads(str(arrays["metadata"][()]))
        version, hidden = int(metadata["format_version"]), int(metadata["hidden"])
        dtype = np.dtype(metadata["dtype"])
        parameters = arrays["parameters"]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ModelError(
            f"{path} is no model of mnist-cli, as its metadata is missing or broken: "
            "name a file that 'mnist-cli train' wrote."
        ) from error
    if version > FORMAT:
        raise ModelError(
            f"{path} has model format {version}, and this version knows {FORMAT}: update mnist-cli."
        )
    if (
        hidden < 1
        or parameters.shape != (parameter_count(hidden),)
        or parameters.dtype != dtype
        or dtype.kind != "f"
    ):
        raise ModelError(
            f"{path} has parameters of shape {parameters.shape} and type {parameters.dtype}, which "
            f"is not a network of {hidden} hidden units in {dtype}: it is broken, train it anew."
        )
    network = MLP(hidden, dtype)
    network.parameters[:] = parameters
    return Model(network, metadata)
