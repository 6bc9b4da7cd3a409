"""The data: MNIST's files and how to get them, and digits drawn here where there are none."""
