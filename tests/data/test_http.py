"""What comes over the network: in time, in little memory, and with nobody's password."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from conftest import NAMES, Cli
from web import Answer, Web, body, endless, slow, status, web_server

from mnist_cli.data import http as transfer
from mnist_cli.data.download import download
from mnist_cli.data.http import stream
from mnist_cli.data.network import shown
from mnist_cli.errors import DownloadError

FIRST = NAMES[0]
SECRET = "t0p-s3cret"

pytestmark = [
    pytest.mark.usefixtures("no_proxies"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


LITTLE = """
import resource, sys
from mnist_cli.data.http import stream
from mnist_cli.errors import DownloadError
import requests
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for piece in stream(sys.argv[1]):
        pass
except DownloadError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def fetch_in_a_child(url: str) -> tuple[str, int]:
    """Return what a process prints that fetches a URL, and how many kB it takes for that."""
    done = subprocess.run(
        [sys.executable, "-c", LITTLE, url], capture_output=True, text=True, timeout=60
    )
    *said, memory = done.stdout.splitlines()
    return " ".join(said), int(memory)


BODIES: dict[str, Answer] = {
    "a redirect": endless(302, Location="/mnist/other"),
    "a redirect with a length": endless(307, Location="/mnist/other", Content_Length=str(8 << 30)),
    "a redirect that is packed": endless(
        301, Location="/mnist/other", Content_Encoding="gzip", Content_Type="text/plain"
    ),
    "a refusal": endless(404),
    "a request for patience": endless(503, Retry_After="0"),
}


@pytest.mark.parametrize("case", BODIES)
def test_the_body_of_what_is_no_file_is_not_read(case: str) -> None:
    with web_server({"other": b"the file"}) as web:
        web.answers["start"] = [BODIES[case], status(404)]
        started = time.monotonic()
        _, memory = fetch_in_a_child(f"{web.url}/start")
        assert time.monotonic() - started < 10
        assert memory < 30_000


@cache
def make_bomb() -> bytes:
    return gzip.compress(bytes(1 << 27))


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_bomb_as_the_body_of_a_redirect_is_not_unpacked(code: int) -> None:
    bomb = make_bomb()

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(code)
        handler.send_header("Location", "/mnist/other")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    with web_server({"other": b"the file"}) as web:
        web.answers["start"] = [answer]
        started = time.monotonic()
        said, memory = fetch_in_a_child(f"{web.url}/start")
        assert (said, web.requests) == ("", ["start", "other"])
        assert time.monotonic() - started < 5
        assert memory < 30_000


def test_a_bomb_as_a_body_is_taken_as_it_is() -> None:
    bomb = make_bomb()

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    with web_server({}) as web:
        web.answers["bomb"] = [answer]
        assert b"".join(stream(f"{web.url}/bomb")) == bomb
        _, memory = fetch_in_a_child(f"{web.url}/bomb")
        assert memory < 30_000


def test_a_packed_file_that_is_called_encoded_is_the_right_file(
    web: Web,
    files: dict[str, bytes],
    tmp_path: Path,
) -> None:
    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Type", "application/x-gzip")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    web.answers = {name: [answer] for name in NAMES}
    download(tmp_path, [web.url])
    assert {name: (tmp_path / name).read_bytes() for name in NAMES} == files


def test_a_server_that_drips_steadily_is_given_up_by_its_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "RATE_SECONDS", 1)
    with web_server({"file": bytes(10**6)}) as web:
        web.answers["file"] = [slow(rate=400, for_seconds=20)]
        started = time.monotonic()
        with pytest.raises(DownloadError, match="too slow: less than 1,000 bytes a second"):
            list(stream(f"{web.url}/file"))
        assert time.monotonic() - started < 15
        assert web.requests == ["file"]


@pytest.mark.long
def test_a_slow_server_that_is_fast_enough_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RATE_SECONDS", 0.5)
    monkeypatch.setattr(transfer, "SLOWEST_SECONDS", 20)
    with web_server({"file": bytes(200_000)}) as web:
        web.answers["file"] = [slow(rate=50_000, for_seconds=2, piece=1000)]
        assert len(b"".join(stream(f"{web.url}/file"))) == 200_000


def test_with_all_that_is_tried_again_there_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SLOWEST_SECONDS", 1)
    with web_server({}) as web:
        web.answers["file"] = [status(503, Retry_After="0.9"), status(503, Retry_After="29")]
        started = time.monotonic()
        with pytest.raises(DownloadError, match="answered 503"):
            list(stream(f"{web.url}/file"))
        assert time.monotonic() - started < 15


@pytest.mark.long
def test_a_consumer_that_is_slow_is_not_the_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RATE_SECONDS", 1)
    monkeypatch.setattr(transfer, "SLOWEST_SECONDS", 1)
    monkeypatch.setattr(transfer, "LEAST_RATE", 20_000)
    with web_server({"file": bytes(50_000)}) as web:
        for _ in stream(f"{web.url}/file"):
            time.sleep(1)


