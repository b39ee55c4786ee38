"""What responses allow, by RFC 9111 and RFC 5861: a response a line."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from sidecar.origins.cache_control import MAX_SECONDS
from sidecar.origins.freshness import Freshness, freshness_of

NOW = 1_000_000_000.0
DEFAULT = 300.0


def http_date(seconds_from_now: float) -> str:
    return formatdate(NOW + seconds_from_now, usegmt=True)


def judged(*lines: str, delay: float = 0.0, default: float = DEFAULT) -> Freshness:
    fields = [line.partition(":") for line in lines]
    headers = CIMultiDict((name, value.strip()) for name, _, value in fields)
    return freshness_of(headers, requested_at=NOW - delay, answered_at=NOW, default_seconds=default)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ((), DEFAULT),
        (("Cache-Control: max-age=60",), 60),
        (("Cache-Control: MAX-AGE=60",), 60),
        (('Cache-Control: max-age="60"',), 60),
        (("Cache-Control: max-age=060",), 60),
        (("Cache-Control: max-age=60, max-age=60",), 60),
        (("Cache-Control: max-age=0",), 0),
        (("Cache-Control: public",), DEFAULT),
        (("Cache-Control: foo, ,max-age=60,",), 60),
        (("Cache-Control: foo=\"max-age=1, \\\" x\", max-age=60",), 60),
        (("Cache-Control: public", "Cache-Control: max-age=60"), 60),
        (("Cache-Control: max-age=60, s-maxage=10",), 10),
        (("Cache-Control: s-maxage=10, max-age=60", f"Expires: {http_date(100)}"), 10),
        (("Cache-Control: max-age=60", f"Expires: {http_date(100)}"), 60),
        (("Cache-Control: max-age=60", "Age: 20"), 40),
        (("Cache-Control: max-age=60", "Age: 20, 50"), 40),
        (("Cache-Control: max-age=60", "Age: 20", "Age: 50"), 40),
        (("Cache-Control: max-age=60", "Age: 70"), 0),
        (("Cache-Control: max-age=60", "Age: 99999999999999999999"), 0),
        (("Cache-Control: max-age=60", "Age: -5"), 60),
        (("Cache-Control: max-age=60", "Age: abc"), 60),
        (("Cache-Control: max-age=60", "Age: 1.5"), 60),
        (("Cache-Control: max-age=60", f"Date: {http_date(-15)}"), 45),
        (("Cache-Control: max-age=60", f"Date: {http_date(-15)}", "Age: 20"), 40),
        (("Cache-Control: max-age=60", f"Date: {http_date(500)}"), 60),
        (("Cache-Control: max-age=60", "Date: yesterday"), 60),
        ((f"Expires: {http_date(100)}",), 100),
        ((f"Expires: {http_date(100)}", f"Date: {http_date(0)}"), 100),
        ((f"Expires: {http_date(100)}", f"Date: {http_date(-40)}"), 100),
        ((f"Expires: {http_date(100)}", f"Date: {http_date(40)}"), 60),
        ((f"Expires: {http_date(100)}", "Age: 30"), 70),
        ((f"Expires: {http_date(-1)}",), 0),
        (("Expires: Sunday, 09-Sep-01 01:48:20 GMT",), 100),
        (("Expires: Sun Sep  9 01:48:20 2001",), 100),
        (("Expires: 0",), 0),
        (("Expires: -1",), 0),
        (("Expires: Sun, 09 Sep 99999 01:48:20 GMT",), 0),
        ((f"Expires: {http_date(100)}", f"Expires: {http_date(200)}"), 0),
        (("Cache-Control: no-cache", "Expires: 0"), 0),
        (("Cache-Control: no-cache, max-age=60",), 0),
        (('Cache-Control: no-cache="Set-Cookie", max-age=60',), 0),
        # Freshness that is not valid is none (section 4.2.1).
        (("Cache-Control: max-age",), 0),
        (("Cache-Control: max-age=",), 0),
        (("Cache-Control: max-age=-1",), 0),
        (("Cache-Control: max-age=1.5",), 0),
        (("Cache-Control: max-age=60s",), 0),
        (("Cache-Control: max-age= 60",), 0),
        (("Cache-Control: max-age=\uff16\uff10",), 0),
        (("Cache-Control: max-age=1e3",), 0),
        (("Cache-Control: max-age=60, max-age=61",), 0),
        (("Cache-Control: s-maxage=x, max-age=60",), 0),
        (("Cache-Control: max-age=99999999999999999999",), MAX_SECONDS),
        (("Pragma: no-cache",), DEFAULT),
        (("Age: 1000",), DEFAULT),
    ],
)  # fmt: skip
def test_the_lifetime_is_what_the_response_states(lines: tuple[str, ...], seconds: float) -> None:
    """Less its age; the default counts from now."""
    it = judged(*lines)
    assert it.store
    assert it.lifetime_seconds == seconds


def test_the_delay_of_the_response_counts_as_age() -> None:
    """RFC 9111, section 4.2.3: it may have been generated at once, and taken long to arrive."""
    assert judged("Cache-Control: max-age=60", delay=2.5).lifetime_seconds == 57.5
    assert judged("Cache-Control: max-age=60", "Age: 10", delay=2).lifetime_seconds == 48
    assert judged("Cache-Control: max-age=60", delay=-5).lifetime_seconds == 60


def test_the_default_may_be_for_ever() -> None:
    assert judged(default=math.inf).lifetime_seconds == math.inf
    assert judged("Cache-Control: no-cache", default=math.inf).lifetime_seconds == 0


@pytest.mark.parametrize(
    ("lines", "store"),
    [
        (("Cache-Control: no-store",), False),
        (("Cache-Control: No-Store",), False),
        (("Cache-Control: max-age=60, no-store",), False),
        (("Cache-Control: max-age=60", "Cache-Control: no-store"), False),
        (("Cache-Control: no-store=1",), False),
        (("Cache-Control: no-store , max-age=60",), False),
        (("Cache-Control: must-understand, no-store",), False),
        (("Cache-Control: private",), False),
        (('Cache-Control: private="Set-Cookie, X", max-age=60',), False),
        (("Cache-Control: private, s-maxage=60",), False),
        (('Cache-Control: foo="no-store"',), True),
        (("Cache-Control: x-no-store",), True),
        (("Cache-Control: no-storex",), True),
        # What cannot be read may have forbidden it.
        (('Cache-Control: foo="bar, max-age=60',), False),
        (("Cache-Control: " + "a," * 5000,), False),
        (("Vary: Accept-Encoding",), True),
        (("Vary: accept-encoding, Accept-Encoding",), True),
        (("Vary:",), True),
        (("Vary: *",), False),
        (("Vary: Accept-Encoding, *",), False),
        (("Vary: Accept-Encoding, Accept-Language",), False),
        (("Vary: Accept-Encoding", "Vary: Cookie"), False),
        (("Vary: Authorization",), False),
        (("Vary: " + "Accept-Encoding," * 1000,), False),
        (("Set-Cookie: a=b",), True),
    ],
)
def test_what_may_not_be_stored(lines: tuple[str, ...], *, store: bool) -> None:
    assert judged(*lines).store == store


@pytest.mark.parametrize(
    ("field", "must_revalidate", "while_revalidating", "if_error"),
    [
        ("max-age=60", False, None, None),
        ("max-age=60, stale-while-revalidate=30", False, 30, None),
        ("max-age=60, stale-if-error=30", False, None, 30),
        ("stale-while-revalidate=5, stale-if-error=7", False, 5, 7),
        ("stale-while-revalidate=x, stale-if-error", False, 0, 0),
        ("must-revalidate", True, 0, 0),
        ("must-revalidate, stale-while-revalidate=30, stale-if-error=30", True, 0, 0),
        ("proxy-revalidate, stale-if-error=30", True, 0, 0),
        ("no-cache, stale-if-error=30", True, 0, 0),
        ("s-maxage=60", True, 0, 0),
        ("s-maxage=60, stale-while-revalidate=30", False, 30, 0),
        ("s-maxage=60, stale-if-error=30", False, 0, 30),
    ],
)
def test_how_stale_it_may_be_used(
    field: str, must_revalidate: bool, while_revalidating: float | None, if_error: float | None
) -> None:
    """`must-revalidate` goes before all that permits it; None leaves it to the configuration."""
    it = judged(f"Cache-Control: {field}")
    assert it.must_revalidate is must_revalidate
    assert it.stale_while_revalidate_seconds == while_revalidating
    assert it.stale_if_error_seconds == if_error


@pytest.mark.parametrize(
    ("lines", "etag", "last_modified"),
    [
        ((), None, None),
        (('ETag: "a"',), '"a"', None),
        (('ETag: W/"a"',), 'W/"a"', None),
        (('ETag: ""',), '""', None),
        (("ETag: a",), None, None),
        (('ETag: w/"a"',), None, None),
        (('ETag: "a"b"',), None, None),
        (('ETag: "a", "b"',), None, None),
        (('ETag: "' + "a" * 2000 + '"',), None, None),
        ((f"Last-Modified: {http_date(-9)}",), None, http_date(-9)),
        (("Last-Modified: 0",), None, None),
        (("Last-Modified: yesterday",), None, None),
    ],
)
def test_only_valid_validators_are_kept(
    lines: tuple[str, ...], etag: str | None, last_modified: str | None
) -> None:
    it = judged(*lines)
    assert (it.etag, it.last_modified) == (etag, last_modified)


def test_a_redirect_narrows_what_the_response_behind_it_allows() -> None:
    """The validators are dropped: they are those of another URL."""
    behind = judged("Cache-Control: max-age=60, stale-if-error=9", 'ETag: "a"')
    through = behind.narrowed(judged("Cache-Control: max-age=10, must-revalidate"))
    assert through == Freshness(
        store=True,
        lifetime_seconds=10,
        must_revalidate=True,
        stale_while_revalidate_seconds=0,
        stale_if_error_seconds=0,
        etag=None,
        last_modified=None,
    )
    assert not behind.narrowed(judged("Cache-Control: no-store")).store
    assert behind.narrowed(judged()).stale_if_error_seconds == 9


DIRECTIVES = st.sampled_from(
    ["max-age", "s-maxage", "no-store", "private", "no-cache", "=", ",", '"', "\\", " ", "9", "x"]
)
texts = st.one_of(
    st.lists(DIRECTIVES, max_size=20).map("".join),
    st.text(st.characters(max_codepoint=255), max_size=60),
)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(
                ["Cache-Control", "Age", "Date", "Expires", "Vary", "ETag", "Last-Modified"]
            ),
            st.one_of(texts, st.datetimes().map(lambda it: f"{it:%a, %d %b %Y %H:%M:%S} GMT")),
        ),
        max_size=6,
    )
)
def test_no_header_makes_it_fail_or_live_longer_than_it_may(lines: list[tuple[str, str]]) -> None:
    it = freshness_of(
        CIMultiDict(lines), requested_at=NOW, answered_at=NOW, default_seconds=DEFAULT
    )
    assert 0 <= it.lifetime_seconds <= MAX_SECONDS
    bare = ",".join(value for name, value in lines if name == "Cache-Control")
    if '"' not in bare:
        members = [member.partition("=")[0].strip(" \t").lower() for member in bare.split(",")]
        forbids = {"no-store", "private"} & set(members)
        assert not (forbids and it.store)
        assert not ("no-cache" in members and it.lifetime_seconds)
