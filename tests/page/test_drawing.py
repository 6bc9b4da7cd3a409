"""The page to draw on, as a file: all is in it, and no more than is needed."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest

from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.page.drawing import drawing_page
from mnist_cli.recipe import Recipe


@pytest.fixture
def model(rng: np.random.Generator) -> Model:
    network = MLP(128)
    network.initialize(rng)
    return Model(network, Recipe(digit_width=18), metadata={"test_accuracy": 0.5})


def test_a_page_of_128_hidden_units_is_below_700_kb(model: Model) -> None:
    assert len(drawing_page(model).encode()) < 700_000


def test_the_weights_are_in_the_page(model: Model) -> None:
    (text,) = re.findall(r'<script id="model"[^>]*>(.*?)</script>', drawing_page(model))
    told = json.loads(text)
    assert told["hidden"] == 128
    assert told["preprocessing"] == {"deskew": False, "digitWidth": 18}
    found = np.frombuffer(base64.b64decode(told["parameters"]), "<f4")
    assert (found == model.network.parameters).all()
    assert len(base64.b64decode(told["samples"])) == 10 * 784


def test_the_policy_allows_the_very_style_and_script_that_are_in_the_page(model: Model) -> None:
    page = drawing_page(model)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for rule, pattern in (("style-src", "<style>(.*?)</style>"), ("script-src", "<script>(.*)</s")):
        (text,) = re.findall(pattern, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_in_the_page_leads_out_of_it(model: Model) -> None:
    page = drawing_page(model)
    assert not re.search(
        r"https?:|//[a-z]+\.|\b(src|href)=\"(?!data:)|url\(|@import|import\(", page
    )
    assert "style=" not in page, "the policy would not let it"


def test_what_a_model_file_says_of_itself_is_text_and_no_html(model: Model) -> None:
    model.metadata["dataset"] = "</script><b>"
    page = drawing_page(model)
    assert "&lt;/script&gt;&lt;b&gt;" in page
    assert "<b>" not in page
