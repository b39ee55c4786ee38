"""The URL of a key: a template with one `{key}` in its path or its query.

No key can change anything but the place of `{key}`: every byte that is not unreserved is
percent-encoded (RFC 3986, section 2.1), so that the key can end neither the path nor the query, and
keys that would lead out of the path are refused.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urljoin

from sidecar.origins.errors import UnsafeKeyError
from sidecar.origins.url import EXAMPLE, Url, has_dot_segment, parse_url

PLACE = "{key}"


class Template:
    """Makes URLs of keys. Raises ValueError with a sentence for text that is no template."""

    __slots__ = ("_after", "_around", "_before", "base")

    def __init__(self, text: str) -> None:
        before, _, after = text.partition(PLACE)
        if text.count(PLACE) != 1:
            raise ValueError(
                f"{text[:100]!r} has {PLACE} {text.count(PLACE)} times instead of once; "
                f"write for example {EXAMPLE}{PLACE}"
            )
        parse_url(f"{before}k{after}")
        self.base = parse_url(before)
        """All before the key: the same in every URL."""
        if not self.base.path:
            raise ValueError(
                f"{text[:100]!r} has {PLACE} in its host or port; write it into the path or the "
                f"query, for example {EXAMPLE}{PLACE}"
            )
        self._before = str(self.base)
        self._after = after
        self._around: tuple[bytes, bytes] | None = None
        if self.base.query is None:
            path_after = after.partition("?")[0]
            self._around = unquote_to_bytes(self.base.path), unquote_to_bytes(path_after)

    def url_of(self, key: bytes) -> str:
        """The URL of a key. Raises UnsafeKeyError.

        In a path, slashes are kept, so that `a/b` is a path of two segments, unless that makes an
        empty segment: servers disagree on those, so `a//b` is one segment, `a%2F%2Fb`.
        """
        if self._around is None:
            return f"{self._before}{quote(key, safe='')}{self._after}"
        before, after = self._around
        if has_dot_segment(before + key + after):
            raise UnsafeKeyError(
                "A key that is part of the origin's path has no segment '.' or '..'."
            )
        safe = "" if b"" in key.split(b"/") else "/"
        return f"{self._before}{quote(key, safe=safe)}{self._after}"

    def redirected(self, url: str, location: str) -> str | None:
        """Where a redirect from `url` leads; None if it leaves the server or the path of all keys
        (RFC 9110, section 10.2.2).
        """
        try:
            target = parse_url(urljoin(url, location.partition("#")[0]))
        except ValueError:
            return None
        is_inside = target.server == self.base.server and self._has(target)
        return str(target) if is_inside else None

    def _has(self, target: Url) -> bool:
        if self.base.query is None:
            return target.path.startswith(self.base.path)
        return is_below(target.path, self.base.path)


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is another one, or below it: `/items` has `/items/1`, but not `/items2`."""
    return path == prefix or path.startswith(f"{prefix.rstrip('/')}/")
