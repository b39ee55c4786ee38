"""Which origins a configuration may name, and what no key can make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.http.origin import Origin, config, configured
from tests.running import RunningSidecar, wait_until

PATH = "/v1/cache/items/key"

BAD = [
    ("http://example.com/{key}", "--origin-allow"),
    ("http://127.0.0.1/key", "{key}"),
    ("ftp://127.0.0.1/{key}", "http"),
    ("http://user@127.0.0.1/{key}", "user"),
    ("http://127.0.0.1:{data}/{{key}}", "the sidecar itself"),
]


@pytest.mark.parametrize(("url", "sentence"), BAD)
def test_origins_that_are_not_allowed_are_rejected(
    through: RunningSidecar, tmp_path: Path, url: str, sentence: str
) -> None:
    """With the flag that would allow them."""
    if "{data}" in url:
        url = url.format(data=through.port)
    text = f'namespaces:\n  items:\n    origin: {{url: "{url}"}}\n'
    (tmp_path / "config" / "cache.yaml").write_text(text)
    wait_until(lambda: json.loads(config(through))["rejected"], "it is rejected")
    [error] = json.loads(config(through))["rejected"]["errors"]
    assert error.startswith("cache.yaml:3: namespaces.items.origin.url: ")
    assert sentence in error
    assert through.ask("GET", PATH).status == 200


@pytest.mark.parametrize("key", ["a%0d%0ab", "%2e%2e%2fx", "a%23b", "a%40b", "a%3fb", "a b"])
def test_no_key_leaves_the_origin(through: RunningSidecar, origin: Origin, key: str) -> None:
    """It is asked below its path, or the key is refused."""
    answer = through.ask("GET", f"/v1/cache/items/{key.replace(' ', '%20')}")
    assert answer.status in {200, 400}
    assert all(path.startswith("/items/") for path in origin.asked)


def test_secret_fields_are_sent_and_not_shown(
    through: RunningSidecar, origin: Origin, tmp_path: Path
) -> None:
    text = configured(origin, ", headers: {Authorization: Bearer abc}")
    (tmp_path / "config" / "cache.yaml").write_text(text)

    def is_sent() -> bool:
        through.ask("GET", f"{PATH}{len(origin.fields)}")
        return origin.fields[-1].get("Authorization") == "Bearer abc"

    wait_until(is_sent, "it is sent")
    effective = json.dumps(json.loads(config(through))["effective"])
    assert "abc" not in effective
