"""Checkpoints: where training stands between two epochs, and the file that holds it.

The file is an archive as a model's is: the vectors of the parameters and of the optimizer, and a
JSON text with the rest. It is written whole or not at all, so what is on disk is always the last
checkpoint or the one before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Dataset
from mnist_cli.data.sources import SOURCES, is_same_data
from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.files.documents import parse
from mnist_cli.files.upgrade import NewerFormatError, newest, upgraded
from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import MLP, parameter_count
from mnist_cli.recipe import Recipe
from mnist_cli.training.descent import State
from mnist_cli.training.history import Epoch, best_epoch, read_history, with_loss_and_rate
from mnist_cli.training.parts import PARTS, make_optimizer

UPGRADES = [with_loss_and_rate]
"""What makes a checkpoint of format 2 of one of format 1, and so on: a new format is one more."""


@dataclass(frozen=True)
class Checkpoint:
    """Where training stands between two epochs: all that is needed to continue it later.

    Attributes
    ----------
    recipe : Recipe
    history : list of Epoch
        The epochs so far.
    best_parameters : array
        Those of the best epoch, where there is a patience; else those of the last.
    state : State
    origin : dict
        Where the data came from: ``dataset``, its name, and ``data``, the SHA-256 of its files;
        ``start``, the SHA-256 of the parameters that training began with, if they were a model's;
        and ``raised_from``, the epochs that there were to be before they were raised.
    """

    recipe: Recipe
    history: list[Epoch]
    best_parameters: Array
    state: State
    origin: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write the checkpoint to a file, whole or not at all.

        Raises
        ------
        ModelError
            If the file cannot be written; what was at ``path`` is then still there.
        """
        document = {
            "checkpoint_version": newest(UPGRADES),
            "recipe": self.recipe.to_dict(),
            "history": [epoch.to_dict() for epoch in self.history],
            "generators": self.state.generators,
            "origin": dict(self.origin),
        }
        arrays = {
            "checkpoint": np.array(json.dumps(document)),
            "parameters": self.state.parameters,
            "best_parameters": self.best_parameters,
        }
        if self.state.losses is not None:
            arrays["losses"] = self.state.losses
        try:
            write_archive(path, arrays | self.state.memory)
        except OSError as error:
            raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Read a checkpoint from a file of this version or an earlier one.

        Raises
        ------
        ModelError
            If there is no such file, it is no checkpoint, it is of a newer format, or broken.
        """
        try:
            vectors = read_archive(path)
            document = parse(str(vectors.pop("checkpoint")[()]))
            if "checkpoint_version" not in document:
                raise ValueError("another archive")
        except FileNotFoundError as error:
            raise ModelError(
                f"There is no checkpoint {path}: make one with 'mnist-cli train --checkpoint "
                f"{path}'."
            ) from error
        except Exception as error:
            # The file may come from anywhere, and its text may be anything.
            raise ModelError(
                f"{path} is not a checkpoint: name a file that 'mnist-cli train --checkpoint' has "
                "written."
            ) from error
        try:
            return cls._read(upgraded(document, "checkpoint_version", UPGRADES), vectors)
        except NewerFormatError as error:
            raise ModelError(f"{path} has checkpoint {error}: update mnist-cli.") from error
        except SettingsError as error:
            raise ModelError(f"{path} has settings that cannot be used. {error}") from error
        except Exception as error:
            raise ModelError(f"{path} is damaged: train again from the start.") from error

    def check_settings(self, path: str, recipe: Recipe, dataset: str) -> None:
        """Raise SettingsError if a setting is another one; but there may be more epochs.

        ``path`` is what the sentence calls the checkpoint.
        """
        wanted = recipe.to_dict() | {"dataset": dataset}
        there = self.recipe.to_dict() | {"dataset": self.origin.get("dataset", dataset)}
        changed = [
            f"`{name}` is {there[name]} there and not {value}"
            for name, value in wanted.items()
            if value != there[name] and not (name == "epochs" and value > there[name])
        ]
        if changed:
            raise SettingsError(
                f"{path} has its own settings, of which only `epochs` may be raised, but "
                f"{', and '.join(changed)}: leave that out, or start again without it."
            )

    def check_data(self, path: str, data: Dataset) -> None:
        """Raise SettingsError if it was trained on other data."""
        is_same = is_same_data(data.name, self.origin["data"], data.sums)
        if self.origin["dataset"] != data.name or not is_same:
            raise SettingsError(
                f"The data are not those that {path} was trained on: name their `data_dir`."
            )

    @classmethod
    def _read(cls, document: dict[str, Any], vectors: dict[str, NDArray[Any]]) -> Checkpoint:
        """Return the checkpoint of a document of the newest format and its vectors, or raise."""
        recipe = Recipe.from_dict(document["recipe"])
        history = read_history(document["history"])
        for epoch in history:
            if (epoch.validation_accuracy is None) == bool(recipe.validation):
                raise ValueError("validation")
        if len(history) > recipe.epochs:
            raise ValueError("history")
        losses = _losses(vectors.pop("losses")) if recipe.sampling == "loss" else None
        remembered = make_optimizer(recipe, MLP(1)).memory
        if set(vectors) != {"parameters", "best_parameters", *remembered}:
            raise ValueError("vectors")
        shape = (parameter_count(recipe.hidden),)
        for vector in vectors.values():
            is_right = vector.shape == shape and vector.dtype == recipe.dtype
            if not is_right or not np.isfinite(vector).all():
                raise ValueError("vector")
        generators = document["generators"]
        if not 1 <= len(generators) - 1 <= min(PARTS, recipe.hidden):
            raise ValueError("generators")
        for generator in generators:
            np.random.PCG64().state = generator
        parameters, best_parameters = vectors.pop("parameters"), vectors.pop("best_parameters")
        state = State(parameters, vectors, generators, losses)
        return cls(recipe, history, best_parameters, state, _origin(document["origin"]))


def _losses(vector: NDArray[Any]) -> NDArray[np.float32]:
    """Return the remembered losses, or raise."""
    is_right = vector.ndim == 1 and vector.dtype == np.float32 and np.isfinite(vector).all()
    if not is_right or (vector < 0).any():
        raise ValueError("losses")
    return vector


def _origin(document: dict[str, Any]) -> dict[str, Any]:
    """Return where training began, or raise."""
    if not {"dataset", "data"} <= set(document) <= {"dataset", "data", "start", "raised_from"}:
        raise ValueError("origin")
    if document["dataset"] not in SOURCES or not isinstance(document.get("start", ""), str):
        raise ValueError("origin")
    if not all(isinstance(text, str) for item in document["data"].items() for text in item):
        raise TypeError("origin")
    if not all(type(epochs) is int for epochs in document.get("raised_from", [])):
        raise TypeError("origin")
    return document


def is_over(recipe: Recipe, history: Sequence[Epoch]) -> bool:
    """Return whether all epochs are done, or patience is at an end."""
    is_vain = bool(recipe.patience) and len(history) - best_epoch(history) >= recipe.patience
    return len(history) >= recipe.epochs or is_vain
