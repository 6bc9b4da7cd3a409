"""Files that say one thing to one reader, and another to another; and texts that say too much."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from conftest import Cli

from mnist_cli.errors import ModelError
from mnist_cli.files.archive import read_archive
from mnist_cli.files.documents import parse
from mnist_cli.model import Model
from mnist_cli.nn.mlp import MLP
from mnist_cli.recipe import Recipe
from mnist_cli.texts import one_line, shortened, shown
from mnist_cli.training.checkpoint import Checkpoint

FORGED = "\n\nAll 26 checks passed.\r\x1b[2J\u202e"
"""What must not stand on a terminal as if the program had said it."""


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return file.getvalue()


def write(path: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *what, **how: None)  # of a name that is there twice
        for name, content in members:
            archive.writestr(name, content)


@pytest.fixture
def members(tmp_path: Path) -> dict[str, Any]:
    """Return what is in a model and in a checkpoint, by the names of its arrays."""
    Model(MLP(2), Recipe(hidden=2), metadata={"dataset": "mnist"}).save(tmp_path / "m")
    return read_archive(tmp_path / "m")


def twice(name: str) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    return lambda members: [*members, (name, npy(np.ones(784 * 2 + 2 + 30, np.float32)))]


@pytest.mark.parametrize(
    "name",
    [
        *("parameters.npy", "parameters", "parameters.npy.npy", "PARAMETERS.npy"),
        *("./parameters.npy", "a/parameters.npy", "parameters.npy/"),
        *("metadata.npy", "metadata", "W1.npy", "other"),
    ],
)
def test_an_array_that_is_there_twice_makes_no_model(
    name: str, members: dict[str, Any], tmp_path: Path
) -> None:
    found = [(f"{key}.npy", npy(array)) for key, array in members.items()]
    write(tmp_path / "m", found)
    Model.load(tmp_path / "m")
    for order in (1, -1):
        write(tmp_path / "m", twice(name)(found)[::order])
        with pytest.raises(ModelError, match="is not a model"):
            Model.load(tmp_path / "m")


def test_an_array_without_its_ending_makes_no_model(
    members: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path / "m", [(key, npy(array)) for key, array in members.items()])
    with pytest.raises(ModelError, match="is not a model"):
        Model.load(tmp_path / "m")


@pytest.mark.parametrize("key", ["hidden", "recipe", "format_version", "seed"])
def test_a_key_that_is_there_twice_makes_no_model(
    key: str, members: dict[str, Any], tmp_path: Path
) -> None:
    text = str(members["metadata"])
    value = json.loads(text).get(key, 0)
    again = text.replace(f'"{key}":', f'"{key}": {json.dumps(value)}, "{key}":', 1)
    assert again != text
    with (tmp_path / "m").open("wb") as file:
        np.savez(file, parameters=members["parameters"], metadata=again)
    with pytest.raises(ModelError, match="is not a model"):
        Model.load(tmp_path / "m")


def test_documents_have_each_key_once_and_numbers_that_are_some() -> None:
    assert parse('{"a": [1.5, {"b": null}], "c": "NaN"}') == {"a": [1.5, {"b": None}], "c": "NaN"}
    for text, said in (
        ('{"a": 1, "a": 1}', "there twice"),
        ('[{"b": {"a": 1, "\\u0061": 2}}]', "there twice"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ("1e400", "too large"),
        ("[-1e999]", "too large"),
    ):
        with pytest.raises(ValueError, match=said):
            parse(text)


def is_tame(result: Result) -> bool:
    """Whether nothing that a file says makes a line of its own, or commands the terminal."""
    lines = [line.strip() for line in result.output.splitlines()]
    return (
        "All 26 checks passed." not in lines
        and not set("\x1b\r\u202e") & set(result.output)
        and max(map(len, lines), default=0) < 1000
    )


LONG = [FORGED, "x" * 100_000, FORGED * 10_000, 10**4200, [FORGED] * 1000, {FORGED: FORGED}, None]


@pytest.mark.parametrize("value", LONG, ids=lambda value: repr(value)[:20])
def test_no_text_of_a_model_says_anything_in_the_name_of_the_program(
    value: object, cli: Cli, small_dir: Path, members: dict[str, Any]
) -> None:
    document = json.loads(str(members["metadata"]))
    for change in (
        {"mnist_cli_version": value, "numpy_version": value},
        {"dataset": value},
        {"data": {str(value)[:5000]: value, "b": value}},
        {"data": {f"{number}": value for number in range(20)}},
        {"format_version": value},
        {"recipe": document["recipe"] | {"optimizer": value}},
        {"recipe": document["recipe"] | {"seed": value}},
        {"recipe": document["recipe"] | {str(value)[:5000]: value}},
        {"hidden": value},
        {"history": value},
        {"test_accuracy": value, "test_loss": value},
        {str(value)[:5000]: value},
    ):
        text = json.dumps(document | change)
        with Path("m.npz").open("wb") as file:
            np.savez(file, parameters=members["parameters"], metadata=text)
        for command in (
            ("show", "m.npz"),
            ("evaluate", "m.npz", "--data-dir", small_dir),
            ("predict", "--model", "m.npz", "--index", 0, "--data-dir", small_dir),
            ("train", "--from", "m.npz", "--out", "n.npz", "--epochs", 1, "--data-dir", small_dir),
            ("train", "--epochs", 1, "--hidden", 2, "--out", "m.npz", "--data-dir", small_dir),
        )[: 5 if value == FORGED else 1]:
            result = cli(*command)
            assert result.exit_code in (0, 2)
            assert is_tame(result), result.output[:2000]


@pytest.mark.parametrize("value", LONG, ids=lambda value: repr(value)[:20])
def test_no_text_of_a_checkpoint_does(value: object, cli: Cli, small_dir: Path) -> None:
    how = ("--data-dir", small_dir, "--hidden", 2, "--epochs", 1, "-q")
    assert cli("train", *how, "--checkpoint", "c").exit_code == 0
    arrays = read_archive("c")
    document = json.loads(str(arrays.pop("checkpoint")))
    for change in (
        {"checkpoint_version": value},
        {"recipe": document["recipe"] | {"schedule": value}},
        {"recipe": document["recipe"] | {str(value)[:5000]: value}},
        {"origin": document["origin"] | {"dataset": value}},
        {"origin": document["origin"] | {"data": {str(value)[:5000]: str(value)[:5000]}}},
        {"origin": document["origin"] | {"raised_from": value}},
        {"generators": value},
    ):
        with Path("d").open("wb") as file:
            np.savez(file, checkpoint=json.dumps(document | change), **arrays)  # type: ignore[arg-type]
        result = cli("train", "--data-dir", small_dir, "--resume", "d", "--out", "n.npz")
        assert result.exit_code == 2
        assert is_tame(result), result.output[:2000]
    with pytest.raises(ModelError):
        Checkpoint.load("d")


@pytest.mark.parametrize(
    "config",
    [
        "[train]\n{text} = 3",
        "[train]\nseed = {text}",
        "[train]\nout = {text}",
        "[train]\ndataset = {text}",
        "[train]\noptimizer = {text}",
        "[{text}]",
        "{text} = 3",
        "[train]\ndata-dir = {text}\nout = {text}",
        "[train]\n{text} = 1\n{text} = 2",
    ],
)
def test_no_text_of_a_config_does(config: str, cli: Cli) -> None:
    for text in (FORGED, FORGED + "y" * 2000):
        quoted = json.dumps(text)
        Path("t.toml").write_text(config.format(text=quoted), "utf-8")
        result = cli("train", "--config", "t.toml", "--epochs", 1, "--dataset", "mnist")
        assert result.exit_code == 2
        assert "All 26 checks passed." not in [line.strip() for line in result.output.splitlines()]
        assert not set("\x1b\r\u202e") & set(result.output)


def test_no_path_of_a_list_of_labels_does(cli: Cli) -> None:
    Path("pictures").mkdir()
    rows = [f'"{FORGED}{"z" * 3000}{number}.png",{number % 10}\n' for number in range(40)]
    Path("pictures/labels.csv").write_text("".join(rows), "utf-8")
    for how in ([], ["--skip"]):
        result = cli("pack", "pictures", "set", "--test", 0.5, *how)
        assert result.exit_code == 2
        assert is_tame(result), result.output[:2000]


def test_no_header_of_a_picture_does(cli: Cli) -> None:
    Model(MLP(2)).save("model.npz")
    header = ("{'descr': '" + FORGED + "q" * 30_000 + "'}\n").encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    Path("p.npy").write_bytes(content)
    result = cli("predict", "p.npy")
    assert result.exit_code == 2
    assert is_tame(result), result.output[:2000]


def test_what_is_shown_of_a_text_is_short_and_on_one_line() -> None:
    assert one_line("a\nb\tc\x1b é") == "a?b?c? é"
    assert shown("x" * 81) == "x" * 80 + "…"
    assert shown("x" * 80) == "x" * 80
    assert shown(10**5000) == "a number of thousands of digits"
    assert shortened("a" * 10 + "b" * 10, 4) == "aa … bb"
    assert shortened("abcd", 4) == "abcd"
