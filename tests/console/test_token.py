"""The console of a sidecar that requires a token: it asks for it, and keeps it for the tab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import StartSidecar
from tests.console.browsing import Console

TOKEN, SECOND, WRONG = "s3cr3t-of-the-shop", "an0ther-s3cret", "gu3ss-of-a-stranger"
PATH = "/v1/cache/shop/page"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def console(chromium: Browser, start_sidecar: StartSidecar, token_file: Path) -> Iterator[Console]:
    """A page that waits for the token. The browser logs each 401, which is no error of the page."""
    console = Console(chromium, start_sidecar("--token-file", str(token_file)))
    console.page.goto(f"http://127.0.0.1:{console.sidecar.port}/#overview")
    console.page.wait_for_selector("#token-form")
    yield console
    console.troubles[:] = [trouble for trouble in console.troubles if "401" not in trouble]
    console.close()


def enter(console: Console, token: str) -> None:
    """As somebody does who uses the keyboard only: the field has the focus."""
    assert console.page.evaluate("document.activeElement.id") == "token"
    console.page.keyboard.type(token)
    console.page.keyboard.press("Enter")


def kept(console: Console) -> list[object]:
    """What the browser keeps: for the tab, and for longer."""
    found: list[object] = console.page.evaluate(
        "[{...sessionStorage}, Object.values({...localStorage}), document.cookie]"
    )
    return found


def test_it_asks_once_and_then_works(console: Console) -> None:
    """Every view, calls by POST, and after a reload. The token is not shown, and not in the
    address; it is kept for this tab alone.
    """
    console.keep("token")
    field = console.page.get_by_label("Token", exact=True)
    assert field.get_attribute("type") == "password"
    assert console.text("#connection") == "Locked"
    enter(console, TOKEN)
    console.await_live()
    assert not console.at("#token-form").is_visible()
    assert console.page.evaluate("document.activeElement.id") == "main"
    for view in ("overview", "optimizer", "keys", "configuration"):
        console.open(view)
    console.open("optimizer")
    with console.page.expect_response("**/run?dry_run=true") as answered:
        console.page.get_by_role("button", name="Evaluate all rules now").click()
    assert answered.value.status == 200
    console.page.reload()
    console.await_live()
    assert not console.at("#token-form").is_visible()
    assert kept(console) == [{"token": TOKEN}, [""], ""]
    assert TOKEN not in console.page.content()
    assert not [url for url in console.asked if TOKEN in url]


def test_a_wrong_one_is_asked_for_again(console: Console) -> None:
    """It says so, also to a screen reader; characters that no token has are not sent."""
    enter(console, WRONG)
    console.until(lambda: "was not accepted" in console.text("#token-note"), "it is said")
    assert console.page.get_by_role("alert").filter(has_text="was not accepted").is_visible()
    console.page.get_by_label("Token", exact=True).fill("two words")
    console.page.get_by_role("button", name="Continue").click()
    assert console.at("#token:invalid").count() == 1
    console.page.get_by_label("Token", exact=True).fill(TOKEN)
    console.page.get_by_role("button", name="Continue").click()
    console.await_live()


def test_a_new_one_is_asked_for_when_it_is_replaced(console: Console, token_file: Path) -> None:
    """The last data stays, and what was being done goes on with the new token."""
    enter(console, TOKEN)
    console.await_live()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"}
    assert console.sidecar.ask("PUT", PATH, b"hello", headers).status == 201
    console.open("keys")
    token_file.write_text(SECOND)
    console.page.wait_for_selector("#token-form")
    console.page.get_by_label("Namespace").fill("shop")
    console.page.keyboard.press("Enter")
    console.page.get_by_label("Token", exact=True).fill(SECOND)
    console.page.keyboard.press("Enter")
    console.until(lambda: [row[0] for row in console.rows("Keys found")] == ["page"], "it is found")
    console.await_live()
    assert kept(console)[0] == {"token": SECOND}
