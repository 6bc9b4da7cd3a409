"""The program as a process: how it ends, whatever ends it."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from mnist_cli.cli.signals import end_quietly

FAILED = 3
"""The status of what the program itself is to blame for: neither 1, "a check said no", nor 2."""

_kept: list[Any] = []


def program() -> NoReturn:
    """Run the command line, and end this process."""
    end_quietly()
    status = FAILED
    try:
        from mnist_cli.cli.main import is_json_wanted, main  # takes a tenth of a second

        arguments = sys.argv[1:]
        if not {"-h", "--help", "--version"} & set(arguments):
            heed_foreign_endings(is_json_wanted(arguments))
        main(prog_name="mnist-cli")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else FAILED
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)  # past what `heed_foreign_endings` has set


def heed_foreign_endings(is_json: bool) -> None:
    """Have a library that ends the process, as OpenBLAS does for want of memory, end it with 2.

    It calls C's ``exit(1)``, which Python is not told of; and 1 is said where a check said no. So
    we end the process ourselves, and whatever else ends it by ``exit`` is such a library. Where
    the C library has no ``on_exit``, as on macOS, nothing is done.
    """
    from ctypes import CDLL, CFUNCTYPE, c_int, c_void_p

    from mnist_cli.cli.main import OUT_OF_MEMORY
    from mnist_cli.cli.output import to_json

    on_stderr = f"Error: {OUT_OF_MEMORY}\n".encode()
    on_stdout = f"{to_json({'error': OUT_OF_MEMORY})}\n".encode() if is_json else b""

    def end(status: int, nothing: int) -> None:
        with suppress(OSError):
            os.write(2, on_stderr)
        with suppress(OSError):
            os.write(1, on_stdout)
        os._exit(2)

    ending = CFUNCTYPE(None, c_int, c_void_p)(end)
    with suppress(AttributeError, OSError, TypeError):
        CDLL(None).on_exit(ending, None)
        _kept.append(ending)
