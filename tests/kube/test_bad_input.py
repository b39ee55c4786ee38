"""Malicious documents, from the API and from a folder, are rejected with a reason."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.kube.conftest import Start, promote_after
from tests.kube.threaded import ThreadedApiServer
from tests.running import RunningSidecar, wait_until

MIB = 1 << 20
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
BAD = {
    "tabs": ({"cache.yaml": "tiers:\n\tl1: {max_entries: 5}\n"}, "indented with a tab"),
    "anchors that explode": ({"cache.yaml": BOMB}, "more than 10000 values"),
    "nesting without end": ({"cache.yaml": "[" * 100_000}, "nested deeper than 32"),
    "duplicate keys": (
        {"cache.yaml": "promote_after: 3\npromote_after: 4\n"},
        "cache.yaml:2: promote_after: the key is already on line 1",
    ),
    "tags that construct objects": (
        {"cache.yaml": "promote_after: !!python/object/apply:os.system [touch /tmp/owned]\n"},
        "is not supported; remove it",
    ),
    "characters that no text has": ({"cache.yaml": "a: \x00"}, "is not allowed"),
    "a warmer that is not there": (
        {
            "rules.yaml": "rules: [{name: a, type: cache, when: cache.hit_ratio < 0.5, "
            "action: warm, with: {warmer: top}}]"
        },
        'there is no warmer "top"',
    ),
    "a baseline that is not there": (
        {
            "baselines.yaml": "baselines: {}",
            "rules.yaml": "rules: [{name: a, type: cache, action: warm, "
            "when: cache.hit_ratio < baseline.cache.hit_ratio}]",
        },
        "cache.hit_ratio has no baseline",
    ),
}
Publish = Callable[[dict[str, str]], None]


def goes_through_all_of_it(sidecar: RunningSidecar, publish: Publish) -> None:
    """Each is rejected with its reason, a valid one of 1 MiB follows, and the cache goes on."""
    publish({"cache.yaml": "promote_after: 3\r\n"})
    wait_until(lambda: promote_after(sidecar) == 3, "lines may end as on Windows")
    for what, (texts, why) in BAD.items():
        publish(texts)
        wait_until(partial(is_refused, sidecar, why), f"{what} is refused")
        assert promote_after(sidecar) == 3
        assert sidecar.put("key", b"value").status in (201, 204)
    long = "# " + "x" * 97 + "\n"
    publish({"cache.yaml": long * ((MIB - 100) // 100) + "promote_after: 99\n"})
    wait_until(lambda: promote_after(sidecar) == 99, "a mebibyte is taken")
    assert sidecar.config()["rejected"] is None


def is_refused(sidecar: RunningSidecar, why: str) -> bool:
    rejected = sidecar.config()["rejected"]
    return rejected is not None and why in " ".join(rejected["errors"])


def test_from_the_api(start: Start, api: ThreadedApiServer) -> None:
    goes_through_all_of_it(start(), lambda texts: api.put({"data": texts}))


def test_from_a_folder(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    mount = Mount(tmp_path / "config")
    mount.publish({})
    goes_through_all_of_it(start_sidecar("--config", str(mount.path)), mount.publish)


def test_binary_data_is_refused_with_what_to_do(start: Start, api: ThreadedApiServer) -> None:
    """Only for our keys: other binary keys are ignored."""
    sidecar = start()
    binary = base64.b64encode(b"promote_after: \xff").decode()
    api.put({"binaryData": {"cache.yaml": binary}, "data": {"rules.yaml": "level: maximum"}})
    wait_until(lambda: sidecar.config()["rejected"], "it is refused")
    [error] = sidecar.config()["rejected"]["errors"]
    assert error.startswith("cache.yaml:1: it is in binaryData")
    assert sidecar.config()["document"] == {}
    api.put({"binaryData": {"logo.png": binary}, "data": {"cache.yaml": "promote_after: 4"}})
    wait_until(lambda: promote_after(sidecar) == 4, "another's binary is no matter")
