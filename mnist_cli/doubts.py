"""What makes a result doubtful that no error tells: other data, other images, nothing learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_cli.data.sources import SOURCES
from mnist_cli.evaluation import Evaluation
from mnist_cli.model import Model

SAMPLE = 1000
"""Images, spread over all of them, whose greys are looked at."""

LIGHT = 127.5
"""The mean grey from which on images are rather ink on light paper; MNIST's have 33."""


def mean_grey(images: NDArray[np.uint8]) -> float:
    """Return the mean grey of images, 0 to 255, by `SAMPLE` of them."""
    return float(images[:: max(1, len(images) // SAMPLE)].mean(dtype=np.float64))


def of_greys(grey: float, title: str) -> str | None:
    """Return a sentence about images that are mostly light, and None about others.

    Parameters
    ----------
    grey : float
        Their mean grey.
    title : str
        What to call them.
    """
    if grey <= LIGHT:
        return None
    return (
        f"{title} has dark ink on light paper, to judge by its mean grey of {grey:.0f}; MNIST, "
        "with 33, has light ink on black. Networks learn little from it, and those trained on "
        "MNIST cannot read it: write its images as 255 minus their greys."
    )


def of_evaluation(result: Evaluation, advice: str) -> str | None:
    """Return a sentence about a network that has learned nothing, and None about any other.

    Parameters
    ----------
    result : Evaluation
    advice : str
        What to do about it.
    """
    if result.is_better_than_guessing:
        return None
    readings = np.flatnonzero(result.confusion_matrix.sum(axis=0))
    alike = f", all of them as {readings[0]}" if len(readings) == 1 else ""
    return (
        f"It reads {result.accuracy:.2%} of the images correctly{alike}, which is no better than "
        f"guessing: {result.guessing:.2%} are of one digit; {advice}."
    )


def is_same_data(model: Model, dataset: str, sums: Mapping[str, str]) -> bool | None:
    """Return whether a model was trained on the data that it is measured on; None if not known.

    Parameters
    ----------
    model : Model
    dataset : str
        The name of the data set.
    sums : dict of str
        The SHA-256 of what was read of it, by name, as `Dataset.sums` has them: of one part alone.
    """
    there: Any = model.metadata.get("data")
    if model.dataset is not None and model.dataset != dataset:
        return False
    if not isinstance(there, dict) or not sums:
        return None
    common = set(sums) & set(there)
    if common:
        return all(sums[name] == there[name] for name in common)
    # The same files may be packed here, and unpacked there.
    published = SOURCES[dataset].published
    if published is None:
        return None
    here, before = published.has(dict(sums)), published.has(there)
    return here == before if here or before else None


def of_data(model: Model, path: str, dataset: str, title: str) -> str:
    """Return a sentence about a model that is measured on other data than it was trained on.

    Parameters
    ----------
    model : Model
    path : str
        The file that it is in.
    dataset, title : str
        The name of the data set, and what to call it.
    """
    other = f"on {model.dataset}" if model.dataset != dataset else "on other data in MNIST's form"
    return f"{path} was trained {other}, and is measured on {title}."
