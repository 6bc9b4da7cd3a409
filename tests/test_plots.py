"""The plots: what is in them, and that the same numbers give the same bytes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from PIL import Image

from mnist_cli import plots
from mnist_cli.errors import SettingsError
from mnist_cli.evaluation import Misread
from mnist_cli.files.outputs import MARK
from mnist_cli.gradcheck.step_widths import WIDTHS, measure_step_errors
from mnist_cli.images.augmentation import Strengths
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.training.history import Epoch
from mnist_cli.training.ranking import Group
from mnist_cli.training.runs import Result


def history(count: int, validation: float | None = None) -> list[Epoch]:
    return [
        Epoch(n, 1 / n, 1 - 0.3 / n, validation, validation, 0.3 / n, None)
        for n in range(1, count + 1)
    ]


def model(hidden: int) -> Model:
    network = MLP(hidden)
    network.initialize(np.random.default_rng(0))
    return Model(network)


IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
MISREAD = [Misread(index, index % 10, (index + 1) % 10, 0.4 + 0.01 * index) for index in range(60)]
CONFUSION = np.diag([90] * 10) + np.random.default_rng(0).integers(0, 5, (10, 10))


def groups(count: int, seeds: int = 3) -> list[Group]:
    """Return groups of runs, with settings and accuracies of their own."""
    return [
        Group(
            {"hidden": 8 * n, "learning_rate": 0.1},
            [
                Result(
                    f"{n} {seed}", Recipe(hidden=8 * n), {}, None, None, 0.99 - n / 999, 0.1, 1.0
                )
                for seed in range(seeds)
            ],
        )
        for n in range(1, count + 1)
    ]


EVERY: dict[str, Callable[[], Figure]] = {
    "curves": lambda: plots.curves({"a": history(3, 0.5), "b": history(5)}),
    "errors": lambda: plots.errors(IMAGES, MISREAD),
    "weights": lambda: plots.weights(model(128)),
    "confusion": lambda: plots.confusion(CONFUSION),
    "distortions": lambda: plots.distortions(IMAGES[:4], Strengths(displacement=2)),
    "sweep": lambda: plots.sweep(groups(5)),
    "gradcheck": lambda: plots.gradcheck(measure_step_errors(batch_size=2)),
}


def texts(figure: Figure) -> list[str]:
    """Return all that is written in a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


@pytest.mark.parametrize("name", EVERY)
def test_every_plot_has_a_title_and_named_axes(name: str) -> None:
    figure = EVERY[name]()
    assert figure.get_suptitle()
    for axes in figure.axes:
        if axes.axison and axes.get_label() != "<colorbar>":
            assert axes.get_xlabel()
            assert axes.get_ylabel()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "format"), [*((name, "svg") for name in EVERY), ("curves", "png"), ("curves", "pdf")]
)
def test_the_same_numbers_give_the_same_bytes_which_say_who_made_them(
    name: str, format: str
) -> None:
    first, second = (plots.save(EVERY[name](), format) for _ in range(2))
    assert first == second
    assert MARK.encode() in first
    assert not re.search(rb"\d{4}-\d\d-\d\dT\d\d:|D:20\d\d", first), "no date"


