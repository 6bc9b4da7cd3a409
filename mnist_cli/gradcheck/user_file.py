"""``FILE.py:NAME``: somebody's own layer, loss or activation, found, recognised and checked."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mnist_cli.gradcheck.activation import check_activation
from mnist_cli.gradcheck.calling import UserCodeError, call, required
from mnist_cli.gradcheck.check import Check
from mnist_cli.gradcheck.layer import check_layer
from mnist_cli.gradcheck.loss import Labels, check_loss
from mnist_cli.gradcheck.subject import SHAPE

FORWARD, BACKWARD = "forward", "backward"
DERIVATIVES = ("gradient", "derivative")


def check_user_code(
    target: str,
    *,
    shape: tuple[int, ...] | None = None,
    labels: Labels | None = None,
    seed: int = 0,
    tolerance: float,
    forward: str | None = None,
    backward: str | None = None,
) -> list[Check]:
    """Import a file, take a name from it, and check what that is.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``; the name is a class that can be made without arguments, a function
        without arguments that returns an object, or an object.
    shape, labels, seed, tolerance
        See `check_layer` and `check_loss`.
    forward, backward : str, optional
        The names of the methods, where they are not the common ones.

    Returns
    -------
    list of Check

    Raises
    ------
    UserCodeError
        If there is no such file or name, if it has not the methods to be checked, or if its code
        raises something.
    """
    thing = load(target)
    if forward is None:
        forward = FORWARD if callable(getattr(thing, FORWARD, None)) else "__call__"
    if backward is None:
        names = (BACKWARD, *DERIVATIVES)
        backward = next((name for name in names if callable(getattr(thing, name, None))), None)
    if (
        backward is None
        or not callable(getattr(thing, backward, None))
        or not callable(getattr(thing, forward, None))
    ):
        missing = ", ".join(
            name
            for name in (forward, backward or "backward, gradient or derivative")
            if not callable(getattr(thing, name, None))
        )
        raise UserCodeError(
            f"{target} cannot be checked, as it has no method {missing}: a layer or a loss has "
            "forward and backward, an activation __call__ or forward and gradient or derivative; "
            "name others with --forward-method and --backward-method."
        )
    if required(getattr(thing, forward)) >= 2:
        return check_loss(
            thing,
            labels=labels,
            shape=shape or SHAPE,
            seed=seed,
            tolerance=tolerance,
            forward=forward,
            backward=backward,
        )

    def as_layer() -> list[Check]:
        return check_layer(
            thing, shape=shape, seed=seed, tolerance=tolerance, forward=forward, backward=backward
        )

    def as_activation() -> list[Check]:
        return check_activation(
            thing,
            shape=shape or SHAPE,
            seed=seed,
            tolerance=tolerance,
            forward=forward,
            backward=backward,
        )

    kinds = [as_activation, as_layer] if backward in DERIVATIVES else [as_layer, as_activation]
    # Under a name of its own, or as gradient, a method may take dout or x.
    return kinds[0]() if backward == BACKWARD else first_that_passes(kinds)


def first_that_passes(kinds: Sequence[Callable[[], list[Check]]]) -> list[Check]:
    """Return the checks of the first kind whose gradient is right, or else those of the first."""
    found: list[list[Check]] = []
    refused: list[UserCodeError] = []
    for check in kinds:
        try:
            checks = check()
        except UserCodeError as error:
            refused.append(error)
            continue
        if checks[0].passed:
            return checks
        found.append(checks)
    if not found:
        raise refused[0]
    return found[0]


def load(target: str) -> Any:
    """Return the object that ``FILE.py:NAME`` names; see `check_user_code`."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise UserCodeError(f"{target} is not of the form FILE.py:NAME, as layers.py:Softmax is.")
    if not path.is_file():
        raise UserCodeError(f"There is no file {path} to take {name} from: check its path.")
    module = call(_import, path)
    if not hasattr(module, name):
        raise UserCodeError(f"{path} has no {name}: name a class, a function or an object of it.")
    thing = getattr(module, name)
    if isinstance(thing, type) or inspect.isroutine(thing):
        if required(thing):
            raise UserCodeError(
                f"{target} needs arguments to be made: write a function without arguments that "
                "returns the object, and name that."
            )
        return call(thing)
    return thing


def _import(path: Path) -> Any:
    """Import a file by its path, with its own folder first where it looks for modules."""
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Pickling and dataclasses look a class's module up here.
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
