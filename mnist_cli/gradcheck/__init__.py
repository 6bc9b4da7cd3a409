"""The gradient checker: whether ``backward`` is the derivative of ``forward``."""

from mnist_cli.gradcheck.activation import check_activation
from mnist_cli.gradcheck.calling import UserCodeError
from mnist_cli.gradcheck.check import Check, Diagnosis, Entry
from mnist_cli.gradcheck.layer import check_layer
from mnist_cli.gradcheck.loss import check_loss

__all__ = [
    "Check",
    "Diagnosis",
    "Entry",
    "UserCodeError",
    "check_activation",
    "check_layer",
    "check_loss",
]
