"""Metrics of the warmers in force: runs, entries, and when the last run ended."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from sidecar.telemetry.families import counter, gauge
from sidecar.warmers.warmers import Warmers


class WarmerCollector(Collector):
    """Reads the warmers when scraped."""

    def __init__(self, warmers: Warmers) -> None:
        self._warmers = warmers

    def collect(self) -> Iterator[Metric]:
        runs = counter(
            "warmer_runs", "Runs of a warmer that have ended, by result.", ["warmer", "result"]
        )
        entries = counter(
            "warmer_entries",
            "Entries of a warmer's source: loaded; skipped, since something newer is known of "
            "their keys; or failed.",
            ["warmer", "result"],
        )
        ended = gauge(
            "warmer_last_run_timestamp_seconds",
            "When the last run of a warmer ended, in seconds since 1970.",
            ["warmer"],
        )
        for standing in self._warmers:
            name, last = standing.config.name, standing.last
            for result, count in standing.runs.items():
                runs.add_metric([name, result], count)
            for result, count in standing.entry_counts().items():
                entries.add_metric([name, result], count)
            if last is not None and last.ended_at is not None:
                ended.add_metric([name], last.ended_at)
        yield from (runs, entries, ended)
