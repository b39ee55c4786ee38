"""The first view: figures of the API, live, also when the sidecar ends and restarts."""

from __future__ import annotations

import json
import re
import time

import pytest
import redis

from tests.console.browsing import SCREENSHOTS, Console
from tests.console.conftest import OpenConsole
from tests.running import RunningSidecar

TIERS = "Tiers, since the start of the sidecar"
SIZES = {"small": (390, 844), "middle": (1024, 768), "large": (1680, 1050)}


def use(sidecar: RunningSidecar, times: int = 1) -> None:
    """Puts and reads that reach every tier, with misses."""
    for _ in range(times):
        for number in range(20):
            sidecar.put(f"key-{number}", b"v" * 100)
        for number in (19, 12, *range(30)):
            sidecar.get(f"key-{number}")


def shown(console: Console) -> dict[str, list[str]]:
    """The table of tiers without its bars, by tier."""
    return {row[0].lower(): [cell for cell in row[1:] if cell] for row in console.rows(TIERS)}


def expected(sidecar: RunningSidecar) -> dict[str, list[str]]:
    """The same figures from /v1/stats."""
    found = {}
    for name, tier in sidecar.stats()["tiers"].items():
        lookups = tier["hits"] + tier["misses"] + tier["expired"]
        counts = ("hits", "misses", "evictions", "expirations", "promotions", "demotions")
        hits, misses, *moves = [f"{tier[count]:,}" for count in counts]
        found[name] = [
            tier["policy"],
            f"{tier['entries']:,} of {tier['max_entries']:,}",
            *(hits, misses, f"{tier['hits'] / lookups:.1%}" if lookups else "–", *moves),  # noqa: RUF001  (the page's dash)
        ]
    return found


def agrees(console: Console) -> bool:
    """Whether all counts equal those of the API at this moment; bytes are rounded there."""
    without_bytes = {tier: [*cells[:2], *cells[3:]] for tier, cells in shown(console).items()}
    return without_bytes == expected(console.sidecar)


def test_it_is_there_at_once(open_console: OpenConsole) -> None:
    """Loaded and live with its first figures; the time is recorded, not judged."""
    began = time.monotonic()
    console = open_console()
    live_seconds = time.monotonic() - began
    navigation = console.page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    figures = {"loaded_seconds": navigation["loadEventEnd"] / 1000, "live_seconds": live_seconds}
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "load.json").write_text(json.dumps(figures))
    print(figures)  # noqa: T201
    assert console.at(".chart").count() == 4
    assert navigation["loadEventEnd"] > 0


def test_the_figures_are_those_of_the_api(
    open_console: OpenConsole, sidecar: RunningSidecar
) -> None:
    """They are updated without a reload."""
    use(sidecar)
    console = open_console()
    console.until(lambda: agrees(console), "the figures agree")
    before = shown(console)
    use(sidecar, times=2)
    console.until(lambda: agrees(console), "the figures have followed")
    assert int(shown(console)["l1"][3]) > int(before["l1"][3])
    tile = console.text(".tile:has-text('Hit ratio')")
    assert f"{sidecar.stats()['hit_ratio']:.1%} since the start" in tile


def test_both_protocols_are_shown(open_console: OpenConsole, sidecar: RunningSidecar) -> None:
    """Their requests and latencies; connections are those of both."""
    console = open_console()
    with redis.Redis(port=sidecar.resp_port) as client:

        def is_shown() -> bool:
            use(sidecar)
            for number in range(100):
                client.get(f"key-{number}")
            requests = console.text(".tile:has-text('Requests')")
            latency = console.text(".tile:has-text('GET p99')")
            return bool(
                re.search(r"HTTP [1-9][\d,]*/s, Redis [1-9][\d,]*/s", requests)
                and re.search(r"HTTP [\d.]+ [mµ]s, Redis [\d.]+ [mµ]s", latency)
            )

        console.until(is_shown, "both have requests and latencies")
    labels = console.page.locator(".chart:has-text('Latency') .legend li").all_inner_texts()
    assert any(label.startswith("Redis GET p99") for label in labels)


