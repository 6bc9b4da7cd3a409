"""The page to draw on, in headless Chromium: its numbers are the program's, and people can use it.

Whatever a test does, nothing may be asked of a network, and the console stays clean.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_cli import Recipe, load_data, train
from mnist_cli.data.dataset import Dataset
from mnist_cli.errors import PictureError
from mnist_cli.images.picture import prepare
from mnist_cli.model import Model
from mnist_cli.nn.losses import SoftmaxCrossEntropy
from mnist_cli.page.drawing import drawing_page

pytestmark = pytest.mark.browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

LINES = {
    0: [[(5, 0), (2, 1), (0, 5), (2, 9), (5, 10), (7, 8), (8, 5), (7, 1), (5, 0)]],
    1: [[(3, 0), (3, 10)]],
    2: [[(0, 2), (2, 0), (5, 0), (6, 3), (4, 6), (0, 10), (7, 10)]],
    3: [[(0, 0), (6, 0), (3, 4), (6, 6), (5, 9), (2, 10), (0, 9)]],
    4: [[(2, 0), (0, 6), (7, 6)], [(5, 3), (5, 10)]],
    5: [[(6, 0), (1, 0), (0, 5), (4, 4), (6, 7), (4, 10), (0, 9)]],
    6: [[(5, 0), (1, 4), (0, 8), (3, 10), (6, 8), (4, 5), (1, 7)]],
    7: [[(0, 0), (6, 0), (3, 10)]],
    8: [[(3, 5), (0, 2), (3, 0), (6, 2), (0, 8), (3, 10), (6, 8), (3, 5)]],
    9: [[(6, 3), (3, 5), (0, 3), (2, 0), (6, 1), (5, 10)]],
}
"""How each digit is drawn: strokes of points, 10 high."""

Points = list[list[tuple[float, float]]]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs mnist-cli[browser]")
    binary = next(filter(None, map(shutil.which, CHROMIUM)), None)
    service = shutil.which("chromedriver")
    if not binary or not service:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.ChromeService(executable_path=service)
    started = webdriver.Chrome(options=options, service=chrome)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def digits(request: pytest.FixtureRequest, small_dir: Path) -> Dataset:
    """Return MNIST, or where it is not, digits that the program draws."""
    try:
        return load_data("mnist", request.getfixturevalue("mnist_dir"))
    except pytest.skip.Exception:
        return load_data("mnist", small_dir)


@pytest.fixture(scope="module")
def models(digits: Dataset) -> dict[str, Model]:
    some = digits.train.hold_out(max(0, len(digits.train) - 10_000))[0]
    plain = train(Recipe(hidden=128, epochs=3), some).model
    framed = train(Recipe(hidden=32, epochs=2, deskew=True, digit_width=16), some).model
    return {"plain": plain, "deskewed": framed}


@pytest.fixture
def show(driver: Any, models: dict[str, Model], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return what opens the page of a model; at the end, look what it asked for and complained of.

    There is one page a test, of a certain width.
    """

    def open_page(
        name: str = "plain", width: int = 1280, is_dark: bool = False, content: str = ""
    ) -> Any:
        page = tmp_path / "draw.html"
        page.write_text(content or drawing_page(models[name]), "utf-8")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get(page.as_uri())
        return driver

    driver.get_log("browser")
    driver.get_log("performance")
    yield open_page
    assert driver.get_log("browser") == []
    assert [url for url in asked_for(driver) if not url.startswith(("file:", "data:"))] == []


def asked_for(driver: Any) -> list[str]:
    """Return the addresses that the page has asked for since this was last looked at."""
    entries = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [
        entry["params"]["request"]["url"]
        for entry in entries
        if entry["method"] == "Network.requestWillBeSent"
    ]
    assert urls, "the page itself is asked for"
    return urls


def settled(driver: Any) -> Any:
    """Wait until everything drawn has been shown, and return the pass through the network."""
    return driver.execute_async_script(
        """const done = arguments[0];
        const look = () => isWaiting || hasMore ? setTimeout(look, 20)
          : done(pass && {p: [...pass.p], z2: [...pass.z2], x: [...pass.x]});
        setTimeout(look, 20);"""
    )


def placed(digit: int, size: float = 18, left: float = 80, top: float = 50) -> Points:
    """Return the strokes of a digit in pixels of the paper."""
    return [[(left + size * x, top + size * y) for x, y in stroke] for stroke in LINES[digit]]


def paper_of(driver: Any) -> NDArray[np.uint8]:
    """Return the greys of the paper, from 0 to 255."""
    greys = driver.execute_script(
        "const image = greys(); return Array.from(image.data, (light) => Math.round(255 * light));"
    )
    return np.array(greys, np.uint8).reshape(280, 280)


