from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES, Cli, closed_port, copy_packed, patch_mnist
from web import Answer, Web, body, cut, serve, status, web_server

from mnist_cli.data import http
from mnist_cli.data.download import download, download_if_missing
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import MNIST, SOURCES
from mnist_cli.errors import DataError, DownloadError
from mnist_cli.progress import Progress

FIRST = NAMES[0]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSE_SECONDS", 0.01)


def test_all_files_arrive_and_are_told(
    cli: Cli, web: Web, tmp_path: Path, files: dict[str, bytes]
) -> None:
    result = cli("download", "--data-dir", "data", "--mirror", web.url, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["data_dir"] == "data"
    for entry, (name, content) in zip(document["files"], files.items(), strict=True):
        assert entry == {
            "name": name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "source": f"{web.url}/{name}",
        }
        assert (tmp_path / "data" / name).read_bytes() == content
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(NAMES)


def test_what_is_there_and_right_is_not_fetched_again(web: Web, tmp_path: Path) -> None:
    download(tmp_path, [web.url])
    (tmp_path / FIRST).unlink()
    web.requests.clear()
    sources = [file.source for file in download(tmp_path, [web.url])]
    assert web.requests == [FIRST]
    assert sources == [f"{web.url}/{FIRST}"] + ["already there"] * 3
    download(tmp_path, [web.url], force=True)
    assert web.requests == [FIRST, *NAMES]


def test_unpacked_files_count_as_there(web: Web, tmp_path: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (tmp_path / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    assert [file.name for file in download(tmp_path, [web.url])] == [name[:-3] for name in NAMES]
    assert web.requests == []


def chunk_of_negative_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"-5\r\nabc\r\n")
    handler.close_connection = True


BAD_ANSWERS = {
    "404": (status(404), "answered 404"),
    "403": (status(403), "answered 403"),
    "500": (status(500), "answered 500"),
    "an HTML page": (body(b"<html>log in</html>", 19, "text/html; charset=utf-8"), "a web page"),
    "a short file": (body(b"not found", 9), "ended after 9 of"),
    "another part": (status(206, Content_Range="bytes 7-9/10"), "another part"),
    "cut short": (body(b"\x1f\x8b", 5000), "broke off"),
    "cut short without a length": (body(b"\x1f\x8b", None), "ended after 2 of"),
    "too long": (body(bytes(10**6), 10**6), "is longer than"),
    "wrong bytes": (None, "SHA-256 differs"),
    "a page in capitals": (body(b"<html>", 6, "TEXT/HTML"), "a web page"),
    "no number of seconds": (status(503, Retry_After="9" * 5000), "answered 503"),
    "no date": (status(503, Retry_After="Fri, 31 Dec 99999 23:59:59 GMT"), "answered 503"),
    "neither": (status(503, Retry_After="soon"), "answered 503"),
    "no address": (status(302, Location="http://[::1"), "could not be fetched"),
    "no letters": (status(302, Location="http://\xff\xfe/"), "could not be"),
    "a long label": (status(302, Location=f"http://{'a' * 70}.com/"), "could not be"),
    "no label": (status(302, Location="http://.example.com/"), "could not be"),
    "less than nothing": (chunk_of_negative_length, "could not be fetched"),
    "a circle": (status(302, Location="/mnist/" + FIRST), "redirects in circles"),
}


# Where a redirect means nothing, requests leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_a_mirror_that_fails_is_one_sentence_and_leaves_nothing(
    case: str, cli: Cli, web: Web, tmp_path: Path, files: dict[str, bytes], at_once: None
) -> None:
    answer, reason = BAD_ANSWERS[case]
    size = len(files[FIRST])
    web.answers[FIRST] = [answer or body(bytes(size), size)]
    result = cli("download", "--data-dir", "data", "--mirror", web.url, "--quiet")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "--from DIR" in result.stderr
    assert "--dataset synthetic" in result.stderr
    assert not (tmp_path / "data").exists()


def test_the_next_mirror_takes_over(web: Web, tmp_path: Path, files: dict[str, bytes]) -> None:
    with web_server(files) as broken:
        broken.answers = {name: [status(404)] for name in NAMES}
        fetched = download(tmp_path, [broken.url, web.url])
        # The mirror that failed is not asked first again.
        assert broken.requests == [FIRST]
    assert [file.source for file in fetched] == [f"{web.url}/{name}" for name in NAMES]


def test_a_busy_server_is_asked_again(web: Web, tmp_path: Path) -> None:
    web.answers[FIRST] = [status(503, Retry_After="0"), status(429, Retry_After="0"), serve]
    download(tmp_path, [web.url])
    assert web.requests[:3] == [FIRST] * 3


def test_a_refused_connection_is_told_at_once(tmp_path: Path, files: dict[str, bytes]) -> None:
    started = time.monotonic()
    with pytest.raises(DownloadError, match="could not be reached"):
        download(tmp_path, [f"http://127.0.0.1:{closed_port()}/"])
    assert time.monotonic() - started < 5


def test_a_name_that_does_not_resolve_is_told(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(DownloadError, match=r"nowhere\.invalid could not be reached"):
        download(tmp_path, ["https://nowhere.invalid/"])


def test_a_look_up_that_hangs_is_given_up(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*arguments: object, **options: object) -> None:
        time.sleep(2)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", hang)
    monkeypatch.setattr(http, "REACH_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(DownloadError, match=r"within 0\.2 s.*--from DIR.*`dataset` synthetic"):
        download(tmp_path)
    assert time.monotonic() - started < 1.5


def test_the_built_in_mirrors_are_secure() -> None:
    assert all(mirror.startswith("https://") for mirror in MNIST.mirrors)


def test_a_failure_leaves_no_empty_folder(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(DownloadError):
        download(tmp_path / "new", [f"http://127.0.0.1:{closed_port()}/"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("silent", ["before the answer", "in the middle"])
def test_a_silent_server_is_given_up_and_told_so(
    silent: str, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stall(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        if silent == "in the middle":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:100])
        time.sleep(1)

    monkeypatch.setattr(http, "READ_SECONDS", 0.2)
    web.answers[FIRST] = [stall]
    with pytest.raises(DownloadError, match="did not answer in time"):
        download(tmp_path, [web.url])


def drip_header(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nA: " + bytes(40))


def drip_body(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    drip(handler, content[:40])


def drip_patience(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    drip(handler, *[b"HTTP/1.1 100 Continue\r\n\r\n"] * 40)


def drip(handler: BaseHTTPRequestHandler, *parts: bytes) -> None:
    """Send little by little, never silent for as long as a time-out is."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for part in parts if len(parts) > 1 else [bytes([byte]) for byte in parts[0]]:
            handler.wfile.write(part)
            time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize("answer", [drip_header, drip_body, drip_patience])
def test_a_server_that_drips_is_given_up(
    answer: Answer, web: Web, tmp_path: Path, files: dict[str, bytes], monkeypatch: Any
) -> None:
    monkeypatch.setattr(http, "SLOWEST_SECONDS", 0.5)
    web.answers[FIRST] = [answer]
    started = time.monotonic()
    with web_server(files) as other:
        fetched = download(tmp_path, [web.url, other.url])
    assert fetched[0].source.startswith(other.url)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("source", "target", "is_refused"),
    [
        ("https://a/f", "http://a/f", True),
        ("https://a/f", "HTTP://a/f", True),
        ("https://a/f", "//b/f", False),
        ("https://a/f", "g", False),
        ("http://a/f", "http://b/f", False),
    ],
)
def test_no_redirect_leads_to_where_nothing_is_encrypted(
    source: str, target: str, is_refused: bool
) -> None:
    with (
        pytest.raises(DownloadError, match="encrypted") if is_refused else contextlib.nullcontext()
    ):
        http._redirected(source, target)


class Telling(Progress):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, sentence: str) -> None:
        self.remarks.append(sentence)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(
    ranges: bool, web: Web, tmp_path: Path, files: dict[str, bytes], at_once: None
) -> None:
    size = len(files[FIRST])
    web.answers[FIRST] = [cut(size // 3), cut(size // 2, ranges), cut(size, ranges)]
    told = Telling()
    download(tmp_path, [web.url], progress=told)
    assert (tmp_path / FIRST).read_bytes() == files[FIRST]
    assert web.requests[:3] == [FIRST] * 3
    reached = size // 3 // http.CHUNK * http.CHUNK
    assert len(told.remarks) == 2
    assert told.remarks[0].endswith(f"broke off in the middle; continuing after {reached:,} bytes.")


def test_a_transfer_that_goes_on_with_other_bytes_is_refused(
    web: Web, tmp_path: Path, files: dict[str, bytes], at_once: None
) -> None:
    def other(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        cut(len(content))(handler, bytes(len(content)))

    web.answers[FIRST] = [cut(1000), other]
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        download(tmp_path, [web.url])
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_always_breaks_off_is_given_up(
    web: Web, tmp_path: Path, at_once: None
) -> None:
    web.answers[FIRST] = [cut(10)]
    with pytest.raises(DownloadError, match="broke off"):
        download(tmp_path, [web.url])
    assert web.requests == [FIRST] * (1 + http.RESUMPTIONS)


def test_a_reset_in_the_middle_is_gone_on_after(
    web: Web, tmp_path: Path, files: dict[str, bytes], at_once: None
) -> None:
    def reset(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        cut(500)(handler, content)
        handler.wfile.flush()
        time.sleep(0.05)
        # Closed without waiting for what is under way: the other side sees a reset.
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()

    web.answers[FIRST] = [reset, cut(10**9)]
    download(tmp_path, [web.url])
    assert (tmp_path / FIRST).read_bytes() == files[FIRST]


def test_two_downloads_into_one_folder_do_not_disturb_each_other(
    web: Web, tmp_path: Path, files: dict[str, bytes]
) -> None:
    def slowly(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        time.sleep(0.1)
        serve(handler, content)

    web.answers = {name: [slowly] for name in NAMES}
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(download, tmp_path, [web.url]) for _ in range(4)]
        for future in done:
            assert [file.name for file in future.result()] == NAMES
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    cli: Cli, web: Web, tmp_path: Path, files: dict[str, bytes]
) -> None:
    """The system lets no file grow beyond a limit, as a full disk would not."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(files[FIRST]) // 2, limits[1]))
    try:
        result = cli("download", "--data-dir", "data", "--mirror", web.url, "-q")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 2
    assert "data cannot be written to (File too large)" in result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_server_that_asks_for_too_much_patience_does_not_get_it(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE_SECONDS", 0.1)
    web.answers[FIRST] = [status(503, Retry_After="3600"), serve]
    started = time.monotonic()
    download(tmp_path, [web.url])
    assert time.monotonic() - started < 5


def test_files_are_taken_from_a_folder(
    cli: Cli, small_dir: Path, tmp_path: Path, files: dict[str, bytes]
) -> None:
    result = cli("download", "--data-dir", "data", "--from", small_dir)
    assert result.exit_code == 0
    assert str(small_dir / FIRST) in result.stdout
    for name, content in files.items():
        assert (tmp_path / "data" / name).read_bytes() == content


def test_unpacked_files_are_taken_from_a_folder(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in files.items():
        (source / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    download(tmp_path / "data", folder=source)
    assert len(read_idx(tmp_path / "data" / STEMS["train"][0])) == 1000


def test_a_folder_with_missing_or_other_files_is_refused(
    cli: Cli, small_dir: Path, tmp_path: Path, files: dict[str, bytes]
) -> None:
    source = copy_packed(small_dir, tmp_path / "source")
    write_idx(source / FIRST, np.zeros((3, 28, 28), np.uint8))
    for reason in ("ended after", f"has neither {FIRST}"):
        result = cli("download", "--data-dir", "data", "--from", source, "--quiet")
        assert result.exit_code == 2
        assert reason in result.stderr
        assert not (tmp_path / "data").exists()
        (source / FIRST).unlink(missing_ok=True)


def test_a_broken_file_is_replaced(web: Web, tmp_path: Path, files: dict[str, bytes]) -> None:
    download(tmp_path, [web.url])
    (tmp_path / FIRST).write_bytes(files[FIRST][:-9])
    download(tmp_path, [web.url])
    assert (tmp_path / FIRST).read_bytes() == files[FIRST]


def test_a_truncated_file_is_refused_and_the_old_one_kept(
    web: Web, tmp_path: Path, files: dict[str, bytes]
) -> None:
    download(tmp_path, [web.url])
    web.answers[FIRST] = [body(files[FIRST][:-9], None)]
    with pytest.raises(DownloadError):
        download(tmp_path, [web.url], force=True)
    assert (tmp_path / FIRST).read_bytes() == files[FIRST]


@pytest.mark.parametrize("there", [NAMES[:1], NAMES[1:], NAMES[2:3]], ids=["first", "rest", "one"])
def test_another_data_set_is_neither_replaced_nor_completed(
    there: list[str], web: Web, tmp_path: Path
) -> None:
    other = np.ones((3, 28, 28), np.uint8)
    for name in there:
        write_idx(tmp_path / name, other)
    known = SOURCES["mnist"].published or MNIST
    for fetch in (
        lambda: download(tmp_path, [web.url]),
        lambda: download_if_missing(tmp_path, known),
    ):
        with pytest.raises(DataError, match="not MNIST's"):
            fetch()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(there)
    for name in there:
        np.testing.assert_array_equal(read_idx(tmp_path / name), other)
    assert web.requests == []
    download(tmp_path, [web.url], force=True)
    assert len(read_idx(tmp_path / FIRST)) == 1000


def test_force_deletes_nothing_elsewhere(small_dir: Path, tmp_path: Path, web: Web) -> None:
    raw = copy_packed(small_dir, tmp_path / "MNIST" / "raw")
    download(tmp_path, [web.url], force=True)
    download(tmp_path, folder=raw, force=True)
    assert sorted(path.name for path in raw.iterdir()) == sorted(NAMES)


def test_training_fetches_what_is_missing_first(
    cli: Cli, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_mnist(monkeypatch, mirrors=(web.url,))
    for _ in range(2):
        result = cli("train", "--data-dir", "data", "--hidden", 4, "--epochs", 1)
        assert result.exit_code == 0, result.stderr
    assert web.requests == NAMES
    assert (tmp_path / "model.npz").exists()


def test_only_the_files_of_the_part_are_needed(small_dir: Path, tmp_path: Path) -> None:
    for stem in STEMS["test"]:
        shutil.copy(small_dir / f"{stem}.gz", tmp_path)
    download_if_missing(tmp_path, MNIST, ("test",))


def test_a_whole_data_set_of_another_kind_is_left_alone(small_dir: Path) -> None:
    """As Fashion-MNIST would be: four files whose sums are not MNIST's."""
    download_if_missing(small_dir, MNIST)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path, web: Web) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written to"):
        download(tmp_path / "file" / "data", [web.url])


@pytest.mark.parametrize(
    "url",
    [
        "mnist",
        "ftp://host/",
        "http://",
        "/local/folder",
        "http://[::1",
        "http://h:99999/",
        "http://h:a/",
    ],
)
def test_what_is_no_web_address_is_wrong_usage(cli: Cli, url: str) -> None:
    result = cli("download", "--mirror", url)
    assert result.exit_code == 2
    assert "--mirror" in result.stderr
    assert "http or https" in result.stderr


def test_from_and_mirror_exclude_each_other(cli: Cli, tmp_path: Path) -> None:
    result = cli("download", "--mirror", "http://127.0.0.1/", "--from", tmp_path)
    assert result.exit_code == 2
    assert "cannot be used together" in result.stderr


def test_the_real_files_arrive_whole(cli: Cli, mnist_dir: Path, tmp_path: Path) -> None:
    with web_server({name: (mnist_dir / name).read_bytes() for name in NAMES}) as web:
        result = cli("download", "--data-dir", "data", "--mirror", web.url)
        assert result.exit_code == 0, result.stderr
        assert web.requests == NAMES
    for name in NAMES:
        content = (tmp_path / "data" / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == MNIST.sums[name]
        plain = gzip.decompress(content)
        assert (len(plain), hashlib.sha256(plain).hexdigest()) == MNIST.sums[
            name.removesuffix(".gz")
        ]
