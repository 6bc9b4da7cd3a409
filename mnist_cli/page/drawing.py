"""The page to draw on: a model, and the steps from a drawing to its probabilities, in a browser.

The steps are those of `mnist_cli.images.picture`, in JavaScript; a test compares their numbers.
"""

from __future__ import annotations

import base64
import html
from string import Template
from typing import Any

import numpy as np

from mnist_cli.data.synthetic import draw
from mnist_cli.model import Model
from mnist_cli.nn.mlp import CLASSES, INPUTS
from mnist_cli.page.document import asset, page

STYLES = ("page.css", "draw.css")

SCRIPTS = ("picture.js", "preprocessing.js", "network.js", "draw.js")
"""In this order: each knows those before it."""

SAMPLES = 4
"""The seed of the ten sample digits: these leave paper on all sides."""


def drawing_page(model: Model) -> str:
    """Return a page, HTML, on which a digit is drawn and the model reads it.

    It shows the ten probabilities, what the network sees, what each hidden unit adds to a digit,
    and the gradient ``softmax − labels``, of which a step can be taken and undone.

    Parameters
    ----------
    model : Model
        Its parameters go into the page, as float32.
    """
    body = (
        f"<h1>What does the network read?</h1>\n<p>A network of {html.escape(described(model))}, "
        "is in this page and runs in it: what you draw is sent nowhere.</p>\n"
    )
    return page("Draw a digit", body + drawing(), STYLES, SCRIPTS, data(model))


def drawing(heading: str = "h2") -> str:
    """Return the part of a page to draw on, HTML; its parts have headings of this level."""
    return Template(asset("draw.html")).substitute(h=heading)


def data(model: Model) -> dict[str, Any]:
    """Return what the scripts need to know: the parameters, the preprocessing, and ten digits."""
    samples = draw(np.arange(CLASSES, dtype=np.uint8), np.random.default_rng(SAMPLES))
    recipe = model.recipe
    return {
        "hidden": model.network.hidden,
        "preprocessing": {
            "deskew": bool(recipe and recipe.deskew),
            "digitWidth": recipe.digit_width if recipe else 0,
        },
        "samples": base64.b64encode(samples.tobytes()).decode(),
        "parameters": base64.b64encode(model.network.parameters.astype("<f4").tobytes()).decode(),
    }


def kind(model: Model) -> str:
    """Return what the model is: its size and its data."""
    trained = f", trained on {model.trained_on}" if model.trained_on else ""
    return f"{INPUTS}-{model.network.hidden}-{CLASSES} units{trained}"


def described(model: Model) -> str:
    """Return what the model is, and how well it reads."""
    parts = [kind(model)]
    accuracy = model.metadata.get("test_accuracy")
    if isinstance(accuracy, float):
        parts.append(f"which reads {accuracy:.2%} of the test images correctly")
    return ", ".join(parts)
