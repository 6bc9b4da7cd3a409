"""Train, evaluate and check a 784-hidden-10 network on MNIST, in vectorised NumPy.

From Python, in a few lines (docs/python.md has more)::

    from mnist_cli import Recipe, evaluate, load_data, train

    data = load_data("mnist")
    trained = train(Recipe(hidden=128), data.train)
    print(evaluate(trained.model, data.test).accuracy)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_cli import errors as errors
    from mnist_cli.data.loading import load_data as load_data
    from mnist_cli.evaluation import evaluate as evaluate
    from mnist_cli.gradcheck import assert_gradients as assert_gradients
    from mnist_cli.gradcheck import check as check
    from mnist_cli.gradcheck import check_functions as check_functions
    from mnist_cli.gradcheck import check_layer as check_layer
    from mnist_cli.gradcheck import check_loss as check_loss
    from mnist_cli.gradcheck import check_network as check_network
    from mnist_cli.gradcheck import explain as explain
    from mnist_cli.model import Model as Model
    from mnist_cli.recipe import Recipe as Recipe
    from mnist_cli.training.loop import train as train
    from mnist_cli.training.run import run as run

__version__ = "0.1.0"

FACE = {
    "Model": "mnist_cli.model",
    "Recipe": "mnist_cli.recipe",
    "assert_gradients": "mnist_cli.gradcheck",
    "check": "mnist_cli.gradcheck",
    "check_functions": "mnist_cli.gradcheck",
    "check_layer": "mnist_cli.gradcheck",
    "check_loss": "mnist_cli.gradcheck",
    "check_network": "mnist_cli.gradcheck",
    "evaluate": "mnist_cli.evaluation",
    "explain": "mnist_cli.gradcheck",
    "load_data": "mnist_cli.data.loading",
    "run": "mnist_cli.training.run",
    "train": "mnist_cli.training.loop",
}
"""Where each public name is. It is loaded when it is asked for: ``--help`` needs none of them."""

__all__ = ["errors", *FACE]


def __getattr__(name: str) -> Any:
    """Return a public name, and import the module that has it first."""
    if name == "errors":
        return import_module("mnist_cli.errors")
    if name not in FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(FACE[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]
