"""A sidecar that watches a ConfigMap: a thousand documents under load, and their delays.

python -m tests.bench.reconfigure
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from tests.bench.filling import MIB
from tests.bench.load import say
from tests.bench.processes import pss, rss
from tests.kube.reconfiguring import FAILURES, SUCCESSES, Reconfiguring
from tests.kube.threaded import NAME, NAMESPACE
from tests.running import RunningSidecar

COUNT = 1000
WARM_UP = 100
PATCHES = 200


def run() -> None:
    with api_server() as (url, kubeconfig), watching(kubeconfig) as (sidecar, log):
        memory = pss(sidecar.pid) + pss(sidecar.child or sidecar.pid)
        say(f"idle with the watch, both processes: {memory / MIB:.1f} MiB (at most 115)")
        asyncio.run(measure(sidecar, url))
        report_delays(log)


async def measure(sidecar: RunningSidecar, url: str) -> None:
    async with aiohttp.ClientSession() as session:
        mine = f"http://127.0.0.1:{sidecar.port}"
        quiet = Reconfiguring(session, mine, url, seed=1)
        took: list[float] = []
        while len(took) < PATCHES:
            began = time.perf_counter()
            if await quiet.publish():
                await quiet.until_in_force()
                took.append(time.perf_counter() - began)
        say(f"from a patch to /v1/config, no load: {_quantiles(took)} (at most 150 ms)")
        loaded = Reconfiguring(session, mine, url, seed=2)
        counted = sidecar.metrics()
        await loaded.run(WARM_UP)
        before = _sizes(sidecar)
        began = time.perf_counter()
        await loaded.run(COUNT - WARM_UP)
        took_seconds = time.perf_counter() - began
        await asyncio.sleep(2)
        after, metrics, outcome = _sizes(sidecar), sidecar.metrics(), loaded.outcome
    good = metrics[SUCCESSES] - counted[SUCCESSES]
    bad = metrics[FAILURES] - counted[FAILURES]
    say(f"{COUNT} documents, the last {COUNT - WARM_UP} in {took_seconds:.0f} s: {good:.0f} in")
    say(f"    force and {bad:.0f} refused; seen in order: {outcome.seen == sorted(outcome.seen)}")
    say(f"    {outcome.requests} requests, {len(outcome.failed)} failed, {len(outcome.lost)} lost")
    for failure in sorted(set(outcome.failed))[:10]:
        say(f"    failed: {failure}")
    say(f"    descriptors, threads, MiB resident: {before} before, {after} after")


def report_delays(log: Path) -> None:
    """The time from an event to the document in force, by the sidecar's own log."""
    delays = []
    for line in log.read_text().splitlines():
        record = json.loads(line)
        if "delay_seconds" in record:
            delays.append(record["delay_seconds"])
    quiet, loaded = delays[:PATCHES], delays[PATCHES:]
    say(f"from the event to the document in force, no load: {_quantiles(quiet)} (p99 at most 50)")
    say(f"from the event to the document in force, loaded: {_quantiles(loaded)} (p99 at most 50)")


@contextmanager
def api_server() -> Iterator[tuple[str, Path]]:
    """Its address, and a kubeconfig for it."""
    folder = Path(tempfile.mkdtemp(prefix="cache-sidecar-bench-"))
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "tests.kube.apiserver", "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), kubeconfig
        finally:
            process.terminate()
            shutil.rmtree(folder)


@contextmanager
def watching(kubeconfig: Path) -> Iterator[tuple[RunningSidecar, Path]]:
    """A sidecar that watches, and its log."""
    folder = Path(tempfile.mkdtemp(prefix="cache-sidecar-bench-"))
    log = folder / "log"
    flags = ("--configmap", f"{NAMESPACE}/{NAME}", "--log-format", "json")
    wrapper = ("sh", "-c", f'exec "$0" "$@" 2> {log}')
    environment = {"KUBECONFIG": str(kubeconfig)}
    sidecar = RunningSidecar(folder / "data", flags, environment, wrapper)
    try:
        yield sidecar.start(), log
    finally:
        sidecar.stop()
        shutil.rmtree(folder)


def _sizes(sidecar: RunningSidecar) -> tuple[int, int, int]:
    process = Path(f"/proc/{sidecar.pid}")
    descriptors, threads = len([*(process / "fd").iterdir()]), len([*(process / "task").iterdir()])
    return descriptors, threads, rss(sidecar.pid) // MIB


def _quantiles(seconds: list[float]) -> str:
    cuts = [1000 * cut for cut in statistics.quantiles(seconds, n=100)]
    return f"p50 {cuts[49]:.1f}, p99 {cuts[98]:.1f}, most {1000 * max(seconds):.1f} ms"


if __name__ == "__main__":
    run()
