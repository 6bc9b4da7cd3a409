"""The command line: options in, a report out, and an exit status; no mathematics.

The files here import numpy, requests and tqdm only inside the functions that need them, so that
``--help`` and ``--version`` answer at once.
"""
