"""The cost of a scrape, its limits, and its check with promtool."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_classic
from prometheus_client.registry import Collector

from sidecar.catalogue import CATALOGUE
from sidecar.telemetry.families import counter
from sidecar.telemetry.metrics import (
    MOST_SECONDS_OLD,
    RENDERINGS_AT_ONCE,
    RENDERINGS_PER_SECOND,
    Exposition,
    render,
)
from tests.optimizer.controlled import Controlled
from tests.optimizer.virtual import SIGNAL, a_document, a_rule
from tests.running import RunningSidecar, wait_until
from tests.telemetry.test_metrics import CLASSIC, MOST_SERIES, OPENMETRICS, of, use

MOST_BYTES = 64 << 10
MOST_SECONDS = 0.020
NAMESPACES = [f"named-{number}" for number in range(20)]
AWKWARD = 'quotes " and \\ and\nnewlines and 🦉'
LEARNED = [signal for signal in CATALOGUE.signals.values() if signal.better][:10]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    """A sidecar with all rules active, a dozen baselines, and the maximum of namespaces."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "rules.yaml").write_text("level: maximum\ninterval: 1s\n")
    (folder / "cache.yaml").write_text(f"metrics: {{namespaces: [{', '.join(NAMESPACES)}]}}\n")
    stated = [
        "  cache.hit_ratio: {baseline: 0.50, target: 0.75}",
        "  http.get_p99_seconds: {baseline: 0.010, target: 0.002}",
        *(
            f"  {signal.name}: {{baseline: 1.0, target: 2.0}}"
            for signal in LEARNED
            if signal.name not in {"cache.hit_ratio", "http.get_p99_seconds"}
        ),
    ]
    (folder / "baselines.yaml").write_text("\n".join(["baselines:", *stated]))
    sidecar = RunningSidecar(tmp_path_factory.mktemp("data"), ("--config", str(folder))).start()
    use(sidecar)
    wait_until(lambda: b"event_loop_lag" in scraped(sidecar), "the first sample is taken")
    yield sidecar
    assert sidecar.stop() == 0


def scraped(sidecar: RunningSidecar, accept: str = CLASSIC) -> bytes:
    url = f"http://127.0.0.1:{sidecar.ops_port}/metrics"
    with urlopen(Request(url, headers={"Accept": accept})) as answer:
        body: bytes = answer.read()
    return body


def loop_seconds(sidecar: RunningSidecar) -> float:
    """The processor time of the thread with the event loop."""
    return int(Path(f"/proc/{sidecar.pid}/schedstat").read_text().split()[0]) / 1e9


MEASURED = ("#", *(f"cache_sidecar_{name}" for name in ("signal", "baseline", "target")))
"""Metrics whose series depend on recent measurements."""


def series(sidecar: RunningSidecar) -> set[str]:
    """Every series of a scrape, except those of MEASURED, the optimizer and the ratios."""
    named = {line.rpartition(" ")[0] for line in scraped(sidecar).decode().splitlines()}
    fleeting = (*MEASURED, "cache_sidecar_optimizer", "cache_sidecar_hit", "cache_sidecar_tier_hit")
    return {name for name in named if not name.startswith(fleeting)}


@pytest.mark.parametrize("accept", [CLASSIC, OPENMETRICS])
def test_a_scrape_is_small_and_quick(full: RunningSidecar, accept: str) -> None:
    """At most 64 KiB, 20 ms and 600 series with all rules, some baselines and 20 namespaces.

    The median of nine runs, in processor time of the event loop, since the machine is shared.
    """
    seconds = []
    for _ in range(9):
        before = loop_seconds(full)
        body = scraped(full, accept)
        seconds.append(loop_seconds(full) - before)
    assert len(body) <= MOST_BYTES
    assert 0 < median(seconds) <= MOST_SECONDS, seconds
    count = sum(not line.startswith("#") for line in body.decode().splitlines())
    assert 300 < count <= MOST_SERIES


def test_series_do_not_grow_with_keys_clients_namespaces_or_nonsense(full: RunningSidecar) -> None:
    """A thousand keys in a thousand namespaces, many clients, names with quotes and owls."""
    names = [quote(AWKWARD), quote(f'named-1"{AWKWARD}'), quote(AWKWARD) + "/" + quote(AWKWARD)]
    paths = [*(f"other-{number}/key-{number}" for number in range(1000)), *names]
    flood(full, paths[-1:])
    time.sleep(MOST_SECONDS_OLD)  # else it may be a rendering from before
    wait_until(lambda: b"event_loop_lag" in scraped(full), "there is a recent sample")
    before = series(full)
    flood(full, paths)
    # What was sampled too long ago is left out, which a busy machine may bring about.
    wait_until(lambda: series(full) == before, "there are the same series as before")


def flood(sidecar: RunningSidecar, paths: list[str]) -> None:
    """GET each of them, fifty per client; and send invalid requests."""
    address = ("127.0.0.1", sidecar.port)
    with ExitStack() as clients:
        for start in range(0, len(paths), 50):
            client = clients.enter_context(socket.create_connection(address))
            asked = [
                f"GET /v1/cache/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                for path in paths[start:][:50]
            ]
            client.sendall("".join(asked).encode())
            answered = b""
            while answered.count(b"HTTP/1.1 4") < len(asked):
                answered += client.recv(1 << 16)
    for method in ("BREW", "GET"):
        sidecar.ask(method, f"/{quote(AWKWARD)}")


