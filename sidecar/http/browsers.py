"""Restrictions for browsers: the console may send any request, pages of other sites none.

Without a token there is no authentication, and every page that a user opens can send requests to
loopback and, through `kubectl port-forward`, into a pod. Answers have no CORS headers, so such a
page cannot read them. This module also prevents writes by such a page, and DNS rebinding.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from socket import gethostname
from typing import TYPE_CHECKING

from sidecar.http.fields import HOST, ORIGIN, SEC_FETCH_SITE
from sidecar.http.messages import Request
from sidecar.http.problems import ProblemError

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

OWN_NAMES = frozenset(("", "localhost", "localhost.localdomain", "cache-sidecar"))
"""Names of loopback: the last for pods that have it among their `hostAliases`. None is sent with an
IPv6 address in brackets, and by clients of HTTP/1.0.
"""
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?P<name>[A-Za-z0-9._-]*))(?::[0-9]*)?")
SANDBOX = "Content-Security-Policy: sandbox\r\nX-Content-Type-Options: nosniff\r\n"
"""For a value that a browser displays: otherwise HTML in it could send requests to this server."""


def refuse_cross_site(request: Request) -> None:
    """Raises ProblemError: 403 for a page of another site, 421 for an unknown host name.

    Called for every request: costs three lookups if the client is not a browser.
    """
    headers = request.headers
    if SEC_FETCH_SITE in headers or ORIGIN in headers:
        _refuse_other_sites(request)
    if is_rebindable(headers.get(HOST, "")) and _came_over_loopback(request):
        raise ProblemError(
            421, "This Host is not a name of this server; use 127.0.0.1 or localhost.", close=True
        )


def is_suspect(headers: CIMultiDictProxy[str]) -> bool:
    """Whether `refuse_cross_site` may refuse a request with these headers."""
    return SEC_FETCH_SITE in headers or ORIGIN in headers or is_rebindable(headers.get(HOST, ""))


def _refuse_other_sites(request: Request) -> None:
    """Check Fetch Metadata, which all browsers send since 2023, else Origin.

    Links to the console are allowed from any site: its page has no data and cannot be framed.
    """
    headers = request.headers
    site = headers.get(SEC_FETCH_SITE)
    if site is None:
        ours = headers.get(ORIGIN, "").partition("://")[2] == headers.get(HOST)
    else:
        ours = site in {"same-origin", "none"}
    is_link = headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
    if not ours and not (is_link and request.path == "/"):
        raise ProblemError(
            403, "Requests from pages of other sites are refused; use the console of this server."
        )


@lru_cache(maxsize=64)
def is_rebindable(host: str) -> bool:
    """Whether somebody else may have the Host resolve to loopback. With such DNS rebinding, a
    browser treats this server as part of the attacker's site.

    Addresses are not resolved, and OWN_NAMES are those of this machine. All others may be resolved
    by somebody: a name of one label by a search domain, or by whoever answers first in a network.
    """
    found = _HOST.fullmatch(host)
    if found is None:  # nobody can tell which part of it is the name
        return True
    name = (found["name"] or "").rstrip(".").lower()
    if name in OWN_NAMES or name.endswith(".localhost") or name == gethostname().lower():
        return False
    return not name.rpartition(".")[2].isdigit()


def _came_over_loopback(request: Request) -> bool:
    """Whether the request came over loopback. On other addresses clients use names that are not
    known here, and a Unix socket has no name.
    """
    transport = request.protocol.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    if not isinstance(address, tuple):
        return False
    ip = ipaddress.ip_address(address[0])
    # A listener on [::] has IPv4 in this form, which Python 3.11 does not call loopback.
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
