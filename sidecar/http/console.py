"""Serves the console: a page at `/` and its files at `/console/`, from the folder `console`.

The console uses only the data API, so everything that it shows is also available to curl. It loads
nothing from other origins, and the content security policy below makes the browser enforce this.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from sidecar.http.messages import Reply, Request
from sidecar.http.problems import ProblemError

FOLDER = "/console/"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Text in keys and values cannot become markup or script.
        "require-trusted-types-for 'script'",
        "trusted-types asking",
    ]
)
TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the console, read once. A browser that has this version gets 304."""

    etag: str
    headers: str
    body: bytes

    def answer(self, request: Request) -> Reply:
        known = request.headers.get("If-None-Match", "")
        if self.etag in known or known.strip() == "*":
            return Reply(304, self.headers)
        return Reply(200, self.headers, self.body)


class Console:
    """The handlers of the page and of its files."""

    def __init__(self) -> None:
        folder = files("sidecar.http").joinpath("console")
        self._files = {each.name: _file(each.name, each.read_bytes()) for each in folder.iterdir()}
        self._page = self._files.pop("index.html")

    async def page(self, request: Request) -> Reply:
        return self._page.answer(request)

    async def file(self, request: Request) -> Reply:
        file = self._files.get(request.path.removeprefix(FOLDER))
        if file is None:
            raise ProblemError(404, f"The console has no file {request.path[:80]}; open it at /.")
        return file.answer(request)


def _file(name: str, body: bytes) -> _File:
    etag = f'"{sha256(body).hexdigest()[:16]}"'
    lines = {
        "Content-Type": TYPES[name.rpartition(".")[2]],
        "ETag": etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return _File(etag, "".join(f"{field}: {value}\r\n" for field, value in lines.items()), body)
