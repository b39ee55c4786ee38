"""A real Prometheus on a free port of loopback, with static targets instead of Kubernetes.

Each target has the labels that the PodMonitor would set (`job`, `namespace`, `workload`, `pod`,
`container`).
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.dashboards.boards import ALERTS_FILE, RECORDS_FILE
from tests.running import free_port, wait_until

POD = {
    "job": "web",
    "namespace": "shop",
    "workload": "web",
    "pod": "web-0",
    "container": "cache-sidecar",
}
ODD = POD | {"namespace": "odd", "workload": 'quotes " and \\ and\nnewlines and 🦉', "pod": "odd-0"}
"""No Kubernetes label looks like this, but relabelling may create one."""


@dataclass(frozen=True)
class Answer:
    """The result of an expression: series by their labels, each with its samples."""

    series: list[tuple[dict[str, str], list[float]]]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int
    interval_seconds: int

    def query(self, expr: str, seconds: float | None = None) -> Answer:
        """Evaluate an expression now, or over the last seconds. Fails if it is rejected."""
        if seconds is None:
            result = self.get("query", query=expr)["result"]
        else:
            end = time.time()
            span = {"start": str(end - seconds), "end": str(end)}
            step = str(self.interval_seconds)
            result = self.get("query_range", query=expr, step=step, **span)["result"]
        return Answer([(each["metric"], _values(each)) for each in result])

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    @property
    def ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready").close()
        except OSError:
            return False
        return True


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[tuple[int, Mapping[str, str]]], interval_seconds: int = 1
) -> Iterator[Prometheus]:
    """Scrapes these ports of loopback, each with labels, and evaluates the checked-in rules."""
    interval = f"{interval_seconds}s"
    jobs = [
        {
            "job_name": f"{number}",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)}],
        }
        for number, (port, labels) in enumerate(targets)
    ]
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval}
        | {"evaluation_interval": interval},
        "rule_files": [str(RECORDS_FILE), str(ALERTS_FILE)],
        "scrape_configs": jobs,
    }
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    running = Prometheus(free_port(), interval_seconds)
    with subprocess.Popen(
        [
            *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}"),
            *(f"--web.listen-address=127.0.0.1:{running.port}", "--log.level=error"),
            "--enable-feature=exemplar-storage",
        ]
    ) as process:
        try:
            wait_until(lambda: running.ready, "Prometheus is ready")
            yield running
        finally:
            process.terminate()


@contextmanager
def exporter(text: str) -> Iterator[int]:
    """A target with constant content, in place of other exporters. Returns its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _values(series: Any) -> list[float]:
    pairs = series["values"] if "values" in series else [series["value"]]
    return [float(value) for _, value in pairs]
