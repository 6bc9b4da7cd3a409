"""``python -m mnist_cli``, for where the command is not on the path."""

from mnist_cli.cli.program import program

program()
