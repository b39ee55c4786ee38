"""The console's files: how they are served, and their content security policy."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from sidecar.cli.palette import TIERS
from tests.running import RunningSidecar

FOLDER = files("sidecar.http").joinpath("console")
NAMES = [each.name for each in FOLDER.iterdir()]
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}


def path_of(name: str) -> str:
    return "/" if name == "index.html" else f"/console/{name}"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_sent_as_what_it_is(sidecar: RunningSidecar, name: str) -> None:
    """The body is the same byte by byte, and the browser must not guess another type."""
    answer = sidecar.ask("GET", path_of(name))
    assert (answer.status, answer.body) == (200, FOLDER.joinpath(name).read_bytes())
    assert answer.headers["Content-Type"].startswith(TYPES[name.rpartition(".")[2]])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_version_is_sent_once(sidecar: RunningSidecar) -> None:
    """The browser revalidates each time, and gets 304 unless the sidecar's version changed."""
    answer = sidecar.ask("GET", "/")
    assert answer.headers["Cache-Control"] == "no-cache"
    again = sidecar.ask("GET", "/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert sidecar.ask("GET", "/", headers={"If-None-Match": "*"}).status == 304
    other = sidecar.ask("GET", "/", headers={"If-None-Match": '"other"'})
    assert other.status == 200
    head = sidecar.ask("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_the_policy_allows_the_files_of_this_server_and_no_more(sidecar: RunningSidecar) -> None:
    """No inline code, no other origins, no markup from text, no frames."""
    policy = dict(
        part.split(" ", 1)
        for part in sidecar.ask("GET", "/").headers["Content-Security-Policy"].split("; ")
    )
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert policy.pop("trusted-types") == "asking"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["frame-ancestors"] == "'none'"


def test_nothing_is_named_that_is_elsewhere() -> None:
    """The only address is the SVG namespace, and no function turns text into markup."""
    for name in NAMES:
        text = FOLDER.joinpath(name).read_text()
        assert set(re.findall(r"\w+://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"\bon\w+=|style=", text), name


def test_a_tier_has_the_colour_that_it_has_in_the_terminal() -> None:
    style = FOLDER.joinpath("console.css").read_text()
    colours = dict(re.findall(r"^  --(l\d): (#\w+);$", style, re.MULTILINE))
    assert colours == {tier: colour.lower() for tier, colour in TIERS.items()}


def test_every_module_is_preloaded() -> None:
    """Otherwise the browser would discover it late."""
    page = FOLDER.joinpath("index.html").read_text()
    named = set(re.findall(r'(?:href|src)="/console/(\w+\.js)"', page))
    assert named == {name for name in NAMES if name.endswith(".js")} - {"asking.js"}


def test_what_is_not_there_is_a_problem(sidecar: RunningSidecar) -> None:
    for path, status in (
        *(("/console/", 404), ("/console/none.js", 404)),
        *(("/console/../admin.py", 400), ("/console/%2e%2e/x", 400)),
    ):
        answer = sidecar.ask("GET", path)
        assert answer.status == status, path
        assert json.loads(answer.body)["status"] == status
    assert sidecar.ask("POST", "/").status == 405
