"""Searching keys and viewing entries: all content is displayed, and none is executed."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.console.browsing import Console
from tests.console.conftest import OpenConsole
from tests.running import RunningSidecar

HTML = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ENTRY = "[aria-label=Entry]"


@pytest.fixture
def console(open_console: OpenConsole) -> Console:
    return open_console("keys")


def store(
    sidecar: RunningSidecar, key: str, value: bytes, content_type: str = "text/plain"
) -> None:
    headers = {"Content-Type": content_type}
    assert sidecar.ask("PUT", f"/v1/cache/shop/{key}", value, headers).status in {201, 204}


def search(console: Console, prefix: str = "", namespace: str = "shop") -> list[str]:
    """The keys found, as displayed."""
    console.page.get_by_label("Namespace").fill(namespace)
    console.page.get_by_label("Key begins with").fill(prefix)
    told = console.at("#keys-view [role=status]")
    console.page.keyboard.press("Enter")
    console.until(lambda: re.match(r"\d", told.inner_text()), "the search has ended")
    return [row[0] for row in console.rows("Keys found")]


def look(console: Console, key: str) -> str:
    """The value of an entry, as displayed."""
    console.page.get_by_role("button", name=key, exact=True).click()
    console.page.wait_for_selector(f"{ENTRY} h2")
    console.until(lambda: console.text(f"{ENTRY} h2") == key, "the entry is there")
    return console.text(f"{ENTRY} pre")


def test_an_entry_is_shown_with_what_is_known_of_it(
    console: Console, sidecar: RunningSidecar
) -> None:
    """Text as text, with type, tier, size, age and remaining lifetime."""
    store(sidecar, "page/1", "zwölf Boxkämpfer\n".encode())
    assert search(console, "page/") == ["page/1"]
    assert look(console, "page/1") == "zwölf Boxkämpfer\n"
    entry = console.text(ENTRY)
    for part in ("L1", "text/plain", "19 B", "59 min", '"'):
        assert part in entry, part


def test_html_is_text_wherever_it_stands(console: Console, sidecar: RunningSidecar) -> None:
    """In a key, a value and a content type; none of it becomes an element."""
    store(sidecar, f"html/{quote(HTML, safe='')}", HTML.encode(), "text/html")
    assert search(console, "html/") == [f"html/{HTML}"]
    assert look(console, f"html/{HTML}") == HTML
    console.keep("html")
    assert console.at("img:not(.brand img), script:not(head script), iframe").count() == 0


def test_what_would_hide_in_a_key_is_made_visible(
    console: Console, sidecar: RunningSidecar
) -> None:
    """Line breaks, and characters that change the text direction."""
    store(sidecar, f"odd/{quote('a' + chr(10) + 'b' + chr(0x202E) + 'c')}", b"v")
    assert search(console, "odd/") == ["odd/a␊b⟨U+202E⟩c"]
    assert look(console, "odd/a␊b⟨U+202E⟩c") == "v"


def test_a_key_that_is_no_text_is_found_too(console: Console, sidecar: RunningSidecar) -> None:
    store(sidecar, "raw/%ff%fe", b"v")
    [shown] = search(console, "raw/")
    assert look(console, shown) == "v"


def test_binary_is_shown_as_hexadecimal(console: Console, sidecar: RunningSidecar) -> None:
    """The first KiB is shown."""
    store(sidecar, "binary", bytes(range(256)) * 8, "image/png")
    search(console, "binary")
    lines = look(console, "binary").splitlines()
    assert len(lines) == 64
    assert lines[4].split()[:3] == ["00000040", "40", "41"]
    assert lines[4].endswith("@ABCDEFGHIJKLMNO")
    assert "the first 1 KiB of 2 KiB" in console.text(ENTRY)
    assert console.at(f"{ENTRY} img").count() == 0


def test_a_large_value_is_cut(console: Console, sidecar: RunningSidecar) -> None:
    """It is not read to its end; a character cut in two does not make it binary."""
    store(sidecar, "large", "ä".encode() * (2 << 20))
    store(sidecar, "empty", b"")
    search(console, "large")
    assert 32 << 10 >= len(look(console, "large")) >= (32 << 10) - 1
    assert "the first 64 KiB of 4 MiB" in console.text(ENTRY)
    search(console, "empty")
    console.page.get_by_role("button", name="empty", exact=True).click()
    console.until(lambda: "The value is empty." in console.text(ENTRY), "it is shown")


def test_a_value_is_shown_with_its_size_and_version(
    console: Console, sidecar: RunningSidecar
) -> None:
    """Not with those of its compressed form, which browsers accept."""
    store(sidecar, "shrinks", b"word " * 2048)
    search(console, "shrinks")
    look(console, "shrinks")
    entry = console.text(ENTRY)
    assert "10 KiB" in entry
    assert sidecar.ask("GET", "/v1/cache/shop/shrinks").headers["ETag"] in entry


def test_many_keys_come_page_by_page(console: Console, sidecar: RunningSidecar) -> None:
    """All keys appear, each once; all can be reached by keyboard."""
    for number in range(120):
        store(sidecar, f"many/{number}", b"v")
    assert len(search(console, "many/")) == 100
    more = console.page.get_by_role("button", name="More")
    more.focus()
    console.page.keyboard.press("Enter")
    console.until(lambda: not more.is_visible(), "all keys are there")
    keys = [row[0] for row in console.rows("Keys found")]
    assert sorted(keys) == sorted(f"many/{number}" for number in range(120))
    console.at("#keys-view tbody button").first.focus()
    console.page.keyboard.press("Enter")
    console.until(lambda: console.text(f"{ENTRY} h2") == keys[0], "the entry is there")


def test_an_entry_that_has_gone_is_said_to_have(console: Console, sidecar: RunningSidecar) -> None:
    """The browser logs the 404, which is the only error allowed."""
    store(sidecar, "gone", b"v")
    search(console, "gone")
    sidecar.ask("DELETE", "/v1/cache/shop/gone")
    console.page.get_by_role("button", name="gone", exact=True).click()
    console.until(lambda: "no longer exists" in console.text(ENTRY), "it is said")
    assert [trouble for trouble in console.troubles if "404" not in trouble] == []
    console.troubles.clear()
    assert search(console, "nothing") == []


def test_hot_keys_are_listed_and_lead_to_their_entries(
    console: Console, sidecar: RunningSidecar
) -> None:
    """As they are now; those of the other view stay as they were found."""
    store(sidecar, f"hot/{quote(HTML, safe='')}", b"hot value")

    def is_listed() -> bool:
        for _ in range(50):
            sidecar.ask("GET", f"/v1/cache/shop/hot/{quote(HTML, safe='')}")
        return f"hot/{HTML}" in [row[1] for row in console.rows("Hot keys")]

    console.until(is_listed, "the key is listed")
    assert look(console, f"hot/{HTML}") == "hot value"
    [row] = [row for row in console.rows("Hot keys") if row[1] == f"hot/{HTML}"]
    assert row[0] == "shop"
    assert float(row[2].replace(",", "")) > 1
    console.keep("keys")
