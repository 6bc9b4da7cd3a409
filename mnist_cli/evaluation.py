"""Evaluation: how well networks read digits, in all and digit by digit; committees and views."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.dataset import Split, check_split
from mnist_cli.errors import SettingsError
from mnist_cli.images.augmentation import Distorter, Strengths
from mnist_cli.images.inputs import to_inputs
from mnist_cli.nn.layers import Array, log_softmax
from mnist_cli.nn.mlp import CLASSES, MLP
from mnist_cli.parallel import side_by_side
from mnist_cli.parallel.blas import one_blas_thread
from mnist_cli.progress import Bar

CHUNK = 500
"""Images evaluated at a time on each core, which bounds the memory."""

SLIGHTLY = Strengths(rotation=3, scale=0.04, shear=0.02, shift=0.5, displacement=0.5)
"""How much a view of an image may differ from it: chosen on training images, docs/accuracy.md."""


CHANCE = 0.03
"""By what share of the rest a network that has learned nothing may be better than a guess."""


@dataclass(frozen=True)
class Digit:
    """How one digit fares.

    Attributes
    ----------
    digit : int
    precision : float
        Of the images read as this digit, the share that are; 0 if none was read so.
    recall : float
        Of the images of this digit, the share read so; 0 if there are none.
    f1 : float
        The harmonic mean of the two.
    support : int
        How many images of this digit there are.
    """

    digit: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """How a network did on some images.

    Attributes
    ----------
    loss : float
        The mean cross-entropy, in nats.
    confusion_matrix : array of int, shape (10, 10)
        Entry (i, j) counts the images of digit i that were read as j.
    """

    loss: float
    confusion_matrix: NDArray[np.int64]

    @property
    def examples(self) -> int:
        """How many images there were."""
        return int(self.confusion_matrix.sum())

    @property
    def errors(self) -> int:
        """How many of them were misread."""
        return self.examples - int(np.trace(self.confusion_matrix))

    @property
    def accuracy(self) -> float:
        """The share read rightly, between 0 and 1."""
        return int(np.trace(self.confusion_matrix)) / self.examples

    @property
    def guessing(self) -> float:
        """The share of the most frequent digit: the accuracy of naming that one always."""
        return int(self.confusion_matrix.sum(axis=1).max()) / self.examples

    @property
    def is_better_than_guessing(self) -> bool:
        """Whether the accuracy is above what `guessing` may reach by chance, or all is right."""
        return self.accuracy > self.guessing + CHANCE * (1 - self.guessing) or not self.errors

    @property
    def per_class(self) -> list[Digit]:
        """Precision, recall and F1 of each digit."""
        hits = np.diag(self.confusion_matrix)
        read_as = self.confusion_matrix.sum(axis=0)
        support = self.confusion_matrix.sum(axis=1)
        precision = hits / np.maximum(read_as, 1)
        recall = hits / np.maximum(support, 1)
        # 2pr/(p + r), in which the hits cancel.
        f1 = 2 * hits / np.maximum(read_as + support, 1)
        return [
            Digit(
                digit, float(precision[digit]), float(recall[digit]), float(f1[digit]), int(count)
            )
            for digit, count in enumerate(support)
        ]


@dataclass(frozen=True)
class Misread:
    """An image that was misread.

    Attributes
    ----------
    index : int
        Its place among the images, from 0.
    label, reading : int
        The digit that it is, and the one that it was read as.
    probability : float
        That of the reading.
    """

    index: int
    label: int
    reading: int
    probability: float


@runtime_checkable
class Reader(Protocol):
    """What reads images: a `mnist_cli.model.Model`."""

    def log_probabilities(self, images: NDArray[np.uint8], views: int = 1) -> Array:
        """Return the logarithms of the probabilities of each image, shape (N, 10)."""


def evaluate(models: Reader | Sequence[Reader], data: Split, *, views: int = 1) -> Evaluation:
    """Have a model read every image, and compare with the labels.

    Parameters
    ----------
    models : Model, or a sequence of them
        Several are a committee: their probabilities are averaged.
    data : Split
        At least one image, as it was loaded: each model does its own preprocessing.
    views : int
        How often each model looks at each image; see `log_probabilities`.

    Raises
    ------
    SettingsError
        If there is no model, no image or no view; or if an argument is of another kind.
    """
    several = models if isinstance(models, Sequence) else [models]
    members = check_models("models", [models] if isinstance(models, str) else several)
    check_split(data)
    if not len(data):
        raise SettingsError("`data` has no images: give at least one.")
    if views < 1:
        raise SettingsError(f"`views` is {views}, but must be at least 1.")
    each = [model.log_probabilities(data.images, views) for model in members]
    return measure(committee(each), data.labels)


def check_models(name: str, models: Sequence[object]) -> list[Reader]:
    """Return these models, or raise SettingsError if they are something else, or none."""
    if not models:
        raise SettingsError(f"`{name}` is empty: name at least one.")
    checked = []
    for model in models:
        if not isinstance(model, Reader):
            has_one = hasattr(model, "model")
            advice = "give its `model`." if has_one else "give what `Model.load(path)` returns."
            raise SettingsError(f"`{name}`: a {type(model).__name__} is not a model; {advice}")
        checked.append(model)
    return checked


def log_probabilities(
    network: MLP, images: NDArray[np.uint8], views: int = 1, bar: Bar | None = None
) -> Array:
    """Return the logarithm of what the network believes of each image, shape (N, 10).

    Parameters
    ----------
    network : MLP
    images : array of uint8, shape (N, 28, 28)
        Preprocessed as those that the network was trained on.
    views : int
        How often each image is looked at: once as it is, and then distorted `SLIGHTLY`, each time
        in another way. What is believed of it is the mean over its views (as Krizhevsky, Sutskever
        and Hinton 2012 did with crops). The same images in the same order have the same views,
        whatever the network.
    bar : Bar, optional
        Is told how many images are done.
    """
    logarithms = np.empty((len(images), CLASSES), network.parameters.dtype)
    twin = MLP(network.hidden, network.parameters.dtype)
    twin.parameters[:] = network.parameters
    distorters = []
    if views > 1:  # to make them takes 20 ms
        distorters = [Distorter(SLIGHTLY, rng) for rng in np.random.default_rng(0).spawn(2)]

    def work(member: int) -> Generator[None, None, None]:
        reader = (network, twin)[member]
        for both in range(0, len(images), 2 * CHUNK):
            start = both + member * CHUNK
            chunk = slice(start, start + CHUNK)
            inputs = to_inputs(images[chunk], logarithms.dtype)
            believed = []
            for view in range(views):
                yield  # so that neither goes on for long if the other is interrupted
                if view:
                    distorters[member].distort(images[chunk], out=inputs)
                believed.append(log_softmax(reader.forward(inputs)))
            logarithms[chunk] = committee(believed)
            if bar is not None and member == 0:
                bar.update(len(images[both : both + 2 * CHUNK]))

    # What overflows is told by the loss.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        side_by_side(work, 2)
    return logarithms


def committee(members: Sequence[Array]) -> Array:
    """Return the logarithm of the members' mean probabilities, ``log (1/K)·Σ_k p_k``.

    Parameters
    ----------
    members : sequence of arrays, shape (N, 10)
        The logarithms of the probabilities of each of K members.

    Returns
    -------
    array, shape (N, 10)
        Finite even where all ``p_k`` round to 0, as the largest is taken out of the sum. One
        member's are returned as they are.
    """
    if len(members) == 1:
        return members[0]
    logarithms = np.stack(members).astype(np.float64)
    largest = logarithms.max(axis=0)
    mean: Array = largest + np.log(np.exp(logarithms - largest).mean(axis=0))
    return mean


def measure(logarithms: Array, labels: NDArray[np.uint8]) -> Evaluation:
    """Compare log-probabilities, shape (N, 10), with the labels of the images, shape (N,)."""
    confusion = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(confusion, (labels, logarithms.argmax(axis=1)), 1)
    right = logarithms[np.arange(len(labels)), labels]
    # A committee's may be above 0 by a rounding error; and -0.0 + 0.0 is 0.0.
    loss = float(np.maximum(-right.mean(dtype=np.float64), 0)) + 0.0
    return Evaluation(loss, confusion)


def misread(logarithms: Array, labels: NDArray[np.uint8]) -> list[Misread]:
    """Return the images that were misread, by log-probabilities, shape (N, 10), and labels."""
    readings = logarithms.argmax(axis=1)
    return [
        Misread(
            int(index),
            int(labels[index]),
            int(readings[index]),
            float(np.exp(logarithms[index, readings[index]])),
        )
        for index in np.flatnonzero(readings != labels)
    ]
