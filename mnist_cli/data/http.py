"""One file over HTTP, piece by piece; whatever goes wrong is one DownloadError."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from mnist_cli.errors import DownloadError
from mnist_cli.parallel import started

if TYPE_CHECKING:
    import requests
    import urllib3

REACH_SECONDS = 5
"""How long a mirror may take to be found and to accept a connection."""
READ_SECONDS = 20
"""How long a mirror may be silent in the middle."""
PATIENCE_SECONDS = 30
"""How long a server may ask to wait before the next try."""
SLOWEST_SECONDS = 180
"""How long a piece of a file may take to come, whatever the server does all the while."""
RESUMPTIONS = 3
"""How often a transfer that broke off is gone on with."""
PAUSE_SECONDS = 0.5
"""How long to wait before the second try; twice as long before each next one."""
CHUNK = 1 << 13
"""Bytes a piece; of one that is not whole nothing is kept when a transfer breaks off."""


def stream(url: str, remark: Callable[[str], object] = lambda sentence: None) -> Iterator[bytes]:
    """Yield the bytes that are served at ``url``.

    A server that asks for patience is asked again, and a transfer that breaks off goes on where it
    stopped; both a few times, and each time ``remark`` is told so.

    Raises
    ------
    DownloadError
        If the server cannot be reached, says no, or breaks off too often.
    """
    # requests takes a tenth of a second to import, which only a download should pay.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    host = urlsplit(url).hostname

    class Patient(Retry):
        """Retries that wait as long as the server asks, within reason, and say so."""

        def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
            try:
                seconds = super().get_retry_after(response)
            except (ValueError, OverflowError, HTTPError):
                return None  # no number of seconds, and no date
            return None if seconds is None else min(seconds, PATIENCE_SECONDS)

        def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
            what = f"answered {response.status}" if response else "did not answer"
            remark(f"{host} {what}: asking again.")
            super().sleep(response)

    retries = Patient(
        total=3,
        connect=1,
        read=1,
        backoff_factor=PAUSE_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retries))
        if not requests.utils.get_environ_proxies(url):
            _check_reachable(url)
        received = 0
        for attempt in range(RESUMPTIONS + 1):
            try:
                for piece in _in_time(_pieces(session, url, received), url):
                    received += len(piece)
                    yield piece
                return
            except _BrokenOffError as error:
                if attempt == RESUMPTIONS:
                    raise
                remark(f"{error}; going on after {received:,} bytes.")
                time.sleep(PAUSE_SECONDS * 2**attempt)


class _BrokenOffError(DownloadError):
    """The server stopped in the middle of a file."""


def _pieces(session: requests.Session, url: str, start: int) -> Iterator[bytes]:
    """Yield what is served at ``url`` from the byte ``start`` on."""
    import requests
    from urllib3.exceptions import HTTPError
    from urllib3.exceptions import TimeoutError as LibraryTimeout

    # The files are gzip already: what is hashed is what is served.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    host = urlsplit(url).hostname
    is_answered = False
    try:
        with session.get(
            url,
            stream=True,
            timeout=(REACH_SECONDS / 2, READ_SECONDS),
            headers=headers,
            hooks={"response": _check_redirect},
        ) as response:
            if not response.ok:
                raise DownloadError(f"{url} answered {response.status_code} {response.reason}")
            if response.headers.get("Content-Type", "").lower().startswith("text/html"):
                raise DownloadError(f"{url} answered with a web page: a login, or a notice")
            is_answered = True
            skip = start
            if response.status_code == requests.codes.partial:
                if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    raise DownloadError(f"{url} answered with another part than was asked for")
                skip = 0
            # A server that knows no ranges starts anew.
            for piece in response.iter_content(CHUNK):
                rest = piece[skip:]
                skip -= len(piece) - len(rest)
                if rest:
                    yield rest
    except requests.exceptions.ChunkedEncodingError as error:
        raise _BrokenOffError(f"{url} broke off in the middle") from error
    except requests.exceptions.InvalidURL as error:
        raise DownloadError(f"{url} is no URL") from error
    except requests.TooManyRedirects as error:
        raise DownloadError(f"{url} redirects in circles") from error
    except requests.exceptions.SSLError as error:
        raise DownloadError(f"{host} has no certificate to trust") from error
    except (requests.Timeout, requests.ConnectionError) as error:
        # A silence in the middle comes as a ConnectionError about a time-out.
        reason = error.args[0] if error.args else None
        is_late = isinstance(error, requests.Timeout) or isinstance(
            getattr(reason, "reason", reason), LibraryTimeout
        )
        kind = _BrokenOffError if is_answered else DownloadError
        if is_late:
            raise kind(f"{url} did not answer in time") from error
        raise kind(f"{host} could not be reached") from error
    except (requests.RequestException, HTTPError, ValueError) as error:
        # Of headers that mean nothing, the libraries raise whatever they come upon.
        raise DownloadError(f"{url} could not be fetched ({error})") from error


def _check_redirect(response: requests.Response, **options: object) -> None:
    """Raise DownloadError if a redirect leads from where all is encrypted to where nothing is."""
    if response.is_redirect and response.url.startswith("https:"):
        target = urljoin(response.url, response.headers["Location"])
        if not target.startswith("https:"):
            raise DownloadError(f"{response.url} redirects to where nothing is encrypted")


def _in_time(pieces: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Yield the pieces, or raise DownloadError when one does not come for too long.

    A server that sends a byte a second is never silent, and no time-out of a socket ends it. So
    the pieces are fetched on a thread which may be left behind.
    """
    found: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=8)
    is_left = threading.Event()

    def fetch() -> None:
        try:
            for piece in pieces:
                found.put(piece)
                if is_left.is_set():
                    return
            found.put(None)
        except BaseException as error:
            found.put(error)

    if not started(threading.Thread(target=fetch, daemon=True)):
        yield from pieces
        return
    try:
        while (item := found.get(timeout=SLOWEST_SECONDS)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    except queue.Empty:
        raise DownloadError(f"{url} is too slow") from None
    finally:
        is_left.set()
        with suppress(queue.Empty):
            found.get_nowait()  # so that the thread is not stuck


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

    if not started(threading.Thread(target=connect, daemon=True)):
        return  # it is found out when the file is asked for
    try:
        error = outcome.get(timeout=REACH_SECONDS)
    except queue.Empty:
        raise DownloadError(f"{host} could not be reached within {REACH_SECONDS} s") from None
    if error is not None:
        reason = getattr(error, "strerror", None) or error
        raise DownloadError(f"{host} could not be reached ({reason})") from error
