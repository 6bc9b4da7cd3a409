"""How large the files of a training become: what could not be read again is refused before it."""

from __future__ import annotations

import numpy as np

from mnist_cli.errors import SettingsError
from mnist_cli.files.archive import LARGEST
from mnist_cli.nn.mlp import MLP, parameter_count
from mnist_cli.recipe import Recipe
from mnist_cli.training.parts import make_optimizer

EPOCH = 1200
"""Bytes of an epoch in the history of a file, at most: seven names and numbers, as UTF-32."""

LOSSES = 4 << 20
"""Bytes of the remembered losses, at most: four for each of the 856,000 images that are read."""

REST = 1 << 20
"""Bytes of the rest of a file, at most."""


def check_sizes(recipe: Recipe, is_model: bool, is_checkpoint: bool) -> None:
    """Raise SettingsError if a model or a checkpoint would be larger than what is read again.

    Where training may end early, for want of patience, its epochs are not counted: should they be
    too many after all, the last file that can be read stays.
    """
    vectors = {"model": 1} if is_model else {}
    if is_checkpoint:
        vectors["checkpoint"] = 2 + len(make_optimizer(recipe, MLP(1)).memory)
    epochs = 0 if recipe.patience else recipe.epochs
    room = LARGEST - REST - epochs * EPOCH
    if vectors and room < 0:
        raise SettingsError(
            f"`epochs` is {recipe.epochs}, whose history makes a file of more than the "
            f"{LARGEST >> 20} MB that can be read again: train for at most "
            f"{(LARGEST - REST) // EPOCH:,}."
        )
    for what, count in vectors.items():
        if what == "checkpoint" and recipe.sampling == "loss":
            room -= LOSSES
        a_unit = parameter_count(1) - parameter_count(0)
        most = (room // (count * np.dtype(recipe.dtype).itemsize) - parameter_count(0)) // a_unit
        if recipe.hidden > most:
            advice = " or leave `checkpoint` out" if what == "checkpoint" else ""
            raise SettingsError(
                f"`hidden` is {recipe.hidden}, which makes a {what} of more than the "
                f"{LARGEST >> 20} MB that can be read again: use {most:,} at most{advice}."
            )
