"""The checkpoint file: what an interrupted training goes on with.

An archive as the model file is: the vectors of the parameters and of the optimiser, and a JSON
text with the rest. It is written whole or not at all, so what is on disk is always the last
checkpoint or the one before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import ModelError
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.nn.mlp import MLP, parameter_count
from mnist_cli.recipe import Recipe
from mnist_cli.training.descent import State, count_parts, make_optimizer
from mnist_cli.training.loop import Checkpoint, Epoch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT = 1


def save_checkpoint(path: Path, checkpoint: Checkpoint, origin: dict[str, Any]) -> None:
    """Write the checkpoint file, whole or not at all.

    Parameters
    ----------
    path : Path
    checkpoint : Checkpoint
    origin : dict
        Whatever JSON can hold of where the data came from.

    Raises
    ------
    ModelError
        If the file cannot be written; what was at ``path`` is then still there.
    """
    state = checkpoint.state
    text = json.dumps(
        {
            "checkpoint_version": FORMAT,
            "recipe": asdict(checkpoint.recipe),
            "history": [asdict(epoch) for epoch in checkpoint.history],
            "generators": state.generators,
            "origin": origin,
        }
    )
    arrays = {
        "checkpoint": np.array(text),
        "parameters": state.parameters,
        "best_parameters": checkpoint.best_parameters,
    }
    try:
        write_archive(path, arrays | state.memory)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error


def load_checkpoint(path: Path) -> tuple[Checkpoint, dict[str, Any]]:
    """Read a checkpoint file, and return the origin that was saved with it as well.

    Raises
    ------
    ModelError
        If there is no such file, or it is no checkpoint of this version, or a broken one.
    """
    try:
        vectors = read_archive(path)
        document = json.loads(str(vectors.pop("checkpoint")[()]))
        version = document["checkpoint_version"]
    except FileNotFoundError as error:
        raise ModelError(
            f"There is no checkpoint {path}: make one with 'mnist-cli train --checkpoint {path}'."
        ) from error
    except Exception as error:
        # The file may come from anywhere, and its text may be anything.
        raise ModelError(
            f"{path} is no checkpoint: name a file that 'mnist-cli train --checkpoint' wrote."
        ) from error
    if version != FORMAT:
        raise ModelError(
            f"{path} has checkpoint format {version}, and this version knows {FORMAT}: "
            "train it anew."
        )
    try:
        return _checkpoint(document, vectors), _origin(document["origin"])
    except Exception as error:
        raise ModelError(f"{path} is broken: train it anew.") from error


def _checkpoint(document: dict[str, Any], vectors: dict[str, NDArray[Any]]) -> Checkpoint:
    """Return the checkpoint that a document and vectors stand for, or raise."""
    recipe = Recipe.from_dict(document["recipe"])
    history = [Epoch(**epoch) for epoch in document["history"]]
    if len(history) > recipe.epochs:
        raise ValueError("history")
    for number, epoch in enumerate(history, 1):
        validated = 0.5 if recipe.validation else None
        _check_types(epoch, Epoch(0, 0.5, 0.5, validated, 0.5))
        if epoch.epoch != number:
            raise ValueError("history")
    shape = (parameter_count(recipe.hidden),)
    if set(vectors) != {"parameters", "best_parameters", *make_optimizer(recipe, MLP(1)).memory}:
        raise ValueError("vectors")
    for vector in vectors.values():
        if vector.shape != shape or vector.dtype != recipe.dtype or not np.isfinite(vector).all():
            raise ValueError("vector")
    generators = document["generators"]
    if len(generators) != 1 + count_parts(recipe):
        raise ValueError("generators")
    for generator in generators:
        np.random.PCG64().state = generator
    parameters, best_parameters = vectors.pop("parameters"), vectors.pop("best_parameters")
    return Checkpoint(recipe, history, best_parameters, State(parameters, vectors, generators))


def _origin(document: dict[str, Any]) -> dict[str, Any]:
    """Return where the data came from, or raise."""
    sums = document["data"]
    if set(document) != {"dataset", "data"} or document["dataset"] not in SOURCES:
        raise ValueError("origin")
    if not all(isinstance(text, str) for item in sums.items() for text in item):
        raise TypeError("origin")
    return document


def _check_types(found: DataclassInstance, like: DataclassInstance) -> None:
    """Raise TypeError unless all values have the types of those of another instance."""
    for field in fields(like):
        if type(getattr(found, field.name)) is not type(getattr(like, field.name)):
            raise TypeError(field.name)
