"""A web server on the loopback, which misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


class Web:
    """A running server.

    Attributes
    ----------
    url : str
        Where its files are.
    requests : list of str
        The names that were asked for, in order.
    answers : dict
        What to answer for a name: a list whose last answer is given again and again; `serve`
        where the name is not there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.answers: dict[str, list[Answer]] = {}


@contextmanager
def web_server(files: dict[str, bytes]) -> Iterator[Web]:
    """Serve the files, by their names, while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            web.requests.append(name)
            answers = web.answers.get(name, [serve])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            answer(self, files.get(name, b""))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(f"http://127.0.0.1:{server.server_port}/mnist")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
