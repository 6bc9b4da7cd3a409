"""What ``--help`` shows, and what a shell completes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_page import commands, page
from conftest import Cli
from console import blocks

from mnist_cli.cli.help import ORDER, Command
from mnist_cli.cli.main import main
from mnist_cli.config import ready_made

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = commands(main)
LEAVES = {name: c for name, c in COMMANDS.items() if not isinstance(c, click.Group)}


def help_of(cli: Cli, name: str) -> str:
    done = cli(*name.split(), "--help", COLUMNS="80")
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert command.short_help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.endswith("."), option.name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_80_columns_and_says_no_range_that_nobody_meets(cli: Cli, name: str) -> None:
    text = help_of(cli, name)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\d{9}", text)
    assert not re.search(r"[a-z,]\.\.\.", text), "a one-liner is cut"


@pytest.mark.parametrize("name", LEAVES)
def test_examples_can_be_pasted(cli: Cli, name: str) -> None:
    command = LEAVES[name]
    assert isinstance(command, Command)
    assert len(command.examples) >= 2
    shown = help_of(cli, name)
    for _, example in command.examples:
        assert f"\n  {example}\n" in shown
        words = shlex.split(example.partition(" > ")[0])
        if words[0] == "eval":
            words = shlex.split(words[1].strip("$()"))
        check_usage(words[1:])


def check_usage(words: list[str]) -> None:
    """Read a command with the parser of the program, which raises what is wrong with it."""
    length = next(n for n in (2, 1) if " ".join(words[:n]) in LEAVES)
    command = LEAVES[" ".join(words[:length])]
    # click remembers the option for help of the first context that it is asked in.
    context = click.Context(command, help_option_names=["-h", "--help"])
    command.make_parser(context).parse_args(words[length:])


def test_the_page_of_the_commands_is_their_help() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == page(), "python tests/cli_page.py > docs/cli.md"


def test_the_commands_of_the_readme_and_of_ci_are_ones_that_there_are() -> None:
    texts = [b.text for b in blocks((DOCS.parent / "README.md").read_text("utf-8"))]
    texts += [b.text for b in blocks((DOCS / "ci.md").read_text("utf-8"))]
    lines = re.findall(r"^ *(?:- |- run: |\$ )?mnist-cli (.*)$", "\n".join(texts), re.MULTILINE)
    assert len(lines) > 20
    for line in lines:
        check_usage(shlex.split(line.partition(" >> ")[0], comments=True))


def test_options_stand_under_headings(cli: Cli) -> None:
    text = help_of(cli, "train")
    headings = re.findall(r"^(\w+):$", text, re.MULTILINE)
    expected = [heading for heading in ORDER if heading != "Options"]
    assert headings == [*expected, "Examples"]
    network, training = text.index("\nNetwork:\n"), text.index("\nTraining:\n")
    assert network < text.index("--hidden N") < training < text.index("--lr X")


def test_commands_are_in_the_order_of_work(cli: Cli) -> None:
    text = help_of(cli, "")
    places = [text.index(f"\n  {name} ") for name in ("download", "train", "evaluate", "predict")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("command", "meant"),
    [("check", "gradcheck"), ("trian", "train"), ("plot curve", "curves"), ("xyz", None)],
)
def test_a_command_that_there_is_not_suggests_what_was_meant(
    cli: Cli, command: str, meant: str | None
) -> None:
    done = cli(*command.split())
    assert done.exit_code == 2
    assert f"No such command '{command.split()[-1]}'" in done.stderr
    assert (f"Did you mean {meant}?" in done.stderr) == (meant is not None)
    assert ("Did you mean" in done.stderr) == (meant is not None)


@pytest.mark.parametrize(
    ("option", "meant"),
    [("--learning-rate", "--lr"), ("--epoch", "--epochs"), ("--threads", None), ("--xyz", None)],
)
def test_an_option_that_there_is_not_suggests_what_was_meant(
    cli: Cli, option: str, meant: str | None
) -> None:
    done = cli("train", option, 3)
    assert done.exit_code == 2
    assert (f"Did you mean {meant}?" in done.stderr) == (meant is not None)
    assert ("Did you mean" in done.stderr) == (meant is not None)


@pytest.mark.parametrize("name", ["evaluate", "show", "draw", "report", "plot weights"])
def test_a_model_that_is_named_by_an_option_is_told_to_stand_by_itself(cli: Cli, name: str) -> None:
    done = cli(*name.split(), "--model", "model.npz")
    assert done.exit_code == 2
    assert f"give MODEL without an option, as in 'mnist-cli {name} MODEL'" in done.stderr


@pytest.mark.parametrize("number", ["0", "99999999999", "-3"])
def test_a_number_out_of_range_is_told_what_it_must_be(cli: Cli, number: str) -> None:
    done = cli("train", "--checkpoint", "c", "--checkpoint-every", number)
    assert done.exit_code == 2
    assert f"{number} must be at least 1 and at most 1,000,000,000" in done.stderr


def completed(words: str) -> list[str]:
    """Return what bash is told to complete the last of some words to."""
    program = "from mnist_cli.cli.program import program; program()"
    split = words.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'mnist-cli'; {program}"],
        env=os.environ
        | {"_MNIST_CLI_COMPLETE": "bash_complete", "COMP_WORDS": words}
        | {"COMP_CWORD": str(len(split) - 1)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_and_configs_are_completed() -> None:
    assert completed("mnist-cli gr") == ["plain,gradcheck"]
    assert "plain,--hidden" in completed("mnist-cli train --hid")
    found = completed("mnist-cli train --config elastic")
    names = [name for name in ready_made() if name.startswith("elastic")]
    assert names
    assert found == [*(f"plain,{name}" for name in names), "file,elastic"]
    assert completed("mnist-cli evaluate mod") == ["file,mod"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.exit_code == 0
    assert f"_MNIST_CLI_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    program = tmp_path / "mnist-cli"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mnist_cli "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(mnist-cli completion bash)"; COMP_WORDS=(mnist-cli tr); COMP_CWORD=1; '
        '_mnist_cli_completion mnist-cli tr; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "train\n", done.stderr
