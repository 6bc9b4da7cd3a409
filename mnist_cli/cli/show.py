"""``mnist-cli show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnist_cli.cli import options, output
from mnist_cli.cli.help import Command
from mnist_cli.recipe import SETTINGS
from mnist_cli.texts import shown

if TYPE_CHECKING:
    from mnist_cli.model import Model
    from mnist_cli.training.history import Epoch

LAYERS = (("W1", "b1", "relu"), ("W2", "b2", "softmax"))
"""The parameters of each layer, and what follows it."""

MOST_FILES = 16
"""Files of a data set that are listed; MNIST has four."""


@click.command(
    cls=Command,
    short_help="Show what is in a model: layers, recipe, data, history.",
    examples=[
        ("a model", "mnist-cli show model.npz"),
        ("its history, for a script", "mnist-cli show model.npz --json"),
    ],
)
@click.argument(
    "path",
    metavar="[MODEL]",
    type=options.FilledPath(path_type=Path),
    default=Path("model.npz"),
)
@options.json
def show(path: Path, json: bool) -> None:
    """Show what is in a MODEL [default: model.npz]: layers, recipe, data and history.

    An asterisk marks the settings of the recipe that are not at their defaults.
    """
    from mnist_cli.model import Model

    model = Model.load(path)
    if json:
        output.print_json({"model": str(path), **document(model)})
    else:
        click.echo(output.printable(report(path, model)))


def document(model: Model) -> dict[str, Any]:
    """Return what a script reads of a model."""
    names = [name for *parameters, _ in LAYERS for name in parameters]
    return {
        "parameters": model.network.parameters.size,
        "dtype": model.network.parameters.dtype.name,
        "layers": {name: list(getattr(model, name).shape) for name in names},
        "recipe": model.recipe.to_dict() if model.recipe else None,
        "changed": model.recipe.changed() if model.recipe else None,
        "metadata": model.metadata,
        "history": [epoch.to_dict() for epoch in model.history],
    }


def report(path: Path, model: Model) -> str:
    """Return what a person reads of a model."""
    from mnist_cli.nn.mlp import CLASSES

    network, metadata = model.network, model.metadata
    count = f"{network.parameters.size:,} parameters"
    head = [
        ("model", str(path)),
        (
            "network",
            f"{network.inputs}-{network.hidden}-{CLASSES}, {count}",
        ),
        ("trained on", shown(model.trained_on or "not known")),
    ]
    for name, title in (("test_accuracy", "test accuracy"), ("test_loss", "test loss")):
        if isinstance(metadata.get(name), float):
            value = metadata[name]
            head.append((title, f"{value:.2%}" if name == "test_accuracy" else f"{value:z.4f}"))
    for name, title in (("mnist_cli_version", "mnist-cli"), ("numpy_version", "numpy")):
        if name in metadata:
            head.append((title, shown(metadata[name])))
    parts = [output.table(head, "<<"), output.table(layer_rows(model), "<<<>")]
    if model.recipe:
        parts.append(output.table(recipe_rows(model), "<<<"))
    if isinstance(metadata.get("data"), dict):
        sums = [(shown(name), shown(digest)) for name, digest in metadata["data"].items()]
        if len(sums) > MOST_FILES:
            sums = [*sums[:MOST_FILES], ("…", f"{len(sums) - MOST_FILES:,} more")]
        parts.append(output.table([("data", "SHA-256"), *sums], "<<"))
    if model.history:
        parts.append(output.table(history_rows(model.history), ">" * 6))
    return "\n\n".join(parts)


def layer_rows(model: Model) -> list[tuple[str, ...]]:
    """Return a row for each array of parameters."""
    rows: list[tuple[str, ...]] = [("layer", "array", "shape", "parameters")]
    for number, (*names, activation) in enumerate(LAYERS, 1):
        for name in names:
            array = getattr(model, name)
            shape = " × ".join(map(str, array.shape))
            layer = f"{number}, {activation}" if name == names[0] else ""
            rows.append((layer, name, shape, f"{array.size:,}"))
    return rows


def recipe_rows(model: Model) -> list[tuple[str, ...]]:
    """Return a row for each setting; what is not at its default is marked, with the default."""
    assert model.recipe
    changed = model.recipe.changed()
    rows: list[tuple[str, ...]] = [("setting", "value", "")]
    for name, value in model.recipe.to_dict().items():
        default = SETTINGS[name].default
        said = "the optimizer's" if default is None else default
        rows.append(
            (SETTINGS[name].key, str(value), f"* default {said}" if name in changed else "")
        )
    return rows


def history_rows(history: list[Epoch]) -> list[tuple[str, ...]]:
    """Return a row for each epoch."""

    def cell(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    return [
        (
            "epoch",
            "mean loss",
            "mean accuracy",
            "validation loss",
            "validation accuracy",
            "lr",
        ),
        *(
            (
                str(epoch.epoch),
                cell(epoch.train_loss, "z.4f"),
                cell(epoch.train_accuracy, ".2%"),
                cell(epoch.validation_loss, "z.4f"),
                cell(epoch.validation_accuracy, ".2%"),
                cell(epoch.learning_rate, ".3g"),
            )
            for epoch in history
        ),
    ]
