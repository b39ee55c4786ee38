"""Many clients that each invalidate scopes of their own."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from random import Random

import pytest

from tests.running import RunningSidecar

CLIENTS, EACH = 64, 100
LONGEST = 60
PATH = "/v1/cache/test"


@pytest.mark.parametrize("kind", ["prefixes", "tags"])
def test_thousands_of_scopes_are_invalidated_at_a_time(sidecar: RunningSidecar, kind: str) -> None:
    """None is refused, whatever their lengths, and each takes effect before it is answered, on what
    it covers alone.
    """
    rng = Random(7)
    names = [
        [f"{client}-{number}-" + "x" * rng.randint(0, LONGEST) for number in range(EACH)]
        for client in range(CLIENTS)
    ]

    def invalidate_all(mine: list[str]) -> set[tuple[int, int]]:
        connection = HTTPConnection("127.0.0.1", sidecar.port)

        def ask(method: str, path: str, body: bytes, headers: dict[str, str] | None = None) -> int:
            while True:
                connection.request(method, path, body, headers or {})
                answer = connection.getresponse()
                assert b"Too many invalidations" not in answer.read()
                if answer.status != 503:
                    return answer.status
                time.sleep(0.1)  # too late for L3, on a busy machine

        statuses = set()
        ask("PUT", f"{PATH}/spared-{mine[0]}", b"v")
        for name in mine:
            ask("PUT", f"{PATH}/{name}", b"v", {"Cache-Groups": f'"{name}"'})
            what = {"prefix": name} if kind == "prefixes" else {"tags": [name]}
            body = json.dumps({"namespace": "test", **what}).encode()
            status = ask("POST", "/v1/invalidate", body)
            statuses.add((status, ask("GET", f"{PATH}/{name}", b"")))
        statuses.add((204, 604 - ask("GET", f"{PATH}/spared-{mine[0]}", b"")))
        connection.close()
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = set().union(*pool.map(invalidate_all, names))
    assert found == {(204, 404)}