def draw_with(driver: Any, strokes: Points, kind: str) -> None:
    """Draw with real events of a pointer: mouse, touch or pen."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    paper = driver.find_element("id", "paper")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", paper)
    scale = paper.size["width"] / 280
    actions = ActionChains(driver, duration=0)
    actions.w3c_actions.pointer_action.source = PointerInput(kind, kind)
    actions.w3c_actions.devices = [actions.w3c_actions.pointer_action.source]
    pointer = actions.w3c_actions.pointer_action
    for stroke in strokes:
        at = [(round(scale * (x - 140)), round(scale * (y - 140))) for x, y in stroke]
        pointer.move_to(paper, *at[0])
        pointer.pointer_down()
        for place in at[1:]:
            pointer.move_to(paper, *place)
        pointer.pointer_up()
    actions.w3c_actions.perform()


@pytest.mark.parametrize("name", ["plain", "deskewed"])
def test_a_hundred_test_images_have_the_programs_probabilities(
    name: str, show: Callable[..., Any], models: dict[str, Model], digits: Dataset
) -> None:
    images = digits.test.images[:100]
    page = show(name)
    found = page.execute_script(
        "return arguments[0].map((image) => read(image))", images.reshape(100, 784).tolist()
    )
    expected = models[name].probabilities(images)
    assert np.abs(np.array(found) - expected).max() < 1e-4
    assert len(set(expected.argmax(axis=1))) == 10


@pytest.mark.parametrize(("name", "count"), [("plain", 20), ("deskewed", 5)])
def test_drawings_have_the_programs_probabilities(
    name: str,
    count: int,
    show: Callable[..., Any],
    models: dict[str, Model],
    rng: np.random.Generator,
) -> None:
    page = show(name)
    for drawing in range(count):
        size, left, top = rng.uniform(4, 19), rng.uniform(15, 100), rng.uniform(15, 60)
        page.execute_script(
            "lines = arguments[0]; redraw(); changed()", placed(drawing % 10, size, left, top)
        )
        found = settled(page)
        prepared = prepare(paper_of(page))
        expected = models[name].probabilities(prepared.image[None])[0]
        assert np.abs(found["p"] - expected).max() < 1e-4, drawing
        steps = [step.text for step in page.find_elements("css selector", "#steps li")]
        assert steps[: len(prepared.steps)] == list(prepared.steps)


def test_hard_pictures_are_framed_as_by_the_program(
    show: Callable[..., Any], digits: Dataset, rng: np.random.Generator
) -> None:
    """Ruled, shadowed, noisy, inverted and framed sheets, though the paper never has them."""
    page = show()
    taken: set[str] = set()
    for number, image in enumerate(digits.test.images[:15]):
        grey = np.full((150, 190), 255.0)
        grey[20:132, 40:152] -= 0.9 * np.kron(image, np.ones((4, 4)))
        kind = number % 5
        if kind == 0:
            grey[5::24] = np.minimum(grey[5::24], 190)
        elif kind == 1:
            grey = grey * np.linspace(0.6, 1, 190) + rng.normal(0, 3, grey.shape)
        elif kind == 2:
            grey = 255 - grey
        elif kind == 3:
            grey[:3], grey[-3:], grey[:, :3], grey[:, -3:] = 20, 20, 20, 20
        else:
            grey[rng.integers(0, 150, 9), rng.integers(0, 190, 9)] = 0
        sheet = np.clip(grey, 0, 255).round().astype(np.uint8)
        found = page.execute_script(
            """const data = Float32Array.from(arguments[0], (grey) => grey / 255);
            const {image, steps} = prepare({width: 190, height: 150, data});
            return {image: [...image], steps};""",
            sheet.ravel().tolist(),
        )
        prepared = prepare(sheet)
        assert found["steps"] == list(prepared.steps)
        assert np.abs(np.array(found["image"]) - prepared.image.ravel()).max() <= 1
        taken |= set(prepared.steps)
    assert {"lines dropped", "inverted", "specks dropped"} <= taken


LINED = ("ruled", "squared", "across", "down", "table", "frame", "filled", "short", "chalk")
"""Sheets with lines and edges, as `lined_sheet` makes them."""


def lined_sheet(kind: str, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a sheet with a digit, and lines or edges of a kind, at random places and angles."""
    height, width = rng.integers(70, 260, 2)
    scale = int(rng.integers(2, max(3, min(height, width) // 28 + 1)))
    top, left = rng.integers(0, height - 28 * scale + 1), rng.integers(0, width - 28 * scale + 1)
    grey = np.full((height, width), 255.0)
    paper = grey[top : top + 28 * scale, left : left + 28 * scale]
    paper -= 0.9 * np.kron(image, np.ones((scale, scale)))
    y, x = np.mgrid[:height, :width]
    at, ink = rng.random(), rng.integers(20, 200)
    if kind in ("ruled", "chalk"):
        step, tilt = rng.integers(12, 40), rng.uniform(-0.055, 0.055)
        line = np.floor(y + tilt * x + at * step) % step < rng.integers(1, 3)
    elif kind == "squared":
        step = rng.integers(10, 30)
        line = (y % step == step // 2) | (x % step == step // 3)
    elif kind in ("across", "down"):
        along, size = (y, height) if kind == "across" else (x, width)
        line = (along - int(at * size)) // 2 == 0
    elif kind == "table":
        line = (x < rng.integers(2, 12)) | ((at < 0.5) & (y >= height - 5))
    elif kind == "frame":
        inner = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
        line = inner // 3 == 1
    elif kind == "filled":
        rows, columns = (np.flatnonzero((grey < 128).any(axis=axis)) for axis in (1, 0))
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        grey, y = grey[inside], y[inside]
        line = (at < 0.5) & (y == y[len(y) // 2])
    else:
        line = (y == int(at * height)) & (x < width * rng.uniform(0.6, 0.98))
    grey = np.where(line, np.minimum(grey, ink), grey)
    if kind == "chalk":
        grey = 255 - grey
    if rng.random() < 0.25:
        grey = grey + rng.normal(0, rng.uniform(1, 6), grey.shape)
    return np.clip(grey, 0, 255).round().astype(np.uint8)


def test_lines_and_edges_are_dropped_as_by_the_program(
    show: Callable[..., Any], digits: Dataset, rng: np.random.Generator
) -> None:
    page = show()
    taken: dict[str, set[bool]] = {kind: set() for kind in LINED}
    for number, image in enumerate(digits.test.images[:108]):
        kind = LINED[number % len(LINED)]
        sheet = lined_sheet(kind, image, rng)
        found = page.execute_script(
            """const data = Float32Array.from(arguments[0], (grey) => grey / 255);
            try {
              const {image, steps} = prepare({width: arguments[1], height: arguments[2], data});
              return {image: [...image], steps};
            } catch (error) { return null; }""",
            sheet.ravel().tolist(),
            *sheet.shape[::-1],
        )
        try:
            prepared = prepare(sheet)
        except PictureError:
            assert found is None, (number, kind)
            continue
        assert found["steps"] == list(prepared.steps), (number, kind)
        assert np.abs(np.array(found["image"]) - prepared.image.ravel()).max() <= 1, (number, kind)
        taken[kind].add("lines dropped" in prepared.steps)
    for kind in LINED:
        assert True in taken[kind] or kind == "short", kind
    assert False in taken["filled"], "bars of a digit that fills the picture are no lines"


@pytest.mark.parametrize("kind", ["mouse", "touch", "pen"])
def test_a_digit_that_is_drawn_is_read(kind: str, show: Callable[..., Any]) -> None:
    page = show(width=390 if kind == "touch" else 1280)
    draw_with(page, placed(0), kind)
    found = settled(page)
    assert np.argmax(found["p"]) == 0
    assert page.find_element("id", "digit").text == "0"
    assert page.execute_script("return lines.length") == 1
    assert page.find_element("id", "message").text == f"with {found['p'][0]:.2%}"
    assert len(page.find_elements("css selector", "#bars tr")) == 10
    page.find_element("id", "undo-stroke").click()
    assert settled(page) is None
    assert page.find_element("id", "digit").text == "–"


def test_what_is_no_digit_is_told(show: Callable[..., Any]) -> None:
    page = show()
    two = placed(1, 8, 20, 100) + placed(1, 8, 200, 100)
    page.execute_script("lines = arguments[0]; redraw(); changed()", two)
    assert settled(page) is None
    assert page.find_element("id", "message").text == (
        "The drawing seems to show 2 digits: draw one alone."
    )


def test_a_digit_is_drawn_and_corrected_by_the_keyboard_alone(show: Callable[..., Any]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = show()

    def press(*keys: str) -> None:
        ActionChains(page).send_keys(*keys).perform()

    press(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("id") == "paper"
    press(" ", *[Keys.ARROW_DOWN] * 16, " ")
    assert np.argmax(settled(page)["p"]) == 1
    assert page.execute_script("return lines[0].length") == 17
    press(*[Keys.ARROW_RIGHT] * 3, " ", Keys.ARROW_UP, " ", Keys.BACKSPACE)
    assert page.execute_script("return lines.length") == 1
    press(Keys.DELETE)
    assert settled(page) is None
    press(*[Keys.TAB] * 3, Keys.TAB, Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("aria-label") == "Sample digit 1"
    assert settled(page) is not None


def test_the_address_can_ask_for_a_sample(show: Callable[..., Any]) -> None:
    page = show()
    assert settled(page) is None
    page.get(f"{page.current_url}#3")
    page.refresh()
    assert settled(page) is not None
    assert page.execute_script("return sample") == 3


def test_what_the_hidden_units_add_makes_the_logit(
    show: Callable[..., Any], models: dict[str, Model]
) -> None:
    page = show()
    page.find_element("css selector", '[aria-label="Sample digit 4"]').click()
    z2 = np.array(settled(page)["z2"])
    added = np.array(
        page.execute_script(
            "return [...Array(10).keys()].map((k) => [...contributions(network, pass, k)])"
        )
    )
    assert np.allclose(added.sum(axis=1) + models["plain"].b2, z2, rtol=1e-9)
    page.find_element("css selector", 'input[name="chosen"][value="7"]').click()
    settled(page)
    rows = page.find_elements("css selector", "#strongest tbody tr")
    shown = [row.text.replace("−", "-").split() for row in rows]
    strongest = np.argsort(-np.abs(added[7]))[: len(shown)]
    assert [int(row[0]) for row in shown] == strongest.tolist()
    assert [float(row[3]) for row in shown] == pytest.approx(added[7][strongest], abs=6e-4)


def test_a_step_of_gradient_descent_is_the_programs_and_is_undone(
    show: Callable[..., Any], models: dict[str, Model]
) -> None:
    page = show()
    page.find_element("css selector", '[aria-label="Sample digit 4"]').click()
    page.find_element("css selector", 'input[name="meant"][value="9"]').click()
    before = settled(page)
    labels = np.eye(10)[9]
    cells = page.find_elements("css selector", "#gradient tbody td:nth-child(4)")
    told = [float(cell.text.replace("−", "-")) for cell in cells]
    assert told == pytest.approx(np.array(before["p"]) - labels, abs=6e-4)

    network = models["plain"].network
    trained, x, loss = network.parameters.copy(), np.array([before["x"]]), SoftmaxCrossEntropy()
    for _ in range(2):
        page.find_element("id", "step").click()
        network.zero_gradients()
        loss.forward(network.forward(x.astype(np.float32)), np.array([9]))
        network.backward(loss.backward())
        network.parameters -= np.float32(0.02) * network.gradients
        expected = network.probabilities(x)[0]
        assert np.abs(settled(page)["p"] - expected).max() < 1e-4
    assert expected[9] > before["p"][9]
    network.parameters[:] = trained
    assert "has taken 2 steps" in page.find_element("id", "loss").text
    for _ in range(2):
        page.find_element("id", "undo-step").click()
    assert settled(page) == before
    assert not page.find_element("id", "undo-step").is_enabled()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("is_dark", [False, True])
def test_nothing_is_cut_off(width: int, is_dark: bool, show: Callable[..., Any]) -> None:
    page = show(width=width, is_dark=is_dark)
    page.find_element("css selector", '[aria-label="Sample digit 8"]').click()
    settled(page)
    beyond = page.execute_script(
        """return [...document.querySelectorAll("main *:not(.only-heard):not(.only-heard *)")]
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
          .map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert beyond == []
    light = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(255, 255, 255)") != is_dark


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_shows_its_plots_and_reads_what_is_drawn(
    width: int, show: Callable[..., Any], models: dict[str, Model], digits: Dataset
) -> None:
    pytest.importorskip("matplotlib")
    from mnist_cli.page.report import report_page

    images = digits.test[:200]
    logarithms = models["plain"].log_probabilities(images.images)
    page = show(
        width=width, content=report_page(models["plain"], images, logarithms, "mnist, test")
    )
    sizes = page.execute_script(
        "return [...document.images].map((image) => [image.complete, image.naturalWidth])"
    )
    assert len(sizes) == 4
    assert all(complete and size > 300 for complete, size in sizes)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    draw_with(page, placed(0), "mouse")
    assert np.argmax(settled(page)["p"]) == 0


def test_a_print_has_the_results_and_no_buttons(show: Callable[..., Any]) -> None:
    page = show(is_dark=True)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.find_element("css selector", "h1")
    assert not any(b.is_displayed() for b in page.find_elements("css selector", "button, input"))
    assert page.find_element("id", "seen").is_displayed()
    light = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert light == "rgb(255, 255, 255)"


def test_whatever_can_be_used_has_a_name(show: Callable[..., Any]) -> None:
    page = show()
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "radio", "spinbutton", "application", "image", "table", "group")
    found = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert len([node for node in found if node["role"]["value"] == "radio"]) == 22
    for node in found:
        assert node["name"]["value"], node


def test_the_pages_policy_lets_nothing_out(driver: Any, show: Callable[..., Any]) -> None:
    page = show()
    outcome = page.execute_async_script(
        """const done = arguments[0];
        addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        fetch("http://127.0.0.1:9/").catch(() => {});"""
    )
    assert outcome == "connect-src"
    said = driver.get_log("browser")  # the page itself never does this
    assert said
    assert all("Content Security Policy" in entry["message"] for entry in said)
