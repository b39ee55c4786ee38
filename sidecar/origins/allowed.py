"""Which URLs the configuration may name: those below the prefixes of `--origin-allow`.

Who may edit a ConfigMap may not thereby send requests to any server that the pod can reach. The
flag belongs to the pod, and the document is checked against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sidecar.origins.address import Template, is_below
from sidecar.origins.hosts import address_of, is_loopback
from sidecar.origins.url import Url, parse_url

FLAG = "--origin-allow"


class Allowed:
    """URL prefixes: scheme, host, port and path. Without any, all of loopback is allowed.

    Raises ValueError for text that is no such prefix.
    """

    __slots__ = ("_prefixes",)

    def __init__(self, prefixes: Iterable[str] = ()) -> None:
        self._prefixes = tuple(_prefix(text) for text in prefixes)

    def refusal(self, template: Template) -> str | None:
        """Why the URLs of a template are not allowed, as a sentence; None if they are."""
        return self._refusal(template.base, _has)

    def refusal_of_url(self, url: Url) -> str | None:
        """The same for a URL that is complete."""
        return self._refusal(url, _has_url)

    def _refusal(self, base: Url, has: Callable[[Url, Url], bool]) -> str | None:
        if self._prefixes:
            if any(has(prefix, base) for prefix in self._prefixes):
                return None
            stated = ", ".join(str(prefix) for prefix in self._prefixes[:3])
            more = ", ..." if len(self._prefixes) > 3 else ""
            what = f"{FLAG} only allows {stated}{more}"
        elif is_loopback(base.host):
            return None
        else:
            what = f"without {FLAG} only loopback addresses are allowed"
        return (
            f"{base} is not allowed: {what}; correct the URL, or add {FLAG} {_directory(base)} to "
            "the flags of the sidecar, and all other origins that it is to reach"
        )

    @staticmethod
    def refusal_of_address(base: Url, address: str) -> str | None:
        """Why an address that the host of an allowed URL resolves to is not to be connected to.

        Asked for each connection: who answers for a name may answer differently each time (DNS
        rebinding). `localhost` has to be loopback; the addresses of other names are up to whoever
        wrote them into the flag.
        """
        if not is_loopback(base.host) or is_loopback(address):
            return None
        return f"{base.host} resolves to {address}, which is not a loopback address."


def _prefix(text: str) -> Url:
    prefix = parse_url(text)
    if prefix.query is not None:
        raise ValueError(f"{text!r} has a query; {FLAG} takes a URL up to its path")
    return Url(prefix.scheme, prefix.host, prefix.port, prefix.path or "/", None)


def _has(prefix: Url, base: Url) -> bool:
    """Whether all URLs that begin with `base` are allowed by `prefix`."""
    if base.query is not None:  # the path is complete
        return _has_url(prefix, base)
    below = base.path.startswith(f"{prefix.path.rstrip('/')}/")
    return below and _same_server(prefix, base)


def _has_url(prefix: Url, url: Url) -> bool:
    return _same_server(prefix, url) and is_below(url.path or "/", prefix.path)


def _same_server(prefix: Url, url: Url) -> bool:
    same_host = prefix.host == url.host or _same_address(prefix.host, url.host)
    return same_host and (prefix.scheme, prefix.port) == (url.scheme, url.port)


def _same_address(one: str, other: str) -> bool:
    address = address_of(one)
    return address is not None and address == address_of(other)


def _directory(base: Url) -> str:
    """The longest prefix that allows a URL: up to the last slash of its path."""
    return f"{base.authority}{base.path.rpartition('/')[0]}/"
