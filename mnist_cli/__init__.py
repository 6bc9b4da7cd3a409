"""Train, evaluate and check a 784-hidden-10 network on MNIST, in vectorised NumPy."""

__version__ = "0.1.0"
