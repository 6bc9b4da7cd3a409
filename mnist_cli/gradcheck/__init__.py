"""The gradient checker: whether ``backward`` is the derivative of ``forward``.

Its names are loaded when they are first used, so that a report can be shown without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_cli.gradcheck.checking import (
        assert_gradients,
        check,
        check_functions,
        check_layer,
        check_loss,
        check_network,
    )
    from mnist_cli.gradcheck.explanation import explain
    from mnist_cli.gradcheck.report import Checks
    from mnist_cli.gradcheck.result import Check, Diagnosis, Entry
    from mnist_cli.gradcheck.user_code import UserCodeError

__all__ = [
    "Check",
    "Checks",
    "Diagnosis",
    "Entry",
    "UserCodeError",
    "assert_gradients",
    "check",
    "check_functions",
    "check_layer",
    "check_loss",
    "check_network",
    "explain",
]

_HOMES = {
    **dict.fromkeys(("Check", "Diagnosis", "Entry"), "result"),
    "Checks": "report",
    "UserCodeError": "user_code",
    "explain": "explanation",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "checking")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
