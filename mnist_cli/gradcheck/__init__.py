"""The gradient checker: whether ``backward`` is the derivative of ``forward``."""
