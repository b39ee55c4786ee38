"""URLs of keys: whatever a key has in it, only the place of `{key}` changes."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from sidecar.origins.address import Template
from sidecar.origins.errors import UnsafeKeyError
from sidecar.origins.url import parse_url

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
PIECES = (
    *(b"/", b"//", b".", b"..", b"%2e", b"%2F", b"%", b"@", b"#", b"?", b"&", b"=", b";", b":"),
    *(b"\\", b"\r\n", b"\x00", b" ", b"+", b"\xff", "ü".encode(), b"[", b"]", b"a", b"b.json"),
)
keys = st.one_of(
    st.binary(min_size=1, max_size=1024),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(b"".join),
)
TEMPLATES = (
    "http://localhost:8080/items/{key}",
    "http://localhost/{key}",
    "https://[::1]:8443/a%20b/{key}/details?full=1",
    "http://127.0.0.1:8080/items/v1-{key}.json",
)


@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
@given(template=st.sampled_from(TEMPLATES), key=keys)
def test_no_key_leaves_its_place_in_the_path(template: str, key: bytes) -> None:
    """Two other readers find the same server, path prefix and suffix, and the key between them."""
    before, _, after = template.partition("{key}")
    try:
        url = Template(template).url_of(key)
    except UnsafeKeyError:
        assert any(segment.strip(b".;") != segment for segment in parts(key)), key
        return
    assert url.startswith(before)
    assert url.endswith(after)
    assert url.isascii()
    split, yarl, expected = urlsplit(url), URL(url, encoded=True), urlsplit(before)
    assert (split.scheme, split.netloc, split.fragment) == (*expected[:2], "")
    assert (split.username, split.port) == (None, expected.port)
    assert str(yarl) == url
    assert (yarl.raw_host, yarl.explicit_port) == (expected.hostname, expected.port)
    assert yarl.raw_path == split.path
    # Neither a client nor a server that normalizes paths goes anywhere else.
    assert URL(url).raw_path.startswith(expected.path) or "%20" in expected.path
    inner = split.path[len(expected.path) : len(split.path) - len(after.partition("?")[0])]
    assert unquote_to_bytes(inner) == key
    assert split.query == after.partition("?")[2]


def parts(key: bytes) -> list[bytes]:
    return key.replace(b"\\", b"/").split(b"/")


@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
@given(key=keys)
def test_no_key_leaves_its_place_in_the_query(key: bytes) -> None:
    """Any key may stand there."""
    url = Template("http://localhost:8080/get?full=1&id={key}&v=2").url_of(key)
    split = urlsplit(url)
    assert (split.netloc, split.path, split.fragment) == ("localhost:8080", "/get", "")
    first, one, last = split.query.split("&")
    assert (first, last) == ("full=1", "v=2")
    assert unquote_to_bytes(one.removeprefix("id=")) == key


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (b"a", "a"),
        (b"a/b", "a/b"),
        (b"a//b", "a%2F%2Fb"),
        (b"/a", "%2Fa"),
        (b"a/", "a%2F"),
        (b"a b+c", "a%20b%2Bc"),
        (b"u@host:1", "u%40host%3A1"),
        (b"a?b#c", "a%3Fb%23c"),
        (b"a\r\nHost: b", "a%0D%0AHost%3A%20b"),
        (b"%2e%2e/a", "%252e%252e/a"),
        (b"...", "..."),
        (b"a..b", "a..b"),
        ("ü".encode(), "%C3%BC"),
    ],
)
def test_what_is_not_unreserved_is_encoded(key: bytes, path: str) -> None:
    url = Template("http://localhost/items/{key}").url_of(key)
    assert url == f"http://localhost/items/{path}"


@pytest.mark.parametrize(
    "key",
    [b".", b"..", b"../a", b"a/../b", b"a/..", b"./a", b"..\\a", b"a\\..", b"..;/a", b"/../a"],
)
def test_a_key_with_a_dot_segment_is_refused_in_a_path(key: bytes) -> None:
    with pytest.raises(UnsafeKeyError, match="has no segment"):
        Template("http://localhost/items/{key}").url_of(key)


@pytest.mark.parametrize(("template", "key"), [("/a.{key}", b"./b"), ("/{key}./b", b".")])
def test_a_key_makes_no_dot_segment_with_its_surroundings(template: str, key: bytes) -> None:
    """`/a.{key}` may have the key `./b`: its first segment is `a..`."""
    it = Template(f"http://localhost{template}")
    if template.startswith("/a"):
        assert it.url_of(key) == "http://localhost/a../b"
    else:
        with pytest.raises(UnsafeKeyError):
            it.url_of(key)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("http://localhost/items/", "0 times"),
        ("http://localhost/{key}/{key}", "2 times"),
        ("http://{key}/items", "not a URL"),
        ("http://localhost:{key}/items", "not a URL"),
        ("http://{key}.localhost/", "not a URL"),
        ("http://localhost{key}", "host or port"),
        ("http://localhost:8080{key}/", "not a URL"),
        ("{key}", "not a URL"),
        ("http://user:word@localhost/{key}", "not a URL"),
        ("http://localhost/#{key}", "not a URL"),
        ("http://localhost/{key}#a", "not a URL"),
        ("ftp://localhost/{key}", "not a URL"),
        ("HTTP://localhost/{key}", "not a URL"),
        ("http:/localhost/{key}", "not a URL"),
        ("http://localhost:0/{key}", "not a port"),
        ("http://localhost:65536/{key}", "not a port"),
        ("http://[::g]/{key}", "not a URL"),
        ("http://[1.2]/{key}", "not an IPv6 address"),
        ("http://localhost/../{key}", "with . or .."),
        ("http://localhost/%2e%2e/{key}", "with . or .."),
        ("http://localhost/a%2f..%2f{key}", "with . or .."),
        ("http://localhost/%252e%252e/{key}", "with . or .."),
        ("http://localhost/..{key}", "with . or .."),
        ("http://localhost/a\\b/{key}", "not a URL"),
        ("http://localhost/a b/{key}", "not a URL"),
        ("http://localhost/%zz/{key}", "not a URL"),
        ("http://localhost/\r\n/{key}", "not a URL"),
        ("http://löcalhost/{key}", "not a URL"),
        ("http://localhost/" + "a" * 2048 + "{key}", "2,048 characters"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Template(template)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://localhost:8080/items/b", "http://localhost:8080/items/b"),
        ("/items/b?c=d#e", "http://localhost:8080/items/b?c=d"),
        ("b", "http://localhost:8080/items/b"),
        ("../items/b", "http://localhost:8080/items/b"),
        ("//localhost:8080/items/b", "http://localhost:8080/items/b"),
        ("http://localhost:8081/items/b", None),
        ("http://localhost/items/b", None),
        ("https://localhost:8080/items/b", None),
        ("http://127.0.0.1:8080/items/b", None),
        ("//evil.example/items/b", None),
        ("/\\evil.example/items/b", None),
        ("http://localhost:8080@evil.example/items/b", None),
        ("http://user@localhost:8080/items/b", None),
        ("/admin", None),
        ("/items", None),
        ("/items2/b", None),
        ("/items/../admin", None),
        ("/items/%2e%2e/admin", None),
        ("/items/..%2fadmin", None),
        ("/items/%252e%252e/admin", None),
        ("../admin", None),
        ("file:///etc/passwd", None),
        ("javascript:alert(1)", None),
        ("http://[::1", None),
        ("/items/\udcff", None),
        ("/items/a b", None),
    ],
)
def test_a_redirect_stays_at_the_server_and_below_the_path(
    location: str, target: str | None
) -> None:
    template = Template("http://localhost:8080/items/{key}")
    assert template.redirected(template.url_of(b"a"), location) == target


def test_a_redirect_of_a_template_with_a_query_stays_at_its_path() -> None:
    template = Template("http://localhost/get?id={key}")
    url = template.url_of(b"a")
    assert template.redirected(url, "?id=b") == "http://localhost/get?id=b"
    assert template.redirected(url, "/get/b") == "http://localhost/get/b"
    assert template.redirected(url, "/getter?id=b") is None
    assert template.redirected(url, "/?id=b") is None


@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
@given(text=st.text(max_size=40).map(lambda text: f"http://localhost{text}"))
def test_what_is_read_as_a_url_is_one_to_others(text: str) -> None:
    try:
        url = parse_url(text)
    except ValueError:
        return
    split = urlsplit(text)
    assert (split.scheme, (split.hostname or "").rstrip(".")) == (url.scheme, url.host)
    assert (split.username, split.fragment, split.path) == (None, "", url.path)
    assert split.port in (None, url.port)
