"""``python -m mnist_cli``, the same as ``mnist-cli``."""

from mnist_cli.cli.main import main

main(prog_name="mnist-cli")
