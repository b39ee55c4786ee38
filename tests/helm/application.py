"""The application of the example's chart, in a separate process."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path

from tests.running import PATIENCE_SECONDS, free_port, wait_until


class Application:
    """The script in a separate process, with the variables of its container."""

    def __init__(self, script: Path, variables: dict[str, str]) -> None:
        self.port = free_port()
        here = {"HOST": "127.0.0.1", "PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, script], env={**os.environ, **variables, **here}
        )
        wait_until(self._answers, "the application answers")

    def get(self, path: str) -> tuple[int, str, str | None]:
        """Status, body, and the source of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers["X-Cache"]
        finally:
            connection.close()

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the application has ended"
        try:
            return self.get("/healthz")[:2] == (200, "ok\n")
        except OSError:
            return False