def test_it_outlives_the_sidecar(chromium_console: Console) -> None:
    """While it is gone, the page says so and shows the last figures. Back after kill -9, the page
    is live again, with counters that start at zero.
    """
    console, sidecar = chromium_console, chromium_console.sidecar
    use(sidecar, times=2)
    console.open()
    console.until(lambda: agrees(console), "the figures agree")
    before = shown(console)
    sidecar.kill_both()
    console.page.wait_for_selector("#connection.gone")
    assert "does not answer" in console.text("#trouble")
    assert shown(console) == before
    console.keep("gone")
    sidecar.start()
    console.await_live()
    assert not console.at("#trouble").is_visible()
    sidecar.get("key-1")
    console.until(lambda: agrees(console), "the figures agree again")
    assert int(shown(console)["l1"][4]) < int(before["l1"][4])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_systems_colours_or_a_wish(open_console: OpenConsole, scheme: str) -> None:
    """The choice survives a reload."""
    other = {"light": "dark", "dark": "light"}[scheme]
    console = open_console(color_scheme=scheme)
    grounds = {"light": "rgb(244, 245, 247)", "dark": "rgb(16, 19, 23)"}

    def ground() -> str:
        return str(console.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert ground() == grounds[scheme]
    console.page.get_by_label("Colours").select_option(other)
    assert ground() == grounds[other]
    console.page.reload()
    console.await_live()
    assert ground() == grounds[other]
    console.page.get_by_label("Colours").select_option("")
    assert ground() == grounds[scheme]
    for view in ("overview", "optimizer", "keys", "configuration"):
        console.open(view)
        console.keep(f"{view}-{scheme}")


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(open_console: OpenConsole, size: str) -> None:
    """Wider content scrolls within its box."""
    width, height = SIZES[size]
    console = open_console(viewport={"width": width, "height": height})
    for view in ("overview", "optimizer", "keys", "configuration"):
        console.open(view)
        console.keep(f"{view}-{size}")
        assert console.page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_the_keyboard_goes_everywhere(open_console: OpenConsole) -> None:
    """Skip link, views and switches are in order, and show the focus."""
    console = open_console()
    keyboard, page = console.page.keyboard, console.page
    names = []
    for _ in range(7):
        keyboard.press("Tab")
        focused = page.evaluate(
            "(() => { const it = document.activeElement, style = getComputedStyle(it);"
            " return [it.id || it.textContent.trim(), style.outlineStyle]; })()"
        )
        names.append(focused[0])
        assert focused[1] != "none", focused
    assert names == [
        "Skip to the content",
        *("Overview", "Optimizer", "Keys", "Configuration"),
        *("span", "theme"),
    ]
    for _ in range(4):
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    console.at("#optimizer-view").wait_for()
    assert console.at("nav a[aria-current=page]").inner_text() == "Optimizer"


def test_charts_draw_each_tier_in_its_colour(
    open_console: OpenConsole, sidecar: RunningSidecar
) -> None:
    """The data is from the server's history, so a new page shows the time before."""
    use(sidecar, times=3)
    console = open_console()
    console.until(lambda: console.at(".chart .area.l1").count(), "there is a step with reads")
    colours = console.page.evaluate(
        "['l1', 'l2', 'l3', 'miss'].map((look) =>"
        " getComputedStyle(document.querySelector(`.chart .area.${look}`)).fill)"
    )
    assert colours == [
        "rgb(0, 114, 178)",
        "rgb(0, 158, 115)",
        "rgb(230, 159, 0)",
        "rgb(127, 127, 127)",
    ]
    assert console.at(".chart .line.ink").count() >= 1


def test_a_chart_is_read_without_a_mouse(
    open_console: OpenConsole, sidecar: RunningSidecar
) -> None:
    """With arrow keys and a screen reader, and as a table with the figures of /v1/signals."""
    use(sidecar)
    console = open_console()
    console.until(lambda: console.at(".chart .area.l1").count(), "there is a step with reads")
    plot = console.at(".chart:has-text('Memory') .plot")
    plot.focus()
    console.page.keyboard.press("ArrowLeft")
    assert "Resident" in console.text(".chart:has-text('Memory') [aria-live]")
    assert console.at(".chart:has-text('Memory') .cursor[visibility=visible]").count() == 1
    console.page.keyboard.press("Tab")
    console.page.keyboard.press("Enter")
    rows = console.rows("Memory")
    name = "memory.resident_bytes"
    course = json.loads(sidecar.ask("GET", f"/v1/signals?names={name}&step=10").body)
    resident = f"{course['values'][name][0] / (1 << 20):.0f}"
    assert rows[-1][2].partition(" ")[0].partition(".")[0] in {resident, str(int(resident) - 1)}
