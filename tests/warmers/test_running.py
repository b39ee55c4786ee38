"""A run: what it loads, what it leaves alone, what it reports, and how it ends.

More than 300 lines, since all of these are cases of one run.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from xxhash import xxh3_64_intdigest

from sidecar.config.values import RateConfig
from sidecar.model.terms import mark_of
from sidecar.warmers.changes import BITS
from sidecar.warmers.figures import MOST_ERRORS
from sidecar.warmers.warmers import AlreadyRunningError, NotRunningError, UnknownWarmerError
from tests.http.serving import eventually
from tests.warmers.warming import Warming, lines, of_file, steered

UNBOUND = RateConfig(entries_per_second=1_000_000, bytes_per_second=1 << 40)


def line(**fields: Any) -> bytes:
    return json.dumps({"key": "k", "value": "v", **fields}).encode() + b"\n"


async def test_a_broken_line_in_the_middle_is_reported_and_the_others_are_loaded(
    warming: Warming,
) -> None:
    before, after = lines([("a", "1"), ("b", "2")]), lines([("c", "3")])
    figures = await warming.load(before + b"{broken\n" + after)
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 3, 1)
    [(number, why)] = figures.errors
    assert number == 3
    assert "JSON is malformed" in why
    assert [await warming.value(b"n/" + key) for key in (b"a", b"b", b"c")] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"key":"k","value":' + b"[" * 100_000, "recursion"),
        (b"\xff\xfe", "malformed"),
        (b'{"key":"\xff","value":"v"}', "utf-8"),
        (b'{"key":"\\ud800","value":"v"}', "can't be read"),
        (b'{"value":"v"}', "missing required field `key`"),
        (b'{"key":"k"}', "missing required field `value`"),
        (line(key=5), "key takes a string."),
        (line(value={}), "value takes a string."),
        (line(key=""), "A key is 1 to 1,024 bytes"),
        (line(key="k" * 1025), "A key is 1 to 1,024 bytes"),
        (line(namespace="a/b"), "namespace"),
        (line(ttl=-1), "Expected `float` >= 0.0"),
        (line(ttl="keep"), "ttl takes seconds, or never."),
        (line(ttl=10**12), "Expected `float` <="),
        (line(encoding="base64", value="?"), "Its value is not base64."),
        (line(content_type="x\r\nY: z"), "Content-Type is type/subtype"),
        (line(tags=["a\n"]), "A tag is"),
        (line(tags=["t"] * 33), "send at most 32"),
        (line(max_age=5), "max_age bounds a life that slides"),
        (line(values="v"), "unknown field `values`"),
        (line(value="v" * ((8 << 20) + 1)), "A value may take 8,388,608 bytes."),
        (b'{"key":"k","value":"' + b"v" * (50 << 20) + b'"}', "The line is longer than"),
    ],
)
async def test_a_wrong_entry_is_reported_with_its_reason(
    warming: Warming, content: bytes, why: str
) -> None:
    """And those around it are loaded."""
    around = lines([("a", "1")])
    figures = await warming.load(around + content.rstrip(b"\n") + b"\n\n" + around, rate=UNBOUND)
    assert (figures.result, figures.loaded, figures.failed) == ("succeeded", 2, 1)
    [(number, found)] = figures.errors
    assert number == 2
    assert why in found


async def test_the_first_errors_are_kept_and_all_are_counted(warming: Warming) -> None:
    figures = await warming.load(b"no\n" * 500)
    assert (figures.failed, len(figures.errors)) == (500, MOST_ERRORS)
    assert [number for number, _ in figures.errors] == [*range(1, MOST_ERRORS + 1)]


async def test_an_entry_has_what_its_line_states(warming: Warming) -> None:
    stated = line(
        value="/wA=", encoding="base64", content_type="image/png", ttl=60, tags=["t"], namespace="m"
    )
    assert (await warming.load(b"\xef\xbb\xbf" + stated)).loaded == 1
    hit = await warming.live.store.get(b"m/k")
    assert hit is not None
    entry = hit.entry
    assert (hit.value, entry.content_type) == (b"\xff\0", "image/png")
    assert entry.expires_at == pytest.approx(entry.created_at + 60)
    assert entry.terms is not None
    assert entry.terms.tags == ("t",)


async def test_entries_need_a_namespace(warming: Warming) -> None:
    figures = await warming.load(line() + line(namespace="m"), namespace=None)
    assert (figures.loaded, figures.failed) == (1, 1)
    assert "It has no namespace" in figures.errors[0][1]


@pytest.mark.parametrize("end", [b"\xc1", b"\x82\xa3key", b"\x91" * 20])
async def test_broken_messagepack_fails_after_what_came_before(
    warming: Warming, end: bytes
) -> None:
    """It is not known where the next entry begins."""
    whole = msgspec.msgpack.encode({"key": "k", "value": b"v"})
    wrong = msgspec.msgpack.encode({"key": 5, "value": b"v"})
    figures = await warming.load(whole + wrong + whole + end)
    assert figures.result == "failed"
    assert "Entry 4 " in str(figures.reason)
    assert (figures.loaded, figures.errors) == (2, [(2, "key takes a string.")])


async def test_a_key_that_comes_a_million_times_is_loaded_a_last_time(warming: Warming) -> None:
    """Memory does not grow with it. Here it comes a hundred thousand times."""
    last = line(value="last")
    figures = await warming.load(line() * 100_000 + last, rate=UNBOUND)
    assert (figures.result, figures.loaded) == ("succeeded", 100_001)
    assert await warming.value(b"n/k") == b"last"
    assert len(warming.live.store.l1) == 1


async def test_a_value_that_no_tier_holds_is_reported(warming: Warming) -> None:
    """And is not the end of the run."""
    store = warming.live.store
    tiers = store.config.tiers
    small = replace(
        tiers,
        l1=replace(tiers.l1, max_bytes=10_000),
        l2=replace(tiers.l2, max_bytes=10_000),
        l3=replace(tiers.l3, max_bytes=10_000),
    )
    store.apply(replace(store.config, tiers=small), store.tuning)
    figures = await warming.load(line(value="v" * 20_000) + line(key="other"))
    assert (figures.loaded, figures.failed) == (1, 1)
    assert figures.errors == [(1, "Its value is larger than every tier that is in use.")]


# ---- what is newer than a run


async def begin(warming: Warming, **fields: Any) -> None:
    """Begin a run whose source gives nothing yet."""
    warming.warmers.configure([steered(**fields)])
    warming.warmers.start("a", "request")
    await eventually(lambda: warming.source.opened, "the source is open")


async def finish(warming: Warming, content: bytes) -> Any:
    warming.source.pieces.put_nowait(content)
    warming.source.pieces.put_nowait(b"")
    return await warming.ended("a")


async def test_an_older_entry_is_replaced(warming: Warming) -> None:
    await warming.live.store.put(b"n/k", b"old", "a/b", 60)
    figures = await warming.load(line())
    assert (figures.loaded, figures.skipped) == (1, 0)
    assert await warming.value(b"n/k") == b"v"


async def test_a_newer_entry_is_left_alone(warming: Warming) -> None:
    await begin(warming)
    await warming.live.store.put(b"n/k", b"newer", "a/b", 60)
    figures = await finish(warming, line() + line(key="other"))
    assert (figures.loaded, figures.skipped) == (1, 1)
    assert await warming.value(b"n/k") == b"newer"


async def test_a_newer_entry_that_only_l3_has_is_left_alone(warming: Warming) -> None:
    """It was evicted from memory meanwhile."""
    store = warming.live.store
    await begin(warming)
    await store.put(b"n/k", b"newer", "a/b", 60)
    store.memory.pop(b"n/k")
    figures = await finish(warming, line())
    assert (figures.loaded, figures.skipped) == (0, 1)
    assert await warming.value(b"n/k") == b"newer"


async def test_replace_replaces_newer_entries_too(warming: Warming) -> None:
    await begin(warming, replace=True)
    await warming.live.store.put(b"n/k", b"newer", "a/b", 60)
    figures = await finish(warming, line())
    assert (figures.loaded, figures.skipped) == (1, 0)
    assert await warming.value(b"n/k") == b"v"


async def test_what_was_deleted_meanwhile_does_not_come_back(warming: Warming) -> None:
    store = warming.live.store
    await store.put(b"n/k", b"old", "a/b", 60)
    await begin(warming)
    await store.delete(b"n/k")
    await store.delete(b"n/never")
    figures = await finish(warming, line() + line(key="never") + line(key="other"))
    assert (figures.loaded, figures.skipped) == (1, 2)
    assert await warming.value(b"n/k") is None


async def test_what_was_invalidated_meanwhile_does_not_come_back(warming: Warming) -> None:
    """By a prefix, also if the sweep has removed it since; or by a tag that the line states."""
    store = warming.live.store
    await begin(warming)
    await store.invalidate(b"n/p/")
    await store.invalidate_tags([mark_of("n", "t")])
    store.invalidations.forget(store.invalidations.newest)
    figures = await finish(
        warming,
        line(key="p/1") + line(key="q", tags=["t"]) + line(key="r", tags=["u"]) + line(key="s"),
    )
    assert (figures.loaded, figures.skipped) == (2, 2)
    assert [await warming.value(b"n/" + key) for key in (b"p/1", b"q")] == [None, None]


async def test_a_tag_that_was_swept_meanwhile_still_counts(warming: Warming) -> None:
    """Which tags were invalidated is no longer known, so no entry with tags is loaded."""
    store = warming.live.store
    await begin(warming)
    await store.invalidate_tags([mark_of("n", "t")])
    store.tags.forget(store.tags.newest)
    figures = await finish(warming, line(key="q", tags=["t"]) + line(key="s"))
    assert (figures.loaded, figures.skipped) == (1, 1)


def with_one_bit() -> tuple[str, str]:
    """Two keys of the namespace that are remembered by the same bit."""
    seen: dict[int, str] = {}
    for number in range(100_000):
        key = f"key {number}"
        bit = xxh3_64_intdigest(f"n/{key}".encode()) % BITS
        if bit in seen:
            return seen[bit], key
        seen[bit] = key
    raise AssertionError("no two keys have one bit")


async def test_a_write_to_a_key_with_the_same_bit_does_not_count(warming: Warming) -> None:
    """Where there is an older entry, which proves that its key was not written."""
    store = warming.live.store
    written, other = with_one_bit()
    await store.put(f"n/{other}".encode(), b"old", "a/b", 60)
    await begin(warming)
    await store.put(f"n/{written}".encode(), b"newer", "a/b", 60)
    figures = await finish(warming, line(key=other) + line(key=written))
    assert (figures.loaded, figures.skipped) == (1, 1)
    assert await warming.value(f"n/{other}".encode()) == b"v"
    assert await warming.value(f"n/{written}".encode()) == b"newer"


@pytest.mark.parametrize("seed", range(3))
async def test_a_run_among_writes_never_replaces_a_newer_one(warming: Warming, seed: int) -> None:
    """Random puts, deletes and batches of lines: each key ends as its last writer left it, where
    that is not the run. The seed is in the name of the case.
    """
    rng = random.Random(seed)
    store, expected = warming.live.store, dict[bytes, bytes | None]()
    await begin(warming, rate=UNBOUND)
    for step in range(200):
        key = f"{rng.randrange(40)}"
        full = b"n/" + key.encode()
        match rng.randrange(3):
            case 0:
                expected[full] = f"put {step}".encode()
                await store.put(full, f"put {step}".encode(), "a/b", 60)
            case 1:
                expected[full] = None
                await store.delete(full)
            case _:
                warming.source.pieces.put_nowait(line(key=key, value="warm"))
                await asyncio.sleep(0)
    await finish(warming, line(key="end"))
    assert {key: await warming.value(key) for key in expected} == expected


# ---- one at a time, to its end


async def test_a_warmer_has_one_run_at_a_time(warming: Warming) -> None:
    await begin(warming)
    with pytest.raises(AlreadyRunningError):
        warming.warmers.start("a", "request")
    with pytest.raises(UnknownWarmerError):
        warming.warmers.start("b", "request")
    await finish(warming, line())
    warming.warmers.start("a", "request")


async def test_two_warmers_run_and_others_wait(warming: Warming) -> None:
    warming.warmers.configure([steered(name=name) for name in "abc"])
    for name in "abc":
        warming.warmers.start(name, "request")
    await eventually(lambda: warming.source.opened == 2, "two run")
    assert [each.state for each in warming.warmers] == ["running", "running", "waiting"]
    for _ in range(3):
        warming.source.pieces.put_nowait(b"")
    assert (await warming.ended("c")).result == "succeeded"


async def test_a_run_can_be_cancelled(warming: Warming) -> None:
    """What it has loaded stays, and the source is closed."""
    await begin(warming)
    warming.source.pieces.put_nowait(line())
    [standing] = warming.warmers
    await eventually(lambda: standing.run and standing.run.loaded, "the line is loaded")
    await warming.warmers.cancel("a")
    assert standing.state == "idle"
    assert standing.last is not None
    assert (standing.last.result, standing.last.loaded) == ("cancelled", 1)
    assert warming.source.closed == 1
    assert await warming.value(b"n/k") == b"v"
    with pytest.raises(NotRunningError):
        await warming.warmers.cancel("a")


async def test_a_run_can_be_cancelled_before_it_has_begun(warming: Warming) -> None:
    """In the same turn of the loop."""
    warming.warmers.configure([steered()])
    standing = warming.warmers.start("a", "request")
    await warming.warmers.cancel("a")
    assert standing.state == "idle"
    assert (standing.last and standing.last.result) == "cancelled"
    assert warming.source.opened == 0


async def test_a_run_ends_with_its_deadline(warming: Warming) -> None:
    await begin(warming, deadline_seconds=0.05)
    figures = await warming.ended("a")
    assert figures.result == "timed_out"
    assert "its deadline of 0.05 s" in str(figures.reason)


async def test_a_warmer_that_is_removed_ends_its_run(warming: Warming) -> None:
    """One that is changed goes on as it began."""
    await begin(warming)
    [standing] = warming.warmers
    figures = standing.run
    warming.warmers.configure([of_file("export")])
    assert standing.state == "running"
    warming.warmers.configure([])
    assert figures is not None
    await eventually(lambda: figures.result == "cancelled", "it is cancelled")


async def test_without_l3_memory_is_warmed(warming: Warming) -> None:
    warming.live.l3.enable(enabled=False)
    await eventually(lambda: warming.live.store.l3_state == "down", "L3 is down")
    assert (await warming.load(line())).loaded == 1
    assert await warming.value(b"n/k") == b"v"
