"""The errors a user can meet: one sentence each (what, where, what to do) and an exit status.

::

    MnistCliError               what was given cannot be used: status 2
    ├── DataError               a data file is missing, broken, or not what it should be
    │   ├── DownloadError       no mirror, and no given folder, had the file
    │   └── PictureError        a picture cannot be read, or does not show one digit
    ├── ModelError              a model or a checkpoint is missing, broken, newer, or not writable
    ├── SettingsError           a setting is out of range, or contradicts another one, or the data
    │   ├── UnfinishedError     a checkpoint of an interrupted training would be lost
    │   └── ConfigError         a config file is missing, broken, or has a key that means nothing
    ├── TrainingStoppedError    training was asked to stop: 130 or 143
    │   └── WorkerLostError     a process that trained was ended, or stopped, from outside: 2
    └── CheckFailedError        a check said no: status 1
        └── TrainingDivergedError   the loss is no longer a number

A sentence names settings and arguments as Python does, in backticks: "`dropout` is 2.0, but must be
at least 0 and below 1." The command line says ``--dropout`` for that.
"""

from __future__ import annotations


class MnistCliError(Exception):
    """Something that the user gave cannot be used, or a check said no.

    The command line prints the sentence and ends with `exit_status`.
    """

    exit_status = 2


class DataError(MnistCliError):
    """A data file is missing, broken, or not what it should be."""


class DownloadError(DataError):
    """No mirror, or no given folder, had the file."""


class PictureError(DataError):
    """A picture cannot be read, or does not show one digit.

    Parameters
    ----------
    said : str
        What the sentence says of it: "shows no ink: ...".
    name : str
        What the picture is called.
    """

    def __init__(self, said: str, name: str = "The picture"):
        super().__init__(said, name)
        self.said = said

    def __str__(self) -> str:
        return " ".join(reversed(self.args))

    def of(self, name: str) -> PictureError:
        """Return the same of a picture of that name."""
        return PictureError(self.said, name)


class ModelError(MnistCliError):
    """A model or a checkpoint is missing, broken, of a newer format, or cannot be written."""


class SettingsError(MnistCliError):
    """A setting is out of range, or contradicts another one, or the data."""


class UnfinishedError(SettingsError):
    """A checkpoint of an interrupted training would be lost."""


class ConfigError(SettingsError):
    """A config file is missing, broken, or has a key or a value that means nothing."""


class TrainingStoppedError(MnistCliError):
    """Training was asked to stop, by a signal or by a caller."""

    def __init__(self, sentence: str, exit_status: int = 130):
        super().__init__(sentence)
        self.exit_status = exit_status


class WorkerLostError(TrainingStoppedError):
    """One of the processes that train together was ended, or stopped, from outside."""

    def __init__(self, sentence: str, exit_status: int = 2):
        super().__init__(sentence, exit_status)


class CheckFailedError(MnistCliError):
    """A check said no: a gradient is wrong, or an accuracy is below its floor."""

    exit_status = 1


class TrainingDivergedError(CheckFailedError):
    """The loss is no longer a number."""