SIZES: dict[str, Callable[[], Figure]] = {
    "curves of 12": lambda: plots.curves({f"run {n}": history(30, 0.5) for n in range(12)}),
    "curves of long names": lambda: plots.curves({f"{n}" * 60: history(9) for n in range(5)}),
    "errors of 1": lambda: plots.errors(IMAGES, MISREAD[:1]),
    "errors of 400": lambda: plots.errors(IMAGES, [*MISREAD] * 7, count=400),
    "weights of 1": lambda: plots.weights(model(1)),
    "weights of 400": lambda: plots.weights(model(400)),
    "weights of 1600": lambda: plots.weights(model(1600)),
    "confusion of 10,000": lambda: plots.confusion(100 * CONFUSION),
    "distortions of 1": lambda: plots.distortions(IMAGES[:1], Strengths(rotation=5)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", [*EVERY, *SIZES])
def test_nothing_is_cut_off_and_nothing_overlaps(name: str) -> None:
    figure = (EVERY | SIZES)[name]()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    figure.draw(renderer)
    hidden = [label for axes in figure.axes for label in labels_beyond(axes)]
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        and text.get_visible()
        and text.get_text().strip()
        and text not in hidden
    ]
    assert len(boxes) >= 5
    frame = figure.bbox
    for number, (said, box) in enumerate(boxes):
        assert frame.x0 - 1 <= box.x0 < box.x1 <= frame.x1 + 1, said
        assert frame.y0 - 1 <= box.y0 < box.y1 <= frame.y1 + 1, said
        for other, beside in boxes[:number]:
            across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert min(across, down) <= 1, (said, other)


def labels_beyond(axes: Any) -> Iterator[Any]:
    """Yield the labels of marks that lie beyond the ends of an axis, and so are not drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not (axes.axison and low <= tick.get_loc() <= high):
                yield tick.label1
        if not axes.axison:
            yield axis.label


def test_the_scale_reads_in_black_and_white() -> None:
    from matplotlib import colormaps

    colours = colormaps[plots.SCALE](np.linspace(0, 1, 50))[:, :3]
    light = colours @ [0.299, 0.587, 0.114]
    assert (np.diff(light) > 0).all()
    assert light[-1] - light[0] > 0.6


def test_curves_have_a_line_for_each_run_and_part() -> None:
    figure = EVERY["curves"]()
    loss, accuracy, rate = figure.axes
    assert [len(panel.lines) for panel in (loss, accuracy, rate)] == [3, 3, 2]
    assert accuracy.lines[0].get_ydata() == pytest.approx([70, 85, 90])
    assert {" a", " b", "validation, after the epoch"} <= set(texts(figure))
    styles = {(line.get_linestyle(), str(line.get_marker())) for line in loss.lines}
    assert len(styles) == 3, "they are told apart without colours"


def test_a_run_may_have_any_name() -> None:
    names = ("_hidden", "a$b$c", "$\\frac{$", "走る", "x" * 60)
    figure = plots.curves({name: history(3) for name in names})
    assert plots.save(figure)
    (legend,) = figure.legends
    shown = [text.get_text().strip().replace("\\$", "$") for text in legend.get_texts()]
    assert shown == ["training, mean over the epoch", *names[:-1], "…" + "x" * 27]


def test_a_single_epoch_is_one_mark_at_a_whole_number() -> None:
    for panel in plots.curves({"a": history(1)}).axes:
        left, right = panel.get_xlim()
        assert [tick for tick in panel.get_xticks() if left <= tick <= right] == [1]


def test_the_most_certain_errors_come_first() -> None:
    figure = plots.errors(IMAGES, MISREAD, count=3, first=50_000)
    assert figure.get_suptitle() == "60 of 60 digits misread; the 3 most certain readings"
    assert [t for t in texts(figure) if "→" in t][:3] == [
        *("9 → 0, 99%\n50,059", "8 → 9, 98%\n50,058", "7 → 8, 97%\n50,057")
    ]
    of = plots.errors(IMAGES, MISREAD, source="mnist, test").get_suptitle()
    assert of == "mnist, test: 60 of 60 digits misread; the 50 most certain readings"
    alone = plots.errors(IMAGES, MISREAD, count=1)
    assert alone.get_suptitle() == "60 of 60 digits misread; the most certain reading"
    without = plots.errors(IMAGES, [])
    assert without.get_suptitle() == "0 of 60 digits misread"


def test_of_very_many_hidden_units_the_first_are_drawn() -> None:
    figure = plots.weights(model(4001))
    assert "What 4,000 of 4,001 hidden units look for" in texts(figure)


def test_many_hidden_units_are_drawn_and_one() -> None:
    for hidden in (1, 17, 300):
        figure = plots.weights(model(hidden))
        units = "the hidden unit looks" if hidden == 1 else f"{hidden} hidden units look"
        assert f"What {units} for" in texts(figure)
        assert plots.save(figure, "png")


def test_a_matrix_without_errors_is_drawn() -> None:
    figure = plots.confusion(np.diag([3] * 10))
    assert "0 of 30 digits misread" in texts(figure)
    assert plots.save(figure)


def test_the_confusion_matrix_shows_its_counts() -> None:
    shown = list(EVERY["confusion"]().axes[0].texts)
    found = np.array([int(t.get_text().replace("·", "0")) for t in shown]).reshape(10, 10)
    assert (found == CONFUSION).all()


def test_distortions_begin_with_the_image_as_it_is() -> None:
    figure = EVERY["distortions"]()
    sheet = np.asarray(figure.axes[0].images[0].get_array())
    assert sheet[2:30, 2:30] == pytest.approx(IMAGES[0] / 255)
    assert np.abs(sheet[2:30, 34:62] - IMAGES[0] / 255).max() > 0.1


def test_differences_have_a_valley_and_the_complex_step_is_flat() -> None:
    measured = measure_step_errors()
    differences = dict(zip(WIDTHS, measured.central_differences, strict=True))
    best = WIDTHS[measured.central_differences.argmin()]
    assert 1e-6 < best < 1e-4
    assert 1e-12 < measured.central_differences.min() < 1e-8
    assert differences[WIDTHS[0]] > 1e-3
    assert measured.central_differences[WIDTHS < 1e-14].min() > 0.1
    assert measured.complex_step[WIDTHS < 1e-8].max() < 1e-15


def test_a_figure_can_be_saved_by_matplotlib_itself_too() -> None:
    file = io.BytesIO()
    EVERY["gradcheck"]().savefig(file, format="png")
    assert Image.open(file).size[0] > 500


def test_a_format_that_is_not_drawn_is_refused() -> None:
    with pytest.raises(SettingsError, match="must end in \\.svg, \\.png, \\.pdf"):
        plots.format_of("a.jpg")
    with pytest.raises(SettingsError, match="must be one of svg, png, pdf"):
        plots.save(EVERY["gradcheck"](), "jpg")


def test_without_matplotlib_a_sentence_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from mnist_cli import plots\n"
        "from mnist_cli.errors import SettingsError\n"
        "try: plots.curves({})\n"
        "except SettingsError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "Plots are drawn by matplotlib, which is missing: install it with "
        '"pip install matplotlib".\n'
    )


def test_of_a_sweep_each_run_and_the_mean_of_each_group_are_drawn_and_the_best_of_many() -> None:
    figure = plots.sweep(groups(5, seeds=1))
    (axes,) = figure.axes
    assert axes.get_yticklabels()[0].get_text() == "hidden 8, lr 0.1"
    assert "the best" not in figure.get_suptitle()
    many = plots.sweep(groups(plots.MOST_GROUPS + 3))
    assert len(many.axes[0].get_yticklabels()) == plots.MOST_GROUPS
    assert "the best 40 of 43 settings" in many.get_suptitle()
