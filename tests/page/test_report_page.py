"""The report: all of it is there, and is what was measured."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mnist_cli.data.dataset import Split
from mnist_cli.data.synthetic import draw
from mnist_cli.evaluation import measure
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.page.report import report_page
from mnist_cli.recipe import Recipe
from mnist_cli.training.loop import train

LABELS = (np.arange(300) % 10).astype(np.uint8)
IMAGES = Split(draw(LABELS, np.random.default_rng(3)), LABELS)


class Texts(HTMLParser):
    """Collects the headings, the cells of tables, and the tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link", "img", "input", "!doctype"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data


@pytest.fixture(scope="module")
def model() -> Model:
    return train(Recipe(hidden=16, epochs=3, validation=50), IMAGES).model


@pytest.fixture(scope="module")
def page(model: Model) -> str:
    logarithms = model.log_probabilities(IMAGES.images)
    return report_page(model, IMAGES, logarithms, "synthetic, test", "m<b>.npz", 1000)


@pytest.fixture(scope="module")
def texts(page: str) -> Texts:
    parser = Texts()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_every_part_is_there(texts: Texts) -> None:
    assert texts.headings[:7] == [
        "A network that reads digits: m<b>.npz",
        "Training",
        "Misread digits",
        "What digits were read as",
        "Digit by digit",
        "What was learned",
        "Draw a digit yourself",
    ]
    assert "Read as" in texts.headings
    assert texts.headings[-2:] == ["Recipe", "Data"]


def test_the_numbers_are_those_of_the_evaluation(texts: Texts, page: str, model: Model) -> None:
    measured = measure(model.log_probabilities(IMAGES.images), LABELS)
    assert f"<dt>accuracy on them</dt><dd>{measured.accuracy:.2%}</dd>" in page
    for digit in measured.per_class:
        expected = [f"{value:.2%}" for value in (digit.precision, digit.recall, digit.f1)]
        assert [str(digit.digit), *expected, "30"] in texts.rows
    for epoch in model.history:
        assert [str(epoch.epoch), f"{epoch.train_loss:.4f}"] in [row[:2] for row in texts.rows]


@pytest.fixture(scope="module")
def spotless(model: Model) -> str:
    """Return the report on a model that misreads nothing of what was held out."""
    certain = np.where(np.eye(10)[LABELS] > 0, -0.01, -9.0)
    measured = Model(model.network, model.recipe, model.history, {"test_accuracy": 0.1234})
    return report_page(measured, IMAGES, certain, "mnist, validation")


def test_no_accuracy_stands_without_what_it_is_of(page: str, spotless: str) -> None:
    """One of the test images beside one of validation images was taken for a contradiction."""
    assert "images of mnist, validation" in spotless
    assert "12.34%" not in spotless
    assert "Those in validation are of images that were held out" in page


def test_the_recipe_says_what_is_not_at_its_default(texts: Texts) -> None:
    settings = {row[0]: row[1] for row in texts.rows if len(row) == 3}
    assert settings["epochs *"] == "3"
    assert settings["hidden *"] == "16"
    assert settings["deskew"] == "false"
    assert settings["momentum"] == "0.9"


def test_the_plots_are_in_the_page_with_words_for_those_who_do_not_see_them(page: str) -> None:
    found = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)">', page)
    assert len(found) == 4
    for encoded, told in found:
        assert ElementTree.fromstring(base64.b64decode(encoded)).tag.endswith("svg")
        assert told.endswith(".")
    outside = re.sub(r"base64,[^\"]+|\"parameters\": \"[^\"]+", "", page)
    assert not re.search(r"https?:|\b(src|href)=\"(?!data:)|url\(|style=", outside)


def test_a_model_of_which_little_is_known_has_a_report_as_well() -> None:
    network = MLP(4)
    network.initialize(np.random.default_rng(0))
    bare = Model(network)
    page = report_page(bare, IMAGES, bare.log_probabilities(IMAGES.images), "mnist, test")
    assert "does not say how it was trained" in page
    assert "has no history" in page


def test_a_model_that_misreads_nothing_has_a_report_as_well(spotless: str) -> None:
    assert "No digit was misread." in spotless


@pytest.mark.long
def test_the_same_model_gives_the_same_page(page: str, model: Model) -> None:
    logarithms = model.log_probabilities(IMAGES.images)
    assert page == report_page(model, IMAGES, logarithms, "synthetic, test", "m<b>.npz", 1000)
