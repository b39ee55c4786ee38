"""An origin for tests: a real HTTP server in a thread, which answers as it is told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.running import RunningSidecar

Answer = tuple[int, dict[str, str], bytes]


class Origin:
    """`answer` is called with the path and the header fields of each request."""

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, str]], Answer] = lambda path, _: (
            200,
            {"Content-Type": "text/plain", "Cache-Control": "max-age=60"},
            path.encode(),
        )
        self.seconds = 0.0
        self.asked: Counter[str] = Counter()
        self.fields: list[dict[str, str]] = []
        self.port = 0
        self._lock = threading.Lock()

    def answers(self, status: int, value: bytes = b"", **fields: str) -> None:
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        self.answer = lambda _path, _fields: (status, sent, value)

    @contextmanager
    def served(self) -> Iterator[Origin]:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fields = dict(self.headers.items())
                with origin._lock:
                    origin.asked[self.path] += 1
                    origin.fields.append(fields)
                time.sleep(origin.seconds)
                status, sent, value = origin.answer(self.path, fields)
                self.send_response(status)
                for name, each in sent.items():
                    self.send_header(name, each)
                if status != 304:
                    self.send_header("Content-Length", str(len(value)))
                self.end_headers()
                if status != 304:
                    self.wfile.write(value)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def configured(origin: Origin, options: str = "", settings: str = "") -> str:
    url = f"http://127.0.0.1:{origin.port}/items/{{key}}"
    return f'namespaces: {{items: {{origin: {{url: "{url}"{options}}}{settings}}}}}\n'


def config(sidecar: RunningSidecar) -> str:
    """The answer of /v1/config."""
    return sidecar.ask("GET", "/v1/config").body.decode("utf-8")
