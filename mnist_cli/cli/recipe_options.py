"""The options of ``mnist-cli train`` that make up a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mnist_cli.cli import options
from mnist_cli.nn.schedules import SCHEDULES
from mnist_cli.recipe import LEARNING_RATES, Recipe

OPTIONS = [
    click.option(
        "--hidden",
        metavar="N",
        type=options.POSITIVE,
        default=Recipe.hidden,
        show_default=True,
        help="Hidden units.",
    ),
    click.option(
        "--epochs",
        metavar="N",
        type=options.POSITIVE,
        default=Recipe.epochs,
        show_default=True,
        help="Passes over the training images.",
    ),
    click.option(
        "--batch-size",
        metavar="N",
        type=options.POSITIVE,
        default=Recipe.batch_size,
        show_default=True,
        help="Images a step.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(list(LEARNING_RATES)),
        default=Recipe.optimizer,
        show_default=True,
        help="Gradient descent with momentum, or Adam.",
    ),
    click.option(
        "--lr",
        "learning_rate",
        metavar="X",
        type=options.FiniteFloat(min=0, min_open=True),
        envvar="MNIST_CLI_TRAIN_LR",
        show_default=", ".join(f"{rate} for {name}" for name, rate in LEARNING_RATES.items()),
        help="Learning rate, at the schedule's peak.",
    ),
    click.option(
        "--momentum",
        metavar="X",
        type=options.FiniteFloat(0, 1, max_open=True),
        default=Recipe.momentum,
        show_default=True,
        help="SGD's momentum, or Adam's beta1.",
    ),
    click.option(
        "--weight-decay",
        metavar="X",
        type=options.FiniteFloat(min=0),
        default=Recipe.weight_decay,
        show_default=True,
        help="Decay of the parameters, decoupled from the gradient.",
    ),
    click.option(
        "--label-smoothing",
        metavar="X",
        type=options.FiniteFloat(0, 1, max_open=True),
        default=Recipe.label_smoothing,
        show_default=True,
        help="Share of each label that is spread over all ten digits.",
    ),
    click.option(
        "--dropout",
        metavar="X",
        type=options.FiniteFloat(0, 1, max_open=True),
        default=Recipe.dropout,
        show_default=True,
        help="Share of the hidden units that are put out at random in each step.",
    ),
    click.option(
        "--schedule",
        type=click.Choice(list(SCHEDULES)),
        default=Recipe.schedule,
        show_default=True,
        help="How the learning rate changes over the run.",
    ),
    click.option(
        "--deskew",
        is_flag=True,
        help="Make the digits upright first, those that are read as well.",
    ),
    click.option(
        "--digit-width",
        metavar="PIXELS",
        type=click.IntRange(0, 28),
        default=Recipe.digit_width,
        show_default=True,
        help="Bring all digits to this width first, those that are read as well; 0 leaves it.",
    ),
    click.option(
        "--augment",
        type=click.Choice(["none", "affine", "elastic"]),
        default=Recipe.augment,
        show_default=True,
        help="Distort every image anew whenever it is seen: turned, scaled, slanted and shifted, "
        "and for elastic also as if on rubber.",
    ),
    click.option(
        "--rotation",
        metavar="DEGREES",
        type=options.FiniteFloat(min=0),
        default=Recipe.rotation,
        show_default=True,
        help="Distortion: turned by up to this.",
    ),
    click.option(
        "--scale",
        metavar="X",
        type=options.FiniteFloat(min=0, max=1, max_open=True),
        default=Recipe.scale,
        show_default=True,
        help="Distortion: wider or higher by up to this share.",
    ),
    click.option(
        "--shear",
        metavar="X",
        type=options.FiniteFloat(min=0),
        default=Recipe.shear,
        show_default=True,
        help="Distortion: slanted by up to this tangent.",
    ),
    click.option(
        "--shift",
        metavar="PIXELS",
        type=options.FiniteFloat(min=0),
        default=Recipe.shift,
        show_default=True,
        help="Distortion: shifted by up to this.",
    ),
    click.option(
        "--displacement",
        metavar="PIXELS",
        type=options.FiniteFloat(min=0),
        default=Recipe.displacement,
        show_default=True,
        help="Elastic distortion: how far a point moves, on average.",
    ),
    click.option(
        "--smoothness",
        metavar="PIXELS",
        type=options.FiniteFloat(0.1, 100),
        default=Recipe.smoothness,
        show_default=True,
        help="Elastic distortion: over what distance that changes.",
    ),
    click.option(
        "--validation",
        metavar="N",
        type=options.NOT_NEGATIVE,
        default=Recipe.validation,
        show_default=True,
        help="Hold out this many images, the last ones, and measure on them after each epoch.",
    ),
    click.option(
        "--patience",
        metavar="N",
        type=options.NOT_NEGATIVE,
        default=Recipe.patience,
        show_default=True,
        help="Stop after this many epochs without a better validation accuracy, and keep the best "
        "epoch; 0 never stops.",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=options.NOT_NEGATIVE,
        default=Recipe.seed,
        show_default=True,
        help="Decides the first weights, and the order of the images and their distortions.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default=Recipe.dtype,
        show_default=True,
        help="Precision; float64 is slower, and for study.",
    ),
]


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of them, in this order."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
