"""One file over HTTP, piece by piece; whatever goes wrong is one DownloadError.

What is yielded are the bytes as they are served: nothing is unpacked, however the server calls it.
Redirects are followed by hand, with their bodies unread, and retries are made by hand as well: the
libraries would read the whole body of an answer that they throw away.
"""

from __future__ import annotations

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from mnist_cli.data.network import (
    Proxy,
    causes,
    certificate_fault,
    find_certificates,
    find_proxy,
    printable,
    shown,
    without_secrets,
)
from mnist_cli.errors import DownloadError
from mnist_cli.parallel.threads import started

if TYPE_CHECKING:
    import requests

REACH_SECONDS = 5
"""How long a mirror may take to be found and to accept a connection."""
READ_SECONDS = 20
"""How long a mirror may be silent in the middle."""
PATIENCE_SECONDS = 30
"""How long a server may ask to wait before the next try."""
LEAST_RATE = 1000
"""Bytes a second that must come, on the mean over `RATE_SECONDS`."""
RATE_SECONDS = 30
"""How long a server may be slower than that."""
SLOWEST_SECONDS = 180
"""How long nothing at all may come, with all that is tried again."""
RESUMPTIONS = 3
"""How often a transfer that broke off is gone on with, and a busy server asked again."""
PAUSE_SECONDS = 0.5
"""How long to wait before the second try; twice as long before each next one."""
REDIRECTS = 10
"""How many redirects are followed, one after the other."""
CHUNK = 1 << 13
"""Bytes a piece; of one that is not whole nothing is kept when a transfer breaks off."""

BUSY = (429, 500, 502, 503, 504)
"""Answers after which a server is asked again."""
Pieces = Iterator[tuple[int, bytes]]
"""Where a piece of a file is, and its bytes."""

MOVED = (301, 302, 303, 307, 308)
"""Answers that name another place."""


def stream(url: str, remark: Callable[[str], object] = lambda sentence: None) -> Iterator[bytes]:
    """Yield the bytes that are served at ``url``.

    A server that asks for patience is asked again, and a transfer that breaks off goes on where it
    stopped; both a few times, and each time ``remark`` is told so.

    Raises
    ------
    DownloadError
        If the server cannot be reached, says no, breaks off too often, or sends less than
        `LEAST_RATE` over `RATE_SECONDS`, or nothing for `SLOWEST_SECONDS`.
    """
    # requests takes a tenth of a second to import, which only a download should pay.
    session = _make_session()
    try:
        proxy = find_proxy(url)
        if not proxy:
            _check_reachable(url)
    except ValueError as error:
        raise DownloadError(f"{shown(url)} is not a URL") from error
    received = 0
    pace = _Pace(shown(url))
    tries = {_BusyError: 0, _UnansweredError: 0, _BrokenOffError: 0}
    with session:
        while True:
            try:
                for at, piece in _in_time(_pieces(session, url, received), pace):
                    # A server that knows no ranges starts anew.
                    if rest := piece[max(0, received - at) :]:
                        received += len(rest)
                        yield rest
                return
            except _PassingError as error:
                kind = type(error)
                pause = PAUSE_SECONDS * 2 ** tries[kind] if error.wait is None else error.wait
                tries[kind] += 1
                if tries[kind] > kind.most or pace.silence + pause > SLOWEST_SECONDS:
                    raise
                remark(error.remark(urlsplit(url).hostname or "", received))
                pace.silence += pause
                time.sleep(pause)


class _PassingError(DownloadError):
    """What may be over at the next try.

    Attributes
    ----------
    wait : float or None
        How many seconds the server asks to wait.
    most : int
        How many tries are made after the first one.
    """

    most = RESUMPTIONS
    wait: float | None = None

    def remark(self, host: str, received: int) -> str:
        """Return what to say before the next try."""
        return f"{self}; continuing after {received:,} bytes."


class _BrokenOffError(_PassingError):
    """The server stopped in the middle of a file."""


class _UnansweredError(_PassingError):
    """The server did not answer."""

    most = 1

    def remark(self, host: str, received: int) -> str:
        return f"{host} did not answer: asking again."


class _BusyError(_PassingError):
    """The server has too much to do."""

    def __init__(self, sentence: str, status: int, wait: float | None):
        super().__init__(sentence)
        self.status = status
        self.wait = wait

    def remark(self, host: str, received: int) -> str:
        return f"{host} answered {self.status}: asking again."


