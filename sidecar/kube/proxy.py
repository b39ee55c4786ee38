"""The proxy between the sidecar and the API server, from the environment, as kubectl reads it.

aiohttp would read the same variables, but without ports, networks, `*.` or brackets in NO_PROXY,
and without a proxy that has no scheme.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for a server; None to connect to it directly."""
    server = urlsplit(url)
    proxy = _variable(f"{server.scheme}_proxy", environ)
    if not proxy or _is_excluded(server, _variable("no_proxy", environ)):
        return None
    return with_scheme(proxy)


def with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_excluded(server: SplitResult, excluded: str) -> bool:
    """Whether an entry of NO_PROXY is `*`, or the server's name, a domain of it, its address or a
    network with it; a name or an address may have a port.
    """
    host, port = server.hostname or "", None
    with suppress(ValueError):  # a port beyond 65535
        port = server.port or _PORTS.get(server.scheme)
    for entry in excluded.lower().split(","):
        name, its_port = _name_and_port(entry.strip())
        if its_port in (None, port) and _matches(host, name):
            return True
    return False


def _name_and_port(entry: str) -> tuple[str, int | None]:
    """An entry without brackets, and its port. An IPv6 address with a port has brackets."""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return entry.strip("[]"), None


def _matches(host: str, name: str) -> bool:
    if name == "*":
        return True
    address = _address(host)
    if address is not None:
        with suppress(ValueError):
            return address in ipaddress.ip_network(name, strict=False)
        return False
    domain = name.removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
