"""A sidecar with a configuration and a history, and pages that show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, sync_playwright

from sidecar.control import FILE
from sidecar.model.outcome import VERDICTS, Outcome
from sidecar.optimizer.decisions import SavedState
from tests.cli.examples import IMPROVED
from tests.console.browsing import Console, launch
from tests.documents.kubelet import Mount
from tests.running import RunningSidecar

OpenConsole = Callable[..., Console]

TEXTS = {
    "cache.yaml": "tiers:\n  l1: {max_entries: 4}\n  l2: {max_entries: 8}\n",
    "rules.yaml": """\
interval: 1s
dry_run: true
rules:
  - {name: promotion, type: cache, when: network.connections >= 0.0, action: set_promote_after}
  - {name: calm, type: gc, when: gc.tracked_objects < 0, action: collect}
""",
}


def past(now: float) -> list[Outcome]:
    """One outcome of each kind, a minute apart, oldest first."""
    return [
        replace(
            IMPROVED,
            rule=f"rule_{verdict}",
            outcome=verdict,
            started_at=now - 60 * (index + 1),
            ended_at=now - 60 * index - 30,
            signal=None if verdict == "applied" else IMPROVED.signal,
        )
        for index, verdict in reversed(list(enumerate(VERDICTS)))
    ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Scoped to a module: Playwright keeps the thread's event loop, which other tests need."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Mount:
    mount = Mount(tmp_path_factory.mktemp("console") / "config")
    mount.publish(TEXTS)
    return mount


@pytest.fixture(scope="module")
def sidecar(mount: Mount) -> Iterator[RunningSidecar]:
    """Its history has an outcome of each kind; then it makes one itself."""
    data_dir = mount.path.parent / "data"
    data_dir.mkdir()
    memory = SavedState(outcomes=past(time.time()))
    (data_dir / FILE).write_bytes(msgspec.msgpack.encode(memory))
    sidecar = RunningSidecar(data_dir, ("--config", str(mount.path))).start()
    yield sidecar
    sidecar.stop()


@pytest.fixture
def open_console(chromium: Browser, sidecar: RunningSidecar) -> Iterator[OpenConsole]:
    """Opens pages; the test fails if one of them had errors."""
    opened: list[Console] = []

    def open_one(view: str = "overview", **options: Any) -> Console:
        opened.append(Console(chromium, sidecar, **options))
        return opened[-1].open(view)

    yield open_one
    for console in opened:
        console.close()


@pytest.fixture
def chromium_console(
    chromium: Browser, start_sidecar: Callable[..., RunningSidecar]
) -> Iterator[Console]:
    """A page on its own sidecar, which may be killed."""
    console = Console(chromium, start_sidecar())
    yield console
    console.close()