def _make_session() -> requests.Session:
    """Return a session that follows no redirect, sends no password unasked and tries once."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            # Else its whole body would be read, even where redirects are not allowed.
            return None

    session = Session()
    session.trust_env = False  # ~/.netrc: proxies and certificates are named with each request
    return session


def _pieces(session: requests.Session, url: str, start: int) -> Pieces:
    """Yield what is served at ``url``, wherever redirects lead: where a piece is, and its bytes.

    The first piece is at ``start``, or at 0 where the server knows no ranges.
    """
    asked = url
    for _ in range(REDIRECTS + 1):
        with _answer(session, url, start) as response:
            location = response.headers.get("Location")
            if response.status_code not in MOVED or location is None:
                yield from _body(response, url, start)
                return
        url = _redirected(url, location)
    raise DownloadError(f"{shown(asked)} redirects in circles")


def _answer(session: requests.Session, url: str, start: int) -> requests.Response:
    """Return the answer of a server, with its body unread."""
    # The files are gzip already: what is hashed is what is served.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    proxy = find_proxy(url)
    if proxy:
        proxy.check()
    proxies = {urlsplit(url).scheme: proxy.url} if proxy else {}
    trusted = find_certificates() if url.startswith("https:") else True
    try:
        response = session.get(
            url,
            stream=True,
            timeout=(REACH_SECONDS / 2, READ_SECONDS),
            headers=headers,
            proxies=proxies,
            verify=trusted,
            allow_redirects=False,
        )
    except Exception as error:
        # Of headers that mean nothing, the libraries raise whatever they come upon.
        raise _unanswered(error, url, proxy) from error
    status = response.status_code
    if status in (200, 206) or (status in MOVED and "Location" in response.headers):
        return response
    response.close()
    said = f"{shown(url)} answered {status} {printable(response.reason or '', 60)}".rstrip()
    if proxy:
        if status == 407:
            raise DownloadError(_password_wanted(proxy))
        said += f", by way of {proxy}"
    if status in BUSY:
        raise _BusyError(said, status, _asked_wait(response.headers.get("Retry-After", "")))
    raise DownloadError(said)


def _body(response: requests.Response, url: str, start: int) -> Pieces:
    """Yield the bytes of an answer, and where they are."""
    from urllib3.exceptions import HTTPError, ProtocolError
    from urllib3.exceptions import TimeoutError as LibraryTimeout

    name = shown(url)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise DownloadError(f"{name} answered with a web page: a login, or a notice")
    at = start_of = 0
    if response.status_code == 206:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise DownloadError(f"{name} answered with another part than the one asked for")
        at = start_of = start
    try:
        held = b""  # of a piece that is not whole, the end may never come
        for piece in response.raw.stream(CHUNK, decode_content=False):
            if held:
                yield at, held
                at += len(held)
            held = piece
            if len(held) >= CHUNK:
                yield at, held
                at += len(held)
                held = b""
        promised = response.headers.get("Content-Length", "")
        if (
            promised.isdecimal()
            and len(promised) < 20
            and at - start_of + len(held) < int(promised)
        ):
            raise _BrokenOffError(f"{name} broke off in the middle")  # urllib3 1 does not say so
        yield at, held
    except LibraryTimeout as error:
        raise _BrokenOffError(f"{name} did not answer in time") from error
    except (ProtocolError, OSError) as error:
        raise _BrokenOffError(f"{name} broke off in the middle") from error
    except (HTTPError, ValueError) as error:
        raise DownloadError(f"{name} could not be fetched ({_reason(error, url)})") from error


def _unanswered(error: Exception, url: str, proxy: Proxy | None) -> DownloadError:
    """Return what to say of a request that has no answer, and whose fault that is."""
    import requests

    name, host = shown(url), printable(urlsplit(url).hostname or url)
    if proxy:
        refused = re.search(r"Tunnel connection failed: (\d+[ \w-]*)", str(error))
        if refused and refused[1].startswith("407"):
            return DownloadError(_password_wanted(proxy))
        if refused:
            said = printable(refused[1], 60)
            return DownloadError(f"{proxy} does not let us through to {host} ({said})")
        if isinstance(error, requests.exceptions.InvalidSchema):
            return DownloadError(
                f'{proxy} speaks SOCKS, which needs one more package: install it with "pip '
                "install 'requests[socks]'\""
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return DownloadError(
                f"{proxy} could not be reached ({_reason(error, url, proxy.url)}): correct "
                f"{proxy.origin}, or unset it"
            )
    if isinstance(error, requests.exceptions.SSLError):
        return DownloadError(certificate_fault(error, host))
    if isinstance(error, requests.exceptions.InvalidURL):
        return DownloadError(f"{name} could not be fetched, as it is not a URL")
    way = f", by way of {proxy}" if proxy else ""
    if isinstance(error, requests.Timeout):
        return _UnansweredError(f"{name} did not answer in time{way}")
    if isinstance(error, requests.ConnectionError):
        return _UnansweredError(f"{host} could not be reached{way}")
    reason = _reason(error, url, proxy.url if proxy else "")
    return DownloadError(f"{name} could not be fetched ({reason}){way}")


def _password_wanted(proxy: Proxy) -> str:
    """Return what to say where a proxy answered 407."""
    if proxy.has_password:
        return f"{proxy} refuses the user and the password there (407): correct them"
    return (
        f"{proxy} wants a user and a password (407): write them there, as "
        "http://USER:PASSWORD@HOST:PORT"
    )


def _reason(error: Exception, *urls: str) -> str:
    """Return what the system says of an error, or else the library, without passwords."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return printable(cause.strerror)
    return without_secrets(str(error), *urls)


