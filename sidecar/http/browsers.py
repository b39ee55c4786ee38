"""What a browser may do here: the console asks for anything, pages of other sites for nothing.

There is no authentication, and every page that a user opens can send requests to loopback, and by
`kubectl port-forward` into a pod. No answer has CORS headers, so such a page can read none; that it
can't change anything either, nor take this server for its own by a name, is held here.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from sidecar.http.messages import Request
from sidecar.http.problems import ProblemError

SANDBOX = "Content-Security-Policy: sandbox\r\nX-Content-Type-Options: nosniff\r\n"
"""For a value that a browser shows by itself: else HTML in it could ask for anything here."""


def refuse_cross_site(request: Request) -> None:
    """Raises ProblemError: 403 for a page of another site, 421 for a name that is not ours.

    Asked for every request: for one that no browser has sent it costs three lookups.
    """
    headers = request.headers
    if "Sec-Fetch-Site" in headers or "Origin" in headers:
        _refuse_other_sites(request)
    if is_rebindable(headers.get("Host", "")) and _came_over_loopback(request):
        raise ProblemError(
            421, "This Host is not a name of this server; use 127.0.0.1 or localhost.", close=True
        )


def _refuse_other_sites(request: Request) -> None:
    """Fetch Metadata where the browser sends it, which is since 2023 at the latest; else Origin.

    A link to the console may stand anywhere: its page has nothing in it, and can't be framed.
    """
    headers = request.headers
    site = headers.get("Sec-Fetch-Site")
    if site is None:
        ours = headers.get("Origin", "").partition("://")[2] == headers.get("Host")
    else:
        ours = site in {"same-origin", "none"}
    is_link = headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
    if not ours and not (is_link and request.path == "/"):
        raise ProblemError(
            403, "Requests from pages of other sites are refused; use the console of this server."
        )


@lru_cache(maxsize=64)
def is_rebindable(host: str) -> bool:
    """Whether a Host is a name that anyone can register, and have resolve to loopback: DNS
    rebinding, after which a browser takes this server for the stranger's own.

    Numbers can't be, nor can names of one label, as pods and compose files use them.
    """
    name = host.rpartition("]")[2].partition(":")[0].rstrip(".").lower()
    if "." not in name or name.endswith(".localhost"):
        return False
    return not name.rpartition(".")[2].isdigit()


def _came_over_loopback(request: Request) -> bool:
    """Whoever listens elsewhere is asked by names that are not known here; and a Unix socket has
    none.
    """
    transport = request.protocol.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    return isinstance(address, tuple) and ipaddress.ip_address(address[0]).is_loopback
