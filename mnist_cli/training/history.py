"""The history of a training: what each epoch gave."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mnist_cli.errors import DataError
from mnist_cli.files.archive import LARGEST
from mnist_cli.files.records import read_records

LARGEST_LOG = LARGEST // 4
"""Bytes of a log at most: where an epoch has its longest line, as many as a model may have."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_accuracy : float
        Means over the epoch, each batch measured before the step that it led to: the network at
        the end of the epoch is better than that.
    validation_loss, validation_accuracy : float or None
        After the epoch's last step; None if nothing was held out.
    learning_rate : float or None
        That of the epoch's last step; None where an earlier version did not write it down.
    seconds : float or None
        Wall-clock time, validation included; None in a model file, so that the same training gives
        the same file.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float | None
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it by name."""
        return asdict(self)


def read_history(document: Any) -> list[Epoch]:
    """Return the epochs of a JSON document, which may come from anywhere.

    Raises
    ------
    TypeError, ValueError
        If it is no list of epochs, numbered from 1.
    """
    history = [Epoch(**({"seconds": None} | epoch)) for epoch in document]
    for number, epoch in enumerate(history, 1):
        if type(epoch.epoch) is not int or epoch.epoch != number:
            raise ValueError("the number of an epoch")
        for field in fields(Epoch)[1:]:
            value = getattr(epoch, field.name)
            is_missing = value is None and "None" in str(field.type)
            if type(value) is not float and not is_missing:
                raise TypeError(field.name)
            if value is not None and not math.isfinite(value):
                raise ValueError(field.name)
    return history


def read_log(path: str | Path) -> list[Epoch]:
    """Return the epochs of a log, as ``mnist-cli train --log`` writes it: JSON lines, or CSV.

    Raises
    ------
    DataError
        If there is no such file, or it is no log, or it has no epoch.
    """
    advice = "name a file that 'mnist-cli train --log' wrote."
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(LARGEST_LOG + 1) if size <= LARGEST_LOG else b""
        if max(size, len(content)) > LARGEST_LOG:  # a device, as /dev/zero, says 0
            raise DataError(f"{path} is too large to be a log: {advice}")
        history = read_history(read_records(path, content.decode()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, RecursionError) as error:  # whatever else the file may be
        raise DataError(f"{path} is no log of a training: {advice}") from error
    if not history:
        raise DataError(f"{path} has no epoch yet: wait until one has ended.")
    return history


def with_loss_and_rate(document: dict[str, Any]) -> dict[str, Any]:
    """Upgrade a document of format 1: its epochs had no validation loss and no learning rate."""
    missing = {"validation_loss": None, "learning_rate": None}
    return document | {"history": [missing | epoch for epoch in document.get("history", [])]}


def best_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the first epoch with the highest validation accuracy, or 0."""
    return max(history, key=lambda epoch: epoch.validation_accuracy or 0.0).epoch if history else 0