def _redirected(url: str, location: str) -> str:
    """Return where a redirect leads, without any password that is not for there.

    Raises
    ------
    DownloadError
        If it leads from where all is encrypted to where nothing is, or to no web server.
    """
    name = shown(url)
    try:
        # The header comes as Latin-1, and means UTF-8.
        target = urljoin(url, location.encode("latin-1").decode("utf-8", "replace"))
        parts, before = urlsplit(target), urlsplit(url)
        origin, own = ((part.scheme, part.hostname, part.port) for part in (parts, before))
    except ValueError as error:
        raise DownloadError(
            f"{name} could not be fetched (it redirects to {shown(location)}, which is not a URL)"
        ) from error
    if parts.scheme not in ("http", "https"):
        raise DownloadError(f"{name} redirects to {shown(target)}, which is not a web server")
    if before.scheme == "https" and parts.scheme == "http":
        raise DownloadError(f"{name} redirects to where nothing is encrypted")
    host = parts.netloc.rpartition("@")[2]
    user = before.netloc.rpartition("@")[0] if origin == own else ""
    return parts._replace(netloc=f"{user}@{host}" if user else host).geturl()


def _asked_wait(value: str) -> float | None:
    """Return how many seconds ``Retry-After`` asks to wait, within reason, or None."""
    try:
        if re.fullmatch(r"\s*\d{1,9}\s*", value):
            seconds = float(value)
        else:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # no number of seconds, and no date
    return min(max(seconds, 0.0), PATIENCE_SECONDS)


class _Pace:
    """How fast a file comes, counted while one waits for it.

    Attributes
    ----------
    name : str
        What to call the file.
    silence : float
        Seconds since anything came, with all that was tried again.
    """

    def __init__(self, name: str):
        self.name = name
        self.silence = 0.0
        self._seconds = 0.0
        self._bytes = 0

    def begin(self) -> None:
        """Begin to count anew, as a new try begins."""
        self._seconds, self._bytes = 0.0, 0

    @property
    def patience(self) -> float:
        """How many seconds may pass until the next look."""
        return max(0.0, min(RATE_SECONDS - self._seconds, SLOWEST_SECONDS - self.silence))

    def count(self, seconds: float, size: int) -> None:
        """Count what came in so many seconds, and raise DownloadError if that is too little."""
        self.silence = 0.0 if size else self.silence + seconds
        self._seconds += seconds
        self._bytes += size
        if self.silence >= SLOWEST_SECONDS:
            raise DownloadError(f"{self.name} is too slow: nothing came for {self.silence:.0f} s")
        if self._seconds >= RATE_SECONDS:
            if self._bytes < LEAST_RATE * RATE_SECONDS:
                raise DownloadError(
                    f"{self.name} is too slow: less than {LEAST_RATE:,} bytes a second came"
                )
            self.begin()


def _in_time(pieces: Pieces, pace: _Pace) -> Pieces:
    """Yield the pieces, or raise DownloadError when they come too slowly.

    A server that sends a byte a second is never silent, and no time-out of a socket ends it. So
    the pieces are fetched on a thread which may be left behind.
    """
    found: queue.Queue[tuple[int, bytes] | BaseException | None] = queue.Queue(maxsize=8)
    is_left = threading.Event()

    def fetch() -> None:
        try:
            for item in pieces:
                found.put(item)
                if is_left.is_set():
                    return
            found.put(None)
        except BaseException as error:
            found.put(error)

    pace.begin()
    if not started(threading.Thread(target=fetch, daemon=True)):
        yield from _paced(pieces, pace)  # time-outs of the socket have to do
        return
    try:
        while True:
            item: tuple[int, bytes] | BaseException | None = (0, b"")
            began = time.monotonic()
            with suppress(queue.Empty):
                item = found.get(timeout=pace.patience)
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            pace.count(time.monotonic() - began, len(item[1]))
            yield item
    finally:
        is_left.set()
        with suppress(queue.Empty):
            found.get_nowait()  # so that the thread is not stuck


def _paced(pieces: Pieces, pace: _Pace) -> Pieces:
    """Yield the pieces, and look how fast they come whenever one has come."""
    began = time.monotonic()
    for item in pieces:
        pace.count(time.monotonic() - began, len(item[1]))
        yield item
        began = time.monotonic()


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
