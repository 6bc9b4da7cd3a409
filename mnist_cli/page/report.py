"""The report on a model, as one page: how well it reads, what it learned, and how it was made.

Its plots are SVG pictures inside the page. One can draw in it, as on the page of `drawing`.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence

from mnist_cli.data.dataset import Split
from mnist_cli.evaluation import Evaluation, measure, misread
from mnist_cli.model import Model
from mnist_cli.nn.layers import Array
from mnist_cli.page.document import page
from mnist_cli.page.drawing import SCRIPTS, STYLES, data, drawing, kind
from mnist_cli.plots import confusion as plot_confusion
from mnist_cli.plots import curves as plot_curves
from mnist_cli.plots import errors as plot_errors
from mnist_cli.plots import save
from mnist_cli.plots import weights as plot_weights
from mnist_cli.recipe import SETTINGS
from mnist_cli.training.history import Epoch

SHOWN = 40
"""Misread digits that are shown at most."""

Row = Sequence[object]


def report_page(
    model: Model, images: Split, logarithms: Array, source: str, name: str = "", first: int = 0
) -> str:
    """Return the report on a model, HTML.

    Parameters
    ----------
    model : Model
    images : Split
        What it was measured on.
    logarithms : array, shape (N, 10)
        Those of its probabilities for these images, as `Model.log_probabilities` gives them.
    source : str
        What the images are: "mnist, test", say.
    name : str
        What the model is called.
    first : int
        The number of the first image, in the file that it came from.
    """
    measured = measure(logarithms, images.labels)
    drawn = "<p>The network is in this page and runs in it: what you draw is sent nowhere.</p>\n"
    sections = [
        ("Training", training(model.history)),
        ("Misread digits", misread_digits(images, logarithms, first, source)),
        ("What digits were read as", confusion(measured, source)),
        ("Digit by digit", by_digit(measured, source)),
        ("What was learned", weights(model)),
        ("Draw a digit yourself", drawn + drawing("h3")),
        ("Recipe", recipe(model)),
        ("Data", data_of(model, source)),
    ]
    title = f"A network that reads digits{name and f': {name}'}"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(kind(model))}.</p>",
        summary(measured, source),
        *(f"<section>\n<h2>{heading}</h2>\n{content}</section>" for heading, content in sections),
    ]
    return page(title, "\n".join(body), (*STYLES, "report.css"), SCRIPTS, data(model))


def table(head: Row, rows: Sequence[Row], caption: str, look: str = "") -> str:
    """Return a table, HTML; the first cell of a row is its heading."""
    lines = [
        "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in head),
        *(
            f'<th scope="row">{html.escape(str(heading))}</th>'
            + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)
            for heading, *cells in rows
        ),
    ]
    header, *others = (f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table class="{look}">\n<caption>{html.escape(caption)}</caption>\n'
        f"<thead>{header}</thead>\n<tbody>\n" + "\n".join(others) + "\n</tbody>\n</table></div>\n"
    )


def picture(svg: bytes, told: str) -> str:
    """Return a plot inside the page, HTML, with what it tells to those who do not see it."""
    encoded = base64.b64encode(svg).decode()
    return (
        f'<figure><img src="data:image/svg+xml;base64,{encoded}" alt="{html.escape(told)}">'
        "</figure>\n"
    )


def summary(measured: Evaluation, source: str) -> str:
    """Return how well the model reads, in large."""
    facts = [
        (f"images of {source}", f"{measured.examples:,}"),
        ("accuracy on them", f"{measured.accuracy:.2%}"),
        ("loss on them", f"{measured.loss:.4f}"),
        ("misread", f"{measured.errors:,}"),
    ]
    parts = (f"<div><dt>{html.escape(a)}</dt><dd>{b}</dd></div>" for a, b in facts)
    return f'<dl class="facts">{"".join(parts)}</dl>'


def recipe(model: Model) -> str:
    """Return all settings, and which are not at their defaults."""
    if not model.recipe:
        return "<p>The file of the model does not say how it was trained.</p>\n"
    changed = model.recipe.changed()
    rows = []
    for name, value in model.recipe.to_dict().items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        mark = " *" if name in changed else ""
        rows.append((SETTINGS[name].key + mark, shown, SETTINGS[name].help))
    caption = "All that training depends on. An asterisk marks what is not at its default."
    return table(("setting", "value", "what it does"), rows, caption, "texts settings")


def data_of(model: Model, source: str) -> str:
    """Return what was learned from and what was read."""
    rows: list[Row] = [("learned from", model.trained_on or "not known"), ("measured on", source)]
    for title, key in (("mnist-cli", "mnist_cli_version"), ("NumPy", "numpy_version")):
        if key in model.metadata:
            rows.append((title, model.metadata[key]))
    sums = model.metadata.get("data")
    if isinstance(sums, dict):
        rows += [(f"SHA-256 of {name}", digest) for name, digest in sums.items()]
    return table(("what", "which"), rows, "Where the digits are from", "texts")


def training(history: Sequence[Epoch]) -> str:
    """Return the curves of the training, and their numbers."""
    if not history:
        return "<p>The file of the model has no history.</p>\n"
    last = history[-1]
    told = (
        f"Loss, accuracy and learning rate over {last.epoch} epochs: the training loss fell from "
        f"{history[0].train_loss:.3f} to {last.train_loss:.3f}."
    )
    head = (
        *("epoch", "mean loss", "mean accuracy"),
        *("validation loss", "validation accuracy", "learning rate"),
    )
    rows = [
        (
            epoch.epoch,
            f"{epoch.train_loss:.4f}",
            f"{epoch.train_accuracy:.2%}",
            "" if epoch.validation_loss is None else f"{epoch.validation_loss:.4f}",
            "" if epoch.validation_accuracy is None else f"{epoch.validation_accuracy:.2%}",
            "" if epoch.learning_rate is None else f"{epoch.learning_rate:.3g}",
        )
        for epoch in history
    ]
    numbers = table(head, rows, "Each epoch")
    note = (
        "Loss and accuracy in training are means over an epoch, in which the network was still "
        "learning."
    )
    if last.validation_loss is not None:
        note += " Those in validation are of images that were held out, after each epoch."
    return (
        f"<p>{note}</p>\n"
        + picture(save(plot_curves({"this model": history})), told)
        + f"<details><summary>The numbers of each epoch</summary>{numbers}</details>\n"
    )


def confusion(measured: Evaluation, source: str) -> str:
    """Return the confusion matrix, and the worst of it in words."""
    pairs = sorted(worst_pairs(measured), reverse=True)[:3]
    said = ", ".join(f"{digit} as {reading} {count:,} times" for count, digit, reading in pairs)
    told = f"Confusion matrix. Misread most often: {said}." if pairs else "No digit was misread."
    return picture(save(plot_confusion(measured.confusion_matrix, source)), told)


def worst_pairs(measured: Evaluation) -> Iterator[tuple[int, int, int]]:
    """Yield how often, which digit was read as which, where it was."""
    for digit, row in enumerate(measured.confusion_matrix.tolist()):
        for reading, count in enumerate(row):
            if count and digit != reading:
                yield count, digit, reading


def by_digit(measured: Evaluation, source: str) -> str:
    """Return precision, recall and F1 of each digit."""
    rows = [
        (d.digit, *(f"{x:.2%}" for x in (d.precision, d.recall, d.f1)), f"{d.support:,}")
        for d in measured.per_class
    ]
    caption = (
        f"On the images of {source}. Precision: of what was read as the digit, how much is one. "
        "Recall: of the digit's images, how many were read so. F1: their harmonic mean."
    )
    return table(("digit", "precision", "recall", "F1", "images"), rows, caption)


def misread_digits(images: Split, logarithms: Array, first: int, source: str) -> str:
    """Return the misread digits."""
    found = misread(logarithms, images.labels)
    figure = plot_errors(images.images, found, SHOWN, first, source)
    told = f"{len(found):,} of {len(images):,} digits were misread; the most certain are shown."
    return picture(save(figure), told)


def weights(model: Model) -> str:
    """Return the weights of the hidden units."""
    told = f"The weights of the hidden units, {model.network.hidden:,} in all, an image each."
    return picture(save(plot_weights(model)), told)
