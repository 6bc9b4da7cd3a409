"""Plots of what was learned: each a function that returns a figure of matplotlib, an extra.

All are drawn in one style, which reads in black and white: lines differ in their dashes and marks
as well, and one colour scale runs from dark to light (cividis: Nuñez, Anderton and Renslow 2018).
The same numbers give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from mnist_cli.errors import SettingsError
from mnist_cli.evaluation import Misread
from mnist_cli.files.outputs import MARK
from mnist_cli.gradcheck.step_widths import StepErrors
from mnist_cli.images.augmentation import Distorter, Strengths
from mnist_cli.images.resampling import SIDE
from mnist_cli.model import Model
from mnist_cli.nn.mlp import CLASSES
from mnist_cli.recipe import SETTINGS
from mnist_cli.texts import shown as cut
from mnist_cli.training.history import Epoch
from mnist_cli.training.ranking import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "0.88",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "savefig.dpi": 150,
    "svg.hashsalt": "mnist-cli",
}

SCALE = "cividis"

MARKS = "osD^vPX*"
"""What marks the points of each line, beside its colour."""

LONGEST_NAME = 28
"""Letters of the name of a run at most; of a longer one, the end is shown."""

MOST_GROUPS = 40
"""Groups of a sweep that are drawn at most: the best ones."""

MOST_UNITS = 4000
"""Hidden units that are drawn at most: the first ones."""

MAKERS: dict[str, dict[str, str | None]] = {
    "svg": {"Creator": MARK, "Date": None},
    "png": {"Software": MARK},
    "pdf": {"Creator": MARK, "Producer": None, "CreationDate": None},
}
"""The formats, and what each says of who made it, and when: the same at any time."""


def _in_style(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in our style, whatever the user's is."""

    @wraps(plot)
    def drawn(*args: P.args, **keywords: P.kwargs) -> Figure:
        with _style():
            return plot(*args, **keywords)

    return drawn


