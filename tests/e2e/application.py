"""A look-aside application, and the hit ratio that it sees."""

from __future__ import annotations

import http.client
import random
import threading
import time
from itertools import accumulate

SEED = 20240611
KEYS = 300
SKEW = 0.5
VALUE = b"v" * 256


class Application:
    """One connection that reads keys by Zipf's law and puts missing ones, until stopped."""

    def __init__(self, port: int, value: bytes = VALUE) -> None:
        self._port = port
        self._value = value
        self._seen: list[tuple[float, bool]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Application:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def hit_ratio(self, start: float, end: float) -> float:
        """The hit ratio of reads between two wall clock times."""
        hits = [hit for at, hit in list(self._seen) if start <= at <= end]
        return sum(hits) / len(hits)

    def _run(self) -> None:
        rng = random.Random(SEED)
        weights = list(accumulate(1 / rank**SKEW for rank in range(1, KEYS + 1)))
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            for key in rng.choices(range(KEYS), cum_weights=weights, k=500):
                if self._stop.is_set():
                    break
                hit = self._ask(connection, "GET", key) == 200
                self._seen.append((time.time(), hit))
                if not hit:
                    self._ask(connection, "PUT", key, self._value)
        connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, key: int, body: bytes = b""
    ) -> int:
        connection.request(method, f"/v1/cache/app/{key}", body or None)
        answer = connection.getresponse()
        answer.read()
        return answer.status
