"""A model: a trained network with its preprocessing, its recipe and its history, in one file.

The file is an ``.npz`` archive of two arrays: ``parameters``, the network's one vector, and
``metadata``, a JSON text. No time stamp goes in, so the same training gives the same file, byte for
byte. In the format ``"arrays"`` it has W1, b1, W2 and b2 instead, for other programs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.sources import SOURCES
from mnist_cli.errors import ModelError, SettingsError
from mnist_cli.evaluation import log_probabilities
from mnist_cli.files.archive import read_archive, write_archive
from mnist_cli.files.documents import parse
from mnist_cli.files.upgrade import NewerFormatError, newest, upgraded
from mnist_cli.images.inputs import as_greys
from mnist_cli.images.preprocessing import preprocess
from mnist_cli.nn.layers import Array
from mnist_cli.nn.mlp import CLASSES, INPUTS, MLP, parameter_count
from mnist_cli.parallel.blas import one_blas_thread
from mnist_cli.progress import Bar
from mnist_cli.recipe import Recipe
from mnist_cli.training.history import Epoch, read_history, with_loss_and_rate

UPGRADES = [with_loss_and_rate]
"""What makes metadata of format 2 of that of format 1, and so on: a new format is one more."""

FORMATS = ("model", "arrays")

ARRAYS = ("W1", "b1", "W2", "b2")

Format = Literal["model", "arrays"]


class Model:
    """A trained network, and all that is needed to read images with it.

    Parameters
    ----------
    network : MLP
    recipe : Recipe, optional
        What it was trained by. Without one, no preprocessing is known of, and none is done.
    history : sequence of Epoch
    metadata : dict
        What else JSON can hold of how it came about: data set, versions, accuracy.

    Attributes
    ----------
    W1, b1, W2, b2 : array
        Its parameters, of shapes (784, hidden), (hidden,), (hidden, 10) and (10,).
    """

    def __init__(
        self,
        network: MLP,
        recipe: Recipe | None = None,
        history: Sequence[Epoch] = (),
        metadata: dict[str, Any] | None = None,
    ):
        self.network = network
        self.recipe = recipe
        self.history = list(history)
        self.metadata = metadata or {}

    def __getstate__(self) -> dict[str, Any]:
        # What the network remembers of its last batch, and its gradients, are no part of a model:
        # with them, what a worker sends is nine times as long.
        return self.__dict__ | {"network": self.network.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = state["network"]
        hidden = (len(parameters) - CLASSES) // (INPUTS + 1 + CLASSES)
        network = MLP(hidden, parameters.dtype)
        network.parameters[:] = parameters
        self.__dict__.update(state | {"network": network})

    @property
    def W1(self) -> Array:  # noqa: N802
        """The weights from the pixels to the hidden units, shape (784, hidden)."""
        return self.network.W1

    @property
    def b1(self) -> Array:
        """The biases of the hidden units, shape (hidden,)."""
        return self.network.b1

    @property
    def W2(self) -> Array:  # noqa: N802
        """The weights from the hidden units to the digits, shape (hidden, 10)."""
        return self.network.W2

    @property
    def b2(self) -> Array:
        """The biases of the digits, shape (10,)."""
        return self.network.b2

    @property
    def dataset(self) -> str | None:
        """The name of the data set it was trained on, if it is known."""
        return self.metadata.get("dataset")

    @property
    def trained_on(self) -> str | None:
        """What to call the data it was trained on: a data set, or its form if it is another one."""
        source = SOURCES.get(self.dataset or "")
        sums = self.metadata.get("data")
        if source and source.published and sums and not source.published.has(sums):
            return f"data in the form of {self.dataset}"
        return self.dataset

    def predict(self, images: NDArray[Any]) -> NDArray[np.int64]:
        """Return the digit that each image is read as, shape (N,).

        Parameters
        ----------
        images : array, shape (N, 28, 28) or (N, 784)
            As a data set has them, uint8, or floats from 0 to 1.

        Raises
        ------
        DataError
            If they are anything else.
        """
        digits: NDArray[np.int64] = self.log_probabilities(images).argmax(axis=1)
        return digits

    def probabilities(self, images: NDArray[Any]) -> Array:
        """Return the probability of each digit for each image, shape (N, 10).

        Images are as in `predict`.
        """
        return np.exp(self.log_probabilities(images))

    def log_probabilities(
        self, images: NDArray[Any], views: int = 1, bar: Bar | None = None
    ) -> Array:
        """Return the logarithms of `probabilities`, finite where those round to 0.

        Parameters
        ----------
        images : array
            As in `predict`.
        views, bar
            As in `mnist_cli.evaluation.log_probabilities`.
        """
        with one_blas_thread():
            seen = as_greys(images)
            if self.recipe:
                seen = preprocess(
                    seen, deskew=self.recipe.deskew, digit_width=self.recipe.digit_width
                )
            return log_probabilities(self.network, seen, views, bar)

    def save(self, path: str | Path, format: Format = "model") -> None:
        """Write the model to a file, whole or not at all.

        Parameters
        ----------
        path : path
        format : {"model", "arrays"}
            ``"arrays"`` writes W1, b1, W2 and b2 alone, as other programs take them. Of recipe and
            preprocessing nothing is then known any more.

        Raises
        ------
        ModelError
            If a parameter is infinite or no number, the metadata make no JSON, or the file cannot
            be written; what was at ``path`` is then still there.
        """
        check_format(format)
        if not np.isfinite(self.network.parameters).all():
            raise ModelError(f"{path} was not written, as a weight is infinite or not a number.")
        if format == "arrays":
            arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in ARRAYS}
        else:
            try:
                text = json.dumps(self._document(), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise ModelError(
                    f"{path} was not written, as its metadata or its history make no JSON: {error}."
                ) from error
            arrays = {"parameters": self.network.parameters, "metadata": np.array(text)}
        try:
            write_archive(path, arrays)
        except OSError as error:
            raise ModelError(f"{path} cannot be written: {error.strerror or error}.") from error

    def _document(self) -> dict[str, Any]:
        """Return what the metadata of a file says."""
        # An epoch without its seconds: the same training gives the same bytes.
        history = [epoch.to_dict() for epoch in self.history]
        for epoch in history:
            del epoch["seconds"]
        return {
            "format_version": newest(UPGRADES),
            "hidden": self.network.hidden,
            "dtype": self.network.parameters.dtype.name,
            **self.metadata,
            "recipe": self.recipe.to_dict() if self.recipe else None,
            "history": history,
        }

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model from a file of this version or an earlier one.

        Raises
        ------
        ModelError
            If there is no such file, it is no model, it is of a newer format, or its parameters are
            not what its metadata says. Nothing pickled is ever loaded.
        """
        try:
            arrays = read_archive(path)
            if set(arrays) == set(ARRAYS):
                return cls(_network_of(arrays))
            parameters = arrays.pop("parameters")
            document = parse(str(arrays.pop("metadata")[()]))
            if arrays or "format_version" not in document:
                raise ValueError("another archive")
        except FileNotFoundError as error:
            raise ModelError(
                f"There is no model {path}: make one with 'mnist-cli train --out {path}'."
            ) from error
        except Exception as error:
            # The file may come from anywhere, and its text may be anything.
            raise ModelError(
                f"{path} is not a model of mnist-cli: name a file that 'mnist-cli train' wrote."
            ) from error
        try:
            return cls._read(upgraded(document, "format_version", UPGRADES), parameters)
        except NewerFormatError as error:
            raise ModelError(f"{path} has model {error}: update mnist-cli.") from error
        except SettingsError as error:
            raise ModelError(f"{path} has a recipe that makes no sense. {error}") from error
        except Exception as error:
            raise ModelError(
                f"{path} is broken, as its metadata and its parameters, of shape "
                f"{parameters.shape} and type {parameters.dtype}, make no network: train it again."
            ) from error

    @classmethod
    def _read(cls, document: dict[str, Any], parameters: NDArray[Any]) -> Model:
        """Return the model that a document of the newest format and parameters make, or raise."""
        del document["format_version"]
        hidden, dtype = document.pop("hidden"), document.pop("dtype")
        settings, history = document.pop("recipe"), read_history(document.pop("history"))
        if type(hidden) is not int or hidden < 1 or dtype not in ("float32", "float64"):
            raise ValueError("hidden or dtype")
        recipe = None
        if settings is not None:
            recipe = Recipe.from_dict({"hidden": hidden, "dtype": dtype} | settings)
            if (recipe.hidden, recipe.dtype) != (hidden, dtype):
                raise ValueError("recipe")
        if "dataset" in document and document["dataset"] not in SOURCES:
            raise ValueError("dataset")
        if parameters.dtype != dtype or parameters.shape != (parameter_count(hidden),):
            raise ValueError("parameters")
        network = MLP(hidden, parameters.dtype)
        network.parameters[:] = parameters
        _check_finite(network)
        return cls(network, recipe, history, document)


def check_format(format: str) -> None:
    """Raise SettingsError if there is no format of that name."""
    if format not in FORMATS:
        raise SettingsError(f"`format` is {format!r}, but must be one of {', '.join(FORMATS)}.")


def _network_of(arrays: dict[str, NDArray[Any]]) -> MLP:
    """Return the network of W1, b1, W2 and b2, or raise ValueError."""
    (hidden,) = arrays["b1"].shape
    dtype = arrays["W1"].dtype
    shapes = ((INPUTS, hidden), (hidden,), (hidden, CLASSES), (CLASSES,))
    if dtype not in (np.float32, np.float64):
        raise ValueError("dtype")
    network = MLP(hidden, dtype)
    for name, shape in zip(ARRAYS, shapes, strict=True):
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ValueError(name)
        getattr(network, name)[:] = arrays[name]
    _check_finite(network)
    return network


def _check_finite(network: MLP) -> None:
    """Raise ValueError if a parameter is infinite or no number."""
    if not np.isfinite(network.parameters).all():
        raise ValueError("parameters")
