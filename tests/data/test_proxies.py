"""Proxies and certificates: used where they are named, and blamed where they are at fault."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import NAMES, Cli, closed_port
from web import TLS, Web, status, web_server

FIRST = NAMES[0]
SECRET = "t0p-s3cret"

pytestmark = [
    pytest.mark.usefixtures("no_proxies"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def proxy(answer: bytes) -> Iterator[str]:
    """Yield the host and port of a proxy that gives this answer to everybody."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answer)
            self.close_connection = True

        do_CONNECT = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


WANTED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


def refused(cli: Cli, mirror: str, **environment: str) -> str:
    result = cli("download", "--data-dir", "d", "--mirror", mirror, "-q", **environment)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.mark.parametrize(
    ("mirror", "variable"),
    [
        ("http://mirror.test/", "HTTP_PROXY"),
        ("http://mirror.test/", "http_proxy"),
        ("https://mirror.test/", "HTTPS_PROXY"),
        ("https://mirror.test/", "ALL_PROXY"),
    ],
)
def test_a_proxy_is_told_by_its_name_and_by_its_variable(
    mirror: str, variable: str, cli: Cli
) -> None:
    if variable == "http_proxy" and os.name == "nt":
        pytest.skip("variables have no case")
    place = f"127.0.0.1:{closed_port()}"
    said = refused(cli, mirror, **{variable: f"http://{place}"})
    assert f"the proxy {place} of {variable} could not be reached" in said
    assert "refused" in said
    for answer, reason in ((WANTED, "wants a user and a password (407)"), (FORBIDDEN, "403")):
        with proxy(answer) as place:
            said = refused(cli, mirror, **{variable: f"http://{place}"})
            assert f"the proxy {place} of {variable}" in said
            assert reason in said


@pytest.mark.parametrize("mirror", ["http://mirror.test/", "https://mirror.test/"])
def test_a_password_that_a_proxy_refuses_is_told_and_not_shown(mirror: str, cli: Cli) -> None:
    with proxy(WANTED) as place:
        said = refused(cli, mirror, ALL_PROXY=f"http://anna:{SECRET}@{place}")
    assert f"the proxy {place} of ALL_PROXY refuses the user and the password" in said
    assert SECRET not in said
    assert "anna" not in said


@pytest.mark.parametrize(
    "value",
    [
        "http://[::1",
        "http://",
        "http://h:99999",
        "http://h:x",
        "ftp://h:1",
        "h h",
        f"x:{SECRET}@",
        "http:/proxy:3128",
        "http//proxy:3128",
        "http://a_b c:1",
        f"http://anna:{SECRET}@h:port",
        "http://h:80\n",
        f"http://anna:{SECRET}@h:80\r",
        "http://h:80/\x1b[31m",
        "http://.:80",
        "http://a..b:80",
        f"http://{'a' * 64}:80",
    ],
)
def test_a_variable_that_names_no_proxy_is_blamed_and_not_the_mirror(value: str, cli: Cli) -> None:
    said = refused(cli, "https://mirror.test/", HTTPS_PROXY=value)
    assert "HTTPS_PROXY names a proxy without a valid address" in said
    assert SECRET not in said


def test_what_is_wrong_with_all_mirrors_is_said_once(cli: Cli) -> None:
    said = cli(
        *("download", "--mirror", "https://a.test/", "--mirror", "https://b.test/", "-q"),
        HTTPS_PROXY="http://[",
    ).stderr
    assert said.count("HTTPS_PROXY") == 1


def test_a_mirror_that_needs_no_proxy_is_asked_without(
    web: Web,
    cli: Cli,
) -> None:
    environment = {"HTTP_PROXY": f"http://127.0.0.1:{closed_port()}", "NO_PROXY": "127.0.0.1"}
    result = cli("download", "--data-dir", "d", "--mirror", web.url, **environment)
    assert result.exit_code == 0, result.stderr


def test_a_proxy_is_used(
    web: Web,
    cli: Cli,
) -> None:
    """The web server takes whole URLs as well, and so it can be the proxy."""
    result = cli(
        *("download", "--data-dir", "d", "--mirror", "http://mirror.test/", "--json"),
        http_proxy=web.url.removesuffix("/mnist"),
    )
    assert json.loads(result.stdout)["files"][0]["source"] == f"http://mirror.test/{FIRST}"


# Certificates


@pytest.fixture
def secret_web(files: dict[str, bytes]) -> Iterator[Web]:
    with web_server(files, is_secret=True) as web:
        yield web


def test_a_certificate_that_is_refused_is_told_and_asked_for_once(
    secret_web: Web, cli: Cli
) -> None:
    result = cli("download", "--data-dir", "d", "--mirror", secret_web.url)
    assert result.exit_code == 2
    assert "the certificate of 127.0.0.1 is refused" in result.stderr
    assert "REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in result.stderr
    assert "again" not in result.stderr


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_that_a_variable_names_are_trusted(
    variable: str, secret_web: Web, cli: Cli
) -> None:
    place = {variable: str(TLS / "ca.pem")}
    result = cli("download", "--data-dir", "d", "--mirror", secret_web.url, **place)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("kind", ["missing", "empty", "no certificate", "pipe"])
def test_certificates_that_are_not_there_are_told_by_their_variable(
    variable: str, kind: str, secret_web: Web, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.write_text("" if kind == "empty" else "hello\n")
    said = refused(cli, secret_web.url, **{variable: str(path)})
    assert f"{variable} names {path}" in said
    assert "make room" not in said
    assert not (tmp_path / "d").exists()


def test_a_server_that_speaks_no_tls_is_told(
    web: Web,
    cli: Cli,
) -> None:
    said = refused(cli, web.url.replace("http:", "https:"))
    assert "did not answer in TLS" in said


def test_a_redirect_from_https_to_http_is_not_followed(
    secret_web: Web,
    web: Web,
    cli: Cli,
) -> None:
    secret_web.answers[FIRST] = [status(302, Location=f"{web.url}/{FIRST}")]
    said = refused(cli, secret_web.url, SSL_CERT_FILE=str(TLS / "ca.pem"))
    assert "redirects to where nothing is encrypted" in said
    assert web.requests == []
