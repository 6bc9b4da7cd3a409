"""One file over HTTP, piece by piece; whatever goes wrong is one DownloadError."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mnist_cli.errors import DownloadError

if TYPE_CHECKING:
    import urllib3

REACH_SECONDS = 5
"""How long a mirror may take to be found and to accept a connection."""
READ_SECONDS = 20
"""How long a mirror may be silent in the middle."""
PATIENCE_SECONDS = 30
"""How long a server may ask to wait before the next try."""
CHUNK = 1 << 16
"""Bytes a piece."""


def stream(url: str) -> Iterator[bytes]:
    """Yield the bytes that are served at ``url``, trying again where a server asks for patience."""
    # requests takes a tenth of a second to import, which only a download should pay.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry
    from urllib3.exceptions import TimeoutError as LibraryTimeout

    class Patient(Retry):
        """Retries that wait as long as the server asks, within reason."""

        def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
            seconds = super().get_retry_after(response)
            return None if seconds is None else min(seconds, PATIENCE_SECONDS)

    retries = Patient(
        total=3,
        connect=1,
        read=1,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retries))
        try:
            if not requests.utils.get_environ_proxies(url):
                _check_reachable(url)
            with session.get(
                url,
                stream=True,
                timeout=(REACH_SECONDS / 2, READ_SECONDS),
                # The files are gzip already: what is hashed is what is served.
                headers={"Accept-Encoding": "identity"},
            ) as response:
                if not response.ok:
                    raise DownloadError(f"{url} answered {response.status_code} {response.reason}")
                yield from response.iter_content(CHUNK)
        except requests.Timeout as error:
            raise DownloadError(f"{url} did not answer in time") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise DownloadError(f"{url} broke off in the middle") from error
        except requests.exceptions.InvalidURL as error:
            raise DownloadError(f"{url} is no URL") from error
        except requests.TooManyRedirects as error:
            raise DownloadError(f"{url} redirects in circles") from error
        except requests.exceptions.SSLError as error:
            raise DownloadError(f"{urlsplit(url).hostname} has no certificate to trust") from error
        except requests.ConnectionError as error:
            # A silence in the middle comes as a ConnectionError about a time-out.
            reason = error.args[0] if error.args else None
            if isinstance(getattr(reason, "reason", reason), LibraryTimeout):
                raise DownloadError(f"{url} did not answer in time") from error
            raise DownloadError(f"{urlsplit(url).hostname} could not be reached") from error
        except requests.RequestException as error:
            raise DownloadError(f"{url} could not be fetched ({error})") from error


def _check_reachable(url: str) -> None:
    """Return if the host of ``url`` accepts a connection, and raise DownloadError if not.

    Without a network, looking a name up can hang for longer than a person waits, and no time-out
    reaches into it. So that happens on a thread which may be left behind.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 443)
    outcome: queue.SimpleQueue[OSError | UnicodeError | None] = queue.SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=REACH_SECONDS / 2).close()
            outcome.put(None)
        except (OSError, UnicodeError) as error:
            outcome.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        error = outcome.get(timeout=REACH_SECONDS)
    except queue.Empty:
        raise DownloadError(f"{host} could not be reached within {REACH_SECONDS} s") from None
    if error is not None:
        reason = getattr(error, "strerror", None) or error
        raise DownloadError(f"{host} could not be reached ({reason})") from error
