"""URLs of http and https, read strictly (RFC 3986).

What is read here decides where requests may go, so nothing is corrected, as browsers and most
libraries do it: two readers that disagree about a URL are a way around a check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from sidecar.origins.hosts import address_of

MAX_CHARACTERS = 2048
EXAMPLE = "http://localhost:8080/items/"

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])"
_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
    rf"(?P<path>(?:/{_PATH}*)?)(?:\?(?P<query>(?:{_PATH}|\?)*))?"
)
_PORTS = {"http": 80, "https": 443}
_DOT_SEGMENT = re.compile(rb"(?:\A|[/\\])\.{1,2}(?=[/\\;]|\Z)")


@dataclass(frozen=True, slots=True)
class Url:
    """A URL by its parts. Path and query are as they were written, percent-encoded."""

    scheme: str
    host: str
    """In lower case, an IPv6 address without brackets."""
    port: int
    path: str
    """Empty if there is none, so that the URL ends with the host or the port."""
    query: str | None

    @property
    def server(self) -> tuple[str, str, int]:
        """The origin in the sense of RFC 9110, section 4.3.1."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Scheme, host and port as text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return f"{self.authority}{self.path}{'' if self.query is None else f'?{self.query}'}"


def parse_url(text: str) -> Url:
    """Raises ValueError with a sentence that says what to write."""
    found = _URL.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        raise ValueError(
            f"{text[:100]!r} is not a URL of http or https, without a user, a fragment and spaces, "
            f"of up to {MAX_CHARACTERS:,} characters; write for example {EXAMPLE}"
        )
    host = found["host"].lower().rstrip(".")
    port = int(found["port"] or _PORTS[found["scheme"]])
    if host.startswith("["):
        address = address_of(host := host[1:-1])
        if address is None:
            raise ValueError(f"[{host}] is not an IPv6 address; write for example [::1]")
        host = str(address)
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port; write one from 1 to 65535")
    if has_dot_segment(_decoded(found["path"])):
        raise ValueError(f"{text[:100]!r} has a path with . or .. in it; write it without")
    return Url(found["scheme"], host, port, found["path"], found["query"])


def has_dot_segment(path: bytes) -> bool:
    """Whether a decoded path has a segment that goes up, or may, by RFC 3986, section 5.2.4, or for
    servers that take a backslash for a slash, or that cut parameters off (`..;`).
    """
    return _DOT_SEGMENT.search(path) is not None


def _decoded(path: str) -> bytes:
    """Decoded as often as it can be: some servers do it twice."""
    decoded = path.encode()
    while (again := unquote_to_bytes(decoded)) != decoded:
        decoded = again
    return decoded
