"""A web application that looks a result up in its cache before it computes it.

GET /primes/N returns the number of primes below N; the header X-Cache tells whether the answer came
from the cache. Without a cache, every answer is computed. Needs only the standard library.
"""

import http.client
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

CACHE_URL = os.environ.get("CACHE_SIDECAR_URL", "")
CACHE_TIMEOUT_SECONDS = 1.0
LARGEST = 5_000_000


def primes_below(number: int) -> bytes:
    """The number of primes, by the sieve of Eratosthenes."""
    sieve = bytearray([1]) * max(number, 2)
    sieve[:2] = b"\0\0"
    for n in range(2, int(len(sieve) ** 0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, len(sieve), n)))
    return f"{sum(sieve[:number])}\n".encode()


def cached(key: str, compute: Callable[[], bytes]) -> tuple[bytes, str]:
    """The value of a key, and its source: hit, miss or bypass."""
    try:
        status, value = ask_cache("GET", key)
        if status == HTTPStatus.OK:
            return value, "hit"
        value = compute()
        ask_cache("PUT", key, value, {"Cache-Control": "max-age=60", "Content-Type": "text/plain"})
        return value, "miss"
    except (OSError, http.client.HTTPException):
        return compute(), "bypass"


def ask_cache(
    method: str, key: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """One call to the sidecar, which listens on 127.0.0.1 of the same pod."""
    if not CACHE_URL:
        raise ConnectionError("there is no cache")
    connection = http.client.HTTPConnection(
        urlsplit(CACHE_URL).netloc, timeout=CACHE_TIMEOUT_SECONDS
    )
    try:
        connection.request(method, f"/v1/cache/example/{quote(key)}", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        prefix, _, number = self.path.rpartition("/")
        if self.path == "/healthz":
            self.reply(HTTPStatus.OK, b"ok\n")
        elif prefix != "/primes" or not number.isascii() or not number.isdigit():
            self.reply(HTTPStatus.NOT_FOUND, b"try /primes/1000000\n")
        elif len(number) > len(str(LARGEST)) or int(number) > LARGEST:
            self.reply(HTTPStatus.BAD_REQUEST, f"at most {LARGEST}\n".encode())
        else:
            below = int(number)
            value, source = cached(f"primes/{below}", partial(primes_below, below))
            self.reply(HTTPStatus.OK, value, source)

    def reply(self, status: HTTPStatus, body: bytes, source: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if source:
            self.send_header("X-Cache", source)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # waits for requests in flight before the process exits


def main() -> None:
    """Serve until SIGTERM, which has no default handler in the first process of a container."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))
    with Server(address, Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
