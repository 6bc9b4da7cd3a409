"""The options that make up a recipe: one for each setting, made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from mnist_cli.cli.help import SettingOption
from mnist_cli.recipe import LEARNING_RATES, SETTINGS
from mnist_cli.settings import KINDS, Setting

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # which older versions of click cannot subscript


UNDERSCORES = str.maketrans("- ", "__")
"""What makes the name of a variable of those of a command and an option."""


class SettingType(ParamType):
    """What a setting can be, as click asks for it: the same check, in the same words."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self.name = KINDS[setting.kind].removeprefix("a ")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Return the value, or fail."""
        try:
            number = self.setting.kind(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r} is not {KINDS[self.setting.kind]}", param, ctx)
        try:
            return self.setting.check(number)
        except ValueError as error:
            self.fail(f"{value} {error}", param, ctx)


def option_of(setting: Setting, command: str) -> Callable[..., Any]:
    """Return the option for a setting, of a command of that name."""
    default: Any = setting.default
    said: dict[str, Any] = {"default": default, "show_default": True, "help": setting.help}
    said |= {"cls": SettingOption, "group": setting.group}
    if setting.name == "learning_rate":  # its default is the optimizer's
        said["show_default"] = ", ".join(
            f"{rate} for {name}" for name, rate in LEARNING_RATES.items()
        )
    if setting.kind is bool:
        return click.option(f"--{setting.key}/--no-{setting.key}", setting.name, **said)
    said["type"] = click.Choice(list(setting.choices)) if setting.choices else SettingType(setting)
    said["metavar"] = setting.unit or None
    # The variable of an option is named after its key, as --lr and MNIST_CLI_TRAIN_LR.
    said["envvar"] = f"MNIST_CLI_{command}_{setting.key}".upper().translate(UNDERSCORES)
    return click.option(f"--{setting.key}", setting.name, **said)


def recipe_options(name: str) -> Callable[..., Any]:
    """Return what gives a command of that name an option for each setting, in their order."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(SETTINGS.values()):
            command = option_of(setting, name)(command)
        return command

    return with_options