def test_redirects_in_circles_have_an_end() -> None:
    with web_server({}) as web:
        web.answers["file"] = [status(302, Location="/mnist/file")]
        with pytest.raises(DownloadError, match="redirects in circles"):
            list(stream(f"{web.url}/file"))
        assert len(web.requests) == 1 + transfer.REDIRECTS


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:,x"])
def test_a_redirect_to_what_is_no_web_server_is_not_followed(target: str) -> None:
    with web_server({}) as web:
        web.answers["file"] = [status(302, Location=target)]
        with pytest.raises(DownloadError, match="not a web server"):
            list(stream(f"{web.url}/file"))


def with_user(url: str) -> str:
    return url.replace("://", f"://anna:{SECRET}@")


def test_no_password_is_carried_over_to_another_server() -> None:
    with web_server({"file": b"x"}) as other, web_server({"file": b"x"}) as first:
        first.answers["start"] = [status(302, Location=f"{other.url}/file")]
        first.answers["here"] = [status(302, Location="/mnist/file")]
        list(stream(f"{with_user(first.url)}/start"))
        list(stream(f"{with_user(first.url)}/here"))
        assert [("Authorization" in headers) for headers in first.headers] == [True] * 3
        assert "Authorization" not in other.headers[0]


def test_no_password_that_a_server_puts_into_a_redirect_is_sent() -> None:
    with web_server({"file": b"x"}) as web:
        web.answers["start"] = [status(302, Location=f"{with_user(web.url)}/file")]
        list(stream(f"{web.url}/start"))
        assert not any("Authorization" in headers for headers in web.headers)


@pytest.mark.parametrize("place", ["HOME", "NETRC"])
def test_no_password_of_netrc_is_sent_to_a_mirror(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"default login anna password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv(place, str(tmp_path if place == "HOME" else netrc))
    with web_server({"file": b"x"}) as web:
        web.answers["start"] = [status(302, Location="/mnist/file")]
        list(stream(f"{web.url}/start"))
        assert not any("Authorization" in headers for headers in web.headers)


FAULTS: dict[str, Answer | None] = {
    "it is there": None,
    "404": status(404),
    "busy": status(503, Retry_After="0"),
    "a page": body(b"<html>", 6, "text/html"),
    "cut": body(b"\x1f\x8b", 5000),
    "a circle": status(302, Location=f"/mnist/{FIRST}"),
    "another scheme": status(302, Location=f"ftp://anna:{SECRET}@127.0.0.1/"),
    "no URL": status(302, Location=f"http://anna:{SECRET}@[::1/"),
    "a header that means nothing": status(302, Location=f"http://anna:{SECRET}@.a.com/"),
    "a link that is signed": status(302, Location=f"/mnist/gone?signature={SECRET}"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_no_password_of_a_mirror_is_shown(
    case: str,
    cli: Cli,
    web: Web,
) -> None:
    if answer := FAULTS[case]:
        web.answers[FIRST] = [answer]
    web.answers["gone"] = [status(410)]
    for arguments in ((), ("--json",), ("--quiet",)):
        result = cli("download", "--data-dir", "d", "--mirror", with_user(web.url), *arguments)
        assert result.exit_code == (2 if answer else 0)
        assert SECRET not in result.output + result.stderr
        assert "anna" not in result.output + result.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://anna:{SECRET}@host/",
        f"http://anna:{SECRET}@[::1/",
        f"http://anna:{SECRET}@h:99999/",
        f"anna:{SECRET}@host",
        f"http://anna:1/{SECRET}@h:x/",
        f"http://anna:{SECRET}@",
    ],
)
def test_no_password_of_what_is_no_url_is_shown(cli: Cli, url: str) -> None:
    for arguments, environment in (
        (("--mirror", url), {}),
        (("--mirror", url, "--json"), {}),
        ((), {"MNIST_CLI_DOWNLOAD_MIRROR": url}),
    ):
        result = cli("download", *arguments, **environment)
        assert result.exit_code == 2
        assert SECRET not in result.output + result.stderr


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://host/a/b.gz", "https://host/a/b.gz"),
        ("http://u:p@host:81/a?key=1#x", "http://host:81/a"),
        ("http://u:p/q@host/a", "http://host/a"),
        ("http://u:1/q@host/a", "http://host/a"),
        ("http://u%40x:p@host", "http://host"),
        ("http://host/" + "a" * 500, "http://host/" + "a" * 188 + "…"),
        ("http://host/\x1b[31m", "http://host/?[31m"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(url: str, told: str) -> None:
    assert shown(url) == told


# Without threads


WITHOUT_THREADS = """
import os, resource, sys
from mnist_cli.data.http import stream
import requests
if os.geteuid() == 0:
    os.setuid(65534)  # root has as many as there are
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
print(len(b"".join(stream(sys.argv[1]))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts threads as processes")
def test_where_no_thread_can_be_had_the_file_arrives() -> None:
    with web_server({"file": b"content"}) as web:
        command = [sys.executable, "-c", WITHOUT_THREADS, f"{web.url}/file"]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "7\n", done.stderr
