"""A cluster for a sweep: the workers of a Dask scheduler, which somebody has started.

Dask sends each run to a worker, and to another one if that dies; here is only what it cannot know:
whether the workers have the same versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass

from mnist_cli.errors import SettingsError
from mnist_cli.training.sweep import check_versions, versions

PATIENCE = "10s"
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a scheduler, when their versions have been compared.

    Attributes
    ----------
    executor : Executor
        Sends runs to them.
    lost : tuple of exception types
        What it raises where a run went with its workers, or with the scheduler.
    workers : int
        How many runs they do at once.
    """

    executor: Executor
    lost: tuple[type[BaseException], ...]
    workers: int


@contextmanager
def cluster(scheduler: str) -> Iterator[Cluster]:
    """Connect to a Dask scheduler for as long as the block lasts.

    Parameters
    ----------
    scheduler : str
        Its address, as ``tcp://host:8786``.

    Raises
    ------
    SettingsError
        If Dask is not installed here, there is no scheduler or no worker, or one has other versions
        of mnist-cli, NumPy or Python than there are here.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise SettingsError(
            '`scheduler` needs Dask: install it with "pip install distributed", or leave '
            "`scheduler` out."
        ) from error
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"There is no Dask scheduler at {scheduler}: start one with 'dask scheduler', and name "
            "the address that it prints."
        ) from error
    with client:
        found = client.run(versions, on_error="return")
        if not found:
            raise SettingsError(
                f"The scheduler at {scheduler} has no workers: start some with 'dask worker "
                f"{scheduler} --nthreads 1 --nworkers auto'."
            )
        for address, there in found.items():
            where = f"The worker {address}"
            if isinstance(there, BaseException):
                raise SettingsError(
                    f"{where} cannot run mnist-cli ({there}): install the same version there."
                ) from there
            check_versions(versions(), there, where)
        threads = sum(client.nthreads().values())
        yield Cluster(client.get_executor(pure=False), (KilledWorker, CancelledError), threads)
