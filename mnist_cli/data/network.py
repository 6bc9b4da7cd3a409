"""What the environment says of the network: proxies, and whose certificates are trusted.

Nothing else is taken from it: what stands in ``~/.netrc`` is sent to nobody.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from mnist_cli.errors import DownloadError

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The variables that name a file, or a folder, of certificates to trust; the first one counts."""

LONGEST = 200
"""Letters of a text from a server that are shown at most."""


def printable(text: str, most: int = LONGEST) -> str:
    """Return a text that somebody else wrote as a line that can be shown: cut, and no commands."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"


def shown(url: str) -> str:
    """Return a URL as it may be shown: without user, password and what comes after a ``?``.

    Where it makes no sense, a password may have a slash in it: then all before the last ``@`` goes.
    """
    scheme, mark, rest = url.partition("?")[0].partition("://")
    try:
        parts = urlsplit(url)
        is_sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.path
    except ValueError:
        is_sound = False
    if not is_sound:
        scheme, mark, rest = url.rpartition("://")
        return printable(f"{scheme}{mark}{rest.rpartition('@')[2].partition('?')[0]}")
    authority, slash, path = rest.partition("/")
    return printable(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}".partition("#")[0])


def without_secrets(text: str, *urls: str) -> str:
    """Return a library's text without the users and the passwords of these URLs."""
    for url in urls:
        try:
            parts = urlsplit(url)
            secrets = [parts.netloc.rpartition("@")[0], parts.password or "", parts.query]
        except ValueError:
            secrets = [url.rpartition("@")[0]]
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "…").replace(unquote(secret), "…")
    return printable(text)


@dataclass(frozen=True)
class Proxy:
    """A proxy that stands between this machine and a server.

    Attributes
    ----------
    url : str
        Where it is, perhaps with a user and a password.
    variable : str
        The environment variable that names it; empty if the system's settings do.
    """

    url: str
    variable: str

    def __str__(self) -> str:
        """Return what to call it."""
        return f"the proxy {self._parts().netloc.rpartition('@')[2]} of {self.origin}"

    @property
    def origin(self) -> str:
        """Who named it."""
        return self.variable or "the system's settings"

    @property
    def has_password(self) -> bool:
        """Whether a user and a password stand in its URL."""
        return "@" in self._parts().netloc

    def check(self) -> None:
        """Raise DownloadError if it is no address."""
        from urllib3.exceptions import LocationParseError
        from urllib3.util import parse_url

        try:
            parts = self._parts()
            # urllib3 is stricter than Python about what a host is.
            is_sound = bool(parts.hostname) and parts.port != 0 and parse_url(parts.geturl()).host
            (parts.hostname or "").encode("idna")  # no part of a name is empty, or too long
        except (ValueError, LocationParseError):
            is_sound = False
        odd = set(self.url.rpartition("@")[2]) & set(' \\^`{|}<>"') or not self.url.isprintable()
        is_cut = re.match(r"[a-z]+:?/", self.url, re.IGNORECASE) and "://" not in self.url
        if not is_sound or odd or is_cut or not parts.scheme.startswith(("http", "socks")):
            raise DownloadError(
                f"{self.origin} names a proxy without a valid address: write it as "
                "http://HOST:PORT, or unset it"
            )

    def _parts(self) -> SplitResult:
        return urlsplit(self.url if "://" in self.url else f"http://{self.url}")


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy for a URL, if the environment or the system's settings name one."""
    import requests

    proxies = requests.utils.get_environ_proxies(url)
    for key in (urlsplit(url).scheme, "all"):
        if key in proxies:
            name = f"{key}_proxy"
            set_here = [other for other in os.environ if other.lower() == name]
            variable = name if name in set_here else max(set_here, default="")
            return Proxy(proxies[key], variable)
    return None


def find_certificates() -> str | bool:
    """Return the file or folder of certificates to trust, or True for those that everyone trusts.

    Raises
    ------
    DownloadError
        If a variable names one that cannot be used.
    """
    import ssl  # 10 ms, for those alone who download

    named = [(variable, os.environ[variable]) for variable in BUNDLES if os.environ.get(variable)]
    if not named:
        return True
    variable, path = named[0]
    try:
        if not os.path.exists(path):
            raise FileNotFoundError(2, "there is no such file")
        if not (os.path.isfile(path) or os.path.isdir(path)):
            raise OSError(22, "it is not a file")  # of a pipe, one would wait for ever
        place = {"capath" if os.path.isdir(path) else "cafile": path}
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**place)
    except ssl.SSLError as error:
        raise DownloadError(
            f"{variable} names {path}, which holds no certificates: correct it, or unset it"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DownloadError(
            f"{variable} names {path}, which cannot be read ({reason}): correct it, or unset it"
        ) from error
    return path


def certificate_fault(error: BaseException, host: str) -> str:
    """Return what is wrong with the certificate of a server, and what to do."""
    import ssl

    found = [cause for cause in causes(error) if isinstance(cause, ssl.SSLError)]
    refused = [cause for cause in found if isinstance(cause, ssl.SSLCertVerificationError)]
    if not refused:
        reason = printable(str(found[0].reason or found[0])) if found else "no TLS"
        return f"{host} did not answer in TLS ({reason}): does it serve https?"
    said = printable(refused[0].verify_message)
    if "expired" in said or "not yet valid" in said:
        return f"the certificate of {host} is refused ({said}): check this machine's clock"
    return (
        f"the certificate of {host} is refused ({said}): if a company's proxy signs it, name the "
        "file of the company's certificates in REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all those behind it, as the libraries wrap them."""
    waiting: list[object] = [error]
    seen: list[BaseException] = []
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and found not in seen:
            seen.append(found)
            yield found
            waiting += [getattr(found, "reason", None), *found.args]
            waiting += [found.__cause__, found.__context__]
