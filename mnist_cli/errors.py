"""The errors a user can meet: one sentence each (what, where, what to do) and an exit status."""

from __future__ import annotations


class MnistCliError(Exception):
    """Something that the user gave cannot be used, or a check said no.

    The command line prints the sentence and ends with `exit_status`.
    """

    exit_status = 2


class DataError(MnistCliError):
    """A data file is missing, broken, or not what it should be."""


class DownloadError(MnistCliError):
    """No mirror, or no given folder, had the file."""


class ModelError(MnistCliError):
    """A model file is missing, broken, or of a format that this version does not know."""


class ConfigError(MnistCliError):
    """A config file is missing, broken, or has a key or a value that means nothing."""


class SettingsError(MnistCliError):
    """Two settings contradict each other, or the data."""


class CheckFailedError(MnistCliError):
    """A check said no: a gradient is wrong, or an accuracy is below its floor."""

    exit_status = 1


class TrainingStoppedError(MnistCliError):
    """Training was asked to stop, by a signal or by a caller."""

    def __init__(self, sentence: str, exit_status: int = 130):
        super().__init__(sentence)
        self.exit_status = exit_status


class TrainingDivergedError(CheckFailedError):
    """The loss is no longer a number."""