def _style() -> Any:
    """Return a context in which matplotlib's settings are its defaults and ours."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise SettingsError(
            "Plots are drawn by matplotlib, which is missing: install it with "
            '"pip install matplotlib".'
        ) from error
    except Exception as error:  # of a setting that it cannot use, it raises whatever it comes upon
        raise SettingsError(
            f"Plots are drawn by matplotlib, which cannot begin ({cut(error, 200)}): correct the "
            "variable MPLBACKEND, or its configuration."
        ) from error
    plain: Any = dict(mpl.rcParamsDefault)
    del plain["backend"]
    return mpl.rc_context(plain | STYLE)


def save(figure: Figure, format: str = "svg") -> bytes:
    """Return a figure as a file of a format of `MAKERS`: the same bytes for the same figure.

    Raises
    ------
    SettingsError
        If there is no such format.
    """
    if format not in MAKERS:
        raise SettingsError(f"`format` is {format!r}, but must be one of {', '.join(MAKERS)}.")
    file = io.BytesIO()
    # The name of a run may have letters that the font lacks: they become boxes.
    with _style(), warnings.catch_warnings(action="ignore"):
        figure.savefig(file, format=format, metadata=MAKERS[format])
    return file.getvalue()


def format_of(path: str | Path) -> str:
    """Return the format that the end of a file's name asks for.

    Raises
    ------
    SettingsError
        If there is no such format, or matplotlib is missing.
    """
    format = Path(path).suffix.lower().removeprefix(".")
    if format not in MAKERS:
        raise SettingsError(f"`out` is {path}, but must end in .{', .'.join(MAKERS)}.")
    check_matplotlib()
    return format


def check_matplotlib() -> None:
    """Raise SettingsError if matplotlib is missing."""
    _style()


def _figure(width: float, height: float, title: str, layout: Any = "constrained") -> Figure:
    """Return an empty figure of so many inches."""
    from matplotlib.figure import Figure

    class Shown(Figure):
        """A figure that a notebook shows, without pyplot and its backends."""

        def _repr_svg_(self) -> str:
            return save(self).decode()

    figure = Shown(figsize=(width, height), layout=layout)
    figure.suptitle(title)
    return figure


def _tiles(
    figure: Figure, images: NDArray[Any], columns: int, below: int = 0, **scale: Any
) -> tuple[Axes, Any]:
    """Draw images, shape (N, 28, 28), side by side in rows, as one; return its axes and itself.

    Around each are 2 pixels, and ``below`` it so many more.
    """
    across, down = SIDE + 4, SIDE + 4 + below
    rows = -(-len(images) // columns)
    sheet = np.full((rows * down, columns * across), np.nan, np.float32)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = down * row + 2, across * column + 2
        sheet[top : top + SIDE, left : left + SIDE] = image
    axes = figure.add_subplot()
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(across * np.arange(columns) + across / 2 - 0.5, [])
    axes.set_yticks(down * np.arange(rows) + (SIDE + 4) / 2 - 0.5, [])
    return axes, axes.imshow(sheet, interpolation="none", **scale)


def _short(name: str) -> str:
    """Return a name, or the end of a long one, in which no $ begins a formula."""
    short = name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
    return short.replace("$", r"\$")


def _of(source: str) -> str:
    """Return the beginning of a title that says what was measured, if that is known."""
    return f"{_short(source)}: " if source else ""


@_in_style
def curves(runs: Mapping[str, Sequence[Epoch]]) -> Figure:
    """Plot loss, accuracy and learning rate of each epoch, of several runs over one another.

    Parameters
    ----------
    runs : dict
        The history of each run, by the name that is shown.
    """
    from matplotlib import colormaps
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

    figure = _figure(10, 3.5 + 0.2 * -(-len(runs) // 3), "How training went")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.15)
    panels = figure.subplots(1, 3)
    colours = colormaps[SCALE](np.linspace(0, 0.8, len(runs)))
    for number, (name, history) in enumerate(runs.items()):
        epochs = [epoch.epoch for epoch in history]
        look = {"color": colours[number], "marker": MARKS[number % len(MARKS)]}
        for panel, what, factor in ((panels[0], "loss", 1), (panels[1], "accuracy", 100)):
            for part, dashes in (("train", "--"), ("validation", "-")):
                values = [getattr(epoch, f"{part}_{what}") for epoch in history]
                if any(value is not None for value in values):
                    numbers = factor * np.array(values, np.float64)
                    fill = look["color"] if part == "validation" else "white"
                    panel.plot(epochs, numbers, dashes, markerfacecolor=fill, **look)
        rates = np.array([epoch.learning_rate for epoch in history], np.float64)
        # A name that begins with _ would be left out.
        panels[2].plot(epochs, rates, label=f" {_short(name)}", **look)
    for panel, title, unit in (
        (panels[0], "Loss", "cross-entropy, nats"),
        (panels[1], "Accuracy", "images read correctly, %"),
        (panels[2], "Learning rate", "learning rate, at the last step"),
    ):
        panel.set(title=title, xlabel="epoch", ylabel=unit)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        panel.grid(True)
    if all(epoch.train_loss > 0 for history in runs.values() for epoch in history):
        panels[0].set_yscale("log")
        panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[0].yaxis.set_major_formatter(ScalarFormatter())
        panels[0].yaxis.set_minor_formatter(NullFormatter())
    is_validated = any(
        epoch.validation_loss is not None or epoch.validation_accuracy is not None
        for history in runs.values()
        for epoch in history
    )
    parts = [
        Line2D([], [], color="0.2", linestyle="--", marker="o", markerfacecolor="white"),
        Line2D([], [], color="0.2", marker="o"),
    ]
    runs_shown, names = panels[2].get_legend_handles_labels()
    said = ["training, mean over the epoch", "validation, after the epoch"]
    if not is_validated:
        parts, said = parts[:1], said[:1]
    figure.legend([*parts, *runs_shown], [*said, *names], loc="outside lower center", ncols=3)
    return figure


@_in_style
def sweep(groups: Sequence[Group]) -> Figure:
    """Plot what the runs of a sweep reached: a row for each group of seeds, the best one on top.

    Each run is a ring, and the mean over the seeds a point, with their standard deviation.

    Parameters
    ----------
    groups : sequence of Group
        As `mnist_cli.training.ranking.rank` returns them; the first `MOST_GROUPS` are drawn.
    """
    shown = list(groups[:MOST_GROUPS])
    runs = sum(len(group.runs) for group in groups)
    what = "validation" if groups[0].runs[0].recipe.validation else "test"
    title = f"What {runs:,} runs reached on the {what} images"
    if len(shown) < len(groups):
        title += f": the best {len(shown)} of {len(groups):,} settings"
    figure = _figure(7.5, 1.6 + 0.28 * len(shown), title)
    axes = figure.add_subplot()
    for row, group in enumerate(shown):
        each = 100 * np.array([run.accuracy for run in group.runs])
        axes.plot(each, np.full(len(each), row), "o", markerfacecolor="none", color="0.55")
        spread = 100 * (group.standard_deviation or 0.0)
        axes.errorbar(100 * group.mean, row, xerr=spread, fmt="D", capsize=3, color="black")
    axes.set_yticks(range(len(shown)), [_group_name(group) for group in shown])
    axes.set(xlabel="images read correctly, %: runs, mean ± standard deviation", ylabel="settings")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(True, axis="x")
    return figure


def _group_name(group: Group) -> str:
    """Return what the runs of a group have in common, of what was varied."""
    said = [f"{SETTINGS[name].key} {value}" for name, value in group.varied.items()]
    return ", ".join(said) or "all seeds"


@_in_style
def errors(
    images: NDArray[np.uint8],
    misread: Sequence[Misread],
    count: int = 50,
    first: int = 0,
    source: str = "",
) -> Figure:
    """Plot misread images with what they are and were read as, the most certain readings first.

    Parameters
    ----------
    images : array of uint8, shape (N, 28, 28)
        All that were read.
    misread : sequence of Misread
        As `mnist_cli.evaluation.misread` gives them.
    count : int
        How many are shown at most.
    first : int
        The number of the first image, in the file that it came from.
    source : str
        What the images are: "mnist, test".
    """
    worst = sorted(misread, key=lambda one: (-one.probability, one.index))[:count]
    of = _of(source) + f"{len(misread):,} of {len(images):,} digits misread"
    most = "most certain reading" if len(worst) == 1 else f"{len(worst)} most certain readings"
    shown = f"; the {most}" if len(worst) < len(misread) else ""
    columns, rows = min(10, max(6, len(worst))), max(1, -(-len(worst) // 10))
    figure = _figure(0.94 * columns, 0.9 + 1.26 * rows, of + shown, "compressed")
    if not worst:
        return figure
    shades = {"cmap": "gray_r", "vmin": 0, "vmax": 255}
    axes, _ = _tiles(figure, images[[one.index for one in worst]], columns, below=14, **shades)
    axes.set_xlabel("digit → what it was read as, with which probability; number of the image")
    axes.set_ylabel("row")
    axes.set_yticks(axes.get_yticks(), [str(row) for row in range(1, rows + 1)])
    places = [(x, y) for y in axes.get_yticks() for x in axes.get_xticks()]
    for (x, y), one in zip(places, worst, strict=False):
        said = f"{one.label} → {one.reading}, {one.probability:.0%}\n{first + one.index:,}"
        axes.text(x, y + SIDE / 2 + 1, said, ha="center", va="top", fontsize=7.5)
    return figure


@_in_style
def weights(model: Model) -> Figure:
    """Plot the weights of each hidden unit as an image: where ink raises it, and where not.

    Parameters
    ----------
    model : Model
    """
    hidden = min(model.network.hidden, MOST_UNITS)
    columns = min(hidden, 16 if hidden <= 256 else 40)
    rows = -(-hidden // columns)
    images = model.W1.T[:hidden].reshape(hidden, SIDE, SIDE).astype(np.float64)
    # The few largest would leave the others grey.
    limit = float(np.quantile(np.abs(images), 0.998)) or 1.0
    of = "" if hidden == model.network.hidden else f"of {model.network.hidden:,} "
    title = f"What {hidden:,} {of}hidden units look for"
    if model.network.hidden == 1:
        title = "What the hidden unit looks for"
    figure = _figure(9, 1.2 + 7.8 * rows / max(columns, 8), title, "compressed")
    axes, sheet = _tiles(figure, images, columns, cmap=SCALE, vmin=-limit, vmax=limit)
    axes.set_title("light where ink raises a unit, dark where it lowers it", fontsize=9)
    axes.set(xlabel="unit, counted in its row", ylabel="first unit of the row")
    axes.set_xticks(axes.get_xticks(), [str(unit) for unit in range(columns)], fontsize=7)
    axes.set_yticks(
        axes.get_yticks(), [str(unit) for unit in range(0, hidden, columns)], fontsize=7
    )
    bar = figure.colorbar(sheet, ax=axes, shrink=0.8, pad=0.01, extend="both")
    bar.set_label("weight of a pixel")
    return figure


@_in_style
def confusion(matrix: NDArray[np.int64], source: str = "") -> Figure:
    """Plot a confusion matrix: how often each digit was read as each.

    Parameters
    ----------
    matrix : array of int, shape (10, 10)
        As `mnist_cli.evaluation.Evaluation` has it: a row is a true digit.
    source : str
        What the images are: "mnist, test".
    """
    wrong = matrix.astype(np.float64)
    np.fill_diagonal(wrong, 0)
    most = max(1.0, float(wrong.max()))
    total, misread = int(matrix.sum()), int(wrong.sum())
    title = f"{_of(source)}{misread:,} of {total:,} digits misread"
    figure = _figure(6.4, 5.6, title)
    axes = figure.add_subplot()
    shown = np.where(wrong > 0, wrong, np.nan)
    image = axes.imshow(shown, cmap=f"{SCALE}_r", vmin=0, vmax=most)
    for row, column in np.ndindex(matrix.shape):
        count = int(matrix[row, column])
        is_dark = row != column and count > 0.55 * most
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
        look["color"] = "white" if is_dark else "black"
        look["fontweight"] = "bold" if row == column else "normal"
        axes.text(column, row, f"{count or '·'}", **look)
    axes.set(xlabel="read as", ylabel="true digit")
    axes.set_xticks(range(CLASSES))
    axes.set_yticks(range(CLASSES))
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label("images misread")
    return figure


@_in_style
def distortions(
    images: NDArray[np.uint8], strengths: Strengths, seed: int = 0, count: int = 9
) -> Figure:
    """Plot images beside random distortions of them.

    Parameters
    ----------
    images : array of uint8, shape (N, 28, 28)
        One for each row.
    strengths : Strengths
        How much they are distorted.
    seed : int
        Decides the distortions.
    count : int
        How many of each image.
    """
    distorter = Distorter(strengths, np.random.default_rng(seed))
    repeated = np.repeat(images, count, axis=0)
    greys = distorter.distort(repeated).reshape(len(images), count, SIDE, SIDE)
    rows = np.concatenate([images[:, None] / np.float32(255), greys], axis=1)
    said = [
        f"Turned by ±{strengths.rotation:g}°",
        f"scaled by ±{strengths.scale:.0%}",
        f"slanted by ±{strengths.shear:g}",
        f"shifted by ±{strengths.shift:g} pixels",
    ]
    if strengths.displacement:
        said.append(f"bent by {strengths.displacement:g} pixels over {strengths.smoothness:g}")
    columns, title = count + 1, "Digits as training sees them"
    figure = _figure(8, 1.3 + 7.2 * len(images) / columns, title, "compressed")
    axes, _ = _tiles(figure, rows.reshape(-1, SIDE, SIDE), columns, cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(", ".join(said), fontsize=9)
    axes.set(xlabel="each time that it is seen", ylabel="image")
    axes.set_xticks(axes.get_xticks(), ["as it is", *map(str, range(1, columns))])
    axes.set_yticks(axes.get_yticks(), [str(number) for number in range(len(images))])
    return figure


@_in_style
def gradcheck(measured: StepErrors) -> Figure:
    """Plot the error of a numerical derivative against the width of its step.

    Central differences lose by a wide step what they leave out of Taylor's series, and by a narrow
    one the digits that cancel; the complex step subtracts nothing.

    Parameters
    ----------
    measured : StepErrors
        As `mnist_cli.gradcheck.step_widths.measure_step_errors` gives them.
    """
    figure = _figure(7.2, 4.4, "Why gradcheck takes the complex step")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yscale("log")
    widths, floor = measured.widths, 1e-18  # an error of 0 has no place on this axis
    dark, light = "#00204d", "#a69d75"
    differences = np.maximum(measured.central_differences, floor)
    axes.plot(widths, differences, "-o", color=light, label="central differences")
    axes.plot(
        widths, np.maximum(measured.complex_step, floor), "-s", color=dark, label="complex step"
    )
    best = int(np.argmin(differences))
    look: dict[str, Any] = {"fontsize": 8, "arrowprops": {"arrowstyle": "-", "color": "0.3"}}
    axes.annotate(
        f"the best that differences can:\n{differences[best]:.0e} at h = {widths[best]:.0e}",
        (widths[best], differences[best]),
        (widths[best] / 3e3, differences[best] * 2e6),
        **look,
    )
    eps = float(np.finfo(np.float64).eps)
    axes.axhline(eps, color="0.5", linewidth=0.8, linestyle=":")
    axes.text(widths[0], eps * 1.6, "rounding of float64", fontsize=8, ha="right")
    axes.set(xlabel="step width h", ylabel="largest error / largest derivative", ylim=(floor, 1e4))
    axes.grid(True)
    axes.legend(loc=(0.06, 0.35))
    return figure
