"""The options of ``mnist-cli train`` that make up a recipe; their defaults are the recipe's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click import Choice

from mnist_cli.cli import options
from mnist_cli.cli.options import NOT_NEGATIVE, POSITIVE, FiniteFloat
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.recipe import LEARNING_RATES, Recipe

AT_LEAST_0 = FiniteFloat(min=0)
SHARE = FiniteFloat(0, 1, max_open=True)


def setting(
    name: str, kind: click.ParamType[Any], explanation: str, metavar: str | None = None
) -> Callable[..., Any]:
    """Return the option for a field of the recipe."""
    default = getattr(Recipe, name.replace("-", "_"))
    return click.option(
        f"--{name}",
        metavar=metavar,
        type=kind,
        default=default,
        show_default=True,
        help=explanation,
    )


OPTIONS = [
    setting("hidden", POSITIVE, "Hidden units.", "N"),
    setting("epochs", POSITIVE, "Passes over the training images.", "N"),
    setting("batch-size", POSITIVE, "Images a step.", "N"),
    setting("optimizer", Choice(list(LEARNING_RATES)), "Gradient descent with momentum, or Adam."),
    click.option(
        "--lr",
        "learning_rate",
        metavar="X",
        type=FiniteFloat(min=0, min_open=True),
        envvar="MNIST_CLI_TRAIN_LR",
        show_default=", ".join(f"{rate} for {name}" for name, rate in LEARNING_RATES.items()),
        help="Learning rate, at the schedule's peak.",
    ),
    setting("momentum", SHARE, "SGD's momentum, or Adam's beta1.", "X"),
    setting(
        "weight-decay", AT_LEAST_0, "Decay of the parameters, decoupled from the gradient.", "X"
    ),
    setting(
        "label-smoothing", SHARE, "Share of each label that is spread over all ten digits.", "X"
    ),
    setting(
        "dropout", SHARE, "Share of the hidden units that are put out at random in each step.", "X"
    ),
    setting("schedule", Choice(list(SCHEDULES)), "How the learning rate changes over the run."),
    click.option(
        "--deskew/--no-deskew",
        show_default=True,
        help="Make the digits upright first, those that are read as well.",
    ),
    setting(
        "digit-width",
        options.WholeNumber(0, 28),
        "Bring all digits to this width first, those that are read as well; 0 leaves it.",
        "PIXELS",
    ),
    setting(
        "augment",
        Choice(["none", "affine", "elastic"]),
        "Distort every image anew whenever it is seen: turned, scaled, slanted and shifted, and "
        "for elastic also as if on rubber.",
    ),
    setting("rotation", AT_LEAST_0, "Distortion: turned by up to this.", "DEGREES"),
    setting("scale", SHARE, "Distortion: narrower or wider, lower or higher by about this.", "X"),
    setting("shear", AT_LEAST_0, "Distortion: slanted by up to this tangent.", "X"),
    setting("shift", AT_LEAST_0, "Distortion: shifted by up to this.", "PIXELS"),
    setting(
        "displacement",
        AT_LEAST_0,
        "Elastic distortion: how far a point moves, on average.",
        "PIXELS",
    ),
    setting(
        "smoothness",
        FiniteFloat(0.1, 100),
        "Elastic distortion: over what distance that changes.",
        "PIXELS",
    ),
    setting(
        "validation",
        NOT_NEGATIVE,
        "Hold out this many images, the last ones, and measure on them after each epoch.",
        "N",
    ),
    setting(
        "patience",
        NOT_NEGATIVE,
        "Stop after this many epochs without a better validation accuracy, and keep the best "
        "epoch; 0 never stops.",
        "N",
    ),
    setting(
        "seed",
        NOT_NEGATIVE,
        "Decides the first weights, and the order of the images and their distortions.",
        "N",
    ),
    setting(
        "dtype", Choice(["float32", "float64"]), "Precision; float64 is slower, and for study."
    ),
]


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of them, in this order."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
