"""A web server on the loopback, which misbehaves as it is told."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TLS = Path(__file__).parent / "tls"

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def serve(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Serve the file."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def cut(after: int, ranges: bool = True) -> Answer:
    """Break off after so many bytes of a file, or of the part of it that was asked for."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        wanted = handler.headers.get("Range", "") if ranges else ""
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        handler.wfile.write(content[start : start + after])
        handler.close_connection = True

    return answer


def status(code: int, **headers: str) -> Answer:
    """Answer with this status and these headers."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def body(content: bytes, length: int | None, kind: str = "application/gzip") -> Answer:
    """Answer 200 with other content, of this kind, and with this Content-Length, or none."""

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def endless(code: int, **headers: str) -> Answer:
    """Answer with this status and these headers, and with a body that has no end."""

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(bytes(1 << 16))

    return answer


def slow(rate: int, for_seconds: float, piece: int = 100) -> Answer:
    """Serve the file at so many bytes a second, for so long, and then at once."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.close_connection = True
        ends, at = time.monotonic() + for_seconds, 0
        with contextlib.suppress(OSError):
            while time.monotonic() < ends and at < len(content):
                handler.wfile.write(content[at : at + piece])
                at += piece
                time.sleep(piece / rate)
            handler.wfile.write(content[at:])

    return answer


class Web:
    """A running server.

    Attributes
    ----------
    url : str
        Where its files are.
    requests : list of str
        The names that were asked for, in order.
    headers : list of dict
        The headers of each of these requests.
    answers : dict
        What to answer for a name: a list whose last answer is given again and again; `serve`
        where the name is not there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, list[Answer]] = {}


@contextmanager
def web_server(files: dict[str, bytes], *, is_secret: bool = False) -> Iterator[Web]:
    """Serve the files, by their names, while the block lasts; in secret, by https."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            web.requests.append(name)
            web.headers.append(dict(self.headers))
            answers = web.answers.get(name, [serve])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            answer(self, files.get(name, b""))

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who asked has gone away, as it may

    server = Server(("127.0.0.1", 0), Handler)
    if is_secret:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem")
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    scheme = "https" if is_secret else "http"
    web = Web(f"{scheme}://127.0.0.1:{server.server_port}/mnist")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