def test_a_namespace_that_is_named_is_counted_apart(full: RunningSidecar) -> None:
    """Hits and misses, single and in batches; others are only in the totals."""

    def counted(namespace: str) -> tuple[float, float]:
        name = "cache_sidecar_namespace_lookups_total"
        found = full.metrics()
        hit, miss = (
            found[f'{name}{{cache_namespace="{namespace}",result="{result}"}}']
            for result in ("hit", "miss")
        )
        return hit, miss

    assert counted("named-3") == (0, 0)
    full.ask("PUT", "/v1/cache/named-3/key", b"v")
    full.ask("GET", "/v1/cache/named-3/key")
    full.ask("GET", "/v1/cache/named-3/absent")
    full.ask("GET", "/v1/cache/named-33/key")
    wanted = {"namespace": "named-3", "keys": ["key", "absent", "key"]}
    full.ask("POST", "/v1/mget", json.dumps(wanted).encode())
    wait_until(lambda: counted("named-3") == (3, 2), "a rendering has them")
    assert counted("named-4") == (0, 0)


def test_scrapes_that_hang_hold_nobody_up(full: RunningSidecar) -> None:
    """A hundred scrapers send requests without a pause, and read nothing."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as hanging:
        for _ in range(100):
            scraper = socket.socket()
            hanging.enter_context(scraper)
            scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            scraper.connect(("127.0.0.1", full.ops_port))
            scraper.sendall(request * 5)
        began = time.perf_counter()
        assert full.ops("/livez").status == 200
        assert len(scraped(full)) > 10_000
        assert full.get("key").status in {200, 404}
        assert time.perf_counter() - began < 10.0
    assert full.ops("/livez").status == 200


def test_many_scrapes_are_few_renderings() -> None:
    """The first ones are of their moment; later ones share a few renderings, none of them older
    than a second.
    """
    now, rendered = 100.0, []

    class Counted(Collector):
        def collect(self) -> Iterator[Metric]:
            rendered.append(now)
            return iter(())

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Counted())
    rendered.clear()
    scrape = Exposition(registry, lambda: now)
    for _ in range(RENDERINGS_AT_ONCE):
        scrape(CLASSIC)
    assert len(rendered) == RENDERINGS_AT_ONCE
    rendered.clear()
    for _ in range(1000):
        now += 0.01
        types = {scrape(accept)[0].partition(";")[0] for accept in (CLASSIC, OPENMETRICS, "*/*")}
        assert types == {"text/plain", "application/openmetrics-text"}
    assert len(rendered) <= RENDERINGS_PER_SECOND * 10 + 1
    assert all(later - earlier < MOST_SECONDS_OLD for earlier, later in pairwise(rendered))
    now += 3600.0
    rendered.clear()
    scrape(CLASSIC)
    scrape(CLASSIC)
    assert len(rendered) == 2


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("application/openmetrics-text;version=1.0.0;q=0.6,*/*", "application/openmetrics-text"),
        ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4", "text/plain"),
        ("application/openmetrics-text;version=never", "application/openmetrics-text"),
        ("text/plain;version=many;;=,;", "text/plain"),
    ],
)
def test_a_scraper_gets_a_format_that_it_takes(accept: str, content_type: str) -> None:
    """One of two, whatever Accept says."""
    assert render(CollectorRegistry(), accept)[0].partition(";")[0] == content_type


def test_promtool_has_nothing_to_say_against_the_metrics(full: RunningSidecar) -> None:
    """Names, types, units and help texts follow the conventions of Prometheus."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=scraped(full), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("accept", [CLASSIC, OPENMETRICS])
def test_a_label_may_have_any_value(accept: str) -> None:
    """Names from documents and plugins are read as written, and forge nothing."""

    class Named(Collector):
        def collect(self) -> Iterator[Metric]:
            family = counter("reloads", "Reloads.", ["source"])
            family.add_metric([AWKWARD], 1.0)
            yield family

    registry = CollectorRegistry()
    registry.register(Named())
    content_type, body = render(registry, accept)
    read = read_openmetrics if accept == OPENMETRICS else read_classic
    [family] = read(body.decode())
    [sample] = family.samples
    assert content_type.startswith(accept.partition(";")[0])
    assert (sample.labels, sample.value) == ({"source": AWKWARD}, 1.0)


def test_an_outcome_names_what_was_changed_last(tmp_path: Path) -> None:
    """As an exemplar, if the format supports it."""
    document = a_document(a_rule(when=f"{SIGNAL} > 0.0", expect=None), dry_run=True)
    controlled = Controlled(document, lambda *_: {SIGNAL: 1.0}, tmp_path)
    controlled.run(10)
    [outcome] = controlled.control.engine.outcomes
    [sample] = of(controlled, OPENMETRICS)["optimizer_outcomes_total"].samples
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"change": outcome.knob}
    assert float(sample.exemplar.timestamp or 0.0) == outcome.ended_at
    [sample] = of(controlled, CLASSIC)["optimizer_outcomes_total"].samples
    assert sample.exemplar is None
